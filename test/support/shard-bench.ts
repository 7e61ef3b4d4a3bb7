/** A shard with its connections, between a played Discord, governor and broker. */
import type { Decompressor } from '../../actors/connection/ports.ts';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import { shard } from '../../actors/shard/actor.ts';
import type { PresenceMemory, SessionStore, ShardWorld } from '../../actors/shard/ports.ts';
import type { ShardNotice } from '../../actors/shard/state.ts';
import type { ActorRef } from '../../protocols/actor.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type {
  IdentifyMessage,
  SessionRecord,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import { SHARD_BACKOFF } from '../../protocols/limits.ts';
import { createActorWorld } from './actor-world.ts';
import { PlayedSockets } from './gateway-sockets.ts';
import { RecordingWriter } from './gateway-writer.ts';

export const SHARD = 2;
export const STORED: SessionRecord = {
  sessionId: 'stored',
  sequence: 10,
  resumeUrl: 'wss://resume.test/',
  shardCount: 4,
  savedAtEpochMs: 1,
};
const PLAIN: Decompressor = { push: (chunk) => chunk, close: () => {} };

type Options = {
  readonly stored?: SessionRecord;
  readonly createDecompressor?: () => Decompressor;
};

export function createShardBench({ stored, createDecompressor = () => PLAIN }: Options = {}) {
  const actors = createActorWorld();
  const sockets = new PlayedSockets();
  const writer = new RecordingWriter();
  const sessions: SessionStore = new SessionDesk([SHARD]);
  if (stored !== undefined) sessions.save(SHARD, stored);
  const notices: ShardNotice[] = [];
  const governed: IdentifyMessage[] = [];
  const governor: ActorRef<IdentifyMessage> = {
    path: 'governor',
    tell: (message) => void governed.push(message),
  };
  const world: ShardWorld = {
    shardCount: 4,
    identity: { token: 'token-of-a-test', intents: 1 },
    mainUrl: 'wss://main.test/',
    connectUrl: (host) => `${new URL(host).href}?v=10&encoding=json`,
    sockets,
    createDecompressor,
    writer,
    events: new EventTable(['READY', 'RESUMED', 'MESSAGE_CREATE'], (event) => writer.route(event)),
    counter: { dispatch: () => {}, control: () => {} },
    onSent: () => {},
    sessions,
    onNotice: (_shard, notice) => notices.push(notice),
  };
  let remembered: string | undefined;
  const presence: PresenceMemory = {
    last: () => remembered,
    remember: (text) => {
      remembered = text;
    },
    forget: () => {
      remembered = undefined;
    },
  };
  const ref: ActorRef<ShardMessage> = actors.system.spawn(
    'shard',
    shard({ shard: SHARD, world, governor: () => governor, broker: () => 'open', presence }),
  );
  const settle = (): Promise<void> => actors.system.idle();
  /** Until the next attempt: a new socket, or a place in the governor's line. */
  const wait = async (): Promise<void> => {
    const attempts = (): number =>
      sockets.all.length + governed.filter(({ type }) => type === 'request').length;
    const before = attempts();
    const untilMs = actors.clock.nowMs() + SHARD_BACKOFF.maxMs;
    while (attempts() === before && actors.clock.nowMs() < untilMs) await actors.pass(100);
  };
  const words = (): string[] => governed.splice(0).map(({ type }) => type);
  return { ...actors, ref, sockets, writer, sessions, notices, settle, wait, words };
}

export type ShardBench = ReturnType<typeof createShardBench>;

export const event = (s: number): object => ({ t: 'MESSAGE_CREATE', s, op: 0, d: { id: s } });
export const RESUMED = (s: number): object => ({ t: 'RESUMED', s, op: 0, d: null });
export const READY = {
  t: 'READY',
  s: 1,
  op: 0,
  d: { session_id: 'fresh', resume_gateway_url: 'wss://fresh.test/' },
};

/** Until IDENTIFY has been sent. */
export async function identify(bench: ShardBench): Promise<void> {
  bench.ref.tell({ type: 'prepare' });
  await bench.settle();
  bench.sockets.last.greet();
  await bench.settle();
  bench.ref.tell({ type: 'permitted' });
  await bench.settle();
}

/** Until RESUMED has come, on a shard that started with the stored session. */
export async function resumed(bench: ShardBench): Promise<void> {
  await bench.settle();
  bench.sockets.last.greet();
  await bench.settle();
  bench.sockets.last.say(RESUMED(11));
  await bench.settle();
}

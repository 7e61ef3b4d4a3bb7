/**
 * Runs connections that are fed hostile input through all that a connection is made of:
 * decompressor, intake, data plane, and the connection machine, without sockets and actors.
 *
 * Each case opens a connection of a shard, says something hostile where the third event is due, and
 * goes on with true events. Where that closes the connection, the shard resumes on a next one.
 */
import { RESUMABLE_CLOSE_CODE } from '../../actors/connection/ending.ts';
import { Intake } from '../../actors/connection/intake.ts';
import { openConnection, stepConnection } from '../../actors/connection/machine.ts';
import type { Compression, Decompressor } from '../../actors/connection/ports.ts';
import type { ConnectionState } from '../../actors/connection/state.ts';
import { ShardPlane } from '../../actors/shard/dispatch-plane.ts';
import type { EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type { ConnectionMessage } from '../../protocols/gateway/messages.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';
import type { Decoder } from '../../src/gateway/decompression/decoders.ts';
import { createRandom } from '../../src/random.ts';
import { drawHostility, type Framing, framingOf } from './hostile-frames.ts';

const HELLO = Buffer.from('{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}');
const READY = Buffer.from(
  '{"t":"READY","s":1,"op":0,"d":{"session_id":"session","resume_gateway_url":"wss://resume.test"}}',
);
const resumedOf = (sequence: number): Buffer =>
  Buffer.from(`{"t":"RESUMED","s":${sequence},"op":0,"d":{}}`);
const dataOf = (sequence: number): string =>
  `{"id":"${sequence}","content":"“${'héllo 🎉 '.repeat(sequence % 7)}”","tags":[${sequence}]}`;
const eventOf = (sequence: number): Buffer =>
  Buffer.from(`{"t":"MESSAGE_CREATE","s":${sequence},"op":0,"d":${dataOf(sequence)}}`);

/** The number of the event in whose place something hostile comes. */
const DUE = 4;
const COMPARED_MAX_BYTES = 4096;
const FACTS = { nowMs: 0, random: 0.5 };

type Published = { readonly sequence: number; readonly body: Buffer };

class KeepingWriter implements EventWriter {
  readonly published: Published[] = [];

  route(event: string): number {
    return event.length;
  }

  write(
    _route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    if (start >= end || end > source.length) throw new Error('the range of an event is none');
    this.published.push({ sequence, body: Buffer.from(source.subarray(start, end)) });
    origin.confirmed(sequence);
    return true;
  }

  onceRoom(): void {}
}

/** What shards of a process share. */
class Bench {
  readonly writer = new KeepingWriter();
  readonly table = new EventTable(DISPATCH_EVENTS, (event) => this.writer.route(event));
  readonly decoder: Decoder;
  readonly #framing: Framing;
  readonly #made = new Map<string, Buffer>();

  constructor(compression: Compression, decoder: Decoder) {
    this.decoder = decoder;
    this.#framing = framingOf(compression);
  }

  hello(): Buffer {
    return this.#kept('hello', () => this.#framing.first(HELLO));
  }

  /** True messages are the same in most cases, and made once. */
  message(message: Buffer): Buffer {
    return this.#kept(message.toString(), () => this.#framing.next(message));
  }

  #kept(name: string, make: () => Buffer): Buffer {
    const kept = this.#made.get(name) ?? make();
    this.#made.set(name, kept);
    return kept;
  }

  openShard(): ShardPlane {
    const counter = { dispatch: () => {}, control: () => {} };
    return new ShardPlane(0, this.writer, this.table, counter, () => {});
  }
}

class HostileConnection {
  closedWith: number | undefined;
  /** Whether the last WebSocket message was only a part of a gateway message. */
  isWaiting = false;
  readonly #bench: Bench;
  readonly #plane: ShardPlane;
  readonly #intake: Intake;
  #state: ConnectionState = openConnection().state;

  constructor(bench: Bench, plane: ShardPlane) {
    this.#bench = bench;
    this.#plane = plane;
    const owner = { path: 'connection', tell: (message: ConnectionMessage) => this.tell(message) };
    this.#intake = new Intake(this.#watched(bench.decoder.create()), plane, owner);
    this.tell({ type: 'opened' });
  }

  get ending(): string | undefined {
    return this.#state.ending?.kind;
  }

  /** Whether it is open, and all that came was whole. */
  get isOpen(): boolean {
    return this.closedWith === undefined && !this.isWaiting;
  }

  tell(message: ConnectionMessage): void {
    const { frames, dispatches } = this.#plane;
    const { state, effects } = stepConnection(this.#state, message, {
      ...FACTS,
      frames,
      dispatches,
    });
    this.#state = state;
    for (const effect of effects) {
      if (effect.type === 'close') this.closedWith ??= effect.code;
      if (effect.type === 'terminate') this.closedWith ??= 1006;
    }
  }

  receive(chunk: Uint8Array): void {
    this.#intake.take(chunk);
  }

  /** The socket is gone. */
  end(): void {
    this.tell({ type: 'closed', code: this.closedWith ?? 1006, detail: '' });
    this.#intake.close();
  }

  /** Looks at each message on its way, and at what is published of it. */
  #watched(decompressor: Decompressor): Decompressor {
    const { published } = this.#bench.writer;
    let message: Buffer | undefined;
    let before = published.length;
    const settle = (): void => {
      if (message !== undefined) checkPublished(message, published.slice(before));
      message = undefined;
      before = published.length;
    };
    return {
      push: (chunk) => {
        settle();
        const found = decompressor.push(chunk);
        this.isWaiting = found === undefined;
        if (found !== undefined && found.length > GATEWAY_MESSAGE_MAX_BYTES) {
          throw new Error(`${found.length} bytes are more than a message may have`);
        }
        message = found && Buffer.from(found);
        return found;
      },
      close: () => {
        settle();
        decompressor.close();
      },
    };
  }
}

/**
 * A message gives at most one event, and that is its `d`: as JSON has it, or at least one balanced
 * value.
 */
function checkPublished(message: Buffer, published: readonly Published[]): void {
  const [event, another] = published;
  if (event === undefined) return;
  if (another !== undefined) throw new Error('two events were made of one message');
  if (!isBalanced(event.body)) throw new Error(`published what is no value: ${event.body}`);
  const payload = parsed(message);
  if (payload === undefined) return;
  const { d, s, op } = payload as { d?: unknown; s?: unknown; op?: unknown };
  if (op !== 0 || s !== event.sequence) throw new Error('published what is no such event');
  // Deeper values than fit into this do not fit onto the stack of JSON.stringify either.
  const isShallow = message.length <= COMPARED_MAX_BYTES;
  if (isShallow && JSON.stringify(parsed(event.body)) !== JSON.stringify(d)) {
    throw new Error(`published ${event.body} of ${message}`);
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('latin1'));
  } catch {
    return undefined;
  }
}

/** Whether every bracket that is opened outside of strings is closed, and every string. */
function isBalanced(body: Buffer): boolean {
  const outside = body.toString('latin1').replace(/"(?:[^"\\]|\\[\s\S])*"/g, '0');
  const open = outside.match(/[[{]/g)?.length ?? 0;
  const closed = outside.match(/[\]}]/g)?.length ?? 0;
  return outside.length > 0 && open === closed && !outside.includes('"');
}

/** How many cases ended in which way. */
export type Tally = Map<string, number>;

/** @throws with the number of the case that goes wrong, which with the seed draws it again */
export function runHostileCases(
  compression: Compression,
  decoder: Decoder,
  cases: number,
  seed: number,
): Tally {
  const bench = new Bench(compression, decoder);
  const tally: Tally = new Map();
  for (let index = 0; index < cases; index++) {
    const random = createRandom(seed + index);
    const { kind, chunks } = drawHostility(compression, random, eventOf(DUE), DUE);
    try {
      const outcome = runCase(bench, chunks, kind.startsWith('wire'));
      const name = `${kind}: ${outcome}`;
      tally.set(name, (tally.get(name) ?? 0) + 1);
    } catch (cause) {
      throw new Error(`seed ${seed + index}, ${kind}: ${String(cause)}`, { cause });
    }
  }
  return tally;
}

function runCase(bench: Bench, chunks: readonly Uint8Array[], isWire: boolean): string {
  const { published } = bench.writer;
  const plane = bench.openShard();
  const hostile = new HostileConnection(bench, plane);
  hostile.receive(bench.hello());
  hostile.tell({ type: 'identify' });
  for (const message of [READY, eventOf(2), eventOf(3)]) hostile.receive(bench.message(message));
  expectTail(published, [1, 2, 3]);
  for (const chunk of chunks) hostile.receive(chunk);

  const before = published.length;
  const next = (plane.sequence ?? 0) + 1;
  hostile.receive(bench.message(eventOf(next)));
  // A decoder that believes a wrong length gives each message late: the next one has to show it.
  const isBehind = isWire && hostile.isOpen && published.at(-1)?.sequence !== next;
  if (isBehind) hostile.receive(bench.message(eventOf(next + 1)));
  const outcome = outcomeOf(hostile, published.slice(before), next);
  hostile.end();

  const resumed = new HostileConnection(bench, plane);
  const first = (plane.sequence ?? 0) + 1;
  resumed.receive(bench.hello());
  for (const message of [eventOf(first), eventOf(first + 1), resumedOf(first + 2)]) {
    resumed.receive(bench.message(message));
  }
  expectTail(published, [first, first + 1, first + 2]);
  if (resumed.closedWith !== undefined) throw new Error('the next connection was closed');
  resumed.end();
  published.length = 0;
  return outcome;
}

/** Either the connection goes on, or it is closed so that its session lives. */
function outcomeOf(
  hostile: HostileConnection,
  published: readonly Published[],
  next: number,
): string {
  const { closedWith, ending } = hostile;
  if (closedWith === undefined) {
    // Bytes are missing in the stream: the heartbeats will find out that nothing comes of it.
    if (hostile.isWaiting) return 'waits';
    if (published[0]?.sequence !== next) throw new Error('an open connection lost an event');
    return 'goes on';
  }
  if (closedWith !== RESUMABLE_CLOSE_CODE) throw new Error(`closed with ${closedWith}`);
  const isSaid = ending === 'garbled' || ending === 'reconnect' || ending === 'invalid-session';
  if (!isSaid) throw new Error(`closed because of ${ending}`);
  // Until Discord answers the close frame, what it sends is taken; after garbage it is not.
  if (ending === 'garbled' && published.length > 0) throw new Error('published after garbage');
  return ending;
}

function expectTail(published: readonly Published[], sequences: readonly number[]): void {
  const tail = published.slice(-sequences.length);
  tail.forEach(({ sequence, body }, index) => {
    const isEvent = sequence !== 1 && body.length > 2;
    if (sequence !== sequences[index]) throw new Error(`${sequence} is not ${sequences[index]}`);
    if (isEvent && body.toString() !== dataOf(sequence)) throw new Error(`${sequence} is changed`);
  });
  if (tail.length !== sequences.length) throw new Error('events are missing');
}

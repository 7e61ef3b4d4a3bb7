/**
 * A whole gateway tree against the simulated Discord on virtual time: the real actors, the real
 * machines, a network in memory, and a broker that confirms late, refuses and loses as its seed
 * says.
 */

import type { CommandOutcome } from '../../actors/commands/ports.ts';
import type { SocketFactory } from '../../actors/connection/ports.ts';
import type { IdentifyStatus } from '../../actors/identify/actor.ts';
import type { AskDiscord, IdentifyLedger } from '../../actors/identify/ports.ts';
import type { IdentifyNotice } from '../../actors/identify/state.ts';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import type { SessionStore } from '../../actors/shard/ports.ts';
import type { ShardNotice } from '../../actors/shard/state.ts';
import type { Broker, BrokerState, EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS, PRIVILEGED_INTENT_BITS } from '../../protocols/discord/intents.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import { loadDecoder } from '../../src/gateway/decompression/decoders.ts';
import { sessionStarts } from '../../src/gateway/gateway-bot.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { createRandom } from '../../src/random.ts';
import { storedZstdStream } from '../../src/simulator/compression.ts';
import { SimulatedDiscord } from '../../src/simulator/discord.ts';
import type { GatewayOptions } from '../../src/simulator/gateway/options.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { VirtualNetwork } from '../../src/simulator/virtual-link.ts';
import { startGatewayTree } from '../../supervisors/gateway.ts';
import { RecordingLog } from './recording-log.ts';

export type SimulationOptions = {
  readonly seed: number;
  readonly shards: number;
  readonly compression?: 'none' | 'zlib-stream' | 'zstd-stream';
  readonly gateway?: Partial<GatewayOptions>;
  /** The chance that the broker refuses an event. */
  readonly refusal?: number;
  /** The chance that the broker loses an event that it took. */
  readonly loss?: number;
  /** All that need no approval, unless given. */
  readonly intents?: number;
  /** The shards that this gateway runs, when it is not all of them. */
  readonly owned?: readonly number[];
  /** The way of commands to other gateways. */
  readonly others?: Pick<Broker, 'publish' | 'call'>;
  /**
   * What the governor asks of the world; a ledger in memory and the simulated Discord unless given.
   */
  readonly ledger?: (clock: Clock) => IdentifyLedger;
  readonly askDiscord?: AskDiscord;
  /** Session starts that are never used; none unless given. */
  readonly floor?: number;
  /** The gateway's sessions, of an earlier gateway perhaps. */
  readonly sessions?: SessionStore;
  /** A simulation that this gateway is to share its clock and its Discord with. */
  readonly beside?: { readonly clock: VirtualClock; readonly discord: SimulatedDiscord };
  /** What the gateway's actors run on, when it is not the world's own clock. */
  readonly process?: { readonly clock: Clock; readonly system: ActorSystem };
  /** Stands between the connections and the network. */
  readonly watchSockets?: (sockets: SocketFactory) => SocketFactory;
};

/**
 * Where an actor of the tree can be made to throw: each is called within a handler of that actor.
 */
export type CrashSite = 'connection' | 'data-plane' | 'shard' | 'session-store' | 'identify';

const PARSED_MAX_BYTES = 8192;
const decoder = new TextDecoder();

const DECODERS = {
  none: await loadDecoder('none'),
  'zlib-stream': await loadDecoder('zlib-stream'),
  'zstd-stream': await loadDecoder('zstd-stream'),
};

/**
 * An event is with the broker so long after it was written, at most; then it may still be
 * unconfirmed.
 */
const ARRIVAL_MAX_MS = 30;
export const CONFIRM_MAX_MS = 300;

/** A broker that takes an event and confirms it after a random while, out of order. */
export class SimulatedWriter implements EventWriter {
  /** The ids of all events that it has got, in the order of writing, by shard. */
  readonly delivered = new Map<number, string[]>();
  readonly names: string[] = [];
  refusal: number;
  loss: number;
  /** How long it takes to confirm an event, at most. */
  confirmMaxMs = CONFIRM_MAX_MS;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The latest events that have not arrived yet: the shard of each, and when it does. */
  #onTheWay: { readonly shard: number; readonly arrivesAtMs: number }[] = [];

  constructor(clock: Clock, random: Random, refusal: number, loss: number) {
    this.#clock = clock;
    this.#random = random;
    this.refusal = refusal;
    this.loss = loss;
  }

  route(event: string): number {
    return this.names.push(event) - 1;
  }

  write(
    _route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    if (this.#random() < this.refusal) return false;
    // What is handed over is JSON, which the consumer parses; to parse every large guild takes too
    // long.
    if (end - start < PARSED_MAX_BYTES) {
      JSON.parse(decoder.decode(source.subarray(start, end)));
    }
    const isLost = this.#random() < this.loss;
    if (!isLost) this.#deliver(origin, sequence);
    const confirmMs = ARRIVAL_MAX_MS + this.#random() * this.confirmMaxMs;
    this.#clock.setTimer(confirmMs, () => {
      if (isLost) origin.lost(sequence);
      else origin.confirmed(sequence);
    });
    return true;
  }

  /** There is soon room: what it refuses, it refuses by chance. */
  onceRoom(listener: () => void): void {
    this.#clock.setTimer(this.#random() * 200, listener);
  }

  /** The process dies: what had not arrived never will. */
  kill(): void {
    for (const { shard } of this.#pending()) this.delivered.get(shard)?.pop();
    this.#onTheWay = [];
  }

  #deliver(origin: EventOrigin, sequence: number): void {
    const { shard, session } = origin;
    const ids = this.delivered.get(shard) ?? [];
    ids.push(`${session}:${sequence}`);
    this.delivered.set(shard, ids);
    const earliestMs = this.#onTheWay.at(-1)?.arrivesAtMs ?? 0;
    const arrivesAtMs = this.#clock.nowMs() + this.#random() * ARRIVAL_MAX_MS;
    this.#onTheWay = this.#pending();
    this.#onTheWay.push({ shard, arrivesAtMs: Math.max(earliestMs, arrivesAtMs) });
  }

  #pending() {
    const nowMs = this.#clock.nowMs();
    return this.#onTheWay.filter(({ arrivesAtMs }) => arrivesAtMs > nowMs);
  }
}

/** What GET /gateway/bot says now. */
export function wordOf(discord: SimulatedDiscord): SessionStarts {
  return sessionStarts({ session_start_limit: discord.gateway.facts().sessionStartLimit });
}

export function startSimulation(options: SimulationOptions) {
  const { seed, shards } = options;
  const clock = options.beside?.clock ?? new VirtualClock();
  const random = createRandom(seed ^ 0x5bd1e995);
  const log = new RecordingLog();
  const discord =
    options.beside?.discord ??
    new SimulatedDiscord({
      clock,
      seed,
      guildCount: 2,
      ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    });
  const system =
    options.process?.system ??
    createActorSystem({ name: `simulation-${seed}`, clock, random, log });
  const ownClock = options.process?.clock ?? clock;
  const writer = new SimulatedWriter(ownClock, random, options.refusal ?? 0, options.loss ?? 0);
  const events = new EventTable(DISPATCH_EVENTS, (name) => writer.route(name));
  const notices: { readonly shard: number; readonly notice: ShardNotice }[] = [];
  const ready = new Set<number>();
  const failures: Error[] = [];
  const statuses: IdentifyStatus[] = [];
  const startNotices: IdentifyNotice[] = [];
  const outcomes: CommandOutcome[] = [];
  let state: BrokerState = 'open';
  const listeners = new Set<(state: BrokerState) => void>();
  const armed = new Set<CrashSite>();
  const crashAt = (site: CrashSite): void => {
    if (armed.delete(site)) throw new Error(`a fault in the ${site}`);
  };
  const shardIds = Array.from({ length: shards }, (_, shard) => shard);
  const sessions = options.sessions ?? new SessionDesk(shardIds);
  const compression = options.compression ?? 'none';
  const { gateway } = discord;
  const network = new VirtualNetwork({ clock, random, gateway, zstd: storedZstdStream });
  const tree = startGatewayTree({
    system,
    shards: options.owned ?? shardIds,
    identify: {
      rules: { floor: options.floor ?? 0, share: (options.owned ?? shardIds).length / shards },
      starts: wordOf(discord),
      ledger: options.ledger?.(ownClock) ?? localLedger(ownClock),
      askDiscord: options.askDiscord ?? (async () => wordOf(discord)),
      onStatus: (status) => {
        crashAt('identify');
        statuses.push(status);
      },
      onNotice: (notice) => startNotices.push(notice),
    },
    onFailure: (error) => failures.push(error),
    commands: { others: options.others, onOutcome: (outcome) => outcomes.push(outcome) },
    broker: {
      get state() {
        return state;
      },
      watch: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    world: {
      shardCount: shards,
      identity: {
        token: SIMULATED_TOKEN,
        intents: options.intents ?? ALL_INTENTS & ~PRIVILEGED_INTENT_BITS,
      },
      mainUrl: discord.gateway.addresses.main,
      connectUrl: (host) => {
        const url = new URL(host);
        url.searchParams.set('v', '10');
        url.searchParams.set('encoding', 'json');
        if (compression !== 'none') url.searchParams.set('compress', compression);
        return url.href;
      },
      sockets: options.watchSockets?.(network) ?? network,
      createDecompressor: DECODERS[compression].create,
      writer,
      events,
      counter: { dispatch: () => crashAt('data-plane'), control: () => {} },
      onSent: () => crashAt('connection'),
      sessions: {
        load: (shard) => sessions.load(shard),
        forget: (shard) => sessions.forget(shard),
        onFenced: (shard, listener) => sessions.onFenced(shard, listener),
        save: (shard, record) => {
          sessions.save(shard, record);
          crashAt('session-store');
        },
      },
      onNotice: (shard, notice) => {
        notices.push({ shard, notice });
        if (notice.kind === 'ready' || notice.kind === 'resumed') ready.add(shard);
        if (notice.kind === 'down' || notice.kind === 'failed' || notice.kind === 'fenced') {
          ready.delete(shard);
        }
        crashAt('shard');
      },
    },
  });
  const end = async (): Promise<void> => {
    let stopped = false;
    const stopping = tree.stop().then(() => {
      stopped = true;
    });
    while (!stopped) {
      await system.idle();
      await new Promise((resolve) => setImmediate(resolve));
      if (!stopped) clock.runNext();
    }
    await stopping;
  };
  return {
    clock,
    discord,
    system,
    writer,
    notices,
    /** The shards that have a session now. */
    ready,
    failures,
    /** How session starts stood, step by step, and what was to be said of them. */
    statuses,
    startNotices,
    outcomes,
    log,
    tree,
    sessions,
    /** The next time that site is passed, its actor throws. */
    crash: (site: CrashSite) => armed.add(site),
    setBroker(next: BrokerState): void {
      state = next;
      for (const listener of listeners) listener(next);
    },
    pass: (ms: number) => clock.advanceSettled(ms, () => system.idle()),
    /** Stops the gateway alone, time passing for those who wait for it. */
    end,
    /** Stops all; a Discord that was there before is left as it is. */
    async stop(): Promise<void> {
      await end();
      if (options.beside === undefined) discord.stop();
    },
  };
}

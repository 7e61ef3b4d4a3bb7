/**
 * A whole gateway tree against the simulated Discord on virtual time: the real actors, the real machines,
 * a network in memory, and a broker that confirms late, refuses and loses as its seed says.
 */

import type { SocketFactory } from '../../actors/connection/ports.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { ShardNotice } from '../../actors/shard/machine.ts';
import type { BrokerState, EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS, PRIVILEGED_INTENT_BITS } from '../../protocols/discord/intents.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import { createDecompressor } from '../../src/gateway/decompression.ts';
import { localSessions } from '../../src/gateway/local-sessions.ts';
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
  /** Stands between the connections and the network. */
  readonly watchSockets?: (sockets: SocketFactory) => SocketFactory;
};

/** Where an actor of the tree can be made to throw: each is called within a handler of that actor. */
export type CrashSite = 'connection' | 'data-plane' | 'shard' | 'session-store' | 'identify';

const PARSED_MAX_BYTES = 8192;

/** A broker that takes an event and confirms it after a random while, out of order. */
export class SimulatedWriter implements EventWriter {
  /** The ids of all events that it confirmed, in the order of writing, by shard. */
  readonly delivered = new Map<number, string[]>();
  readonly names: string[] = [];
  refusal: number;
  loss: number;
  readonly #clock: Clock;
  readonly #random: Random;

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
    // What is handed over is JSON, which the consumer parses; to parse every large guild takes too long.
    if (end - start < PARSED_MAX_BYTES) {
      JSON.parse(new TextDecoder().decode(source.subarray(start, end)));
    }
    const isLost = this.#random() < this.loss;
    if (!isLost) this.#deliver(origin, sequence);
    this.#clock.setTimer(this.#random() * 300, () => {
      if (isLost) origin.lost(sequence);
      else origin.confirmed(sequence);
    });
    return true;
  }

  /** There is soon room: what it refuses, it refuses by chance. */
  onceRoom(listener: () => void): void {
    this.#clock.setTimer(this.#random() * 200, listener);
  }

  #deliver(origin: EventOrigin, sequence: number): void {
    const ids = this.delivered.get(origin.shard) ?? [];
    ids.push(`${origin.session}:${sequence}`);
    this.delivered.set(origin.shard, ids);
  }
}

export function startSimulation(options: SimulationOptions) {
  const { seed, shards } = options;
  const clock = new VirtualClock();
  const random = createRandom(seed ^ 0x5bd1e995);
  const log = new RecordingLog();
  const discord = new SimulatedDiscord({
    clock,
    seed,
    guildCount: 2,
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
  });
  const system = createActorSystem({ name: `simulation-${seed}`, clock, random, log });
  const writer = new SimulatedWriter(clock, random, options.refusal ?? 0, options.loss ?? 0);
  const events = new EventTable(DISPATCH_EVENTS, (name) => writer.route(name));
  const notices: { readonly shard: number; readonly notice: ShardNotice }[] = [];
  const ready = new Set<number>();
  const failures: Error[] = [];
  let state: BrokerState = 'open';
  const listeners = new Set<(state: BrokerState) => void>();
  const armed = new Set<CrashSite>();
  const crashAt = (site: CrashSite): void => {
    if (armed.delete(site)) throw new Error(`a fault in the ${site}`);
  };
  const sessions = localSessions();
  const compression = options.compression ?? 'none';
  const { gateway } = discord;
  const network = new VirtualNetwork({ clock, random, gateway, zstd: storedZstdStream });
  const { sessionStartLimit } = gateway.facts();
  const tree = startGatewayTree({
    system,
    shards: Array.from({ length: shards }, (_, shard) => shard),
    maxConcurrency: sessionStartLimit.max_concurrency,
    budget: {
      total: sessionStartLimit.total,
      remaining: sessionStartLimit.remaining,
      resetAtMs: clock.nowMs() + sessionStartLimit.reset_after,
      begun: false,
    },
    onBudget: () => crashAt('identify'),
    onFailure: (error) => failures.push(error),
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
      identity: { token: SIMULATED_TOKEN, intents: ALL_INTENTS & ~PRIVILEGED_INTENT_BITS },
      mainUrl: discord.gateway.addresses.main,
      connectUrl: (host) => {
        const url = new URL(host);
        url.searchParams.set('v', '10');
        url.searchParams.set('encoding', 'json');
        if (compression !== 'none') url.searchParams.set('compress', compression);
        return url.href;
      },
      sockets: options.watchSockets?.(network) ?? network,
      createDecompressor: () => createDecompressor(compression),
      writer,
      events,
      counter: { dispatch: () => crashAt('data-plane'), control: () => {} },
      onSent: () => crashAt('connection'),
      sessions: {
        ...sessions,
        save: (shard, record) => {
          sessions.save(shard, record);
          crashAt('session-store');
        },
      },
      onNotice: (shard, notice) => {
        crashAt('shard');
        notices.push({ shard, notice });
        if (notice.kind === 'ready' || notice.kind === 'resumed') ready.add(shard);
        if (notice.kind === 'down' || notice.kind === 'failed') ready.delete(shard);
      },
    },
  });
  return {
    clock,
    discord,
    system,
    writer,
    notices,
    /** The shards that have a session now. */
    ready,
    failures,
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
    /** Stops all, time passing for those who wait for it. */
    async stop(): Promise<void> {
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
      discord.stop();
    },
  };
}

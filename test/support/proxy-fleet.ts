/** Several proxies that share their limits, in front of one simulated REST API, on virtual time. */
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { RestMethod, RestOutcome } from '../../protocols/proxy.ts';
import { createRandom } from '../../src/random.ts';
import { Credentials } from '../../src/simulator/gateway/credentials.ts';
import type { RestOptions } from '../../src/simulator/rest/options.ts';
import { SimulatedRest } from '../../src/simulator/rest/simulated-rest.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { type ProxyTree, startProxyTree } from '../../supervisors/proxy.ts';
import { RecordingLog } from './recording-log.ts';
import { MemoryLimits, MemoryStore } from './shared-store.ts';
import {
  type Network,
  NO_METRICS,
  QUIET_NETWORK,
  requestOf,
  type SendOptions,
  SimulatedUpstream,
  TOKENS,
} from './simulated-upstream.ts';

export type FleetOptions = Partial<RestOptions> & {
  readonly proxies: number;
  readonly seed?: number;
  readonly network?: Network;
  /** The longest way from a proxy to the store. */
  readonly storeMs?: number;
  /** The part of the store's words that never arrive. */
  readonly wordLoss?: number;
  readonly globalLimit?: number;
};

export type FleetSent = { readonly proxy: number; outcome: RestOutcome | null; settledMs: number };

export type FleetProxy = {
  readonly tree: ProxyTree;
  readonly upstream: SimulatedUpstream;
  readonly limits: MemoryLimits;
  isDead: boolean;
};

export class ProxyFleet {
  readonly clock = new VirtualClock();
  readonly log = new RecordingLog();
  readonly store = new MemoryStore(this.clock);
  readonly rest: SimulatedRest;
  readonly proxies: readonly FleetProxy[];
  readonly sent: FleetSent[] = [];
  readonly #systems: readonly ActorSystem[];

  constructor(options: FleetOptions) {
    const { seed = 1, network = QUIET_NETWORK, storeMs = 2, globalLimit = 50 } = options;
    const { wordLoss = 0.2 } = options;
    const { clock, log } = this;
    const random = createRandom(seed);
    this.#systems = Array.from({ length: options.proxies }, (_, index) =>
      createActorSystem({
        name: `proxy-${index}`,
        clock: skewed(clock, skewMs(index)),
        random,
        log,
      }),
    );
    const ports = {
      clock,
      random,
      world: createWorld({ seed, guildCount: 1, startEpochMs: clock.epochMs() }),
      credentials: new Credentials(TOKENS),
      gatewayFacts: () => {
        throw new Error('not asked for');
      },
      publish: () => {},
    };
    this.rest = new SimulatedRest(ports, options);
    this.proxies = this.#systems.map((system, index) => {
      const limits = new MemoryLimits(this.store, {
        proxy: `proxy-${index}`,
        firstRequest: index * 1_000_000,
        random,
        wayMs: storeMs * (index + 1),
        skewMs: -skewMs(index),
        wordLoss,
      });
      const upstream = new SimulatedUpstream(this.rest, clock, random, network);
      const tree = startProxyTree({
        system,
        upstream,
        clock: skewed(clock, skewMs(index)),
        log,
        metrics: NO_METRICS,
        globalLimit,
        sharedLimits: limits,
      });
      return { tree, upstream, limits, isDead: false };
    });
  }

  /** Through one of the proxies. */
  send(proxy: number, method: RestMethod, path: string, options: SendOptions = {}): FleetSent {
    const record: FleetSent = { proxy, outcome: null, settledMs: 0 };
    this.sent.push(record);
    const request = requestOf(method, `${path}?n=${this.sent.length}`, options);
    void this.#proxy(proxy)
      .tree.submit(request)
      .outcome.then((outcome) => {
        if (record.outcome !== null) throw new Error('a request has two fates');
        record.outcome = outcome;
        record.settledMs = this.clock.nowMs();
        if (outcome.kind === 'answered') outcome.answer.discard();
      });
    return record;
  }

  /** Ends a proxy as `kill -9` does: what it has in the air arrives, and it hears of nothing. */
  kill(proxy: number): void {
    const killed = this.#proxy(proxy);
    killed.isDead = true;
    killed.limits.die();
    void killed.tree.stop();
  }

  pass(ms: number): Promise<void> {
    const idle = async (): Promise<void> => {
      await Promise.all(this.#systems.map((system) => system.idle()));
    };
    return this.clock.advanceSettled(ms, idle);
  }

  /** Lets time pass until nothing is under way; returns the time of the last send. */
  async finish(withinMs: number): Promise<number> {
    const endMs = this.clock.nowMs() + withinMs;
    while (this.clock.nowMs() < endMs && this.proxies.some(({ tree }) => tree.requests > 0)) {
      await this.pass(50);
    }
    return Math.max(
      ...this.proxies.flatMap(({ upstream }) => upstream.sends.map((one) => one.atMs)),
    );
  }

  #proxy(index: number): FleetProxy {
    const proxy = this.proxies[index];
    if (proxy === undefined) throw new RangeError(`there is no proxy ${index}`);
    return proxy;
  }
}

/** No two machines have the same monotonic clock. */
const skewMs = (index: number): number => 1_000_000 * index;

const skewed = (clock: VirtualClock, byMs: number): Clock => ({
  nowMs: () => clock.nowMs() + byMs,
  epochMs: () => clock.epochMs() + byMs,
  setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
});

/** The status Discord answered with, or the kind of another outcome, or null while there is none. */
export function fateOf({ outcome }: FleetSent): number | string | null {
  if (outcome === null) return null;
  return outcome.kind === 'answered' ? outcome.answer.status : outcome.kind;
}

/** Several proxies that share their limits, in front of one simulated REST API, on virtual time. */
import type { Clock } from '../../protocols/ports.ts';
import type { RestMethod } from '../../protocols/proxy.ts';
import { RedisLimits } from '../../src/proxy/limits/redis-limits.ts';
import type { RestOptions } from '../../src/simulator/rest/options.ts';
import {
  createProxyStage,
  createSurroundings,
  type ProxyStage,
  type ProxyStageOptions,
  type Send,
  type SendOptions,
  type Sent,
} from './simulated-upstream.ts';
import { StoreHost, StoreWay } from './store-way.ts';

export type FleetOptions = Partial<RestOptions> &
  Omit<ProxyStageOptions, 'sharedLimits'> & {
    readonly proxies: number;
    readonly seed?: number;
    /**
     * The longest way to the store of the first proxy; of the second it is twice as long, and so
     * on.
     */
    readonly storeMs?: number;
    /** The part of the store's words that never arrive. */
    readonly wordLoss?: number;
    /** How many proxies each of them knows there to be at least. */
    readonly proxiesMin?: number;
  };

export type FleetProxy = ProxyStage & {
  readonly way: StoreWay;
  readonly limits: RedisLimits;
  /** When it was killed. */
  deadMs: number | null;
};

export class ProxyFleet {
  readonly host: StoreHost;
  /** All there ever were, in the order in which they were started. */
  readonly proxies: FleetProxy[] = [];
  /** What was asked of any of them, in order. */
  readonly sent: Sent[] = [];
  #started = 0;
  readonly #surroundings: ReturnType<typeof createSurroundings>;
  readonly #options: FleetOptions;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#surroundings = createSurroundings(options);
    this.host = new StoreHost(this.clock);
  }

  get clock() {
    return this.#surroundings.clock;
  }

  get rest() {
    return this.#surroundings.rest;
  }

  get log() {
    return this.#surroundings.log;
  }

  /** What any of them has sent, in order. */
  get sends(): readonly Send[] {
    return this.proxies
      .flatMap(({ upstream }) => upstream.sends)
      .sort((one, other) => one.atMs - other.atMs);
  }

  get requests(): number {
    return this.proxies.reduce((sum, { tree }) => sum + tree.requests, 0);
  }

  /**
   * Starts one more, while time passes; like the service, it takes requests once it has reached the
   * store or tried to.
   */
  async join(): Promise<FleetProxy> {
    const { storeMs = 2, wordLoss = 0.2, proxiesMin = 1 } = this.#options;
    const { random, clock, log } = this.#surroundings;
    const index = this.#started++;
    const ownClock = skewed(clock, 1_000_000 * index);
    const way = new StoreWay(this.host, { random, wayMs: storeMs * (index + 1), wordLoss });
    const { address = `192.0.2.${index + 1}` } = this.#options;
    const limits = new RedisLimits({
      store: way,
      prefix: 'test',
      proxiesMin,
      proxy: `proxy-${index}`,
      address,
      clock: ownClock,
      random,
      log,
      counted: () => {},
      wentAway: () => {},
    });
    await limits.start(new AbortController().signal);
    const stage = createProxyStage(this.#surroundings, `proxy-${index}`, ownClock, {
      ...this.#options,
      sharedLimits: limits,
      address,
    });
    const proxy: FleetProxy = { ...stage, way, limits, deadMs: null };
    this.proxies.push(proxy);
    return proxy;
  }

  /** Through one of the proxies. */
  send(index: number, method: RestMethod, path: string, options: SendOptions = {}): Sent {
    const sent = this.#proxy(index).send(method, path, options);
    this.sent.push(sent);
    return sent;
  }

  /** Ends a proxy as `kill -9` does: what it has in the air arrives, and it hears of nothing. */
  kill(index: number): void {
    const killed = this.#proxy(index);
    killed.deadMs = this.clock.nowMs();
    killed.way.cut('silent');
    void killed.tree.stop();
    void killed.limits.close();
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceSettled(ms, () => this.#idle());
  }

  /** Lets time pass until nothing is under way; returns the time of the last send. */
  async finish(withinMs: number): Promise<number> {
    const endMs = this.clock.nowMs() + withinMs;
    while (this.clock.nowMs() < endMs && this.requests > 0) await this.pass(50);
    return this.sends.at(-1)?.atMs ?? 0;
  }

  async #idle(): Promise<void> {
    await Promise.all(this.proxies.map(({ system }) => system.idle()));
  }

  /** Lets time pass until something has settled. */
  async until(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone) await this.pass(1);
    await done;
  }

  #proxy(index: number): FleetProxy {
    const proxy = this.proxies[index];
    if (proxy === undefined) throw new RangeError(`there is no proxy ${index}`);
    return proxy;
  }
}

export async function startFleet(options: FleetOptions): Promise<ProxyFleet> {
  const fleet = new ProxyFleet(options);
  for (let index = 0; index < options.proxies; index++) await fleet.until(fleet.join());
  return fleet;
}

/** No two machines have the same monotonic clock. */
const skewed = (clock: Clock, byMs: number): Clock => ({
  nowMs: () => clock.nowMs() + byMs,
  epochMs: () => clock.epochMs() + byMs,
  setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type IdentifyBudget,
  type IdentifyInput,
  type IdentifyState,
  startIdentify,
  stepIdentify,
} from '../../actors/identify/machine.ts';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import type { Random, Timer } from '../../protocols/ports.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

/** How one shard behaves; each time is drawn anew for each attempt. */
type Manner = {
  /** The longest time from being called to HELLO, and from a permit to the frame. */
  readonly helloMaxMs: number;
  readonly sendMaxMs: number;
  /** The chance that its socket closes before HELLO, while it waits, and between permit and frame. */
  readonly closeShare: number;
  /** The chance that it crashes, and forgets to give its place back. */
  readonly crashShare: number;
};

const manner: fc.Arbitrary<Manner> = fc.record({
  helloMaxMs: fc.constantFrom(0, 300, 8_000, 2 * IDENTIFY_PREPARE_TIMEOUT_MS),
  sendMaxMs: fc.constantFrom(0, 20, 3_000),
  closeShare: fc.constantFrom(0, 0.1, 0.4),
  crashShare: fc.constantFrom(0, 0.1),
});

const world = fc.record({
  maxConcurrency: fc.integer({ min: 1, max: 4 }),
  manners: fc.array(manner, { minLength: 1, maxLength: 10 }),
  total: fc.integer({ min: 1, max: 40 }),
  spent: fc.nat({ max: 40 }),
  resetInMs: fc.constantFrom(0, 30_000, 3 * 60 * 60_000),
  seed: fc.nat(),
});

type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;

type Phase = 'asleep' | 'queued' | 'connecting' | 'greeted' | 'starting' | 'ready';

/** A gateway in which nothing but the governor is real. */
class Gateway {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly sent: { readonly key: number; readonly shard: number; readonly atMs: number }[] = [];
  readonly permitted = new Map<number, number>();
  readonly phases: Phase[];
  /** Requests and calls of each key, in order. */
  readonly requested: number[][];
  readonly called: number[][];
  readonly #world: World;
  readonly #timers = new Map<string, Timer>();
  readonly #steps: (Timer | undefined)[] = [];
  state: IdentifyState;
  /** From here on every shard does what it should. */
  tame = false;

  constructor(world: World) {
    this.#world = world;
    this.random = createRandom(world.seed);
    const budget: IdentifyBudget = {
      total: world.total,
      remaining: Math.max(0, world.total - world.spent),
      resetAtMs: world.resetInMs,
      begun: true,
    };
    this.state = startIdentify(world.maxConcurrency, budget, 0);
    this.phases = world.manners.map(() => 'asleep');
    this.requested = Array.from({ length: world.maxConcurrency }, () => []);
    this.called = Array.from({ length: world.maxConcurrency }, () => []);
    for (const [shard] of world.manners.entries()) this.#request(shard);
  }

  key(shard: number): number {
    return shard % this.#world.maxConcurrency;
  }

  #tell(input: IdentifyInput): void {
    const step = stepIdentify(this.state, input, this.clock.nowMs());
    this.state = step.state;
    expect(step.state.budget.remaining).toBeGreaterThanOrEqual(0);
    expect(step.state.budget.remaining).toBeLessThanOrEqual(step.state.budget.total);
    for (const effect of step.effects) {
      switch (effect.type) {
        case 'tell':
          // A message takes its time like any other.
          this.clock.setTimer(0, () => this.#hear(effect.shard, effect.message));
          break;
        case 'arm':
          this.#arm(`${effect.timer}-${effect.key}`, effect.delayMs, {
            type: effect.timer,
            key: effect.key,
          });
          break;
        case 'disarm':
          this.#timers.get(`${effect.timer}-${effect.key}`)?.cancel();
          break;
        case 'arm-budget-reset':
          this.#arm('budget', effect.delayMs, { type: 'budget-reset' });
          break;
      }
    }
  }

  #arm(name: string, delayMs: number, input: IdentifyInput): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(
      name,
      this.clock.setTimer(delayMs, () => this.#tell(input)),
    );
  }

  #later(shard: number, maxMs: number, step: () => void): void {
    this.#steps[shard]?.cancel();
    const delayMs = Math.floor(this.random() * maxMs);
    this.#steps[shard] = this.clock.setTimer(delayMs, () => {
      this.#steps[shard] = undefined;
      step();
    });
  }

  #request(shard: number): void {
    this.phases[shard] = 'queued';
    this.requested[this.key(shard)]?.push(shard);
    this.#tell({ type: 'request', shard });
  }

  #hear(shard: number, message: 'prepare' | 'permitted'): void {
    if (message === 'prepare') this.#prepare(shard);
    else this.#permitted(shard);
  }

  #prepare(shard: number): void {
    switch (this.phases[shard]) {
      case 'queued':
        this.called[this.key(shard)]?.push(shard);
        this.phases[shard] = 'connecting';
        this.#attempt(shard, this.#manner(shard).helloMaxMs, () => {
          this.phases[shard] = 'greeted';
          this.#tell({ type: 'prepared', shard });
          this.#attempt(shard, 60_000, () => {});
        });
        break;
      case 'connecting':
        break;
      case 'greeted':
        this.#tell({ type: 'prepared', shard });
        break;
      default:
        this.#tell({ type: 'release', shard });
    }
  }

  #permitted(shard: number): void {
    const key = this.key(shard);
    if (this.phases[shard] !== 'greeted') {
      this.#tell({ type: 'release', shard });
      return;
    }
    this.permitted.set(key, (this.permitted.get(key) ?? 0) + 1);
    this.phases[shard] = 'starting';
    this.#attempt(shard, this.#manner(shard).sendMaxMs, () => {
      this.sent.push({ key, shard, atMs: this.clock.nowMs() });
      this.#tell({ type: 'used', shard });
      this.phases[shard] = 'ready';
      // Now and then a session dies, and another is needed.
      if (!this.tame && this.random() < 0.3) {
        this.#later(shard, 20_000, () => this.#request(shard));
      }
    });
  }

  #manner(shard: number): Manner {
    const kind = { helloMaxMs: 100, sendMaxMs: 10, closeShare: 0, crashShare: 0 };
    return (this.tame ? undefined : this.#world.manners[shard]) ?? kind;
  }

  /** `step` happens within `maxMs`, unless the socket closes or the shard crashes first. */
  #attempt(shard: number, maxMs: number, step: () => void): void {
    const { closeShare, crashShare } = this.#manner(shard);
    const draw = this.random();
    if (draw < crashShare) {
      this.#later(shard, maxMs, () => this.#request(shard));
    } else if (draw < crashShare + closeShare) {
      this.#later(shard, maxMs, () => {
        this.#tell({ type: 'release', shard });
        this.phases[shard] = 'asleep';
        this.#later(shard, 5_000, () => this.#request(shard));
      });
    } else {
      this.#later(shard, maxMs, step);
    }
  }
}

describe('the identify governor, under any schedule', () => {
  it('GP-26, GP-27: leaves a window between two IDENTIFYs of one key, at the moment of sending', () => {
    fc.assert(
      fc.property(world, (which) => {
        const gateway = new Gateway(which);
        gateway.clock.advance(15 * 60_000);
        const last = new Map<number, number>();
        for (const { key, atMs } of gateway.sent) {
          const beforeMs = last.get(key);
          if (beforeMs !== undefined)
            expect(atMs - beforeMs).toBeGreaterThanOrEqual(IDENTIFY_WINDOW_MS);
          last.set(key, atMs);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('never sends more in a day than the budget, nor more before the reset than was left', () => {
    fc.assert(
      fc.property(world, (which) => {
        const gateway = new Gateway(which);
        gateway.clock.advance(3 * IDENTIFY_BUDGET_PERIOD_MS);
        const timesMs = gateway.sent.map(({ atMs }) => atMs);
        const early = timesMs.filter((atMs) => atMs < which.resetInMs).length;
        expect(early).toBeLessThanOrEqual(Math.max(0, which.total - which.spent));
        // Discord's day begins with the first IDENTIFY after the last one's end.
        let dayMs = which.resetInMs;
        for (;;) {
          const first = timesMs.find((atMs) => atMs >= dayMs);
          if (first === undefined) break;
          const nextMs = first + IDENTIFY_BUDGET_PERIOD_MS;
          const count = timesMs.filter((atMs) => atMs >= first && atMs < nextMs).length;
          expect(count).toBeLessThanOrEqual(which.total);
          dayMs = nextMs;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('calls the shards of a key in the order in which they asked', () => {
    const orderly = world.map((which) => ({
      ...which,
      total: 1_000,
      spent: 0,
      manners: which.manners.map((each) => ({
        ...each,
        helloMaxMs: Math.min(each.helloMaxMs, 8_000),
        closeShare: 0,
        crashShare: 0,
      })),
    }));
    fc.assert(
      fc.property(orderly, (which) => {
        const gateway = new Gateway(which);
        gateway.clock.advance(15 * 60_000);
        gateway.called.forEach((called, key) => {
          expect(called).toEqual(gateway.requested[key]?.slice(0, called.length));
        });
      }),
      { numRuns: 300 },
    );
  });

  it('GP-34: lets nobody wait for ever, whatever the others did before', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 0, max: 20 * 60_000 }), (which, wildMs) => {
        const gateway = new Gateway(which);
        gateway.clock.advance(wildMs);
        gateway.tame = true;
        // Budget for all, if need be on several days.
        const days = 2 + Math.ceil(which.manners.length / which.total);
        gateway.clock.advance(days * (IDENTIFY_BUDGET_PERIOD_MS + 60_000));
        expect(gateway.phases).toEqual(which.manners.map(() => 'ready'));
      }),
      { numRuns: 400 },
    );
  });

  it('GP-26: uses its time: shards that behave start one window apart', () => {
    const behaved = world.map((which) => ({
      ...which,
      total: 1_000,
      spent: 0,
      manners: which.manners.map(() => ({
        helloMaxMs: 1_000,
        sendMaxMs: 0,
        closeShare: 0,
        crashShare: 0,
      })),
    }));
    fc.assert(
      fc.property(behaved, (which) => {
        const gateway = new Gateway(which);
        gateway.tame = true;
        gateway.clock.advance(100_000);
        const rounds = Math.ceil(which.manners.length / which.maxConcurrency);
        expect(gateway.sent.length).toBe(which.manners.length);
        expect(gateway.sent.at(-1)?.atMs).toBeLessThanOrEqual(1_100 + (rounds - 1) * 5_500);
      }),
      { numRuns: 100 },
    );
  });
});

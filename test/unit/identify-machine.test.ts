import { describe, expect, it } from 'vitest';
import {
  type IdentifyBudget,
  type IdentifyEffect,
  type IdentifyInput,
  type IdentifyState,
  startIdentify,
  stepIdentify,
} from '../../actors/identify/machine.ts';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_MARGIN_MS,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';

const WINDOW_MS = IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS;
const PLENTY: IdentifyBudget = {
  total: 1_000,
  remaining: 1_000,
  resetAtMs: IDENTIFY_BUDGET_PERIOD_MS,
  begun: true,
};

/** Drives the governor on a clock of its own, as its actor would. */
class GovernorBench {
  state: IdentifyState;
  nowMs = 0;
  /** What was said to whom, and when. */
  readonly said: string[] = [];
  readonly #timers = new Map<string, { dueMs: number; input: IdentifyInput }>();

  constructor(maxConcurrency = 1, budget = PLENTY, openAtMs = 0) {
    this.state = startIdentify(maxConcurrency, budget, openAtMs);
  }

  tell(type: 'request' | 'prepared' | 'used' | 'release', ...shards: readonly number[]): void {
    for (const shard of shards) this.#step({ type, shard });
  }

  /** What was said since this was last asked. */
  heard(): string[] {
    return this.said.splice(0);
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort(([, left], [, right]) => left.dueMs - right.dueMs);
      if (next === undefined || next[1].dueMs > untilMs) break;
      this.#timers.delete(next[0]);
      this.nowMs = next[1].dueMs;
      this.#step(next[1].input);
    }
    this.nowMs = untilMs;
  }

  #step(input: IdentifyInput): void {
    const step = stepIdentify(this.state, input, this.nowMs);
    this.state = step.state;
    for (const effect of step.effects) this.#run(effect);
  }

  #run(effect: IdentifyEffect): void {
    switch (effect.type) {
      case 'tell':
        this.said.push(`${effect.message} ${effect.shard}`);
        break;
      case 'arm': {
        const { timer, key, delayMs } = effect;
        const input: IdentifyInput = { type: timer, key };
        this.#timers.set(`${timer}-${key}`, { dueMs: this.nowMs + delayMs, input });
        break;
      }
      case 'disarm':
        this.#timers.delete(`${effect.timer}-${effect.key}`);
        break;
      case 'arm-budget-reset':
        this.#timers.set('budget', {
          dueMs: this.nowMs + effect.delayMs,
          input: { type: 'budget-reset' },
        });
        break;
    }
  }
}

describe('the identify governor', () => {
  it('calls the head of the line, and permits it when it is prepared', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.pass(3_000);
    expect(bench.heard()).toEqual([]);
    bench.tell('prepared', 0);
    expect(bench.heard()).toEqual(['permitted 0']);
    expect(bench.state.budget.remaining).toBe(999);
  });

  it('GP-26: opens the next window when the IDENTIFY was sent, not when it was permitted', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1);
    bench.tell('prepared', 0);
    bench.pass(4_000);
    bench.tell('used', 0);
    bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'permitted 0', 'prepare 1']);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual([]);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 1']);
  });

  it('serves each key in the order of the requests, keys side by side', () => {
    const bench = new GovernorBench(2);
    bench.tell('request', 0, 1, 2, 3, 4, 5);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1']);
    for (const [first, second] of [
      [0, 1],
      [2, 3],
      [4, 5],
    ] as const) {
      bench.tell('prepared', first, second);
      bench.tell('used', first, second);
      bench.pass(WINDOW_MS);
    }
    const permitted = bench.heard().filter((word) => word.startsWith('permitted'));
    expect(permitted).toEqual([0, 1, 2, 3, 4, 5].map((shard) => `permitted ${shard}`));
  });

  it('GP-34: a place that is given back costs nothing, and the next is called at once', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1, 2);
    bench.tell('release', 1);
    bench.tell('release', 0);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 2']);
    bench.tell('prepared', 2);
    expect(bench.heard()).toEqual(['permitted 2']);
    expect(bench.state.budget.remaining).toBe(999);
  });

  it('a permit that is given back counts as sent', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1);
    bench.tell('prepared', 0);
    bench.tell('release', 0);
    bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'permitted 0', 'prepare 1']);
    expect(bench.state.budget.remaining).toBe(999);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual([]);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 1']);
  });

  it('a holder that is not prepared in time loses its place, and gets another when it is', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1);
    bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1']);
    bench.tell('prepared', 0);
    expect(bench.heard()).toEqual([]);
    bench.tell('prepared', 1);
    bench.tell('used', 1);
    expect(bench.heard()).toEqual(['permitted 1', 'prepare 0']);
  });

  it('a holder that is silent after its permit loses its place; the window is kept all the same', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1);
    bench.tell('prepared', 0);
    bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS);
    bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'permitted 0', 'prepare 1']);
    bench.pass(1_000);
    // It did send, though late.
    bench.tell('used', 0);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual([]);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 1']);
  });

  it('a holder that waits for its window or for the budget does not lose its place', () => {
    const broke = { total: 10, remaining: 0, resetAtMs: 20 * 60 * 60_000, begun: true };
    const bench = new GovernorBench(1, broke, 60 * 60_000);
    bench.tell('request', 0, 1);
    bench.tell('prepared', 0);
    bench.pass(20 * 60 * 60_000 - 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 0']);
    expect(bench.state.budget.remaining).toBe(9);
  });

  it('nothing is permitted before its start time, and then without being asked again', () => {
    const bench = new GovernorBench(1, PLENTY, WINDOW_MS);
    bench.tell('request', 0);
    bench.tell('prepared', 0);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 0']);
  });

  it('permits nobody when the budget is used up, until it is renewed', () => {
    const bench = new GovernorBench(2, {
      total: 5,
      remaining: 1,
      resetAtMs: 1_000_000,
      begun: true,
    });
    bench.tell('request', 0, 1);
    bench.tell('prepared', 0, 1);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1', 'permitted 0']);
    bench.tell('used', 0);
    bench.pass(999_999);
    expect(bench.heard()).toEqual([]);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 1']);
    expect(bench.state.budget.remaining).toBe(4);
  });

  it('what was left of an old day is not spent on top of a new one', () => {
    const bench = new GovernorBench(1, { total: 3, remaining: 2, resetAtMs: 100_000, begun: true });
    const identify = (shard: number): boolean => {
      bench.tell('request', shard);
      bench.tell('prepared', shard);
      bench.pass(WINDOW_MS);
      const permitted = bench.heard().includes(`permitted ${shard}`);
      if (permitted) bench.tell('used', shard);
      return permitted;
    };
    bench.pass(200_000);
    const granted = [0, 1, 2, 3, 4].map(identify);
    expect(granted).toEqual([true, true, true, false, false]);
    bench.pass(IDENTIFY_BUDGET_PERIOD_MS - 100_000);
    expect(bench.heard()).toEqual([]);
    bench.pass(200_000);
    expect(bench.heard()).toContain('permitted 3');
  });

  it('a shard that asks twice stands in the line once', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0, 1, 1, 1, 2);
    for (const shard of [0, 1, 2]) {
      bench.tell('prepared', shard);
      bench.tell('used', shard);
      bench.pass(WINDOW_MS);
    }
    expect(bench.heard().filter((word) => word === 'prepare 1')).toEqual(['prepare 1']);
  });

  it('a holder that was restarted is called again, prepared or not', () => {
    const bench = new GovernorBench(1, PLENTY, WINDOW_MS);
    bench.tell('request', 0);
    bench.tell('request', 0);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 0']);
    bench.tell('prepared', 0);
    bench.tell('request', 0);
    bench.pass(WINDOW_MS);
    // Its former self was prepared; whether it is itself is not known yet.
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.tell('prepared', 0);
    expect(bench.heard()).toEqual(['permitted 0']);
  });

  it('a holder that was restarted after its permit has its turn again, a window later', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0);
    bench.tell('prepared', 0);
    bench.tell('request', 0);
    bench.tell('used', 0);
    expect(bench.heard()).toEqual(['prepare 0', 'permitted 0', 'prepare 0']);
    bench.tell('prepared', 0);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual([]);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 0']);
  });

  it('GP-29: keeps the window of an IDENTIFY that an earlier governor permitted', () => {
    const bench = new GovernorBench();
    bench.tell('request', 0);
    bench.pass(1_000);
    bench.tell('used', 1);
    bench.tell('prepared', 0);
    bench.pass(WINDOW_MS - 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.pass(1);
    expect(bench.heard()).toEqual(['permitted 0']);
  });
});

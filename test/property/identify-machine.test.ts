/**
 * The identify governor under hostile schedules: shards that are slow, give up, crash and come
 * back; a ledger that answers late, fails, or does what it was asked and does not say so; governors
 * that crash; a max_concurrency that changes.
 */
import { setImmediate as settle } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEDGER_SPANS } from '../../actors/identify/book.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import type { Random, Timer } from '../../protocols/ports.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { FickleLedger, Governor, starts } from '../support/governor-bench.ts';

/** How one shard behaves; each time is drawn anew for each attempt. */
type Manner = {
  /** The longest time from being called to HELLO, and from a permit to the frame. */
  readonly helloMaxMs: number;
  readonly sendMaxMs: number;
  /**
   * The chance that its socket closes before HELLO, while it waits, and between permit and frame.
   */
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
  resetInMs: fc.constantFrom(1_000, 30_000, 3 * 60 * 60_000),
  answerMaxMs: fc.constantFrom<number[]>(0, 200, 4_000),
  /** How many governors share the ledger, each with every n-th of the shards. */
  governors: fc.integer({ min: 1, max: 3 }),
  /** How often in a minute something happens to the ledger, and to a governor. */
  ledgerFaults: fc.constantFrom<number[]>(0, 0, 2),
  governorCrashes: fc.constantFrom<number[]>(0, 0, 1),
  seed: fc.nat(),
});

type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;
type Phase = 'asleep' | 'queued' | 'connecting' | 'greeted' | 'starting' | 'ready';
type Sent = { readonly shard: number; readonly permittedMs: number; readonly atMs: number };

/** Gateways in which nothing but the governors and their ledger is real. */
class Gateways {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly ledger = new FickleLedger(localLedger(this.clock));
  readonly sent: Sent[] = [];
  readonly phases: Phase[];
  /** From here on everybody does what they should. */
  tame = false;
  maxConcurrency: number;
  readonly #world: World;
  readonly #governors: Governor[] = [];
  readonly #steps: (Timer | undefined)[] = [];

  constructor(which: World) {
    this.#world = which;
    this.random = createRandom(which.seed);
    this.maxConcurrency = which.maxConcurrency;
    this.phases = which.manners.map(() => 'asleep');
    for (let index = 0; index < which.governors; index++) this.#start(index, 0);
    for (const [shard] of which.manners.entries()) this.request(shard);
    this.#disturb();
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceSettled(ms, settle);
  }

  /** Discord changes max_concurrency, and every governor hears of it. */
  change(maxConcurrency: number): void {
    this.maxConcurrency = maxConcurrency;
    for (const governor of this.#governors) governor.tell({ type: 'word', word: this.#word() });
  }

  /** What Discord says: what was spent before, and what was sent. */
  #word(): SessionStarts {
    const { total, spent, resetInMs } = this.#world;
    const nowMs = this.clock.nowMs();
    let dayMs = resetInMs;
    let remaining =
      Math.max(0, total - spent) - this.sent.filter(({ atMs }) => atMs < dayMs).length;
    let begun = true;
    while (nowMs >= dayMs) {
      const firstMs = this.sent.find(({ atMs }) => atMs >= dayMs)?.atMs;
      if (firstMs === undefined) {
        remaining = total;
        begun = false;
        break;
      }
      dayMs = firstMs + IDENTIFY_BUDGET_PERIOD_MS;
      const endMs = dayMs;
      remaining = total - this.sent.filter(({ atMs }) => atMs >= firstMs && atMs < endMs).length;
    }
    const { maxConcurrency } = this;
    return starts({
      total,
      remaining,
      begun,
      resetInMs: Math.max(0, dayMs - nowMs),
      maxConcurrency,
    });
  }

  #start(index: number, owed: number): void {
    const { governors, answerMaxMs, manners } = this.#world;
    this.#governors[index] = new Governor(
      {
        clock: this.clock,
        random: this.random,
        ledger: this.ledger,
        rules: { floor: 0, share: 1 / Math.min(governors, manners.length) },
        known: this.#word(),
        word: () => (this.tame || this.random() < 0.7 ? this.#word() : undefined),
        answerMs: () => Math.floor(this.random() * (this.tame ? 100 : answerMaxMs)),
        hear: (shard, message) => {
          if (message === 'prepare') this.#prepare(shard);
          else this.#permitted(shard);
        },
      },
      owed,
    );
  }

  #governor(shard: number): Governor {
    const governor = this.#governors[shard % this.#world.governors];
    if (governor === undefined) throw new Error(`nobody governs ${shard}`);
    return governor;
  }

  /** Once a minute something may happen to the ledger and to the governors. */
  #disturb(): void {
    this.clock.setTimer(this.random() * 60_000, () => {
      const { ledgerFaults, governorCrashes, governors } = this.#world;
      if (this.tame) {
        this.ledger.isAway = 'no';
        return;
      }
      if (this.random() < ledgerFaults / 2) {
        const draw = this.random();
        this.ledger.isAway = draw < 0.4 ? 'no' : draw < 0.7 ? 'unheard' : 'unanswered';
      }
      if (this.random() < governorCrashes) this.#crash(Math.floor(this.random() * governors));
      this.#disturb();
    });
  }

  /** Its successor knows what was told at each step, and everybody on the way asks again. */
  #crash(index: number): void {
    const old = this.#governors[index];
    old?.end();
    this.#start(index, old?.state.owed ?? 0);
    this.phases.forEach((phase, shard) => {
      if (shard % this.#world.governors !== index) return;
      if (phase === 'queued' || phase === 'connecting' || phase === 'greeted') {
        this.#governor(shard).tell({ type: 'request', shard });
      }
    });
  }

  request(shard: number): void {
    this.phases[shard] = 'queued';
    this.#governor(shard).tell({ type: 'request', shard });
  }

  #prepare(shard: number): void {
    const governor = this.#governor(shard);
    switch (this.phases[shard]) {
      case 'queued':
        this.phases[shard] = 'connecting';
        this.#attempt(shard, this.#manner(shard).helloMaxMs, () => {
          this.phases[shard] = 'greeted';
          this.#governor(shard).tell({ type: 'prepared', shard });
          // It waits now, and its socket may close meanwhile.
          this.#attempt(shard, 60_000, () => {});
        });
        break;
      case 'connecting':
        break;
      case 'greeted':
        governor.tell({ type: 'prepared', shard });
        break;
      default:
        governor.tell({ type: 'release', shard });
    }
  }

  #permitted(shard: number): void {
    if (this.phases[shard] !== 'greeted') {
      this.#governor(shard).tell({ type: 'release', shard });
      return;
    }
    this.phases[shard] = 'starting';
    const permittedMs = this.clock.nowMs();
    this.#attempt(shard, this.#manner(shard).sendMaxMs, () => {
      this.sent.push({ shard, permittedMs, atMs: this.clock.nowMs() });
      this.#governor(shard).tell({ type: 'used', shard });
      this.phases[shard] = 'ready';
      // Now and then a session dies, and another is needed.
      if (!this.tame && this.random() < 0.3) this.#later(shard, 20_000, () => this.request(shard));
    });
  }

  #manner(shard: number): Manner {
    const kind = { helloMaxMs: 100, sendMaxMs: 10, closeShare: 0, crashShare: 0 };
    return (this.tame ? undefined : this.#world.manners[shard]) ?? kind;
  }

  #later(shard: number, maxMs: number, step: () => void): void {
    this.#steps[shard]?.cancel();
    const delayMs = Math.floor(this.random() * maxMs);
    this.#steps[shard] = this.clock.setTimer(delayMs, () => {
      this.#steps[shard] = undefined;
      step();
    });
  }

  /** `step` happens within `maxMs`, unless the socket closes or the shard crashes first. */
  #attempt(shard: number, maxMs: number, step: () => void): void {
    const { closeShare, crashShare } = this.#manner(shard);
    const draw = this.random();
    if (draw < crashShare) {
      this.#later(shard, maxMs, () => this.request(shard));
    } else if (draw < crashShare + closeShare) {
      this.#later(shard, maxMs, () => {
        this.#governor(shard).tell({ type: 'release', shard });
        this.phases[shard] = 'asleep';
        this.#later(shard, 5_000, () => this.request(shard));
      });
    } else {
      this.#later(shard, maxMs, step);
    }
  }
}

/** Fails when two were sent within a window of each other on one key. */
function expectWindows(sent: readonly Sent[], maxConcurrency: number): void {
  const last = new Map<number, number>();
  for (const { shard, atMs } of sent) {
    const key = shard % maxConcurrency;
    const beforeMs = last.get(key);
    if (beforeMs !== undefined) expect(atMs - beforeMs).toBeGreaterThanOrEqual(IDENTIFY_WINDOW_MS);
    last.set(key, atMs);
  }
}

function expectBudget(sent: readonly Sent[], { total, spent, resetInMs }: World): void {
  const timesMs = sent.map(({ atMs }) => atMs);
  const early = timesMs.filter((atMs) => atMs < resetInMs).length;
  expect(early).toBeLessThanOrEqual(Math.max(0, total - spent));
  // Discord's day begins with the first IDENTIFY after the last one's end.
  let dayMs = resetInMs;
  for (;;) {
    const first = timesMs.find((atMs) => atMs >= dayMs);
    if (first === undefined) break;
    const nextMs = first + IDENTIFY_BUDGET_PERIOD_MS;
    expect(timesMs.filter((atMs) => atMs >= first && atMs < nextMs).length).toBeLessThanOrEqual(
      total,
    );
    dayMs = nextMs;
  }
}

/**
 * A ledger that is shared by several and fails cannot keep their windows apart; all else is kept.
 */
const sound = world.map((which) => (which.governors > 1 ? { ...which, ledgerFaults: 0 } : which));

describe('the identify governor, under any schedule', () => {
  it('GP-26, GP-27: leaves a window between two IDENTIFYs of one key, at the moment of sending', async () => {
    await fc.assert(
      fc.asyncProperty(sound, async (which) => {
        const gateways = new Gateways(which);
        await gateways.pass(15 * 60_000);
        expectWindows(gateways.sent, which.maxConcurrency);
      }),
      { numRuns: 200 },
    );
  });

  it('never sends more in a day than the budget, nor more before the reset than was left', async () => {
    await fc.assert(
      fc.asyncProperty(world, async (which) => {
        const gateways = new Gateways(which);
        await gateways.pass(30 * 60_000);
        // A quiet time, so that the days after it are seen too.
        gateways.tame = true;
        await gateways.pass(2 * IDENTIFY_BUDGET_PERIOD_MS);
        gateways.tame = false;
        for (const [shard] of which.manners.entries()) gateways.request(shard);
        await gateways.pass(30 * 60_000);
        expectBudget(gateways.sent, which);
      }),
      { numRuns: 150 },
    );
  });

  it('lets nobody wait for ever, whatever the others, the ledger and the governors did before', async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.integer({ min: 0, max: 20 * 60_000 }), async (which, wildMs) => {
        const gateways = new Gateways(which);
        await gateways.pass(wildMs);
        gateways.tame = true;
        // Budget for all, if need be on several days.
        const days = 3 + Math.ceil((2 * which.manners.length) / which.total);
        await gateways.pass(days * (IDENTIFY_BUDGET_PERIOD_MS + 60 * 60_000));
        expect(gateways.phases).toEqual(which.manners.map(() => 'ready'));
      }),
      { numRuns: 150 },
    );
  });

  it('GP-36: a change of max_concurrency loses nobody and breaks no window of the old or the new keys', async () => {
    const changed = fc.record({
      to: fc.integer({ min: 1, max: 8 }),
      atMs: fc.nat({ max: 60_000 }),
    });
    await fc.assert(
      fc.asyncProperty(sound, changed, async (drawn, { to, atMs }) => {
        const which = { ...drawn, total: 1_000, spent: 0 };
        const gateways = new Gateways(which);
        await gateways.pass(atMs);
        gateways.change(to);
        await gateways.pass(10 * 60_000);
        const { sent } = gateways;
        expectWindows(
          sent.filter((each) => each.permittedMs < atMs),
          which.maxConcurrency,
        );
        expectWindows(
          sent.filter((each) => each.permittedMs > atMs),
          to,
        );
        gateways.tame = true;
        await gateways.pass(60 * 60_000);
        expect(gateways.phases).toEqual(which.manners.map(() => 'ready'));
      }),
      { numRuns: 150 },
    );
  });

  it('uses its time: shards that behave start one window apart', async () => {
    const behaved = world.map((which) => ({
      ...which,
      total: 1_000,
      spent: 0,
      governors: 1,
      ledgerFaults: 0,
      governorCrashes: 0,
      answerMaxMs: 0,
      manners: which.manners.map(() => ({
        helloMaxMs: 1_000,
        sendMaxMs: 0,
        closeShare: 0,
        crashShare: 0,
      })),
    }));
    await fc.assert(
      fc.asyncProperty(behaved, async (which) => {
        const gateways = new Gateways(which);
        gateways.tame = true;
        await gateways.pass(100_000);
        const rounds = Math.ceil(which.manners.length / which.maxConcurrency);
        expect(gateways.sent.length).toBe(which.manners.length);
        // The first window is for what an earlier process may have sent.
        const lastMs = LEDGER_SPANS.windowMs + 1_100 + (rounds - 1) * 5_700;
        expect(gateways.sent.at(-1)?.atMs).toBeLessThanOrEqual(lastMs);
      }),
      { numRuns: 60 },
    );
  });
});

/**
 * The machine of a bucket alone: whatever the gate, the network and its own timer do, nothing
 * stands still.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newBucket, transition } from '../../actors/bucket/machine.ts';
import type { BucketEffect, BucketInput, BucketState } from '../../actors/bucket/state.ts';
import type { Priority } from '../../protocols/lanes.ts';
import { createRandom } from '../../src/random.ts';
import { createCounter, type WindowSpec } from '../../src/simulator/rest/window-counter.ts';

const ROUTES = ['GET /a', 'POST /a', 'GET /b'] as const;
const LANES: readonly Priority[] = ['high', 'normal', 'bulk'];

type Plan = {
  readonly seed: number;
  readonly requests: number;
  readonly spec: WindowSpec;
  /** The gate has no permit to give until then, and takes this long for each. */
  readonly gateShutMs: number;
  readonly gateSlowMs: number;
  readonly latencyMs: number;
};

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  requests: fc.integer({ min: 1, max: 40 }),
  spec: fc.record({
    kind: fc.constantFrom('fixed', 'leaky', 'sliding'),
    limit: fc.integer({ min: 1, max: 5 }),
    windowMs: fc.integer({ min: 250, max: 5_000 }),
  }),
  gateShutMs: fc.constantFrom(0, 0, 700, 5_000, 20_000),
  gateSlowMs: fc.integer({ min: 0, max: 300 }),
  latencyMs: fc.integer({ min: 1, max: 200 }),
});

type Event = { readonly atMs: number; happen(): void };

/** Plays the gate, Discord and the one timer; every event of a bucket comes from here. */
class Play {
  state: BucketState = newBucket(null, 0);
  nowMs = 0;
  wakeAtMs = Number.POSITIVE_INFINITY;
  readonly fates = new Map<number, string>();
  readonly order: number[] = [];
  idleWakes = 0;
  readonly #plan: Plan;
  readonly #draw: () => number;
  readonly #counters = new Map<string, ReturnType<typeof createCounter>>();
  #events: Event[] = [];
  #permits = 0;
  #gateFreeMs = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#draw = createRandom(plan.seed);
    for (let id = 0; id < plan.requests; id++) {
      const route = ROUTES[Math.floor(this.#draw() * ROUTES.length)] ?? ROUTES[0];
      const lane = LANES[Math.floor(this.#draw() * LANES.length)] ?? 'normal';
      const gated = route !== 'GET /b';
      const entry = { id, route, rule: { by: 'route' }, gated, lane } as const;
      const rest = { deadlineMs: null, sendByMs: null, repeatable: true };
      this.#at(this.#draw() * 8_000, { kind: 'enqueue', entry: { ...entry, ...rest } });
    }
  }

  /** Whether anything is left to happen before `untilMs`. */
  step(untilMs: number): boolean {
    this.#events.sort((one, other) => one.atMs - other.atMs);
    const next = this.#events[0];
    const wakes = this.wakeAtMs < (next?.atMs ?? Number.POSITIVE_INFINITY);
    const atMs = wakes ? this.wakeAtMs : (next?.atMs ?? Number.POSITIVE_INFINITY);
    if (!(atMs <= untilMs)) return false;
    this.nowMs = Math.max(this.nowMs, atMs);
    if (wakes) {
      this.wakeAtMs = Number.POSITIVE_INFINITY;
      const effects = this.#tell({ kind: 'wake' });
      const isIdle = effects.every(({ kind }) => kind === 'wake-at');
      // A timer that changed nothing has at least armed itself for later.
      if (isIdle) expect(this.wakeAtMs).toBeGreaterThan(this.nowMs);
      if (isIdle) this.idleWakes += 1;
    } else {
      this.#events.shift();
      next?.happen();
    }
    return true;
  }

  #at(atMs: number, input: BucketInput): void {
    this.#events.push({ atMs, happen: () => this.#tell(input) });
  }

  #tell(input: BucketInput): readonly BucketEffect[] {
    const step = transition(this.state, input, this.nowMs);
    this.state = step.state;
    for (const effect of step.effects) this.#run(effect);
    return step.effects;
  }

  #run(effect: BucketEffect): void {
    if (effect.kind === 'wake-at') this.wakeAtMs = effect.atMs;
    if (effect.kind === 'ask') {
      const { gateShutMs, gateSlowMs } = this.#plan;
      this.#gateFreeMs = Math.max(this.#gateFreeMs, this.nowMs, gateShutMs) + gateSlowMs;
      const { lane } = effect;
      this.#at(this.#gateFreeMs, {
        kind: 'permit',
        permit: ++this.#permits,
        lane,
        owed: this.#draw() < 0.3,
      });
    }
    if (effect.kind === 'send') this.#send(effect.id);
    if (effect.kind === 'deliver' || effect.kind === 'refuse') {
      expect(this.fates.has(effect.id)).toBe(false);
      this.fates.set(effect.id, effect.kind);
    }
  }

  #send(id: number): void {
    const flight = this.state.flights.find((one) => one.id === id);
    if (flight === undefined) throw new Error(`${id} was sent and is not in flight`);
    this.order.push(id);
    const { spec, latencyMs } = this.#plan;
    const counter = this.#counters.get(flight.route) ?? createCounter(spec);
    this.#counters.set(flight.route, counter);
    const countMs = this.nowMs + this.#draw() * latencyMs;
    this.#events.push({
      atMs: countMs,
      happen: () => {
        expect(counter.take(countMs)).toBe(true);
        const { limit, remaining, resetAfterMs } = counter.state(countMs);
        const reading = { limit, remaining, resetAfterMs: Math.ceil(resetAfterMs), hash: null };
        const landMs = countMs + this.#draw() * latencyMs;
        // What an answer tells may be over when its bucket hears of it.
        const heardMs = this.#draw() < 0.5 ? countMs : landMs;
        const heard = { status: 200, landedMs: heardMs, reading, limited: null };
        this.#at(landMs, { kind: 'answered', id, heard });
      },
    });
  }
}

describe('the machine of a bucket', () => {
  it('P38: no timer is used up for nothing, and nothing waits for ever, while the gate gives nothing', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const play = new Play(plan);
        for (let steps = 0; play.step(3_600_000); steps++) {
          expect(steps).toBeLessThan(20_000);
          const { state } = play;
          const isStuck =
            state.queues.length > 0 &&
            state.flights.length === 0 &&
            state.asked.high + state.asked.normal + state.asked.bulk === 0;
          if (isStuck) expect(play.wakeAtMs).not.toBe(Number.POSITIVE_INFINITY);
        }
        expect([...play.fates.keys()].sort((one, other) => one - other)).toEqual(
          Array.from({ length: plan.requests }, (_, id) => id),
        );
        expect(new Set(play.fates.values())).toEqual(new Set(['deliver']));
        expect(play.order).toHaveLength(plan.requests);
      }),
      { numRuns: 400 },
    );
  }, 60_000);
});

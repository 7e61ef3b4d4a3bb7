/**
 * The supervisor's machine against a world that ends children at random, early, late and while they
 * are being stopped. The world knows who really runs; the machine only hears of it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exit } from '../../protocols/actor.ts';
import { createRandom } from '../../src/random.ts';
import type { ChildSpec, Strategy } from '../../supervisors/restart.ts';
import {
  createSupervision,
  type Supervision,
  type SupervisionEvent,
  type SupervisionRules,
  supervise,
} from '../../supervisors/supervision.ts';

const MAX_RESTARTS = 3;
const WINDOW_MS = 1_000;

type Fault = { readonly counts: boolean; readonly abnormal: boolean };

/**
 * What the world does next: end somebody that runs, let an asked-for stop be done, or let time
 * pass.
 */
type Move =
  | { readonly type: 'end'; readonly who: number; readonly fault: Fault }
  | { readonly type: 'stopped' }
  | { readonly type: 'stale'; readonly who: number }
  | { readonly type: 'pass'; readonly ms: number };

const moves: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    type: fc.constant('end' as const),
    who: fc.nat(),
    fault: fc.record({ counts: fc.boolean(), abnormal: fc.boolean() }),
  }),
  fc.record({ type: fc.constant('stopped' as const) }),
  fc.record({ type: fc.constant('stale' as const), who: fc.nat() }),
  fc.record({ type: fc.constant('pass' as const), ms: fc.nat(300) }),
);

const schedules = fc.record({
  strategy: fc.constantFrom<Strategy>('one-for-one', 'rest-for-one', 'one-for-all'),
  kinds: fc.array(fc.constantFrom<ChildSpec['restart']>('permanent', 'transient', 'temporary'), {
    minLength: 1,
    maxLength: 5,
  }),
  moves: fc.array(moves, { maxLength: 60 }),
  seed: fc.nat(),
});

class World {
  readonly specs: readonly ChildSpec[];
  readonly strategy: Strategy;
  readonly rules: SupervisionRules;
  supervision: Supervision;
  nowMs = 0;
  /** The incarnation of each child that runs. */
  readonly running = new Map<string, number>();
  /** Whom the machine asked to stop and who has not yet. */
  stopping: string | undefined;
  wakeMs: number | undefined;
  escalated = false;
  starts = 0;
  restartNotes = 0;
  /** When each child was charged a restart. */
  readonly charges = new Map<string, number[]>();

  constructor(strategy: Strategy, kinds: readonly ChildSpec['restart'][], seed: number) {
    this.specs = kinds.map((restart, index) => ({ id: `${index}`, restart, shutdownMs: 1 }));
    this.strategy = strategy;
    this.rules = {
      strategy,
      intensity: { maxRestarts: MAX_RESTARTS, windowMs: WINDOW_MS },
      backoff: { initialMs: 10, maxMs: 200, factor: 2, jitter: 0.5, stableMs: 500 },
      judge: (_id, exit) => (exit.kind === 'finished' ? (exit.reason as Fault) : neverAsked()),
      random: createRandom(seed),
    };
    this.supervision = createSupervision(this.specs, 0);
    this.tell({ type: 'due' });
  }

  tell(event: SupervisionEvent): void {
    const step = supervise(this.supervision, event, this.rules, this.nowMs);
    this.supervision = step.supervision;
    for (const effect of step.effects) {
      if (effect.type === 'start') {
        expect(this.running.has(effect.id)).toBe(false);
        // Nobody is started while somebody is on the way down.
        expect(this.stopping).toBeUndefined();
        this.expectPredecessorsRun(effect.id);
        this.running.set(effect.id, effect.incarnation);
        this.starts += 1;
      }
      if (effect.type === 'stop') {
        expect(this.running.has(effect.id)).toBe(true);
        expect(this.stopping).toBeUndefined();
        this.stopping = effect.id;
      }
      if (effect.type === 'wake') this.wakeMs = this.nowMs + effect.delayMs;
      if (effect.type === 'note-restart') this.restartNotes += 1;
      if (effect.type === 'escalate') this.escalated = true;
    }
    if (!this.escalated) this.expectNobodyForgotten();
  }

  /** Whoever waits is either due later, and the machine will be woken by then, or held back. */
  expectNobodyForgotten(): void {
    if (this.stopping !== undefined) return;
    for (const { status } of this.supervision.children) {
      if (status.type !== 'waiting') continue;
      expect(this.wakeMs).toBeDefined();
      if (this.strategy !== 'one-for-one') return;
      expect(status.dueMs).toBeGreaterThan(this.nowMs);
      expect(this.wakeMs).toBeLessThanOrEqual(status.dueMs + 1e-6);
    }
  }

  /** Where children depend on each other, nobody runs before all that are to run before it do. */
  expectPredecessorsRun(id: string): void {
    if (this.strategy === 'one-for-one') return;
    for (const child of this.supervision.children) {
      if (child.spec.id === id) return;
      if (child.status.type === 'ended') continue;
      expect(this.running.has(child.spec.id)).toBe(true);
    }
  }

  end(id: string, exit: Exit): void {
    const incarnation = this.running.get(id) ?? 0;
    this.running.delete(id);
    if (this.stopping === id) this.stopping = undefined;
    this.tell({ type: 'ended', id, incarnation, exit });
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.wakeMs !== undefined && this.wakeMs <= untilMs) {
      this.nowMs = this.wakeMs;
      this.wakeMs = undefined;
      this.tell({ type: 'due' });
    }
    this.nowMs = untilMs;
  }

  play(move: Move): void {
    if (this.escalated) return;
    if (move.type === 'pass') this.pass(move.ms);
    if (move.type === 'stopped' && this.stopping !== undefined) {
      this.end(this.stopping, { kind: 'stopped' });
    }
    if (move.type === 'stale') this.tellStale(move.who);
    if (move.type === 'end') this.endSomebody(move.who, move.fault);
  }

  tellStale(who: number): void {
    const child = this.supervision.children[who % this.specs.length];
    const before = this.supervision;
    if (child === undefined) return;
    this.tell({
      type: 'ended',
      id: child.spec.id,
      incarnation: child.incarnation - 1,
      exit: { kind: 'crashed', error: new Error('stale') },
    });
    expect(this.supervision).toBe(before);
  }

  endSomebody(who: number, fault: Fault): void {
    const ids = [...this.running.keys()];
    const id = ids[who % ids.length];
    if (id === undefined) return;
    const spec = this.specs[Number(id)];
    const status = this.supervision.children[Number(id)]?.status.type;
    const restarts =
      spec?.restart === 'permanent' || (spec?.restart === 'transient' && fault.abnormal);
    const charged = status === 'running' && restarts && fault.counts;
    const past = (this.charges.get(id) ?? []).filter((atMs) => this.nowMs - atMs < WINDOW_MS);
    this.end(id, { kind: 'finished', reason: fault });
    // The budget is the child's own: what its siblings did does not matter.
    expect(this.escalated).toBe(charged && past.length >= MAX_RESTARTS);
    if (charged) this.charges.set(id, [...past, this.nowMs]);
  }

  /** Lets everything come to rest: stops are done, back-offs run out. */
  settle(): void {
    for (let count = 0; count < 100; count += 1) {
      if (this.stopping !== undefined) this.end(this.stopping, { kind: 'stopped' });
      else this.pass(1_000);
    }
  }
}

function neverAsked(): never {
  throw new Error('only ends that nobody ordered are judged');
}

describe('the supervisor machine', () => {
  it('keeps order, never runs two of one child, and brings back all that must run', () => {
    fc.assert(
      fc.property(schedules, ({ strategy, kinds, moves: played, seed }) => {
        const world = new World(strategy, kinds, seed);
        expect([...world.running.keys()]).toEqual(world.specs.map(({ id }) => id));
        for (const move of played) world.play(move);
        if (world.escalated) return;
        world.settle();
        for (const { spec, status } of world.supervision.children) {
          expect(['running', 'ended']).toContain(status.type);
          expect(world.running.has(spec.id)).toBe(status.type === 'running');
          if (spec.restart === 'permanent') expect(status.type).toBe('running');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never starts a temporary child twice', () => {
    fc.assert(
      fc.property(schedules, ({ strategy, kinds, moves: played, seed }) => {
        const world = new World(strategy, kinds, seed);
        for (const move of played) world.play(move);
        for (const { spec, incarnation } of world.supervision.children) {
          if (spec.restart === 'temporary') expect(incarnation).toBe(1);
        }
      }),
    );
  });

  it('never gives up over ends that do not count, and notes each restart that it grants', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), (count, seed) => {
        const world = new World('one-for-one', ['permanent'], seed);
        for (let index = 0; index < count; index += 1) {
          world.endSomebody(0, { counts: false, abnormal: true });
          world.pass(200);
        }
        expect(world.escalated).toBe(false);
        expect(world.running.size).toBe(1);
        expect(world.restartNotes).toBe(count);
        expect(world.starts).toBe(count + 1);
      }),
    );
  });

  it('hears of one end once: the same word again changes nothing', () => {
    const world = new World('one-for-one', ['permanent'], 1);
    const exit: Exit = { kind: 'finished', reason: { counts: true, abnormal: true } };
    world.end('0', exit);
    const before = world.supervision;
    world.tell({ type: 'ended', id: '0', incarnation: 1, exit });
    expect(world.supervision).toBe(before);
    world.settle();
    expect(world.running.get('0')).toBe(2);
  });

  it('refuses two children of one id', () => {
    const spec: ChildSpec = { id: 'a', restart: 'permanent', shutdownMs: 1 };
    expect(() => createSupervision([spec, spec], 0)).toThrow("two children have the id 'a'");
  });
});

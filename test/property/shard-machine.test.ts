import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startShard, stepShard } from '../../actors/shard/machine.ts';
import type { ShardEffect, ShardInput, ShardState } from '../../actors/shard/state.ts';
import type { ConnectionEnd, ConnectionReport } from '../../protocols/gateway/messages.ts';
import { INVALID_SESSION_WAIT_MAX_MS, SHARD_BACKOFF } from '../../protocols/limits.ts';

const FATAL = [4004, 4010, 4011, 4012, 4013, 4014];

const end: fc.Arbitrary<ConnectionEnd> = fc.oneof(
  fc.constantFrom<ConnectionEnd>(
    { kind: 'unreachable', detail: '' },
    { kind: 'zombie' },
    { kind: 'reconnect' },
    { kind: 'no-answer' },
    { kind: 'garbled', detail: '' },
    { kind: 'replay' },
    { kind: 'crashed', detail: '' },
    { kind: 'invalid-session', resumable: true },
    { kind: 'invalid-session', resumable: false },
  ),
  fc
    .oneof(fc.integer({ min: 1000, max: 1015 }), fc.integer({ min: 4000, max: 4015 }))
    .filter((code) => !FATAL.includes(code))
    .map((code) => ({ kind: 'closed' as const, code, detail: '' })),
);

const fatalEnd = fc
  .constantFrom(...FATAL)
  .map((code) => ({ kind: 'closed' as const, code, detail: '' }));

const report: fc.Arbitrary<ConnectionReport> = fc.oneof(
  fc.constantFrom<ConnectionReport>(
    { kind: 'greeted' },
    { kind: 'identified' },
    { kind: 'resumed' },
    { kind: 'latency', milliseconds: 3 },
  ),
  fc.nat({ max: 9 }).map((number) => ({
    kind: 'ready' as const,
    sessionId: `session-${number}`,
    resumeUrl: 'wss://resume.test',
  })),
);

/** A message, some of them about an older connection: `age` 0 is the present one. */
type Action =
  | { readonly type: 'report'; readonly age: number; readonly report: ConnectionReport }
  | { readonly type: 'ended'; readonly age: number; readonly end: ConnectionEnd }
  | Exclude<ShardInput, { type: 'report' | 'ended' }>;

const age = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 3 }));

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('report' as const), age, report }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('ended' as const), age, end }) },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Action>(
      { type: 'prepare' },
      { type: 'permitted' },
      { type: 'governor' },
      { type: 'broker', state: 'open' },
      { type: 'broker', state: 'away' },
      { type: 'lost' },
      { type: 'retry' },
      { type: 'retry' },
      { type: 'settled' },
    ),
  },
);

const stored = fc.option(fc.constant({ sessionId: 'stored', resumeUrl: 'wss://stored.test' }), {
  nil: undefined,
});

function inputOf(state: ShardState, { ...action }: Action): ShardInput {
  if (action.type !== 'report' && action.type !== 'ended') return action;
  const { age, ...rest } = action;
  const generation = state.generation - age;
  return rest.type === 'ended' ? { ...rest, generation, done: 0 } : { ...rest, generation };
}

/** What a bystander keeps account of. */
class Account {
  /** Whether the latest connection lives. */
  connected = false;
  started = false;
  generation = 0;
  failures = 0;

  see(
    before: ShardState,
    input: ShardInput,
    after: ShardState,
    effects: readonly ShardEffect[],
  ): void {
    const isPresent =
      'generation' in input && input.generation === this.generation && this.connected;
    if ('generation' in input && !isPresent) {
      expect(effects).toEqual([]);
      expect(after).toBe(before);
      return;
    }
    if (input.type === 'settled') this.failures = 0;
    if (input.type === 'ended') this.#ended(input.end, after, effects);
    for (const effect of effects) this.#effect(effect, before, input);
  }

  #ended(end: ConnectionEnd, after: ShardState, effects: readonly ShardEffect[]): void {
    this.connected = false;
    const waits = effects.filter((effect) => effect.type === 'arm' && effect.timer === 'retry');
    if (after.broker === 'away') {
      expect(after.phase).toBe('paused');
      expect(waits).toEqual([]);
      return;
    }
    expect(after.phase).toBe('waiting');
    const spanMs = Math.min(SHARD_BACKOFF.maxMs, SHARD_BACKOFF.initialMs * 2 ** this.failures);
    this.failures++;
    expect(waits).toHaveLength(1);
    const [wait] = waits;
    if (wait?.type !== 'arm') return;
    expect(wait.delayMs).toBeGreaterThanOrEqual(spanMs / 2);
    const isInvalid = end.kind === 'invalid-session' && !end.resumable;
    expect(wait.delayMs).toBeLessThanOrEqual(
      isInvalid ? Math.max(spanMs, INVALID_SESSION_WAIT_MAX_MS) : spanMs,
    );
  }

  #effect(effect: ShardEffect, before: ShardState, input: ShardInput): void {
    switch (effect.type) {
      case 'connect':
        expect(this.connected).toBe(false);
        expect(effect.generation).toBe(this.generation + 1);
        expect(
          before.broker === 'open' || input.type === 'broker' || input.type === 'prepare',
        ).toBe(true);
        this.generation = effect.generation;
        this.connected = true;
        this.started = false;
        break;
      case 'identify':
        expect(input.type).toBe('permitted');
        expect(before.broker).toBe('open');
        expect(before.session).toBeUndefined();
        this.#start();
        break;
      case 'resume':
        expect(before.session).toBeDefined();
        this.#start();
        break;
      case 'replay':
        expect(this.connected).toBe(true);
        break;
      case 'governor':
        if (effect.word === 'request') {
          const asksFor = before.session === undefined || input.type === 'retry';
          expect(asksFor).toBe(true);
        }
        break;
    }
  }

  #start(): void {
    expect(this.connected).toBe(true);
    expect(this.started).toBe(false);
    this.started = true;
  }
}

describe('the shard machine, under any schedule', () => {
  it('GP-15, GP-16, GP-30, GP-06: has one connection at a time, one start each, permits and growing waits', () => {
    fc.assert(
      fc.property(
        stored,
        fc.array(fc.tuple(action, fc.double({ min: 0, max: 0.9999, noNaN: true })), {
          maxLength: 150,
          size: 'max',
        }),
        (session, actions) => {
          const first = startShard(session, 'open');
          let { state } = first;
          const account = new Account();
          account.see(state, { type: 'retry' }, state, first.effects);
          for (const [each, random] of actions) {
            // A true connection greets once, and starts only what it was told to.
            const input = inputOf(state, each);
            if (isUntrue(state, input)) continue;
            const step = stepShard(state, input, random);
            account.see(state, input, step.state, step.effects);
            state = step.state;
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('GP-18, GP-03: becomes ready, whatever came before, when the world behaves from then on', () => {
    fc.assert(
      fc.property(stored, fc.array(action, { maxLength: 100, size: 'max' }), (session, actions) => {
        let { state } = startShard(session, 'open');
        const step = (input: ShardInput): void => {
          ({ state } = stepShard(state, input, 0.5));
        };
        for (const each of actions) {
          const input = inputOf(state, each);
          if (!isUntrue(state, input)) step(input);
        }
        step({ type: 'broker', state: 'open' });
        const { generation } = state;
        const end: ConnectionEnd = { kind: 'closed', code: 1006, detail: '' };
        step({ type: 'ended', generation, end, done: 0 });
        for (let turn = 0; turn < 10 && state.phase !== 'ready'; turn++) step(kindWorld(state));
        expect(state.phase).toBe('ready');
      }),
      { numRuns: 1_000 },
    );
  });

  it('GP-20: is silent for ever after a fatal close', () => {
    fc.assert(
      fc.property(
        stored,
        fatalEnd,
        fc.array(action, { maxLength: 50, size: 'max' }),
        (session, fatal, actions) => {
          let { state } = startShard(session, 'open');
          if (session === undefined) ({ state } = stepShard(state, { type: 'prepare' }, 0));
          ({ state } = stepShard(
            state,
            { type: 'ended', generation: state.generation, end: fatal, done: 0 },
            0,
          ));
          for (const each of actions) {
            const step = stepShard(state, inputOf(state, each), 0);
            expect(step.effects).toEqual([]);
            expect(step.state).toBe(state);
          }
        },
      ),
    );
  });
});

/**
 * Whether the connection actor would never say this: it greets first, and starts what it was told
 * to.
 */
function isUntrue(state: ShardState, input: ShardInput): boolean {
  if (input.type !== 'report' || input.generation !== state.generation) return false;
  const { kind } = input.report;
  if (kind === 'greeted') return state.phase !== 'connecting';
  if (kind === 'latency') return state.phase === 'connecting';
  return state.phase !== 'starting';
}

/** What a world where everything works says next. */
function kindWorld(state: ShardState): ShardInput {
  const { generation } = state;
  switch (state.phase) {
    case 'waiting':
      return { type: 'retry' };
    case 'queued':
      return { type: 'prepare' };
    case 'connecting':
      return { type: 'report', generation, report: { kind: 'greeted' } };
    case 'greeted':
      return { type: 'permitted' };
    case 'starting':
      return state.session === undefined
        ? {
            type: 'report',
            generation,
            report: { kind: 'ready', sessionId: 'new', resumeUrl: 'wss://new.test' },
          }
        : { type: 'report', generation, report: { kind: 'resumed' } };
    default:
      return { type: 'broker', state: 'open' };
  }
}

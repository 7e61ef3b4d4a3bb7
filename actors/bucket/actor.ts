/**
 * A bucket as an actor: a request's turn is its place in this mailbox.
 *
 * Purpose: to run the effects of `machine.ts`: ask the gate, send, settle tickets, keep one timer.
 *
 * Inner workings: the tickets of the requests that the machine knows by number are kept beside it.
 * After each message the window's knowledge is written to `memory`, which belongs to the router and
 * outlives the actor. Where the limits are shared with other proxies, the machine's steps count
 * when `shared/turns.ts` says so.
 *
 * Failure modes: a crash loses the queue's order in here, but no ticket; the router has all of
 * them, gives those that wait to the successor, and sees to it that those in flight get their
 * answer.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import { classRuleOf } from '../../protocols/discord/request-class.ts';
import { SHARED_POLL_MS } from '../../protocols/limits.ts';
import type {
  BucketMessage,
  GateMessage,
  Landing,
  LimitedBy,
  Ticket,
} from '../../protocols/proxy.ts';
import type { SharedPlace } from '../../protocols/shared-limits.ts';
import type { SiblingEvidence, Siblings } from '../../protocols/siblings.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { SharedTurns } from '../shared/turns.ts';
import { newBucket, transition } from './machine.ts';
import { readLimits } from './reading.ts';
import { bucketSharing } from './sharing.ts';
import type {
  BucketEffect,
  BucketInput,
  BucketState,
  BucketStep,
  Entry,
  Knowledge,
} from './state.ts';
import { outcomeOf } from './ticket.ts';

/** What outlives a bucket's actor. */
export type BucketMemory = { knowledge: Knowledge | null };

export type BucketOptions = {
  /** The gate of the requests' identity. */
  readonly gate: ActorRef<GateMessage>;
  readonly memory: BucketMemory;
  /** Null: the limits are this proxy's own. */
  readonly shared: SharedPlace | null;
  /** Routes that some bucket has seen to be counted together. */
  readonly siblings: Siblings;
  /** This bucket has seen which routes are counted together, or are not. */
  learned(evidence: SiblingEvidence): void;
  /** Discord has shut more than this bucket. */
  shut(by: LimitedBy, untilMs: number): void;
  /** The bucket may be forgotten; it stays in service until it is told to retire. */
  idle(): void;
};

type State = {
  machine: BucketState;
  readonly turns: SharedTurns<BucketState, BucketInput, BucketEffect> | null;
  readonly tickets: Map<number, Ticket>;
  gate: ActorRef<GateMessage>;
  /** What has landed for requests whose fate the machine is about to decide. */
  landings: Map<number, Landing>;
  wakeAtMs: number | null;
};

type Context = ActorContext<BucketMessage>;

export function bucketActor(options: BucketOptions): Behaviour<State, BucketMessage> {
  return {
    start(context) {
      const { memory, siblings } = options;
      const machine = newBucket(memory.knowledge, context.clock.nowMs(), siblings);
      return {
        machine,
        turns: options.shared && openTurns(machine, options.shared, options.memory, context),
        tickets: new Map(),
        gate: options.gate,
        landings: new Map(),
        wakeAtMs: null,
      };
    },
    receive(state, message, context) {
      if (message.kind === 'retire') {
        context.finish('retired');
        return state;
      }
      if (message.kind === 'gate') state.gate = message.gate;
      if (message.kind === 'wake') state.wakeAtMs = null;
      for (const step of stepsOf(message, state, context)) count(step, state, options, context);
      // A map that is cleared keeps what it held alive, until the collector has been everywhere.
      if (state.landings.size > 0 && state.turns?.isBusy !== true) state.landings = new Map();
      if (state.turns?.mustPoll === true) context.after('poll', SHARED_POLL_MS, { kind: 'news' });
      return state;
    },
  };
}

function openTurns(
  state: BucketState,
  { limits, place }: SharedPlace,
  { knowledge }: BucketMemory,
  { clock, self }: Context,
): NonNullable<State['turns']> {
  return new SharedTurns({
    machine: bucketSharing(limits.proxy),
    limits,
    place,
    clock,
    state,
    apart: knowledge !== null,
    answered: (answer) => self.tell({ kind: 'exchanged', answer }),
  });
}

/** What counts from now on, of what the machine makes of a message. */
function stepsOf(message: BucketMessage, state: State, context: Context): readonly BucketStep[] {
  const { turns } = state;
  if (message.kind === 'exchanged') return turns?.hear(message.answer) ?? [];
  if (message.kind === 'news') return turns?.look() ?? [];
  const input = inputOf(message, state, context);
  return turns?.take(input) ?? [transition(state.machine, input, context.clock.nowMs())];
}

function count(step: BucketStep, state: State, options: BucketOptions, context: Context): void {
  const { ledger, flights, others } = step.state;
  state.machine = step.state;
  options.memory.knowledge = { ledger, flights, others };
  for (const effect of step.effects) run(effect, state, options, context);
  for (const effect of step.effects) forget(effect, state.tickets, step.state);
}

function inputOf(
  message: Exclude<BucketMessage, { readonly kind: 'exchanged' | 'news' }>,
  state: State,
  context: Context,
): BucketInput {
  switch (message.kind) {
    case 'enqueue': {
      const { ticket } = message;
      state.tickets.set(ticket.id, ticket);
      return { kind: 'enqueue', entry: entryOf(ticket, context) };
    }
    case 'landed':
      state.landings.set(message.id, message.landing);
      return landedInput(message.id, message.landing);
    case 'gate':
      return { kind: 'gate-replaced' };
    case 'retire':
      return { kind: 'wake' };
    default:
      return message;
  }
}

function entryOf({ id, deadlineMs, sendByMs, request }: Ticket, { clock }: Context): Entry {
  const { route, body, priority: lane } = request;
  return {
    id,
    route: `${route.method} ${route.template}`,
    rule: classRuleOf(route, body, clock.nowMs(), clock.epochMs()),
    gated: !route.globalExempt,
    deadlineMs,
    sendByMs,
    repeatable: request.repeatable,
    lane,
  };
}

function landedInput(id: number, landing: Landing): BucketInput {
  if (landing.kind === 'refused') return { kind: 'grounded', id };
  if (landing.kind === 'failure') return { kind: 'failed', id, unsent: landing.failure.unsent };
  const { answer, landedMs, limited = null } = landing;
  const reading = readLimits(answer.headers);
  return { kind: 'answered', id, heard: { status: answer.status, landedMs, reading, limited } };
}

function run(effect: BucketEffect, state: State, options: BucketOptions, context: Context): void {
  switch (effect.kind) {
    case 'ask':
      state.gate.tell({ kind: 'ask', asker: context.self, lane: effect.lane });
      break;
    case 'return-permit':
      state.gate.tell({ kind: 'returned', permit: effect.permit });
      break;
    case 'settle-permit':
      state.gate.tell({ kind: 'settled', permit: effect.permit });
      break;
    case 'send':
      send(effect.id, effect.permit, state, context);
      break;
    case 'shut':
      options.shut(effect.by, effect.untilMs);
      break;
    case 'wake-at':
      wakeAt(effect.atMs, state, context);
      break;
    case 'learned':
      options.learned(effect.evidence);
      break;
    case 'idle':
      options.idle();
      break;
    case 'discard':
      state.tickets.get(effect.id)?.waitAgain();
      break;
    default:
      settle(effect, state);
  }
}

/** Drops the ticket of a request that the machine knows no more. */
function forget(effect: BucketEffect, tickets: Map<number, Ticket>, machine: BucketState): void {
  if (!('id' in effect) || effect.kind === 'send') return;
  const { id } = effect;
  const isKnown = (one: { readonly id: number }): boolean => one.id === id;
  if (machine.flights.some(isKnown)) return;
  // Of all effects only this one leaves a request to wait.
  const mayWait = effect.kind === 'discard';
  const waits = () => [...machine.queues.values()].some(({ entries }) => entries.some(isKnown));
  if (!mayWait || !waits()) tickets.delete(id);
}

function send(id: number, permit: number | null, state: State, context: Context): void {
  const ticket = state.tickets.get(id);
  if (ticket === undefined) throw new Error(`request ${id} is to be sent but has no ticket`);
  if (permit !== null) state.gate.tell({ kind: 'sent', permit });
  ticket.launch((landing) => context.self.tell({ kind: 'landed', id, landing }));
}

type Settling = Extract<
  BucketEffect,
  { readonly kind: 'deliver' | 'refuse' | 'time-out' | 'cancelled' }
>;

function settle(effect: Settling, state: State): void {
  const ticket = state.tickets.get(effect.id);
  if (ticket === undefined) return;
  switch (effect.kind) {
    case 'deliver':
      deliver(ticket, state.landings.get(effect.id) ?? null);
      break;
    case 'refuse': {
      const { reason, retryAfterMs } = effect;
      ticket.settle({ kind: 'refused', reason, retryAfterMs });
      break;
    }
    case 'time-out': {
      const { waitMs, sent } = effect;
      ticket.settle({ kind: 'timed-out', waitMs, sent });
      break;
    }
    case 'cancelled':
      ticket.settle({ kind: 'cancelled' });
      break;
  }
}

function deliver(ticket: Ticket, landing: Landing | null): void {
  if (landing === null) throw new Error(`request ${ticket.id} has a fate but nothing landed`);
  ticket.settle(outcomeOf(landing));
}

function wakeAt(atMs: number, state: State, context: Context): void {
  // To wake too early costs little, and to arm a timer anew for each request costs more.
  if (state.wakeAtMs !== null && state.wakeAtMs <= atMs) return;
  state.wakeAtMs = atMs;
  context.after('wake', Math.max(0, atMs - context.clock.nowMs()), { kind: 'wake' });
}

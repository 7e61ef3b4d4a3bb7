/**
 * A bucket as an actor: a request's turn is its place in this mailbox.
 *
 * Purpose: to run the effects of `machine.ts`: ask the gate, send, settle tickets, keep one timer.
 *
 * Inner workings: the tickets of the requests that the machine knows by number are kept beside it.
 * After each message the window's knowledge is written to `memory`, which belongs to the router and
 * outlives the actor.
 *
 * Failure modes: a crash loses the queue's order in here, but no ticket; the router has all of them,
 * gives those that wait to the successor, and sees to it that those in flight get their answer.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import { classRuleOf } from '../../protocols/discord/request-class.ts';
import type {
  BucketMessage,
  GateMessage,
  Landing,
  LimitedBy,
  Ticket,
} from '../../protocols/proxy.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { newBucket, transition } from './machine.ts';
import { readLimits } from './reading.ts';
import type { BucketEffect, BucketInput, BucketState, Entry, Knowledge } from './state.ts';
import { outcomeOf } from './ticket.ts';

/** What outlives a bucket's actor. */
export type BucketMemory = { knowledge: Knowledge | null };

export type BucketOptions = {
  /** The gate of the requests' identity. */
  readonly gate: ActorRef<GateMessage>;
  readonly memory: BucketMemory;
  /** Discord has shut more than this bucket. */
  shut(by: LimitedBy, untilMs: number): void;
  /** The bucket may be forgotten; it stays in service until it is told to retire. */
  idle(): void;
};

type State = {
  readonly machine: BucketState;
  readonly tickets: Map<number, Ticket>;
  readonly gate: ActorRef<GateMessage>;
  /** What has landed for a request whose fate the machine decides in this very message. */
  landing: Landing | null;
  wakeAtMs: number | null;
};

type Context = ActorContext<BucketMessage>;

export function bucketActor(options: BucketOptions): Behaviour<State, BucketMessage> {
  return {
    start(context) {
      return {
        machine: newBucket(options.memory.knowledge, context.clock.nowMs()),
        tickets: new Map(),
        gate: options.gate,
        landing: null,
        wakeAtMs: null,
      };
    },
    receive(state, message, context) {
      if (message.kind === 'retire') {
        context.finish('retired');
        return state;
      }
      const current = message.kind === 'gate' ? { ...state, gate: message.gate } : state;
      if (message.kind === 'wake') current.wakeAtMs = null;
      const input = inputOf(message, current, context);
      const step = transition(current.machine, input, context.clock.nowMs());
      const { ledger, flights } = step.state;
      options.memory.knowledge = { ledger, flights };
      for (const effect of step.effects) run(effect, current, options, context);
      for (const effect of step.effects) forget(effect, current.tickets, step.state);
      current.landing = null;
      return { ...current, machine: step.state };
    },
  };
}

function inputOf(message: BucketMessage, state: State, context: Context): BucketInput {
  switch (message.kind) {
    case 'enqueue': {
      const { ticket } = message;
      state.tickets.set(ticket.id, ticket);
      return { kind: 'enqueue', entry: entryOf(ticket, context) };
    }
    case 'landed':
      state.landing = message.landing;
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
  const { status, headers } = landing.answer;
  const reading = readLimits(headers);
  return { kind: 'answered', id, heard: { status, reading, limited: landing.limited ?? null } };
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
      deliver(ticket, state.landing);
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
  if (state.wakeAtMs === atMs) return;
  state.wakeAtMs = atMs;
  context.after('wake', Math.max(0, atMs - context.clock.nowMs()), { kind: 'wake' });
}

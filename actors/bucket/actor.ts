/**
 * A bucket as an actor: a request's turn is its place in this mailbox.
 *
 * Purpose: to run the effects of `machine.ts`: ask the gate, send, settle tickets, keep one timer.
 *
 * Inner workings: the tickets of the requests that the machine knows by number are kept beside it.
 * After each message what the machine knows is handed to the owner, which outlives the actor. Where
 * the limits are shared with other proxies, the machine's steps count when `shared/turns.ts` says
 * so.
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
import { SmallMap } from '../small-map.ts';
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

/** Whose actor it is: what outlives it, and who hears what it finds out. */
export interface BucketOwner {
  /** The gate of the requests' identity. */
  readonly gate: { readonly ref: ActorRef<GateMessage>; readonly shutUntilMs: number };
  knowledge: Knowledge | null;
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
}

type State = {
  machine: BucketState;
  readonly turns: SharedTurns<BucketState, BucketInput, BucketEffect> | null;
  readonly tickets: SmallMap<number, Ticket>;
  gate: ActorRef<GateMessage>;
  /** What has landed for requests whose fate the machine is about to decide. */
  readonly landings: SmallMap<number, Landing>;
  wakeAtMs: number | null;
};

type Context = ActorContext<BucketMessage>;

/** What all messages of the clock say. */
const WAKE: BucketMessage = { kind: 'wake' };
const NEWS: BucketMessage = { kind: 'news' };

export class BucketActor implements Behaviour<State, BucketMessage> {
  readonly #owner: BucketOwner;

  constructor(owner: BucketOwner) {
    this.#owner = owner;
  }

  start(context: Context): State {
    const { gate, knowledge, shared, siblings } = this.#owner;
    const machine = newBucket(knowledge, context.clock.nowMs(), siblings);
    return {
      machine,
      turns: shared && openTurns(machine, shared, knowledge !== null, context),
      tickets: new SmallMap(),
      gate: gate.ref,
      landings: new SmallMap(),
      wakeAtMs: null,
    };
  }

  receive(state: State, message: BucketMessage, context: Context): State {
    if (message.kind === 'retire') {
      context.finish('retired');
      return state;
    }
    if (message.kind === 'gate') state.gate = message.gate;
    if (message.kind === 'wake') state.wakeAtMs = null;
    if (message.kind === 'landed') shutMore(message, state, this.#owner, context);
    const { shutUntilMs: untilMs } = this.#owner.gate;
    // What has shut the gate may have come when the permit was on its way.
    const isLate = message.kind === 'permit' && untilMs > context.clock.nowMs();
    if (isLate) this.#hear({ kind: 'gate-shut', untilMs }, state, context);
    this.#hear(message, state, context);
    if (state.turns?.isBusy !== true) state.landings.clear();
    if (state.turns?.mustPoll === true) context.after('poll', SHARED_POLL_MS, NEWS);
    return state;
  }

  #hear(message: BucketMessage, state: State, context: Context): void {
    for (const step of stepsOf(message, state, context)) {
      count(step, state, this.#owner, context);
    }
  }
}

/**
 * What Discord has shut beside this bucket stays away at once, whatever others have to agree on
 * first.
 */
function shutMore(
  { id, landing }: Extract<BucketMessage, { readonly kind: 'landed' }>,
  { tickets }: State,
  owner: BucketOwner,
  { clock }: Context,
): void {
  if (landing.kind !== 'answer' || landing.limited === undefined) return;
  const { by, waitMs } = landing.limited;
  const isGated = tickets.get(id)?.request.route.globalExempt === false;
  if (by === 'edge' || (by === 'global' && isGated)) owner.shut(by, clock.nowMs() + waitMs);
}

function openTurns(
  state: BucketState,
  { limits, place }: SharedPlace,
  apart: boolean,
  { clock, self }: Context,
): NonNullable<State['turns']> {
  return new SharedTurns({
    machine: bucketSharing(limits.proxy),
    limits,
    place,
    clock,
    state,
    apart,
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

function count(step: BucketStep, state: State, owner: BucketOwner, context: Context): void {
  state.machine = step.state;
  owner.knowledge = step.state;
  for (const effect of step.effects) run(effect, state, owner, context);
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

function run(effect: BucketEffect, state: State, owner: BucketOwner, context: Context): void {
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
    case 'wake-at':
      wakeAt(effect.atMs, state, context);
      break;
    case 'learned':
      owner.learned(effect.evidence);
      break;
    case 'idle':
      owner.idle();
      break;
    case 'discard':
      state.tickets.get(effect.id)?.waitAgain();
      break;
    default:
      settle(effect, state);
  }
}

/** Drops the ticket of a request that the machine knows no more. */
function forget(effect: BucketEffect, tickets: State['tickets'], machine: BucketState): void {
  if (!('id' in effect) || effect.kind === 'send') return;
  const { id } = effect;
  const isKnown = (one: { readonly id: number }): boolean => one.id === id;
  if (machine.flights.some(isKnown)) return;
  // Of all effects only this one leaves a request to wait.
  const mayWait = effect.kind === 'discard';
  const waits = () => machine.queues.some(({ entries }) => entries.some(isKnown));
  if (!mayWait || !waits()) tickets.delete(id);
}

function send(id: number, permit: number | null, state: State, context: Context): void {
  const ticket = state.tickets.get(id);
  if (ticket === undefined) throw new Error(`request ${id} is to be sent but has no ticket`);
  ticket.launch(
    (landing) => context.self.tell({ kind: 'landed', id, landing }),
    () => {
      if (permit !== null) state.gate.tell({ kind: 'sent', permit });
    },
  );
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
      const { waitMs, failing, sent } = effect;
      ticket.settle({ kind: 'timed-out', waitMs, failing, sent });
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
  context.after('wake', Math.max(0, atMs - context.clock.nowMs()), WAKE);
}

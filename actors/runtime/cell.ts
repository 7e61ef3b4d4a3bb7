/**
 * One incarnation of an actor: its place in the tree, its mailbox's bookkeeping, and its end.
 *
 * Purpose. nact gives an actor its turns; everything else that an actor needs is here: the tree,
 * the mailbox and its bound, timers and questions that die with their owner, and an end that
 * happens once, in order, and is told to the parent.
 *
 * Inner workings. A cell is also the context that its behaviour is handed: what an actor may do is
 * as much of its cell as that type shows. In a turn the messages are handled that were there when
 * it began, in order, one after the other; the rest, and what comes after a handler that is
 * awaited, waits for the next.
 *
 * A cell is alive until it has an `exit`. Whatever gives it one (a stop, `finish`, a crash) closes
 * the mailbox at once, so that nothing more is handled, and starts the teardown: wait for a handler
 * that is being awaited, stop the children in the order of `stopAll`, run the `stop` hook, tell the
 * parent. Only then is the name free and the cell gone.
 *
 * Failure modes. Every wait of the teardown is bounded. A handler that outlives its deadline is
 * abandoned: its result and its failure change nothing any more. When the deadline of the whole
 * tree passes, `hurry` ends all waits below: each remaining hook is still called, once, but not
 * awaited. A hook that throws is logged. Nothing in here throws into a sender.
 */
import type { ActorRef, Exit, Reply } from '../../protocols/actor.ts';
import { ActorStoppedError, MailboxFullError, SpawnRefusedError } from '../../protocols/errors.ts';
import {
  ACTOR_ASKS_MAX,
  ACTOR_HANDLER_DEADLINE_MS,
  ACTOR_MAILBOX_MAX_MESSAGES,
  ACTOR_STOP_HOOK_DEADLINE_MS,
  ACTOR_TREE_STOP_DEADLINE_MS,
  ACTOR_TURN_MAX_MESSAGES,
} from '../../protocols/limits.ts';
import type { Clock, Log, Random, Timer } from '../../protocols/ports.ts';
import { SmallMap } from '../small-map.ts';
import { Asks, Question } from './asks.ts';
import type { ActorContext, Behaviour, ChildOptions } from './behaviour.ts';
import { Signal, STALE } from './envelope.ts';
import { Fifo } from './fifo.ts';
import { ActorLog, messageType } from './logging.ts';
import { childPath } from './names.ts';
import { type Inbox, inboxOf, Reference } from './reference.ts';
import { NamedTimers, type TimerOwner } from './timers.ts';
import {
  type Child,
  type Parent,
  stopAll,
  type Turns,
  type TurnTaker,
  type World,
} from './world.ts';

type Item<Message> = Message | Question<Message> | Signal<Message>;

export class Cell<State, Message>
  implements ActorContext<Message>, Inbox<Message>, Parent, TimerOwner<Message>, TurnTaker
{
  readonly name: string;
  readonly parent: Parent;
  readonly place: number | undefined;
  readonly children = new SmallMap<string, Child>();
  readonly self: ActorRef<Message>;
  readonly #world: World;
  readonly #behaviour: Behaviour<State, Message>;
  readonly #onEnd: (exit: Exit) => void;
  readonly #shutdownMs: number | undefined;
  readonly #mailbox = new Fifo<Item<Message>>();
  /** Made with the first line, the first timer and the first question: most actors need few. */
  #log: Log | undefined;
  #timers: NamedTimers<Message> | undefined;
  #asks: Asks | undefined;
  #turns: Turns | undefined;
  /** A turn was asked for and has not come. */
  #turnIsDue = false;
  /** Undefined until `start` has made it. */
  #state: { value: State } | undefined;
  /** Messages that wait and count against the bound. */
  #waiting = 0;
  /** Signals that wait. */
  #signals = 0;
  /** The mailbox was full and has not been half empty since. */
  #overflowing = false;
  /** `start` or a handler is at work. */
  #handling = false;
  #abandoned = false;
  #hurried = false;
  #finishing: Exit | undefined;
  #exit: Exit | undefined;
  #ended: Promise<void> | undefined;
  #wakeHandled: (() => void) | undefined;
  #wakeHurried: (() => void) | undefined;
  #deadline: Timer | undefined;

  /** Starts the actor: when this returns, `start` has run, and may have ended it already. */
  constructor(
    world: World,
    parent: Parent,
    name: string,
    behaviour: Behaviour<State, Message>,
    onEnd: (exit: Exit) => void,
    options: ChildOptions = {},
  ) {
    const path = childPath(parent.path, name);
    if (parent.children.has(name)) {
      throw new SpawnRefusedError(path, 'an actor of that name is not done yet');
    }
    this.name = name;
    this.parent = parent;
    this.#world = world;
    this.#behaviour = behaviour;
    this.#onEnd = onEnd;
    this.place = options.place;
    this.#shutdownMs = options.shutdownMs;
    this.self = new Reference<Message>(this);
    parent.children.set(name, this);
    world.census.actors += 1;
    world.openTurns(this);
  }

  /** Put together when somebody wants to read it, since most are never read. */
  get path(): string {
    return childPath(this.parent.path, this.name);
  }

  // What others ask of it.

  tell(message: Message): void {
    this.#post(message, message);
  }

  ask<Value>(question: (reply: Reply<Value>) => Message, timeoutMs: number): Promise<Value> {
    this.#asks ??= new Asks();
    const ask = this.#asks.open<Value>(this.#world.clock, this.path, timeoutMs);
    if (this.#asks.size > ACTOR_ASKS_MAX) {
      ask.fail(new MailboxFullError(this.path, ACTOR_ASKS_MAX));
      return ask.promise;
    }
    try {
      const message = question(ask);
      const delivery = this.#post(message, new Question(message, ask));
      if (delivery === 'stopped') ask.fail(new ActorStoppedError(this.path));
      if (delivery === 'full') {
        ask.fail(new MailboxFullError(this.path, ACTOR_MAILBOX_MAX_MESSAGES));
      }
      return ask.promise;
    } catch (error) {
      ask.close();
      throw error;
    }
  }

  async halt(): Promise<void> {
    this.#end({ kind: 'stopped' });
    await this.#ended;
  }

  hurry(): void {
    if (this.#hurried) return;
    this.#hurried = true;
    for (const child of this.children.values()) child.hurry();
    this.#wakeHurried?.();
  }

  // What nact calls.

  open(turns: Turns): void {
    this.#turns = turns;
    this.#handling = true;
    this.#state = { value: this.#behaviour.start(this) };
    this.#handled();
  }

  takeTurn(): void | Promise<void> {
    this.#turnIsDue = false;
    let left = Math.min(this.#mailbox.length, ACTOR_TURN_MAX_MESSAGES);
    let pending: Promise<void> | undefined;
    for (; left > 0 && pending === undefined; left--) {
      const mail = this.#mailbox.take();
      // A handler has ended the actor: what was left is dropped.
      if (mail === null) return;
      pending = this.#handle(mail.item);
    }
    if (this.#mailbox.length > 0) this.#askForTurn();
    return pending;
  }

  crashed(error: unknown): void {
    if (this.#abandoned) {
      this.log.error({ error }, 'an abandoned handler failed');
      return;
    }
    this.log.error({ error }, 'actor crashed');
    const exit: Exit = { kind: 'crashed', error };
    this.#asks?.failAll(new ActorStoppedError(this.path));
    this.#finishing = undefined;
    // A stop that waits for this very handler learns how it really ended.
    if (this.#exit !== undefined) this.#exit = exit;
    this.#handled();
    this.#end(exit);
    if (this.#state !== undefined) this.#world.census.done();
  }

  // The mailbox.

  #post(message: Message, item: Item<Message>): 'queued' | 'stopped' | 'full' {
    if (this.#exit !== undefined) {
      this.#world.census.deadLetters += 1;
      this.log.debug({ type: messageType(message) }, 'dead letter: the actor has stopped');
      return 'stopped';
    }
    if (this.#waiting >= ACTOR_MAILBOX_MAX_MESSAGES) {
      this.#overflow(message);
      return 'full';
    }
    this.#waiting += 1;
    this.#put(item);
    return 'queued';
  }

  #overflow(message: Message): void {
    this.#world.census.deadLetters += 1;
    if (this.#overflowing) return;
    this.#overflowing = true;
    this.log.warn(
      { type: messageType(message), maxMessages: ACTOR_MAILBOX_MAX_MESSAGES },
      'mailbox full: new messages are dropped until there is room',
    );
  }

  signal(signal: Signal<Message>): void {
    if (this.#exit !== undefined) return;
    this.#signals += 1;
    this.#put(signal);
  }

  #put(item: Item<Message>): void {
    this.#world.census.begin();
    this.#mailbox.put(item);
    this.#askForTurn();
  }

  #askForTurn(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    this.#turns?.ask();
  }

  #handle(item: Item<Message>): Promise<void> | undefined {
    this.#handling = true;
    const message = this.#take(item);
    if (message !== STALE && this.#state !== undefined) {
      const next = this.#behaviour.receive(this.#state.value, message, this);
      if (next instanceof Promise) return this.#handleLater(this.#state, next);
      this.#state.value = next;
    }
    this.#handled();
    this.#world.census.done();
    return undefined;
  }

  #take(item: Item<Message>): Message | typeof STALE {
    if (item instanceof Signal) {
      this.#signals -= 1;
      return item.open();
    }
    this.#waiting -= 1;
    if (this.#overflowing && this.#waiting <= ACTOR_MAILBOX_MAX_MESSAGES / 2) {
      this.#overflowing = false;
    }
    return item instanceof Question ? item.open() : item;
  }

  async #handleLater(state: { value: State }, next: Promise<State>): Promise<void> {
    const value = await next;
    if (this.#abandoned) return;
    state.value = value;
    this.#handled();
    this.#world.census.done();
  }

  #handled(): void {
    this.#handling = false;
    if (this.#finishing !== undefined) this.#end(this.#finishing);
    this.#wakeHandled?.();
  }

  // The end.

  #end(exit: Exit): void {
    if (this.#exit !== undefined) return;
    this.#exit = exit;
    this.#turns?.close();
    this.#dropMail();
    this.#timers?.clear();
    this.#asks?.failUntaken(new ActorStoppedError(this.path));
    this.#deadline = this.#setDeadline(this.#shutdownMs ?? ACTOR_TREE_STOP_DEADLINE_MS);
    this.#ended = this.#tearDown();
  }

  #dropMail(): void {
    const dropped = this.#waiting;
    this.#mailbox.clear();
    this.#world.census.done(dropped + this.#signals);
    this.#waiting = 0;
    this.#signals = 0;
    if (dropped === 0) return;
    this.#world.census.deadLetters += dropped;
    this.log.debug({ messages: dropped }, 'dead letters: the actor stopped before their turn');
  }

  async #tearDown(): Promise<void> {
    await this.#awaitHandler();
    await stopAll(this.children);
    const exit: Exit = this.#exit ?? { kind: 'stopped' };
    await this.#runStopHook(exit);
    this.#asks?.failAll(new ActorStoppedError(this.path));
    this.#deadline?.cancel();
    // Whoever keeps a reference to an actor that has ended must not keep its state alive with it.
    this.#state = undefined;
    this.parent.children.delete(this.name);
    this.#world.census.actors -= 1;
    this.#onEnd(exit);
  }

  async #awaitHandler(): Promise<void> {
    if (!this.#handling) return;
    const handled = new Promise<void>((resolve) => {
      this.#wakeHandled = resolve;
    });
    if (await this.#isDoneWithin(handled, ACTOR_HANDLER_DEADLINE_MS)) return;
    this.#abandoned = true;
    this.#world.census.done();
    this.log.warn({}, 'a handler did not end in time and is abandoned');
  }

  async #runStopHook(exit: Exit): Promise<void> {
    if (this.#state === undefined) return;
    const failed = (error: unknown): void => {
      this.log.error({ error }, 'cleanup failed');
    };
    try {
      const work = this.#behaviour.stop?.(this.#state.value, exit);
      if (!(work instanceof Promise)) return;
      const limitMs = this.#shutdownMs ?? ACTOR_STOP_HOOK_DEADLINE_MS;
      if (await this.#isDoneWithin(work.catch(failed), limitMs)) return;
      this.log.warn({}, 'cleanup did not end in time and is not awaited');
    } catch (error) {
      failed(error);
    }
  }

  /** Waits for `work`, but not past `limitMs` nor past `hurry`. */
  #isDoneWithin(work: Promise<void>, limitMs: number): Promise<boolean> {
    if (this.#hurried) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (done: boolean): void => {
        limit.cancel();
        resolve(done);
      };
      const limit = this.#world.clock.setTimer(limitMs, () => settle(false));
      this.#wakeHurried = () => settle(false);
      void work.then(() => settle(true));
    });
  }

  /** Bounds the whole teardown, descendants included. */
  #setDeadline(withinMs: number): Timer {
    return this.#world.clock.setTimer(withinMs, () => {
      this.log.warn({ withinMs }, 'the end took too long: the rest of the cleanup is not awaited');
      this.hurry();
    });
  }

  // What it may do itself.

  get clock(): Clock {
    return this.#world.clock;
  }

  get random(): Random {
    return this.#world.random;
  }

  get log(): Log {
    this.#log ??= new ActorLog(this.#world.log, this.path);
    return this.#log;
  }

  spawn<ChildState, ChildMessage>(
    name: string,
    behaviour: Behaviour<ChildState, ChildMessage>,
    onExit: (exit: Exit) => Message,
    options?: ChildOptions,
  ): ActorRef<ChildMessage> {
    // While a stop waits for a handler, that handler may still start children: they are stopped
    // next.
    if (this.#exit !== undefined && (!this.#handling || this.#abandoned)) {
      throw new SpawnRefusedError(childPath(this.path, name), 'its parent has ended');
    }
    const onEnd = (exit: Exit): void => this.signal(new Signal(() => onExit(exit)));
    return new Cell(this.#world, this, name, behaviour, onEnd, options).self;
  }

  stop(child: ActorRef<never>): Promise<void> {
    const cell = inboxOf(child);
    if (cell?.parent !== this) throw new TypeError(`${child.path} is no child of ${this.path}`);
    return cell.halt();
  }

  finish(reason: unknown): void {
    if (this.#exit !== undefined || this.#finishing !== undefined) return;
    this.#finishing = { kind: 'finished', reason };
    if (!this.#handling) this.#end(this.#finishing);
  }

  after(name: string, delayMs: number, message: Message): void {
    if (this.#exit !== undefined) return;
    this.#timers ??= new NamedTimers(this.#world.clock, this);
    this.#timers.arm(name, delayMs, message);
  }

  cancel(name: string): void {
    this.#timers?.cancel(name);
  }
}

/**
 * The tree of one broker: a supervisor actor with one channel at a time, and the `Broker` in front.
 *
 * A lost link is an ordinary end of a channel: it is answered by a new channel after a wait that
 * grows, jittered, up to BROKER_BACKOFF_MAX_MS, for as long as it takes, and it costs no restart
 * budget. A crash is a programming error: it is answered the same way, but BROKER_CRASHES_MAX of
 * them in BROKER_CRASH_WINDOW_MS are the end. That end, and a fatal refusal by the broker
 * (credentials, vhost, arguments), fails everything that waits and is told once to `onFailure`.
 *
 * What was asked of the broker stands on the desk and in the writer, which no restart touches.
 */
import { channelActor } from '../actors/channel/actor.ts';
import { Desk } from '../actors/channel/desk.ts';
import type { LinkDriver } from '../actors/channel/link.ts';
import type { ChannelExit, ChannelMessage } from '../actors/channel/machine.ts';
import { ChannelWriter } from '../actors/channel/writer.ts';
import { within } from '../actors/deadline.ts';
import { type ActorContext, type ActorSystem, ask, type Behaviour } from '../actors/runtime.ts';
import type { ActorRef, Exit, Reply } from '../protocols/actor.ts';
import {
  type BackoffPolicy,
  type BackoffState,
  FRESH_BACKOFF,
  nextBackoff,
  stable,
} from '../protocols/backoff.ts';
import type { Broker, BrokerState } from '../protocols/broker.ts';
import {
  ActorStoppedError,
  AskTimeoutError,
  BrokerUnavailableError,
  FatalError,
  SpectaclesError,
} from '../protocols/errors.ts';
import {
  BROKER_BACKOFF_MAX_MS,
  BROKER_BACKOFF_MIN_MS,
  BROKER_CLOSE_MS,
  BROKER_CRASH_WINDOW_MS,
  BROKER_CRASHES_MAX,
  BROKER_STABLE_MS,
  BROKER_SUBSCRIBE_MS,
  BROKER_UNSUBSCRIBE_MS,
} from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';

export type BrokerTreeOptions = {
  readonly driver: LinkDriver;
  /** Who starts the broker's supervisor: the actor system, or the supervisor of a service. */
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes an id that nobody has used: of a message, of a call. */
  readonly makeId: () => string;
  /** The supervisor's name among its siblings. */
  readonly name?: string;
  /**
   * Whether a link that is lost, or cannot be opened, is followed by another; it is unless told.
   */
  readonly triesAgain?: boolean;
  /** Gives the start up; it changes nothing afterwards. */
  readonly signal?: AbortSignal;
  /** The broker has failed for good after it had started. At most once. */
  readonly onFailure?: (error: SpectaclesError) => void;
};

const BACKOFF: BackoffPolicy = {
  initialMs: BROKER_BACKOFF_MIN_MS,
  maxMs: BROKER_BACKOFF_MAX_MS,
  factor: 2,
  jitter: 0.5,
  stableMs: BROKER_STABLE_MS,
};

type SupervisorMessage =
  | { readonly kind: 'ended'; readonly exit: Exit }
  | { readonly kind: 'restart' }
  | { readonly kind: 'to-channel'; readonly message: ChannelMessage }
  | { readonly kind: 'close'; readonly done: Reply<void> }
  | { readonly kind: 'channel-stopped'; readonly done: Reply<void> };

type SupervisorState = {
  readonly channel: ActorRef<ChannelMessage> | undefined;
  readonly generation: number;
  readonly startedMs: number;
  readonly backoff: BackoffState;
  readonly crashesMs: readonly number[];
};

type Shared = {
  readonly options: BrokerTreeOptions;
  readonly desk: Desk;
  readonly writer: ChannelWriter;
  readonly announce: (state: BrokerState) => void;
  /** The first channel has opened or ended: whoever starts the broker may go on. */
  readonly firstAttempt: (failure: SpectaclesError | undefined) => void;
};

function startChannel(
  state: SupervisorState,
  shared: Shared,
  context: ActorContext<SupervisorMessage>,
): SupervisorState {
  const { options, desk, writer, announce } = shared;
  const generation = state.generation + 1;
  const channel = context.spawn(
    `channel-${generation}`,
    channelActor({
      driver: options.driver,
      desk,
      writer,
      announce: (brokerState) => {
        announce(brokerState);
        if (brokerState !== 'open') return;
        if (generation > 1) options.log.info({}, `${options.driver.label} is open again`);
        shared.firstAttempt(undefined);
      },
    }),
    (exit) => ({ kind: 'ended', exit }),
  );
  return { ...state, channel, generation, startedMs: context.clock.nowMs() };
}

function fail(
  state: SupervisorState,
  error: SpectaclesError,
  shared: Shared,
  context: ActorContext<SupervisorMessage>,
): SupervisorState {
  shared.desk.close(error);
  shared.firstAttempt(error);
  context.finish(error);
  return { ...state, channel: undefined };
}

/** Waits, then starts the next channel. The wait starts over after a link that was stable. */
function restartLater(
  state: SupervisorState,
  reason: unknown,
  wasOpen: boolean,
  shared: Shared,
  context: ActorContext<SupervisorMessage>,
): SupervisorState {
  const { log, driver, triesAgain = true } = shared.options;
  const message = reason instanceof Error ? reason.message : String(reason);
  if (!triesAgain) {
    const isOurs = reason instanceof SpectaclesError;
    const error = isOurs ? reason : new BrokerUnavailableError(message, { cause: reason });
    return fail(state, error, shared, context);
  }
  const livedMs = context.clock.nowMs() - state.startedMs;
  const before = wasOpen ? stable(state.backoff, BACKOFF, livedMs) : state.backoff;
  const { state: backoff, delayMs: waitMs } = nextBackoff(before, BACKOFF, context.random);
  log.warn(
    { reason: message, waitMs: Math.round(waitMs) },
    `${driver.label} ${wasOpen ? 'was lost' : 'cannot be reached'}; trying again`,
  );
  shared.firstAttempt(undefined);
  context.after('restart', waitMs, { kind: 'restart' });
  return { ...state, channel: undefined, backoff };
}

function afterCrash(
  state: SupervisorState,
  error: unknown,
  shared: Shared,
  context: ActorContext<SupervisorMessage>,
): SupervisorState {
  const { log, driver } = shared.options;
  const nowMs = context.clock.nowMs();
  const crashesMs = [...state.crashesMs, nowMs].filter((at) => at > nowMs - BROKER_CRASH_WINDOW_MS);
  log.error({ error }, `the channel to ${driver.label} crashed`);
  if (crashesMs.length > BROKER_CRASHES_MAX) {
    const message = `the channel to ${driver.label} crashed ${crashesMs.length} times in ${BROKER_CRASH_WINDOW_MS} ms`;
    return fail(state, new FatalError(message, { cause: error }), shared, context);
  }
  return restartLater({ ...state, crashesMs }, error, true, shared, context);
}

function isChannelExit(reason: unknown): reason is ChannelExit {
  return typeof reason === 'object' && reason !== null && 'kind' in reason;
}

function afterEnd(
  state: SupervisorState,
  exit: Exit,
  shared: Shared,
  context: ActorContext<SupervisorMessage>,
): SupervisorState {
  if (exit.kind === 'crashed') return afterCrash(state, exit.error, shared, context);
  if (exit.kind === 'stopped' || !isChannelExit(exit.reason))
    return { ...state, channel: undefined };
  if (exit.reason.kind === 'fatal') return fail(state, exit.reason.error, shared, context);
  return restartLater(state, exit.reason.reason, exit.reason.wasOpen, shared, context);
}

/** A channel that is not there needs no telling: the next one reads the desk. */
function forward(state: SupervisorState, message: ChannelMessage): void {
  if (state.channel) state.channel.tell(message);
  else if (message.kind === 'subscribe' || message.kind === 'unsubscribe')
    message.done.ok(undefined);
}

/** The channel drains for as long as it may; meanwhile this actor goes on handling its messages. */
function stopChannel(
  state: SupervisorState,
  done: Reply<void>,
  context: ActorContext<SupervisorMessage>,
): void {
  const stopped = state.channel ? context.stop(state.channel) : Promise.resolve();
  stopped.then(() => context.self.tell({ kind: 'channel-stopped', done }));
}

function brokerSupervisor(shared: Shared): Behaviour<SupervisorState, SupervisorMessage> {
  return {
    start: (context) =>
      startChannel(
        { channel: undefined, generation: 0, startedMs: 0, backoff: FRESH_BACKOFF, crashesMs: [] },
        shared,
        context,
      ),
    receive(state, message, context) {
      switch (message.kind) {
        case 'ended':
          return afterEnd(state, message.exit, shared, context);
        case 'restart':
          return state.channel ? state : startChannel(state, shared, context);
        case 'to-channel':
          forward(state, message.message);
          return state;
        case 'close':
          context.cancel('restart');
          stopChannel(state, message.done, context);
          return state;
        case 'channel-stopped':
          message.done.ok(undefined);
          context.finish('closed');
          return { ...state, channel: undefined };
      }
    },
    stop() {
      shared.desk.close(new BrokerUnavailableError(`${shared.options.driver.label} was closed`));
    },
  };
}

/** The broker's state, and who is told when it changes. */
class StateBoard {
  #state: BrokerState = 'away';
  readonly #listeners = new Set<(state: BrokerState) => void>();

  get state(): BrokerState {
    return this.#state;
  }

  set(state: BrokerState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  watch(listener: (state: BrokerState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

type Front = {
  readonly desk: Desk;
  readonly writer: ChannelWriter;
  readonly board: StateBoard;
  readonly supervisor: ActorRef<SupervisorMessage>;
  readonly clock: Clock;
  readonly label: string;
};

/** What is wanted stands on the desk: a link that does not answer is as good as away. */
async function change(
  front: Front,
  kind: 'subscribe' | 'unsubscribe',
  event: string,
): Promise<void> {
  const timeoutMs = kind === 'subscribe' ? BROKER_SUBSCRIBE_MS : BROKER_UNSUBSCRIBE_MS;
  try {
    await ask<SupervisorMessage, void>(
      front.supervisor,
      (done) => ({ kind: 'to-channel', message: { kind, event, done } }),
      timeoutMs,
    );
  } catch (error) {
    if (error instanceof AskTimeoutError) return;
    if (!(error instanceof ActorStoppedError)) throw error;
    throw new BrokerUnavailableError(`${front.label} has ended; no ${kind}`, { cause: error });
  }
}

/** Ends the supervisor, and the channel with it. One that has ended already is no failure. */
async function end(supervisor: ActorRef<SupervisorMessage>): Promise<void> {
  await ask<SupervisorMessage, void>(
    supervisor,
    (done) => ({ kind: 'close', done }),
    BROKER_CLOSE_MS * 2,
  ).catch(() => undefined);
}

async function close({ desk, board, clock, supervisor, label }: Front): Promise<void> {
  desk.refuseNew(new BrokerUnavailableError(`${label} is closing`));
  // The channel waits for what was sent; this is for what it has not got yet.
  if (board.state === 'open') await within(clock, BROKER_CLOSE_MS, desk.allSent());
  await end(supervisor);
}

function brokerFront(front: Front): Broker {
  const { desk, writer, board } = front;
  let closing: Promise<void> | undefined;
  return {
    writer,
    get state() {
      return board.state;
    },
    watch: (listener) => board.watch(listener),
    publish: (event, body, options = {}) => desk.publish(event, body, options),
    call: (event, body, options) => desk.call(event, body, options),
    subscribe(event, handler) {
      const isNew = !desk.subscriptions.has(event);
      desk.subscriptions.set(event, handler);
      return isNew ? change(front, 'subscribe', event) : Promise.resolve();
    },
    async unsubscribe(event) {
      if (desk.subscriptions.delete(event)) await change(front, 'unsubscribe', event);
    },
    close() {
      closing ??= close(front);
      return closing;
    },
  };
}

/**
 * Starts a broker and waits for its first attempt to connect. Resolves with a broker that is open,
 * or away and trying; rejects with a `FatalError` when trying again cannot help, with the reason of
 * the first attempt when it is not to be tried again, and with the signal's reason.
 */
export async function startBroker(options: BrokerTreeOptions): Promise<Broker> {
  const { driver, clock, log, onFailure, signal } = options;
  signal?.throwIfAborted();
  const board = new StateBoard();
  let supervisor: ActorRef<SupervisorMessage> | undefined;
  const desk = new Desk({
    clock,
    makeId: options.makeId,
    label: driver.label,
    wake: () => supervisor?.tell({ kind: 'to-channel', message: { kind: 'work' } }),
  });
  const writer = new ChannelWriter((error) => {
    supervisor?.tell({ kind: 'to-channel', message: { kind: 'fault', error } });
  });
  let started = false;
  let giveUp = (): void => undefined;
  await new Promise<void>((resolve, reject) => {
    const firstAttempt = (failure: SpectaclesError | undefined) => {
      if (started) {
        if (failure) onFailure?.(failure);
        return;
      }
      if (failure) reject(failure);
      else {
        started = true;
        resolve();
      }
    };
    giveUp = () => {
      if (supervisor !== undefined) void end(supervisor);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    const announce = (state: BrokerState) => board.set(state);
    const shared: Shared = { options, desk, writer, announce, firstAttempt };
    supervisor = options.system.spawn(
      options.name ?? 'broker',
      brokerSupervisor(shared),
      (exit) => {
        if (exit.kind !== 'crashed') return;
        log.error({ error: exit.error }, 'the supervisor of the broker crashed');
        const failure = new FatalError('the supervisor of the broker crashed', {
          cause: exit.error,
        });
        desk.close(failure);
        firstAttempt(failure);
      },
    );
  }).finally(() => signal?.removeEventListener('abort', giveUp));
  if (supervisor === undefined) throw new FatalError('the broker was not started');
  return brokerFront({ desk, writer, board, supervisor, clock, label: driver.label });
}

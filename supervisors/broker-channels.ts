/**
 * The supervisor of one broker's channels: an actor with one channel at a time.
 *
 * A lost link is an ordinary end of a channel: it is answered by a new channel after a wait that
 * grows, jittered, up to BROKER_BACKOFF_MAX_MS, for as long as it takes, and it costs no restart
 * budget. A crash is a programming error: it is answered the same way, but BROKER_CRASHES_MAX of
 * them in BROKER_CRASH_WINDOW_MS are the end. So is a fatal refusal by the broker (credentials,
 * vhost, arguments), and a lost link when there is to be no other. The end fails everything that
 * waits.
 */
import { channelActor } from '../actors/channel/actor.ts';
import type { Desk } from '../actors/channel/desk.ts';
import type { LinkDriver } from '../actors/channel/link.ts';
import type { ChannelExit, ChannelMessage } from '../actors/channel/machine.ts';
import type { ChannelWriter } from '../actors/channel/writer.ts';
import type { ActorContext, ActorSystem, Behaviour } from '../actors/runtime.ts';
import type { ActorRef, Exit, Reply } from '../protocols/actor.ts';
import {
  type BackoffPolicy,
  type BackoffState,
  FRESH_BACKOFF,
  nextBackoff,
  stable,
} from '../protocols/backoff.ts';
import type { BrokerState } from '../protocols/broker.ts';
import { BrokerUnavailableError, FatalError, SpectaclesError } from '../protocols/errors.ts';
import {
  BROKER_BACKOFF_MAX_MS,
  BROKER_BACKOFF_MIN_MS,
  BROKER_CRASH_WINDOW_MS,
  BROKER_CRASHES_MAX,
  BROKER_STABLE_MS,
} from '../protocols/limits.ts';
import { messageOf } from '../protocols/message-of.ts';
import type { Log } from '../protocols/ports.ts';

const BACKOFF: BackoffPolicy = {
  initialMs: BROKER_BACKOFF_MIN_MS,
  maxMs: BROKER_BACKOFF_MAX_MS,
  factor: 2,
  jitter: 0.5,
  stableMs: BROKER_STABLE_MS,
};

export type ChannelsMessage =
  | { readonly kind: 'ended'; readonly exit: Exit }
  | { readonly kind: 'restart' }
  | { readonly kind: 'to-channel'; readonly message: ChannelMessage }
  | { readonly kind: 'close'; readonly done: Reply<void> }
  | { readonly kind: 'channel-stopped'; readonly done: Reply<void> };

type LostChannel = Extract<ChannelExit, { readonly kind: 'lost' }>;

type ChannelsState = {
  readonly channel: ActorRef<ChannelMessage> | undefined;
  readonly generation: number;
  readonly startedMs: number;
  readonly backoff: BackoffState;
  readonly crashesMs: readonly number[];
};

export type ChannelsOptions = {
  readonly driver: LinkDriver;
  /** Who starts the supervisor. */
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly log: Log;
  /** The supervisor's name among its siblings. */
  readonly name: string;
  /** Whether a link that is lost, or cannot be opened, is followed by another. */
  readonly triesAgain: boolean;
  /** What was asked of the broker: no restart touches it. */
  readonly desk: Desk;
  readonly writer: ChannelWriter;
  readonly announce: (state: BrokerState) => void;
  /**
   * The first channel has opened or ended: whoever starts the broker may go on. Told again of a
   * failure for good that comes later.
   */
  readonly onAttempt: (failure: SpectaclesError | undefined) => void;
};

type Context = ActorContext<ChannelsMessage>;

/** Starts the supervisor, and with it the first channel. */
export function superviseChannels(options: ChannelsOptions): ActorRef<ChannelsMessage> {
  const { system, name, desk, log, onAttempt } = options;
  return system.spawn(name, channelSupervisor(options), (exit) => {
    if (exit.kind !== 'crashed') return;
    log.error({ error: exit.error }, 'the supervisor of the broker crashed');
    const failure = new FatalError('the supervisor of the broker crashed', { cause: exit.error });
    desk.close(failure);
    onAttempt(failure);
  });
}

function channelSupervisor(options: ChannelsOptions): Behaviour<ChannelsState, ChannelsMessage> {
  return {
    start: (context) =>
      startChannel(
        { channel: undefined, generation: 0, startedMs: 0, backoff: FRESH_BACKOFF, crashesMs: [] },
        options,
        context,
      ),
    receive(state, message, context) {
      switch (message.kind) {
        case 'ended':
          return afterEnd(state, message.exit, options, context);
        case 'restart':
          return state.channel ? state : startChannel(state, options, context);
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
      const { desk, driver } = options;
      desk.close(new BrokerUnavailableError(`${driver.label} was closed`));
    },
  };
}

function startChannel(
  state: ChannelsState,
  options: ChannelsOptions,
  context: Context,
): ChannelsState {
  const { driver, desk, writer, log, announce, onAttempt } = options;
  const generation = state.generation + 1;
  const channel = context.spawn(
    `channel-${generation}`,
    channelActor({
      driver,
      desk,
      writer,
      announce: (brokerState) => {
        announce(brokerState);
        if (brokerState !== 'open') return;
        if (generation > 1) log.info({}, `${driver.label} is open again`);
        onAttempt(undefined);
      },
    }),
    (exit) => ({ kind: 'ended', exit }),
  );
  return { ...state, channel, generation, startedMs: context.clock.nowMs() };
}

function fail(
  state: ChannelsState,
  error: SpectaclesError,
  options: ChannelsOptions,
  context: Context,
): ChannelsState {
  options.desk.close(error);
  options.onAttempt(error);
  context.finish(error);
  return { ...state, channel: undefined };
}

/** Waits, then starts the next channel. The wait starts over after a link that was stable. */
function restartLater(
  state: ChannelsState,
  { reason, wasOpen }: Pick<LostChannel, 'reason' | 'wasOpen'>,
  options: ChannelsOptions,
  context: Context,
): ChannelsState {
  const { log, driver, triesAgain } = options;
  const message = messageOf(reason);
  if (!triesAgain) {
    const isOurs = reason instanceof SpectaclesError;
    const error = isOurs ? reason : new BrokerUnavailableError(message, { cause: reason });
    return fail(state, error, options, context);
  }
  const livedMs = context.clock.nowMs() - state.startedMs;
  const before = wasOpen ? stable(state.backoff, BACKOFF, livedMs) : state.backoff;
  const { state: backoff, delayMs: waitMs } = nextBackoff(before, BACKOFF, context.random);
  log.warn(
    { reason: message, waitMs: Math.round(waitMs) },
    `${driver.label} ${wasOpen ? 'was lost' : 'cannot be reached'}; trying again`,
  );
  options.onAttempt(undefined);
  context.after('restart', waitMs, { kind: 'restart' });
  return { ...state, channel: undefined, backoff };
}

function afterCrash(
  state: ChannelsState,
  error: unknown,
  options: ChannelsOptions,
  context: Context,
): ChannelsState {
  const { log, driver } = options;
  const nowMs = context.clock.nowMs();
  const crashesMs = [...state.crashesMs, nowMs].filter((at) => at > nowMs - BROKER_CRASH_WINDOW_MS);
  log.error({ error }, `the channel to ${driver.label} crashed`);
  if (crashesMs.length > BROKER_CRASHES_MAX) {
    const message = `the channel to ${driver.label} crashed ${crashesMs.length} times in ${BROKER_CRASH_WINDOW_MS} ms`;
    return fail(state, new FatalError(message, { cause: error }), options, context);
  }
  const loss = { reason: error, wasOpen: true };
  return restartLater({ ...state, crashesMs }, loss, options, context);
}

function isChannelExit(reason: unknown): reason is ChannelExit {
  return typeof reason === 'object' && reason !== null && 'kind' in reason;
}

function afterEnd(
  state: ChannelsState,
  exit: Exit,
  options: ChannelsOptions,
  context: Context,
): ChannelsState {
  if (exit.kind === 'crashed') return afterCrash(state, exit.error, options, context);
  if (exit.kind === 'stopped' || !isChannelExit(exit.reason))
    return { ...state, channel: undefined };
  if (exit.reason.kind === 'fatal') return fail(state, exit.reason.error, options, context);
  return restartLater(state, exit.reason, options, context);
}

/** A channel that is not there needs no telling: the next one reads the desk. */
function forward(state: ChannelsState, message: ChannelMessage): void {
  if (state.channel) state.channel.tell(message);
  else if (message.kind === 'subscribe' || message.kind === 'unsubscribe')
    message.done.ok(undefined);
}

/** The channel drains for as long as it may; meanwhile this actor goes on handling its messages. */
function stopChannel(state: ChannelsState, done: Reply<void>, context: Context): void {
  const stopped = state.channel ? context.stop(state.channel) : Promise.resolve();
  stopped.then(() => context.self.tell({ kind: 'channel-stopped', done }));
}

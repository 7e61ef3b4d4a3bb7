/**
 * The tree of one broker: the supervisor of its channels, and the `Broker` in front.
 *
 * What is asked of the broker stands on the desk and in the writer, which no channel's end touches.
 *
 * Failure: links that are lost come back (`broker-channels.ts`). What cannot be mended fails the
 * start, or is told once to `onFailure`, and fails whatever is asked from then on.
 */
import { Desk } from '../actors/channel/desk.ts';
import type { LinkDriver } from '../actors/channel/link.ts';
import type { ChannelMessage } from '../actors/channel/machine.ts';
import { ChannelWriter } from '../actors/channel/writer.ts';
import { within } from '../actors/deadline.ts';
import { type ActorSystem, ask } from '../actors/runtime.ts';
import type { ActorRef } from '../protocols/actor.ts';
import type { Broker, BrokerState } from '../protocols/broker.ts';
import {
  ActorStoppedError,
  AskTimeoutError,
  BrokerUnavailableError,
  type SpectaclesError,
} from '../protocols/errors.ts';
import {
  BROKER_CLOSE_MS,
  BROKER_SUBSCRIBE_MS,
  BROKER_UNSUBSCRIBE_MS,
} from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import { type ChannelsMessage, superviseChannels } from './broker-channels.ts';

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
  readonly supervisor: ActorRef<ChannelsMessage>;
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
    await ask<ChannelsMessage, void>(
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
async function end(supervisor: ActorRef<ChannelsMessage>): Promise<void> {
  await ask<ChannelsMessage, void>(
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

/** What whoever starts the broker waits for; a failure after that goes to `onFailure`. */
class FirstAttempt {
  /** Resolves when the broker is open, or away and trying. */
  readonly made: Promise<void>;
  readonly #onFailure: BrokerTreeOptions['onFailure'];
  #isMade = false;
  #resolve: () => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(onFailure: BrokerTreeOptions['onFailure']) {
    this.#onFailure = onFailure;
    this.made = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  told(failure: SpectaclesError | undefined): void {
    if (failure === undefined) {
      this.#isMade = true;
      this.#resolve();
    } else if (this.#isMade) {
      this.#onFailure?.(failure);
    } else {
      this.#reject(failure);
    }
  }

  giveUp(reason: unknown): void {
    this.#reject(reason);
  }
}

/**
 * Starts a broker and waits for its first attempt to connect. Resolves with a broker that is open,
 * or away and trying; rejects with a `FatalError` when trying again cannot help, with the reason of
 * the first attempt when it is not to be tried again, and with the signal's reason.
 */
export async function startBroker(options: BrokerTreeOptions): Promise<Broker> {
  const { driver, system, clock, log, makeId, name = 'broker', triesAgain = true } = options;
  const { signal } = options;
  signal?.throwIfAborted();
  const board = new StateBoard();
  let supervisor: ActorRef<ChannelsMessage> | undefined;
  const tellChannel = (message: ChannelMessage): void =>
    supervisor?.tell({ kind: 'to-channel', message });
  const { label } = driver;
  const desk = new Desk({ clock, makeId, label, wake: () => tellChannel({ kind: 'work' }) });
  const writer = new ChannelWriter((error) => tellChannel({ kind: 'fault', error }));
  const announce = (state: BrokerState): void => board.set(state);
  const attempt = new FirstAttempt(options.onFailure);
  const onAttempt = (failure: SpectaclesError | undefined): void => attempt.told(failure);
  const giveUp = (): void => {
    if (supervisor !== undefined) void end(supervisor);
    attempt.giveUp(signal?.reason);
  };
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const channels = { driver, system, log, name, triesAgain, desk, writer, announce, onAttempt };
    supervisor = superviseChannels(channels);
    await attempt.made;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return brokerFront({ desk, writer, board, supervisor, clock, label });
}

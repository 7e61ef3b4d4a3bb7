/**
 * What every broker class of the library does, with the surface of `@spectacles/brokers`.
 *
 * Listeners are registered with `on`, `subscribe` starts consuming, and a listener gets the decoded
 * data and `{ ack, reply, … }`. Bodies are decoded by one ladder that reads what the gateways and
 * clients of every language and year publish, and events in discord.js' shape are unwrapped.
 * `publish` resolves when the broker has confirmed; connections that are lost come back, with their
 * subscriptions.
 *
 * A message that cannot be decoded, or whose listener throws, is rejected and told as `error`. A
 * message for which no listener is registered is handed back, for this or another process to take
 * later. `error` is only emitted to those who listen to it; without any it goes to the log, and
 * without a log to the process's own warnings. A failure for good (wrong password …) is emitted as
 * `error` and fails every publish and call. `close` is emitted when the connection is lost, which
 * mends itself, and when `disconnect` ends it.
 */
import { EventEmitter } from 'node:events';
import { within } from '../../actors/deadline.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { BrokerUnavailableError, ListenerError } from '../../protocols/errors.ts';
import type { GAP_EVENT, SessionGap } from '../../protocols/gateway/gap.ts';
import { BROKER_CLOSE_MS, CONSUMER_PREFETCH } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Log } from '../../protocols/ports.ts';
import { decodeBody, encodeAnswer, encodeBody } from '../../protocols/wire/body.ts';
import { unwrapDispatch } from '../../protocols/wire/discordjs.ts';
import { type BrokerConfig, createBroker } from '../brokers/create-broker.ts';
import { createRandom, drawSeed } from '../random.ts';
import { SILENT_LOG } from '../silent-log.ts';
import { systemClock } from '../system-clock.ts';
import type {
  Audience,
  AudienceOptions,
  BrokerClientOptions,
  Deserialize,
  MessageListener,
  MessageOptions,
  SendOptions,
  Serialize,
} from './broker-types.ts';
import type { DispatchData, DispatchName } from './dispatch-data.ts';
import { Repeats } from './repeats.ts';
import { Unsettled } from './unsettled.ts';

/** Emitted when `disconnect` has been called. */
export const DISCONNECTED = Symbol('disconnected');

/** How long `call` waits for an answer unless it is told. */
const DEFAULT_EXPIRATION_MS = 5_000;

/** A broker that is running, and how it is ended. */
export type Running = { readonly broker: Broker; close(): Promise<void> };

/** A broker that runs, or is about to; `giveUp` ends its opening. */
type Started = { readonly running: Promise<Running>; readonly giveUp: AbortController };

function toMilliseconds(value: number | string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const milliseconds = Number(value);
  return Number.isFinite(milliseconds) && milliseconds >= 0 ? milliseconds : undefined;
}

function asList(events: string | Iterable<string>): readonly string[] {
  return typeof events === 'string' ? [events] : [...events];
}

export abstract class BrokerClient extends EventEmitter {
  static DEFAULT_EXPIRATION = DEFAULT_EXPIRATION_MS;

  serialize: Serialize;
  deserialize: Deserialize;
  readonly audience: Audience;
  protected readonly log: Log;
  readonly #repeats: Repeats | undefined;
  readonly #unsettled: Unsettled;
  #started: Started | undefined;

  /** `prefetch`: messages that listeners may have and not have settled, where that can be set. */
  constructor(
    options: BrokerClientOptions & AudienceOptions & { readonly prefetch?: number } = {},
  ) {
    // A listener may be async: what it rejects with goes the way of what others throw.
    super({ captureRejections: true });
    this.serialize = options.serialize ?? encodeBody;
    this.deserialize = options.deserialize ?? decodeBody;
    this.log = options.log ?? SILENT_LOG;
    this.audience = options.audience ?? 'group';
    this.#repeats = options.dropRepeats === true ? new Repeats() : undefined;
    const bound = options.prefetch ?? CONSUMER_PREFETCH;
    this.#unsettled = new Unsettled(bound, systemClock, (warning) => this.#warn(warning));
  }

  override on<Name extends DispatchName>(
    event: Name,
    listener: MessageListener<DispatchData[Name]>,
  ): this;
  override on(event: typeof GAP_EVENT, listener: MessageListener<SessionGap>): this;
  override on(event: 'error', listener: (error: Error) => void): this;
  override on(event: 'close' | typeof DISCONNECTED, listener: () => void): this;
  // biome-ignore lint/suspicious/noExplicitAny: its listener knows what it carries
  override on(event: string, listener: MessageListener<any>): this;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  override on(event: string | symbol, listener: (...values: any[]) => unknown): this {
    return super.on(event, listener);
  }

  /** Publishes to whoever consumes `event`; resolves when the broker has taken the message. */
  async publish(event: string, data: unknown, options: SendOptions = {}): Promise<void> {
    const { broker } = await this.start();
    const { expiration, mandatory, persistent } = options;
    const expirationMs = toMilliseconds(expiration);
    await broker.publish(event, this.serialize(data), {
      ...(expirationMs !== undefined && { expirationMs }),
      ...(mandatory !== undefined && { mandatory }),
      ...(persistent !== undefined && { persistent }),
    });
  }

  /** Publishes and waits for the answer. */
  async call(method: string, data: unknown, options: SendOptions = {}): Promise<unknown> {
    const { broker } = await this.start();
    const timeoutMs =
      options.timeout ?? toMilliseconds(options.expiration) ?? BrokerClient.DEFAULT_EXPIRATION;
    const { mandatory } = options;
    const how = { timeoutMs, ...(mandatory !== undefined && { mandatory }) };
    return this.deserialize(await broker.call(method, this.serialize(data), how));
  }

  /** Consumes these events, for the whole group or, where that was asked for, for this process. */
  async subscribe(events: string | Iterable<string>): Promise<void> {
    const { broker } = await this.start();
    for (const event of asList(events)) {
      await broker.subscribe(event, (delivery) => this.#receive(delivery));
    }
  }

  async unsubscribe(events: string | Iterable<string>): Promise<void> {
    const { broker } = await this.start();
    for (const event of asList(events)) await broker.unsubscribe(event);
  }

  /**
   * Finishes what is under way and disconnects. One that is still connecting gets as long for that
   * as a close may take, since something may wait for it to be sent.
   */
  async disconnect(): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    this.#unsettled.stop();
    this.#tell(DISCONNECTED);
    if (started === undefined) return;
    const { running, giveUp } = started;
    if (!(await within(systemClock, BROKER_CLOSE_MS, running))) {
      giveUp.abort(new BrokerUnavailableError('it was disconnected before it had connected'));
    }
    // Why one could not connect is told to whoever had it connect.
    const opened = await running.catch(() => undefined);
    await opened?.close();
  }

  /** Makes the broker run; what is done first does it by itself. */
  protected start(): Promise<Running> {
    this.#started ??= this.#start();
    return this.#started.running;
  }

  #start(): Started {
    const giveUp = new AbortController();
    const running = this.open(giveUp.signal).then(
      (opened) => {
        opened.broker.watch((state) => {
          if (state === 'away') this.#tell('close');
        });
        return opened;
      },
      (error: unknown) => {
        if (this.#started === started) this.#started = undefined;
        throw error;
      },
    );
    const started = { running, giveUp };
    return started;
  }

  /** @param signal ends the opening */
  protected abstract open(signal: AbortSignal): Promise<Running>;

  /** Starts a broker in an actor system of its own. */
  protected async openOwn(config: BrokerConfig, signal: AbortSignal): Promise<Running> {
    const { log } = this;
    const random = createRandom(drawSeed());
    const system = createActorSystem({ name: 'spectacles', clock: systemClock, random, log });
    const onFailure = (error: Error) => this.#tellError(error);
    try {
      const surroundings = { system, clock: systemClock, log, onFailure, signal };
      const broker = await createBroker(config, surroundings);
      return {
        broker,
        close: async () => {
          await broker.close();
          await system.stop();
        },
      };
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  #receive(delivery: Delivery): void {
    const { event } = delivery;
    if (this.#repeats?.has(delivery.id) === true) {
      delivery.ack();
      return;
    }
    if (this.listenerCount(event) === 0) {
      delivery.retry();
      return;
    }
    let data: unknown;
    try {
      data = unwrapDispatch(event, this.deserialize(delivery.body));
    } catch (error) {
      delivery.reject('its body cannot be decoded');
      this.#tellError(error);
      return;
    }
    const settled = this.#unsettled.enter();
    try {
      this.emit(event, data, this.#optionsOf(delivery, settled));
    } catch (error) {
      settled();
      delivery.reject('its listener threw');
      this.#tellError(new ListenerError(event, error));
    }
  }

  /** Node calls this when the promise of an async listener rejects. */
  override [EventEmitter.captureRejectionSymbol](
    error: unknown,
    event: string | symbol,
    _data?: unknown,
    options?: MessageOptions,
  ): void {
    options?.reject(false);
    this.#tellError(new ListenerError(String(event), error));
  }

  #optionsOf(delivery: Delivery, settled: () => void): MessageOptions {
    const settle = (requeue: boolean) => {
      settled();
      if (requeue) delivery.retry();
      else delivery.reject('its handler refused it');
    };
    return {
      id: delivery.id,
      shard: delivery.shard,
      attempt: delivery.attempt,
      ack: async () => {
        this.#repeats?.add(delivery.id);
        settled();
        delivery.ack();
      },
      nack: (_allUpTo, requeue = true) => settle(requeue),
      reject: (requeue = true) => settle(requeue),
      retry: () => settle(true),
      reply: (data) => delivery.reply(this.#answer(data, delivery)),
    };
  }

  /** Whoever has an encoding of their own speaks it whatever they are asked in. */
  #answer(data: unknown, { body }: Delivery): Uint8Array {
    return this.serialize === encodeBody ? encodeAnswer(data, body) : this.serialize(data);
  }

  /** A listener that throws must not end what is done about the loss, or the end. */
  #tell(event: 'close' | typeof DISCONNECTED): void {
    try {
      this.emit(event);
    } catch (error) {
      this.#tellError(new ListenerError(String(event), error));
    }
  }

  /** Who gave no log is told by the process's own warnings, as Node itself would do it. */
  #warn(warning: string): void {
    if (this.log === SILENT_LOG) process.emitWarning(warning, 'SpectaclesWarning');
    else this.log.warn({}, warning);
  }

  #tellError(error: unknown): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
    else if (this.log !== SILENT_LOG) this.log.error({ error }, 'a broker reported an error');
    else this.#warn(messageOf(error));
  }
}

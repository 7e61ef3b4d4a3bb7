/**
 * One Redis server of a link: its connection for commands, that for events where there is one, its
 * clock, and the sign that it is alive.
 *
 * Every REDIS_PULSE_MS the server is asked for its time, and on the connection of events for any
 * answer. Commands are answered in order, so an answer that does not come within
 * REDIS_PULSE_TIMEOUT_MS stands for every command before it: the link is over and all of them fail.
 * Between two answers the server's clock is told from our own monotonic one.
 */
import type { Redis } from 'ioredis';
import { withDeadline } from '../../actors/deadline.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { REDIS_PULSE_MS, REDIS_PULSE_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { RedisEventWire } from './redis-event-wire.ts';

/** Asks `redis` for a sign of life again and again, until it gives none or `stop`. */
export class Pulse {
  readonly #clock: Clock;
  readonly #ask: () => Promise<unknown>;
  readonly #label: string;
  readonly #lost: (reason: unknown) => void;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(
    clock: Clock,
    label: string,
    ask: () => Promise<unknown>,
    lost: (reason: unknown) => void,
  ) {
    this.#clock = clock;
    this.#label = label;
    this.#ask = ask;
    this.#lost = lost;
  }

  start(): void {
    this.#timer = this.#clock.setTimer(REDIS_PULSE_MS, () => void this.#beat());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #beat(): Promise<void> {
    const late = () =>
      new BrokerUnavailableError(`${this.#label} gave no answer for ${REDIS_PULSE_TIMEOUT_MS} ms`);
    try {
      await withDeadline(this.#clock, REDIS_PULSE_TIMEOUT_MS, this.#ask(), late);
    } catch (error) {
      if (!this.#isStopped) this.#lost(error);
      return;
    }
    if (!this.#isStopped) this.start();
  }
}

export class RedisNode {
  readonly label: string;
  readonly commands: Redis;
  readonly #events: RedisEventWire | undefined;
  readonly #clock: Clock;
  readonly #pulse: Pulse;
  /** The server's time since the epoch less our monotonic time. */
  #offsetMs: number;

  constructor(
    label: string,
    commands: Redis,
    events: RedisEventWire | undefined,
    clock: Clock,
    lost: (reason: unknown) => void,
  ) {
    this.label = label;
    this.commands = commands;
    this.#events = events;
    this.#clock = clock;
    this.#offsetMs = clock.epochMs() - clock.nowMs();
    this.#pulse = new Pulse(clock, label, () => this.settled(), lost);
  }

  async start(): Promise<void> {
    await this.settled();
    this.#pulse.start();
  }

  /** The connection for events, of a topology that carries them. */
  get events(): RedisEventWire {
    if (this.#events === undefined) throw new TypeError(`${this.label} carries no events`);
    return this.#events;
  }

  /** Milliseconds since the epoch by the server's clock, which all who use it share. */
  epochMs(): number {
    return this.#clock.nowMs() + this.#offsetMs;
  }

  run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown> {
    return this.commands.eval(script, keys.length, ...keys, ...values);
  }

  /** Resolves when everything that was sent before is answered, on every connection. */
  async settled(): Promise<void> {
    await Promise.all([this.#readClock(), this.#events?.ping()]);
  }

  stop(): void {
    this.#pulse.stop();
  }

  async #readClock(): Promise<void> {
    const [seconds, microseconds] = await this.commands.time();
    this.#offsetMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - this.#clock.nowMs();
  }
}

/**
 * Who is shut out by the servers in front of Discord: an address whose requests were answered with
 * 401, 403 or 429 too often within ten minutes. 429s of a shared limit do not count. While the ban
 * lasts, nothing of that address reaches the API, and nothing of it is counted.
 */
import {
  INVALID_REQUEST_WINDOW_MS,
  INVALID_REQUESTS_PER_WINDOW,
  SIMULATOR_ADDRESSES_MAX,
} from '../../../protocols/limits.ts';
import { createCounter, type WindowCounter } from './window-counter.ts';

export type InvalidRequestOptions = {
  readonly limit: number;
  readonly windowMs: number;
  readonly banMs: number;
};

export const INVALID_REQUEST_DEFAULTS: InvalidRequestOptions = {
  limit: INVALID_REQUESTS_PER_WINDOW,
  windowMs: INVALID_REQUEST_WINDOW_MS,
  banMs: 60 * 60_000,
};

type Address = { counter: WindowCounter; bannedUntilMs: number };

export class InvalidRequests {
  readonly #options: InvalidRequestOptions;
  readonly #addresses = new Map<string, Address>();

  constructor(options: InvalidRequestOptions) {
    this.#options = options;
  }

  /** How much longer the address is shut out; undefined when it is not. */
  bannedForMs(address: string, nowMs: number): number | undefined {
    const until = this.#addresses.get(address)?.bannedUntilMs ?? Number.NEGATIVE_INFINITY;
    return until > nowMs ? until - nowMs : undefined;
  }

  /** Counts an invalid request; true when it was the one too many. */
  note(address: string, nowMs: number): boolean {
    const entry = this.#entry(address);
    entry.counter.take(nowMs);
    if (entry.counter.state(nowMs).remaining > 0) return false;
    entry.bannedUntilMs = nowMs + this.#options.banMs;
    entry.counter = this.#newCounter();
    return true;
  }

  /** Invalid requests of the address in the last window. */
  count(address: string, nowMs: number): number {
    const entry = this.#addresses.get(address);
    if (entry === undefined) return 0;
    return this.#options.limit - entry.counter.state(nowMs).remaining;
  }

  #entry(address: string): Address {
    const existing = this.#addresses.get(address);
    if (existing !== undefined) return existing;
    const [oldest] = this.#addresses.keys();
    const full = this.#addresses.size >= SIMULATOR_ADDRESSES_MAX;
    if (full && oldest !== undefined) this.#addresses.delete(oldest);
    const entry = { counter: this.#newCounter(), bannedUntilMs: Number.NEGATIVE_INFINITY };
    this.#addresses.set(address, entry);
    return entry;
  }

  #newCounter(): WindowCounter {
    const { limit, windowMs } = this.#options;
    return createCounter({ kind: 'sliding', limit, windowMs });
  }
}

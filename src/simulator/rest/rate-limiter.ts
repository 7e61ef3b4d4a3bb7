/**
 * Every limit the simulated API holds its clients to: the one of all routes together, those of the
 * routes, and the one on invalid requests.
 *
 * The true counters are here and nowhere else; what headers say of them may be less, later, or
 * nothing. A request is counted once it is let through. A limiter of the identity and of the
 * address counts what the buckets then refuse, since it reached the API; the buckets count nothing
 * of what one of them refuses.
 *
 * Counters are made when they are first used and forgotten once they are as new; at the bound the
 * one made longest ago goes, which can only let more through.
 */
import { createHash } from 'node:crypto';
import type { Route } from '../../../protocols/discord/routes.ts';
import { SIMULATOR_COUNTERS_MAX } from '../../../protocols/limits.ts';
import type { HeaderList } from '../../../protocols/proxy.ts';
import { ceilMs, type LimitScope } from './answers.ts';
import {
  type BucketSpec,
  type BucketTable,
  fallbackBuckets,
  type RequestClass,
} from './bucket-table.ts';
import { createCounter, type WindowCounter, type WindowSpec } from './window-counter.ts';

/** Who is counted, whatever it is called: a token, an address. Never shown. */
export type Identity = string;

export type Verdict =
  | { readonly passed: true; readonly shown: ShownBucket | undefined }
  | {
      readonly passed: false;
      readonly shown: ShownBucket | undefined;
      readonly scope: LimitScope;
      readonly retryAfterMs: number;
      readonly code: number | undefined;
      /** The bucket that refused, and whether its headers could have warned. */
      readonly bucket: string;
      readonly hidden: boolean;
    };

/** The one limit of a route that its headers tell of. */
export type ShownBucket = { readonly spec: BucketSpec; readonly counter: WindowCounter };

type Held = { readonly spec: BucketSpec; readonly counter: WindowCounter };

export class RateLimiter {
  readonly #table: BucketTable;
  readonly #global: WindowSpec;
  readonly #counters = new Map<string, WindowCounter>();
  readonly #cycles = new Map<string, number>();

  constructor(table: BucketTable, global: WindowSpec) {
    this.#table = table;
    this.#global = global;
  }

  /**
   * Counts a request against the limit of all routes; how long to wait if it is not let through.
   */
  takeGlobal(identity: Identity, nowMs: number): number | undefined {
    const counter = this.#counter(`global|${identity}`, this.#global, nowMs);
    if (counter.take(nowMs)) return undefined;
    return counter.state(nowMs).retryAfterMs;
  }

  /** Counts a request against its route's buckets, or says which one refuses it. */
  takeBuckets(identity: Identity, route: Route, kind: RequestClass, nowMs: number): Verdict {
    const held = this.#held(identity, route, kind, nowMs);
    const shown = held.find(({ spec }) => spec.shown);
    let refusing: Held | undefined;
    let retryAfterMs = 0;
    for (const candidate of held) {
      const waitMs = candidate.counter.state(nowMs).retryAfterMs;
      if (waitMs > retryAfterMs) {
        retryAfterMs = waitMs;
        refusing = candidate;
      }
    }
    if (refusing === undefined) {
      for (const { counter } of held) counter.take(nowMs);
      return { passed: true, shown };
    }
    const { scope, code, name: bucket } = refusing.spec;
    const hidden = !refusing.spec.shown;
    const told = refusing.spec.revealed === true ? refusing : shown;
    return { passed: false, shown: told, scope, retryAfterMs, code, bucket, hidden };
  }

  /** The headers that tell of a bucket, as it stands now. */
  headers(shown: ShownBucket, status: number, nowMs: number, epochMs: number): HeaderList {
    const state = shown.counter.state(nowMs);
    const resetAfterMs = ceilMs(state.resetAfterMs);
    return [
      ['x-ratelimit-limit', String(state.limit)],
      ['x-ratelimit-remaining', String(state.remaining)],
      ['x-ratelimit-reset', ((epochMs + resetAfterMs) / 1_000).toFixed(3)],
      ['x-ratelimit-reset-after', (resetAfterMs / 1_000).toFixed(3)],
      ['x-ratelimit-bucket', bucketHash(this.#nameFor(shown.spec, status))],
    ];
  }

  #held(identity: Identity, route: Route, kind: RequestClass, nowMs: number): readonly Held[] {
    const held: Held[] = [];
    const { method, template } = route;
    for (const spec of this.#table[`${method} ${template}`] ?? fallbackBuckets(method, template)) {
      if (spec.class !== undefined && spec.class !== kind) continue;
      const whose = spec.scope === 'shared' ? 'shared' : identity;
      const apart = spec.counter === 'split' ? `${method} ${template}` : '';
      const key = `${whose}|${spec.name}|${route.major}|${apart}`;
      held.push({ spec, counter: this.#counter(key, spec.window, nowMs) });
    }
    return held;
  }

  #nameFor(spec: BucketSpec, status: number): string {
    const { aliases } = spec;
    if (status === 404 && aliases?.notFound !== undefined) return aliases.notFound;
    if (status === 429 && aliases?.limited !== undefined) return aliases.limited;
    const cycle = aliases?.cycle;
    if (cycle === undefined || cycle.length === 0) return spec.name;
    const turn = this.#cycles.get(spec.name) ?? 0;
    this.#cycles.set(spec.name, turn + 1);
    return cycle[turn % cycle.length] ?? spec.name;
  }

  #counter(key: string, spec: WindowSpec, nowMs: number): WindowCounter {
    const existing = this.#counters.get(key);
    if (existing !== undefined) return existing;
    if (this.#counters.size >= SIMULATOR_COUNTERS_MAX) this.#makeRoom(nowMs);
    const counter = createCounter(spec);
    this.#counters.set(key, counter);
    return counter;
  }

  #makeRoom(nowMs: number): void {
    for (const [key, counter] of this.#counters) {
      if (counter.state(nowMs).resetAfterMs === 0) this.#counters.delete(key);
    }
    const [oldest] = this.#counters.keys();
    const full = this.#counters.size >= SIMULATOR_COUNTERS_MAX;
    if (full && oldest !== undefined) this.#counters.delete(oldest);
  }
}

const hashes = new Map<string, string>();

/** What `X-RateLimit-Bucket` shows for a name: the same in every run. */
export function bucketHash(name: string): string {
  const known = hashes.get(name);
  if (known !== undefined) return known;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  // Names come from tables of finite length, never from requests.
  hashes.set(name, hash);
  return hash;
}

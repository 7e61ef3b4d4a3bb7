/** What can be set about the simulated REST API; the defaults are what Discord documents. */
import { GLOBAL_REQUESTS_PER_WINDOW, GLOBAL_WINDOW_MS } from '../../../protocols/limits.ts';
import { type BucketTable, DEFAULT_BUCKETS } from './bucket-table.ts';
import type { RestFault } from './faults.ts';
import { INVALID_REQUEST_DEFAULTS, type InvalidRequestOptions } from './invalid-requests.ts';
import type { WindowSpec } from './window-counter.ts';

/** A fixed answer for a route that is not simulated. */
export type Stub = { readonly status: number; readonly body?: unknown };

export type RestOptions = {
  /** The limit of all routes together, for each token and for each address without one. */
  readonly global: WindowSpec;
  readonly invalidRequests: InvalidRequestOptions;
  /** `METHOD template` to its limits, beside or in place of the default ones. */
  readonly buckets: BucketTable;
  readonly faults: readonly RestFault[];
  /**
   * What the front makes of a User-Agent: `any` passes, `present` must not be empty, `documented`
   * must open with `DiscordBot (`. What does not pass gets Cloudflare's page 1010.
   */
  readonly userAgent: 'any' | 'present' | 'documented';
  readonly apiVersions: readonly number[];
  /** Tokens of users who let the application act for them. */
  readonly bearerTokens: readonly string[];
  /** `METHOD template` to what is answered instead of 501. */
  readonly stubs: Readonly<Record<string, Stub>>;
};

export const REST_DEFAULTS: RestOptions = {
  global: { kind: 'sliding', limit: GLOBAL_REQUESTS_PER_WINDOW, windowMs: GLOBAL_WINDOW_MS },
  invalidRequests: INVALID_REQUEST_DEFAULTS,
  buckets: {},
  faults: [],
  userAgent: 'present',
  apiVersions: [6, 7, 8, 9, 10],
  bearerTokens: [],
  stubs: {},
};

export function bucketTable(options: RestOptions): BucketTable {
  return { ...DEFAULT_BUCKETS, ...options.buckets };
}

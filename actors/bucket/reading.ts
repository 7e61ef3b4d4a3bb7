/**
 * What an answer says about limits: its rate-limit headers, and, if it is a 429, who was behind it.
 *
 * Purpose: to be the one place that interprets these headers and bodies.
 *
 * Inner workings: every function is total. A value that is not what Discord documents counts as
 * absent, never as zero: an invented number would either break a limit or stop a route. Durations
 * are rounded up to whole milliseconds, so that rounding never sends early. `X-RateLimit-Reset`, a
 * wall clock time, is not read at all; `X-RateLimit-Reset-After` says the same without needing a
 * clock.
 *
 * Failure modes: a 429 that gives neither a time nor a bucket comes from a server in front of
 * Discord (its body may be HTML); it is taken for a block of us as a whole and waited out for long.
 */
import { EDGE_BLOCK_MIN_MS } from '../../protocols/limits.ts';
import type { HeaderList, Limited } from '../../protocols/proxy.ts';

/** The state of a bucket as an answer gives it. */
export type Reading = {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAfterMs: number;
  /** Discord's name of the bucket; null when the answer has none. */
  readonly hash: string | null;
};

/** Header values are far shorter; a longer one is somebody's mischief. */
const NUMBER_MAX_LENGTH = 24;
const DECIMAL = /^\d+(?:\.\d+)?$/;
const INTEGER = /^\d+$/;

/** The first value of the header `name` (lower case), or undefined. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (const [key, value] of headers) if (key === name) return value;
  return undefined;
}

/** Seconds as a decimal, to whole milliseconds rounded up; null if it is anything else. */
export function secondsToMs(text: string | undefined): number | null {
  const trimmed = text?.trim();
  if (trimmed === undefined || trimmed.length > NUMBER_MAX_LENGTH || !DECIMAL.test(trimmed)) {
    return null;
  }
  return ceilMs(Number(trimmed));
}

function ceilMs(seconds: number): number {
  // A whole number of milliseconds is often not exact in binary (0.3 s * 1000 = 299.99…, 64.57 *
  // 1000 = 64569.99…); rounding up at a thousandth of a millisecond keeps those whole and the rest
  // late.
  return Math.ceil(Math.round(seconds * 1e6) / 1e3);
}

function count(text: string | undefined): number | null {
  const trimmed = text?.trim();
  if (trimmed === undefined || trimmed.length > NUMBER_MAX_LENGTH || !INTEGER.test(trimmed)) {
    return null;
  }
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : null;
}

/**
 * The bucket's state after this answer's request, or null if the answer does not give all of it.
 */
export function readLimits(headers: HeaderList): Reading | null {
  const limit = count(headerOf(headers, 'x-ratelimit-limit'));
  const remaining = count(headerOf(headers, 'x-ratelimit-remaining'));
  const resetAfterMs = secondsToMs(headerOf(headers, 'x-ratelimit-reset-after'));
  if (limit === null || remaining === null || resetAfterMs === null || limit === 0) return null;
  const hash = headerOf(headers, 'x-ratelimit-bucket') ?? null;
  return { limit, remaining: Math.min(remaining, limit), resetAfterMs, hash };
}

/** Discord's own code for an error: the `code` of its JSON; null where there is none. */
export function readErrorCode(headers: HeaderList, body: Uint8Array): number | null {
  const fields = readJson(headers, body);
  const code = fields === null ? undefined : fields.code;
  return typeof code === 'number' ? code : null;
}

type LimitedBody = { readonly global: boolean; readonly retryAfterMs: number | null };

function readJson(headers: HeaderList, body: Uint8Array): Record<string, unknown> | null {
  if (!headerOf(headers, 'content-type')?.toLowerCase().includes('json')) return null;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
  return typeof value === 'object' && value !== null ? { ...value } : null;
}

function readBody(headers: HeaderList, body: Uint8Array): LimitedBody | null {
  const fields = readJson(headers, body);
  if (fields === null) return null;
  const global = fields.global === true;
  const seconds = fields.retry_after;
  const usable = typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0;
  return { global, retryAfterMs: usable ? ceilMs(seconds) : null };
}

/** Discord's header is the body's time rounded up to whole seconds. */
const HEADER_ROUNDING_MS = 1_000;

/**
 * Understands a 429. The wait is the longest of what Discord gives, where the header counts less
 * the second by which it may be rounded up: whichever of the two is wrong, the wait is not too
 * short.
 */
export function readLimited(headers: HeaderList, body: Uint8Array): Limited {
  const parsed = readBody(headers, body);
  const headerMs = secondsToMs(headerOf(headers, 'retry-after'));
  const bodyMs = parsed?.retryAfterMs ?? null;
  const scope = headerOf(headers, 'x-ratelimit-scope')?.toLowerCase();
  const known = bodyMs === null ? headerMs : Math.max(bodyMs, (headerMs ?? 0) - HEADER_ROUNDING_MS);
  const headerGlobal = headerOf(headers, 'x-ratelimit-global')?.toLowerCase();
  const reading = readLimits(headers);
  if (
    parsed?.global === true ||
    scope === 'global' ||
    (headerGlobal !== undefined && headerGlobal !== 'false')
  ) {
    return { by: 'global', waitMs: known ?? EDGE_BLOCK_MIN_MS };
  }
  if (scope === 'shared') return { by: 'shared', waitMs: known ?? reading?.resetAfterMs ?? 0 };
  if (reading !== null || scope === 'user') {
    return { by: 'user', waitMs: known ?? reading?.resetAfterMs ?? EDGE_BLOCK_MIN_MS };
  }
  // No bucket and no scope. With Discord's own body it is one of its unannounced limits on this
  // resource; without one it comes from a server in front of Discord and means all of us.
  if (bodyMs !== null) return { by: 'user', waitMs: Math.max(known ?? 0, bodyMs) };
  return { by: 'edge', waitMs: known ?? EDGE_BLOCK_MIN_MS };
}

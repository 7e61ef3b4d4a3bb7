/**
 * Discord's refusals, in the words and shapes its documentation and its servers use.
 *
 * Two parties answer: Discord's API, with JSON that has a `code`, and the servers in front of it,
 * with HTML or with a fixed text, without any header about limits.
 */
import type { HeaderList } from '../../../protocols/proxy.ts';
import { API_ERRORS, type ApiErrorCode } from './api-errors.ts';
import { htmlResponse, jsonResponse, type RestResponse } from './http.ts';

/** The few codes that come with different statuses are given the one that differs. */
export function apiError(code: ApiErrorCode, otherStatus?: number): RestResponse {
  const [status, message] = API_ERRORS[code];
  return jsonResponse(otherStatus ?? status, { message, code });
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** `{"message": "404: Not Found", "code": 0}` and its like. */
export function plainError(status: number): RestResponse {
  return jsonResponse(status, {
    message: `${status}: ${STATUS_TEXTS[status] ?? 'Error'}`,
    code: 0,
  });
}

/** One thing wrong with one field of a form. */
export type FormError = {
  /** Where: `['embeds', '0', 'title']`. */
  readonly path: readonly string[];
  readonly code: string;
  readonly message: string;
};

type ErrorTree = { [key: string]: ErrorTree | { code: string; message: string }[] };

/** 50035, with an `errors` object that nests like the form did. */
export function invalidForm(errors: readonly FormError[]): RestResponse {
  const root: ErrorTree = {};
  for (const { path, code, message } of errors) {
    let node = root;
    for (const key of path) {
      const next = node[key] ?? {};
      node[key] = next;
      // A field is either an object of fields or, under `_errors` alone, a list.
      node = next as ErrorTree;
    }
    const list = (node._errors ?? []) as { code: string; message: string }[];
    node._errors = [...list, { code, message }];
  }
  return jsonResponse(400, { message: 'Invalid Form Body', code: 50035, errors: root });
}

export type LimitScope = 'user' | 'shared' | 'global';

const LIMIT_MESSAGES: Readonly<Record<LimitScope, string>> = {
  user: 'You are being rate limited.',
  shared: 'The resource is being rate limited.',
  global: 'You are being rate limited.',
};

/** Whole milliseconds, never fewer than were meant. */
export function ceilMs(ms: number): number {
  return Math.ceil(ms - 1e-6);
}

/** A 429 of Discord's API. `headers` are those of the route's bucket; a global one has none. */
export function tooManyRequests(
  scope: LimitScope,
  retryAfterMs: number,
  headers: HeaderList,
  code?: number,
): RestResponse {
  const retryAfter = Math.max(1, ceilMs(retryAfterMs)) / 1_000;
  const body = {
    message: LIMIT_MESSAGES[scope],
    retry_after: retryAfter,
    global: scope === 'global',
  };
  return jsonResponse(429, code === undefined ? body : { ...body, code }, [
    ['retry-after', String(Math.ceil(retryAfter))],
    ...headers,
    ...(scope === 'global' ? ([['x-ratelimit-global', 'true']] as const) : []),
    ['x-ratelimit-scope', scope],
  ]);
}

/** The front's fixed refusal: JSON, but neither a time nor a bucket. */
export function frontLimited(): RestResponse {
  return jsonResponse(429, {
    message:
      'You are being blocked from accessing our API temporarily due to exceeding our rate limits frequently.',
    code: 0,
  });
}

/** Cloudflare's page 1015: too many requests from this address. */
export function page1015(retryAfterMs: number | null): RestResponse {
  const headers: HeaderList =
    retryAfterMs === null ? [] : [['retry-after', String(Math.ceil(retryAfterMs / 1_000))]];
  return htmlResponse(429, page(1015, 'You are being rate limited'), headers);
}

/** Cloudflare's page 1010: the client's signature is not welcome. */
export function page1010(): RestResponse {
  return htmlResponse(403, page(1010, 'The owner of this website has banned your access'));
}

/** The same block when the API itself words it. */
export function frontForbidden(): RestResponse {
  return jsonResponse(403, {
    message:
      'Cloudflare is blocking your request. This can often be resolved by setting a proper User Agent',
    code: 40333,
  });
}

/** An error page of the front, for when nobody behind it answered. */
export function frontError(status: number): RestResponse {
  return htmlResponse(status, page(status, STATUS_TEXTS[status] ?? 'Error'));
}

function page(code: number, text: string): string {
  return `<!DOCTYPE html>\n<html lang="en-US"><head><title>Error ${code}</title></head><body><h1>Error ${code}</h1><p>${text}</p></body></html>\n`;
}

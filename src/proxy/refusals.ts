/**
 * What the HTTP door says when an answer is the proxy's own and not Discord's.
 *
 * The shape is that of Discord's refusals, so that libraries handle it as they would handle
 * Discord; the header PROXY_HEADER says that the proxy made it, and why.
 */
import { STATUS_CODES } from 'node:http';
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { AdmissionError, RequestBodyError } from '../../protocols/errors.ts';
import { REFUSED_RETRY_AFTER_MS } from '../../protocols/limits.ts';
import type { Refused, RestOutcome } from '../../protocols/proxy.ts';

const PROXY_HEADER = 'x-spectacles-proxy';

export type Refusal = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
};

/** A refusal that has nothing to do with limits. */
export function refuseRequest(status: number, why: string, message?: string): Refusal {
  return {
    status,
    headers: { [PROXY_HEADER]: why },
    body: { message: message ?? `${status}: ${STATUS_CODES[status] ?? 'Error'}`, code: 0 },
  };
}

export function refuseAdmission(error: AdmissionError): Refusal {
  return refuseRequest(error.part === 'method' ? 405 : 400, error.part, error.message);
}

export function refuseBody(error: RequestBodyError): Refusal {
  switch (error.why) {
    case 'too-large':
      return refuseRequest(413, 'body', error.message);
    case 'full':
      return refuseForNow(429, 'full', REFUSED_RETRY_AFTER_MS);
    case 'disk':
      return refuseForNow(503, 'body', REFUSED_RETRY_AFTER_MS);
  }
}

function refuseForNow(status: number, why: string, waitMs: number): Refusal {
  // Discord's header is in whole seconds, rounded up; its body has the fraction.
  const retryAfter = Math.max(1, Math.ceil(waitMs)) / 1_000;
  const message =
    status === 429 ? 'You are being rate limited.' : `${status}: ${STATUS_CODES[status]}`;
  return {
    status,
    headers: { [PROXY_HEADER]: why, 'retry-after': String(Math.ceil(retryAfter)) },
    body:
      status === 429
        ? { message, retry_after: retryAfter, global: false }
        : { message, retry_after: retryAfter, code: 0 },
  };
}

export function refusalOf(
  outcome: Exclude<RestOutcome, { kind: 'answered' } | { kind: 'cancelled' }>,
): Refusal {
  switch (outcome.kind) {
    case 'refused':
      return refusalFor(outcome);
    case 'timed-out':
      if (outcome.sent) return refuseRequest(504, 'timeout-sent');
      if (outcome.waitMs === null) return refuseRequest(504, 'timeout');
      // Who is not limited must not be told so: libraries count limits, and slow down for them.
      return outcome.failing
        ? refuseForNow(503, 'upstream-failing', outcome.waitMs)
        : refuseForNow(429, 'long-wait', outcome.waitMs);
    case 'failed':
      return refuseRequest(502, 'upstream', outcome.error.message);
  }
}

/** What Discord itself would say, where it has said so before; else that it is too early. */
function refusalFor({ reason, retryAfterMs }: Refused): Refusal {
  switch (reason) {
    case 'stopping':
      return refuseForNow(503, reason, retryAfterMs);
    case 'unauthorized': {
      const { headers } = refuseForNow(401, reason, retryAfterMs);
      return { status: 401, headers, body: { message: '401: Unauthorized', code: 0 } };
    }
    case 'unknown-webhook': {
      const { headers } = refuseForNow(404, reason, retryAfterMs);
      const code = RESTJSONErrorCodes.UnknownWebhook;
      return { status: 404, headers, body: { message: 'Unknown Webhook', code } };
    }
    default:
      return refuseForNow(429, reason, retryAfterMs);
  }
}

/** The same as bytes, for a connection on which HTTP cannot be spoken any more; it closes after. */
export function refusalText(refusal: Refusal): string {
  const body = JSON.stringify(refusal.body);
  const headers = {
    ...refusal.headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const { status } = refusal;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`;
}

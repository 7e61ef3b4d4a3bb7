/**
 * What the HTTP door says when an answer is the proxy's own and not Discord's.
 *
 * The shape is that of Discord's refusals, so that libraries handle it as they would handle Discord;
 * the header PROXY_HEADER says that the proxy made it, and why.
 */
import { STATUS_CODES } from 'node:http';
import type { AdmissionError } from '../../protocols/errors.ts';
import type { RestOutcome } from '../../protocols/proxy.ts';

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
    case 'refused': {
      const status = outcome.reason === 'stopping' ? 503 : 429;
      return refuseForNow(status, outcome.reason, outcome.retryAfterMs);
    }
    case 'timed-out':
      if (outcome.waitMs !== null) return refuseForNow(429, 'long-wait', outcome.waitMs);
      return refuseRequest(504, outcome.sent ? 'timeout-sent' : 'timeout');
    case 'failed':
      return refuseRequest(502, 'upstream', outcome.error.message);
  }
}

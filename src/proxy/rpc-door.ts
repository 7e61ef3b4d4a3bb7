/**
 * The door for clients on a message broker: event `REQUEST`, a MessagePack request in, an answer out.
 *
 * Purpose: every request that can be answered is answered, with one of the nine statuses.
 *
 * Inner workings: the path may lack its slash and its `/api/vN`; the query is a map, encoded and put
 * behind what the path already has. A delivery is acknowledged once its answer is out. If the answer
 * cannot be sent the delivery is acknowledged all the same: Discord has done what was asked, and
 * handing it back would do it twice. Only a request that was certainly not sent, because the proxy is
 * stopping, is handed back for another proxy.
 *
 * Failure modes: an answer's body that ends early or late becomes a status of its own; nothing in here
 * throws into the broker.
 */
import type { Delivery } from '../../protocols/broker.ts';
import { AdmissionError, AnswerBodyError, ProxyRequestError } from '../../protocols/errors.ts';
import { ANSWER_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { HeaderList, RestAnswer, RestOutcome } from '../../protocols/proxy.ts';
import {
  decodeProxyRequest,
  encodeProxyAnswer,
  type ProxyAnswer,
  type ProxyFailureCode,
  type ProxyRequest,
  ProxyStatus,
} from '../../protocols/wire/proxy.ts';
import type { ProxyTree } from '../../supervisors/proxy.ts';
import { type AdmissionOptions, admit } from './admission.ts';
import { readAnswerBody } from './answer-body.ts';

export type RpcDoorOptions = {
  readonly tree: ProxyTree;
  readonly admission: AdmissionOptions;
  /** The version of requests whose path names none. */
  readonly apiVersion: number;
  readonly clock: Clock;
  readonly log: Log;
};

export interface RpcDoor {
  /** What the broker calls for each request. */
  readonly handler: (delivery: Delivery) => void;
  /** Resolves when every request taken so far has been answered or handed back. */
  settled(): Promise<void>;
}

export function rpcDoor(options: RpcDoorOptions): RpcDoor {
  const serving = new Set<Promise<void>>();
  return {
    handler(delivery) {
      const work = serve(delivery, options).finally(() => serving.delete(work));
      serving.add(work);
    },
    async settled() {
      await Promise.allSettled(serving);
    },
  };
}

async function serve(delivery: Delivery, options: RpcDoorOptions): Promise<void> {
  const answer = await answerTo(delivery.body, options);
  if (answer === null) {
    delivery.retry();
    return;
  }
  if (delivery.wantsReply) {
    try {
      await delivery.reply(encodeProxyAnswer(answer));
    } catch (error) {
      options.log.warn({ err: error }, 'an answer could not be sent to its caller');
    }
  }
  delivery.ack();
}

/** The answer, or null for a request that another proxy must take. */
async function answerTo(bytes: Uint8Array, options: RpcDoorOptions): Promise<ProxyAnswer | null> {
  const { tree, admission, apiVersion, clock, log } = options;
  const startMs = clock.nowMs();
  try {
    const request = admit(doorRequest(decodeProxyRequest(bytes), apiVersion), admission);
    const outcome = await tree.submit(request).outcome;
    if (outcome.kind !== 'answered') return unanswered(outcome);
    const { timeoutMs } = request;
    const withinMs = timeoutMs === null ? null : startMs + timeoutMs - clock.nowMs();
    return await answered(outcome.answer, withinMs, clock);
  } catch (error) {
    if (error instanceof ProxyRequestError) return { status: statusOf(error), body: error.message };
    if (error instanceof AdmissionError) {
      return { status: ADMISSION_STATUS[error.part], body: error.message };
    }
    log.error({ err: error }, 'a request failed in the proxy itself');
    return { status: ProxyStatus.unknown, body: 'the proxy failed; its log says why' };
  }
}

const ADMISSION_STATUS = {
  path: ProxyStatus.badPath,
  method: ProxyStatus.badMethod,
  headers: ProxyStatus.badHeaders,
} as const;

const statusOf = (error: ProxyRequestError): ProxyFailureCode => error.status;

function doorRequest(request: ProxyRequest, apiVersion: number) {
  return {
    method: request.method,
    target: targetOf(request, apiVersion),
    headers: Object.entries(request.headers ?? {}),
    body: request.body ?? null,
    timeoutMs: request.timeoutMs,
  };
}

function targetOf(request: ProxyRequest, apiVersion: number): string {
  const path = encodePath(request.path.split('#', 1)[0] ?? '');
  const rooted = path.startsWith('/') ? path : `/${path}`;
  const whole = /^\/api(?:\/|$)/.test(rooted) ? rooted : `/api/v${apiVersion}${rooted}`;
  const query = new URLSearchParams({ ...request.query }).toString();
  if (query === '') return whole;
  return `${whole}${whole.includes('?') ? '&' : '?'}${query}`;
}

/** Percent-encodes what no request line can hold; what is encoded already stays as it is. */
function encodePath(path: string): string {
  try {
    return path.replace(/[^\u0021-\u007e]+/gu, encodeURIComponent);
  } catch {
    throw new ProxyRequestError(ProxyStatus.badPath, 'path holds half of a character');
  }
}

async function answered(
  answer: RestAnswer,
  withinMs: number | null,
  clock: Clock,
): Promise<ProxyAnswer> {
  const { status, url } = answer;
  const headers = mapOf(answer.headers);
  try {
    const bounds = { maxBytes: ANSWER_BODY_MAX_BYTES, withinMs };
    const body = await readAnswerBody(answer, bounds, clock);
    return { status: ProxyStatus.success, body: { status, headers, url, body } };
  } catch (error) {
    if (!(error instanceof AnswerBodyError)) throw error;
    const code = error.late ? ProxyStatus.timedOut : ProxyStatus.requestFailed;
    return { status: code, body: `${error.message}; Discord answered with status ${status}` };
  }
}

/** One value a name, as the original's clients expect; repeats are joined as HTTP allows. */
function mapOf(headers: HeaderList): Readonly<Record<string, string>> {
  const map: Record<string, string> = {};
  for (const [name, value] of headers) {
    const earlier = map[name];
    map[name] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  return map;
}

const seconds = (ms: number): string => `${(Math.ceil(ms) / 1_000).toFixed(3)} s`;

function unanswered(outcome: Exclude<RestOutcome, { kind: 'answered' }>): ProxyAnswer | null {
  switch (outcome.kind) {
    case 'refused': {
      if (outcome.reason === 'stopping') return null;
      const after = seconds(outcome.retryAfterMs);
      const why =
        outcome.reason === 'full'
          ? 'too many requests wait'
          : 'Discord does not take this request for long';
      const body = `${why}: not sent, try again after ${after}`;
      return { status: ProxyStatus.requestFailed, body };
    }
    case 'timed-out': {
      if (outcome.waitMs !== null) {
        const body = `its turn would come after ${seconds(outcome.waitMs)}, longer than its timeout: not sent`;
        return { status: ProxyStatus.timedOut, body };
      }
      const body = outcome.sent
        ? 'no answer within its timeout; Discord may have seen it'
        : 'its turn did not come within its timeout: not sent';
      return { status: ProxyStatus.timedOut, body };
    }
    case 'failed':
      return { status: ProxyStatus.requestFailed, body: outcome.error.message };
    case 'cancelled':
      return { status: ProxyStatus.unknown, body: 'the request was cancelled' };
  }
}

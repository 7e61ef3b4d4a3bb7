/**
 * The door for clients on a message broker: event `REQUEST`, a MessagePack request in, an answer
 * out.
 *
 * Purpose: every request that can be answered is answered, with one of the nine statuses, and none
 * is carried out twice.
 *
 * Inner workings: the path may lack its slash and its `/api/vN`; the query is a map, encoded and
 * put behind what the path already has. A delivery is acknowledged once its answer is out. If the
 * answer cannot be sent the delivery is acknowledged all the same: Discord has done what was asked,
 * and handing it back would do it twice.
 *
 * A delivery that is not the first may be of a proxy that died in the middle of it. If the message
 * is still remembered here it gets the same answer. Otherwise it is carried out only if a repeat
 * does no harm: by its method, by its nonce, or by its sender's word (`idempotent`); of all others
 * the sender is told that they may have been sent. For the same reason a proxy that stops hands
 * back only what may be repeated, and says of the rest that it was not sent.
 *
 * Failure modes: an answer's body that ends early or late becomes a status of its own; nothing in
 * here throws into the broker.
 */
import type { Delivery } from '../../protocols/broker.ts';
import { AdmissionError, AnswerBodyError, ProxyRequestError } from '../../protocols/errors.ts';
import { ANSWER_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import {
  bodyOfBytes,
  type HeaderList,
  type RefusalReason,
  type RestAnswer,
  type RestOutcome,
} from '../../protocols/proxy.ts';
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
import { type Answering, AnswerMemory } from './answer-memory.ts';

export type RpcDoorOptions = {
  readonly tree: Pick<ProxyTree, 'submit'>;
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
  const memory = new AnswerMemory();
  return {
    handler(delivery) {
      const work = serve(delivery, memory, options).finally(() => serving.delete(work));
      serving.add(work);
    },
    async settled() {
      await Promise.allSettled(serving);
    },
  };
}

async function serve(
  delivery: Delivery,
  memory: AnswerMemory,
  options: RpcDoorOptions,
): Promise<void> {
  const answer = await memory.answer(delivery, () => encodedAnswerTo(delivery, options));
  if (answer === null) {
    delivery.retry();
    return;
  }
  if (delivery.wantsReply) {
    try {
      await delivery.reply(answer);
    } catch (error) {
      options.log.warn({ error }, 'an answer could not be sent to its caller');
    }
  }
  delivery.ack();
}

async function encodedAnswerTo(delivery: Delivery, options: RpcDoorOptions): Answering {
  const answer = await answerTo(delivery, options);
  return answer && encodeProxyAnswer(answer, delivery.body);
}

/** The answer, or null for a request that another proxy must take. */
async function answerTo(delivery: Delivery, options: RpcDoorOptions): Promise<ProxyAnswer | null> {
  const { tree, admission, apiVersion, clock, log } = options;
  const startMs = clock.nowMs();
  try {
    const asked = decodeProxyRequest(delivery.body);
    const admitted = admit(doorRequest(asked, apiVersion), admission);
    const { repeatable } = admitted;
    if (delivery.attempt > 1 && !repeatable) return MAY_HAVE_BEEN_SENT;
    const body = asked.body === undefined ? null : bodyOfBytes(asked.body);
    const outcome = await tree.submit({ ...admitted, body }).outcome;
    if (outcome.kind !== 'answered') return unanswered(outcome, repeatable);
    const { timeoutMs } = admitted;
    const withinMs = timeoutMs === null ? null : startMs + timeoutMs - clock.nowMs();
    return await answered(outcome.answer, withinMs, clock);
  } catch (error) {
    if (error instanceof ProxyRequestError) return { status: statusOf(error), body: error.message };
    if (error instanceof AdmissionError) {
      return { status: ADMISSION_STATUS[error.part], body: error.message };
    }
    log.error({ error }, 'a request failed in the proxy itself');
    return { status: ProxyStatus.unknown, body: 'the proxy failed; its log says why' };
  }
}

const MAY_HAVE_BEEN_SENT: ProxyAnswer = {
  status: ProxyStatus.requestFailed,
  body: 'the proxy that had this request is gone; Discord may have seen it, so it is not sent again',
};

/** Discord answers a message whose nonce it knows with the one that is there, if it is asked to. */
function hasNonce(body: Uint8Array | undefined): boolean {
  if (body === undefined || body[0] !== 0x7b) return false;
  try {
    const message: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (typeof message !== 'object' || message === null) return false;
    const nonce = 'nonce' in message ? message.nonce : undefined;
    const isKnown = (typeof nonce === 'string' && nonce !== '') || typeof nonce === 'number';
    return isKnown && 'enforce_nonce' in message && message.enforce_nonce === true;
  } catch {
    return false;
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
    timeoutMs: request.timeoutMs,
    priority: request.priority,
    idempotent: request.idempotent === true || hasNonce(request.body),
  };
}

function targetOf(request: ProxyRequest, apiVersion: number): string {
  const path = encodePath(request.path.split('#', 1)[0] ?? '');
  const rooted = path.startsWith('/') ? path : `/${path}`;
  const whole = /^\/api(?:\/|$)/.test(rooted) ? rooted : `/api/v${apiVersion}${rooted}`;
  const query = encodeQuery({ ...request.query });
  if (query === '') return whole;
  return `${whole}${whole.includes('?') ? '&' : '?'}${query}`;
}

/**
 * Percent-encodes names and values; what is encoded already stays as it is. The original refused
 * whatever needs encoding, so its clients do it themselves.
 */
function encodeQuery(query: Record<string, string>): string {
  return new URLSearchParams(query).toString().replaceAll(/%25([0-9a-f]{2})/gi, '%$1');
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

const STOPPING: ProxyAnswer = {
  status: ProxyStatus.requestFailed,
  body: 'the proxy is stopping: not sent, try again at once',
};

const WHY_REFUSED: Readonly<Record<RefusalReason, string>> = {
  'long-wait': 'Discord does not take this request for long',
  full: 'too many requests wait',
  stopping: 'the proxy stops',
  'invalid-requests': 'Discord is about to ban this address for what it had to refuse',
  'shared-limits': 'limits that all bots share refuse too much',
  'family-limit': 'as many requests of this kind were sent as may be',
  unauthorized: 'Discord does not know the token',
  'unknown-webhook': 'the webhook is gone',
};

const seconds = (ms: number): string => `${(Math.ceil(ms) / 1_000).toFixed(3)} s`;

function lateness({ waitMs, failing, sent }: Extract<RestOutcome, { kind: 'timed-out' }>): string {
  if (sent) return 'no answer within its timeout; Discord may have seen it';
  if (waitMs === null) return 'its turn did not come within its timeout: not sent';
  const why = failing ? 'Discord answers with errors: ' : '';
  return `${why}its turn would come after ${seconds(waitMs)}, longer than its timeout: not sent`;
}

function unanswered(
  outcome: Exclude<RestOutcome, { kind: 'answered' }>,
  repeatable: boolean,
): ProxyAnswer | null {
  switch (outcome.kind) {
    case 'refused': {
      if (outcome.reason === 'stopping') return repeatable ? null : STOPPING;
      const after = seconds(outcome.retryAfterMs);
      const body = `${WHY_REFUSED[outcome.reason]}: not sent, try again after ${after}`;
      return { status: ProxyStatus.requestFailed, body };
    }
    case 'timed-out': {
      return { status: ProxyStatus.timedOut, body: lateness(outcome) };
    }
    case 'failed':
      return { status: ProxyStatus.requestFailed, body: outcome.error.message };
    case 'cancelled':
      return { status: ProxyStatus.unknown, body: 'the request was cancelled' };
  }
}

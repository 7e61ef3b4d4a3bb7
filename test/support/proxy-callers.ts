/**
 * Callers of a proxy at both of its doors, and the judge of what they are answered with.
 *
 * Each asks, waits for its answer, and asks again. Over HTTP some go away before it comes, in the
 * middle of a body or later. Every request has one fate, and the fate has to be true: an answer
 * belongs to its question, what Discord has answered was done once, and what the proxy says was not
 * sent was not done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '../../protocols/broker.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Random } from '../../protocols/ports.ts';
import { decodeProxyAnswer, encodeProxyRequest } from '../../protocols/wire/proxy.ts';
import type { Question, Questions } from './proxy-questions.ts';
import type { RawAnswer, RawClient } from './raw-client.ts';

/** What one request came to. */
export type Fate = {
  /** `discord 200`, `proxy 503 stopping`, `rpc 7`, `hung up`, `broken off`, `nothing`. */
  readonly name: string;
  /** Of an answer that is Discord's. */
  readonly answered?: { readonly status: number; readonly body: string };
  /** Whether the proxy says that Discord has not seen it. */
  readonly isUnsent?: boolean;
  /** Why there is no answer, where somebody has said so. */
  readonly detail?: string;
};

/** Counts fates and writes down which of them cannot be. */
export class Judge {
  readonly problems: string[] = [];
  readonly fates = new Map<string, number>();
  readonly #questions: Questions;
  /** Whether the proxy has been told to stop. */
  isStopping = false;
  asked = 0;

  constructor(questions: Questions) {
    this.#questions = questions;
  }

  judge(question: Question, fate: Fate): void {
    this.asked += 1;
    this.fates.set(fate.name, (this.fates.get(fate.name) ?? 0) + 1);
    const problem = this.#problemOf(question, fate);
    if (problem === undefined) return;
    this.problems.push(`${question.method} ${question.path}: ${fate.name}: ${problem}`);
  }

  #problemOf({ status, fits, message }: Question, fate: Fate): string | undefined {
    const { name, answered, isUnsent } = fate;
    const times = message === null ? undefined : this.#questions.ledger.times(message);
    if (answered?.status === status) {
      if (!fits(answered.body)) return `answered for another: ${answered.body.slice(0, 200)}`;
      if (times !== undefined && times !== 1) return `posted ${times} times`;
    } else if (answered !== undefined && !TROUBLE.has(answered.status)) return 'nobody said so';
    if (isUnsent === true && (times ?? 0) > 0) return 'was sent';
    if (name === 'nothing') return `no answer came: ${fate.detail ?? 'the connection ended'}`;
    if (/stopping/.test(name) && !this.isStopping) return 'nobody has told it to stop';
    return /^proxy 500|^rpc [1-6]$/.test(name) ? 'nothing was wrong with it' : undefined;
  }
}

/** What Discord answers while it is in trouble, and when a request was refused too often. */
const TROUBLE: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
/** By which the proxy says that Discord may have seen the request. */
const MAY_BE_SENT = new Set(['upstream', 'timeout-sent']);

export type HttpCaller = {
  readonly client: RawClient;
  readonly authorization: string;
};

export async function askOverHttp(
  { client, authorization }: HttpCaller,
  question: Question,
): Promise<Fate> {
  return fateOf(await client.ask(headOf(question, authorization), question.body));
}

/** Asks, and is gone before long: in the middle of its body, if it has one, or after it. */
export async function hangUpOverHttp(
  { client, authorization }: HttpCaller,
  question: Question,
  random: Random,
): Promise<Fate> {
  const sentBytes = random() < 0.5 ? Math.floor(question.body.length / 2) : question.body.length;
  const answer = client.ask(headOf(question, authorization), question.body.subarray(0, sentBytes));
  await Promise.race([answer, sleep(random() * HANG_UP_MAX_MS)]);
  client.hangUp(random() < 0.5 ? 'close' : 'reset');
  await answer;
  return { name: 'hung up' };
}

const HANG_UP_MAX_MS = 400;

function headOf({ method, path, contentType, body }: Question, authorization: string): string {
  const type = contentType === null ? '' : `Content-Type: ${contentType}\r\n`;
  const content = method === 'GET' ? '' : `${type}Content-Length: ${body.length}\r\n`;
  const head = `${method} /api/v10${path} HTTP/1.1\r\nHost: discord.com\r\n`;
  return `${head}Authorization: ${authorization}\r\n${content}\r\n`;
}

function fateOf(answer: RawAnswer): Fate {
  if (answer.kind === 'ended') return { name: answer.begun ? 'broken off' : 'nothing' };
  const { status, headers, body } = answer;
  const why = headers.get('x-spectacles-proxy');
  if (why === undefined) return { name: `discord ${status}`, answered: { status, body } };
  return { name: `proxy ${status} ${why}`, isUnsent: !MAY_BE_SENT.has(why) };
}

const CALL_TIMEOUT_MS = 120_000;

export async function askOverRpc(
  broker: Broker,
  authorization: string,
  { method, path, contentType, body }: Question,
): Promise<Fate> {
  const headers = { authorization, ...(contentType && { 'content-type': contentType }) };
  const sent = { method, path, headers, ...(body.length > 0 && { body }) };
  try {
    const bytes = await broker.call('REQUEST', encodeProxyRequest(sent), {
      timeoutMs: CALL_TIMEOUT_MS,
    });
    const answer = decodeProxyAnswer(bytes);
    if (answer.status !== 0) {
      const stopping = /stopping/.test(answer.body) ? ' stopping' : '';
      return { name: `rpc ${answer.status}${stopping}`, isUnsent: /not sent/.test(answer.body) };
    }
    const { status } = answer.body;
    const text = Buffer.from(answer.body.body).toString('latin1');
    return { name: `rpc discord ${status}`, answered: { status, body: text } };
  } catch (error) {
    return { name: 'nothing', detail: messageOf(error) };
  }
}

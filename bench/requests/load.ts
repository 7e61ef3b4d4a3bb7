/**
 * The callers: a process that creates messages or reads channels, in channels that take their
 * turns.
 *
 * At full speed each caller sends its next request when it has the answer to the last. At a rate a
 * request is sent when it is due, whatever became of those before it, and its latency counts from
 * when it was handed to the client, so that no answer can hide the slowness of another.
 *
 * Failure: an answer that is not the upstream's 200 ends the run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { serve } from '../processes.ts';
import type { RequestFeed } from '../row.ts';

export type LoadOrder =
  | {
      readonly kind: 'open';
      readonly address: string;
      readonly channels: number;
      readonly method: RequestFeed['method'];
    }
  /** Answers when all requests are answered. */
  | { readonly kind: 'play'; readonly events: number; readonly perSecond: number | undefined }
  /** Answers with what each request of the last play took, in ms, ascending. */
  | { readonly kind: 'latencies' };

const CALLERS = 32;
/** At a rate there may be more under way than there are callers. */
const CONNECTIONS = 128;
/** Discord's global limit is that of a bot; several are needed to get near what a proxy can do. */
const BOTS = 4;
const FIRST_CHANNEL = 1_120_447_600_000_000_000n;
const BODY = Buffer.from('{"content":"pong"}');
const ANSWER_START = '{"id":"';

let pool: Pool | undefined;
let method: RequestFeed['method'] = 'POST';
let paths: readonly string[] = [];
let next = 0;
let latencies = new Float64Array(0);

function open(order: Extract<LoadOrder, { kind: 'open' }>): void {
  const { address, channels } = order;
  method = order.method;
  pool = new Pool(`http://${address}`, { connections: CONNECTIONS, pipelining: 1 });
  paths = Array.from(
    { length: channels },
    (_, index) =>
      `/api/v10/channels/${FIRST_CHANNEL + BigInt(index)}${method === 'POST' ? '/messages' : ''}`,
  );
}

/** @param place where its latency is noted */
async function send(place: number): Promise<void> {
  const channel = next++ % paths.length;
  const startMs = performance.now();
  const response = await pool?.request({
    method,
    path: paths[channel] ?? '',
    headers: {
      authorization: `Bot bench-${channel % BOTS}`,
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      'user-agent': 'DiscordBot (https://example.org, 1.0)',
    },
    body: method === 'POST' ? BODY : null,
  });
  const text = (await response?.body.text()) ?? '';
  latencies[place] = performance.now() - startMs;
  if (response?.statusCode !== 200 || !text.startsWith(ANSWER_START)) {
    throw new Error(`a request was answered with ${response?.statusCode}: ${text.slice(0, 300)}`);
  }
}

async function closedLoop(events: number): Promise<void> {
  let begun = 0;
  const caller = async (): Promise<void> => {
    while (begun < events) await send(begun++);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

async function atRate(events: number, perSecond: number): Promise<void> {
  const startMs = performance.now();
  const answers: Promise<void>[] = [];
  let failure: unknown;
  while (answers.length < events) {
    const due = Math.min(events, ((performance.now() - startMs) * perSecond) / 1_000);
    while (answers.length < due) {
      const answer = send(answers.length).catch((error: unknown) => {
        failure ??= error;
      });
      answers.push(answer);
    }
    if (failure !== undefined) break;
    await sleep(1);
  }
  await Promise.all(answers);
  if (failure !== undefined) throw failure;
}

serve<LoadOrder>(async (order) => {
  switch (order.kind) {
    case 'open':
      return open(order);
    case 'play':
      latencies = new Float64Array(order.events);
      return order.perSecond === undefined
        ? closedLoop(order.events)
        : atRate(order.events, order.perSecond);
    case 'latencies':
      return latencies.sort();
  }
});

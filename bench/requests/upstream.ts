/**
 * Discord's part behind a proxy: a plain HTTP server in a process of its own.
 *
 * It counts the requests of each channel in fixed windows and says in its headers what is true. A
 * request above the limit gets a 429, so a proxy that does not keep to what it is told is found
 * out; the limits are so generous that they never bind.
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '../processes.ts';

/** Answers with `HOST:PORT`. */
export type UpstreamOrder = { readonly kind: 'open'; readonly limit: number };

const WINDOW_MS = 500;
const BUCKET = 'a7d0b1c94e5f42d38c6b';
const KEEP_ALIVE_MS = 60_000;
/** The message that was created, as Discord would answer. */
const ANSWER = Buffer.from(
  JSON.stringify({
    id: '1120447654861938738',
    type: 0,
    content: 'pong',
    channel_id: '1120447600000000000',
    author: { id: '80351110224678912', username: 'bench', discriminator: '0', bot: true },
    attachments: [],
    embeds: [],
    mentions: [],
    pinned: false,
    tts: false,
    timestamp: '2026-11-20T21:17:04.418000+00:00',
    edited_timestamp: null,
    flags: 0,
    components: [],
  }),
);

type Window = { endsMs: number; used: number };

const windows = new Map<string, Window>();

/** One more request of the channel. */
function count(path: string): Window {
  const nowMs = performance.now();
  const window = windows.get(path);
  if (window !== undefined && window.endsMs > nowMs) {
    window.used++;
    return window;
  }
  const begun = { endsMs: nowMs + WINDOW_MS, used: 1 };
  windows.set(path, begun);
  return begun;
}

function answer(limit: number, request: IncomingMessage, response: ServerResponse): void {
  const { endsMs, used } = count(request.url ?? '');
  const isLimited = used > limit;
  const afterSeconds = ((endsMs - performance.now()) / 1_000).toFixed(3);
  const body = isLimited ? Buffer.from('{"retry_after":1,"global":false}') : ANSWER;
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': body.length,
    'x-ratelimit-bucket': BUCKET,
    'x-ratelimit-limit': limit,
    'x-ratelimit-remaining': Math.max(0, limit - used),
    'x-ratelimit-reset': ((Date.now() + Number(afterSeconds) * 1_000) / 1_000).toFixed(3),
    'x-ratelimit-reset-after': afterSeconds,
    ...(isLimited && { 'retry-after': '1', 'x-ratelimit-scope': 'user' }),
  };
  response.writeHead(isLimited ? 429 : 200, headers).end(body);
}

serve<UpstreamOrder>(async ({ limit }) => {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    request.on('end', () => answer(limit, request, response));
    request.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

/**
 * The `makeRequest` of `@discordjs/rest`, over a message broker: what discord.js sends to Discord
 * goes to the proxy instead, which keeps the limits for every process of the bot.
 *
 *     new REST({ makeRequest: throughProxy(broker) }).setToken(token)
 *
 * The body goes as the bytes that `fetch` would have sent, so files and forms arrive as they are.
 *
 * Failure modes: a request that the proxy refuses or cannot send is a `ProxyAnswerError`, which
 * says what the proxy said; one that the caller aborts is rejected with the signal's reason at
 * once, and the proxy gives it up when its time is over.
 */
import { ProxyAnswerError } from '../../protocols/errors.ts';
import { REST_CALL_TIMEOUT_MS } from '../../protocols/limits.ts';
import { ProxyStatus } from '../../protocols/wire/proxy.ts';
import { askProxy, type RestBroker, type RestResponse } from '../client/rest.ts';
import { unlessAborted } from '../unless-aborted.ts';

/** The part of `RequestInit` that discord.js uses. */
export type RequestParts = {
  readonly method?: string | undefined;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly signal?: AbortSignal | null | undefined;
};

export type ProxyRequestOptions = {
  /** How long to wait for an answer, the wait for a turn included. */
  readonly timeoutMs?: number;
};

/** @returns what `new REST({ makeRequest })` takes */
export function throughProxy(
  broker: RestBroker,
  { timeoutMs = REST_CALL_TIMEOUT_MS }: ProxyRequestOptions = {},
) {
  return (url: string, parts: RequestParts): Promise<Response> => {
    const sending = send(broker, url, parts, timeoutMs);
    return parts.signal ? unlessAborted(parts.signal, sending) : sending;
  };
}

async function send(
  broker: RestBroker,
  url: string,
  parts: RequestParts,
  timeoutMs: number,
): Promise<Response> {
  parts.signal?.throwIfAborted();
  const request = requestOf(url, parts);
  const asked = {
    method: request.method,
    path: pathOf(url),
    headers: Object.fromEntries(request.headers),
    ...(request.body !== null && { body: new Uint8Array(await request.arrayBuffer()) }),
  };
  const { status, body } = await askProxy<unknown>(broker, asked, timeoutMs);
  if (status !== ProxyStatus.success) throw new ProxyAnswerError(status, body);
  return responseOf(body);
}

/** The platform's own way from a body of any kind to bytes and a content type. */
function requestOf(url: string, { method = 'GET', headers, body }: RequestParts): Request {
  const init = { method, headers, body, duplex: 'half' };
  return new Request(url, init as RequestInit);
}

/** Everything behind the host, byte for byte. */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/]*/i, '');
}

/** Answers that have no body, whatever their headers say; `Response` refuses to give them one. */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

function responseOf({ status, headers, body }: RestResponse<unknown>): Response {
  const bytes = BODYLESS.has(status) ? null : Buffer.from(body);
  return new Response(bytes, { status, headers: { ...headers } });
}

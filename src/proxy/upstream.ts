/**
 * The way to Discord over undici: kept-alive connections, timeouts, and a plain answer to the question
 * whether a request that failed had been sent.
 *
 * The target goes out byte for byte: it is never parsed and put together again. The answer is handed
 * over when its headers are in; the body stays a stream, so a slow reader holds its own connection and
 * nothing else. Nothing is retried in here; the bucket decides that, since a repeat counts too.
 */
import { Agent, type Dispatcher } from 'undici';
import { UpstreamError } from '../../protocols/errors.ts';
import {
  UPSTREAM_BODY_TIMEOUT_MS,
  UPSTREAM_CONNECT_TIMEOUT_MS,
  UPSTREAM_CONNECTIONS_MAX,
  UPSTREAM_HEADERS_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import type { HeaderList, RestAnswer, RestRequest, Upstream } from '../../protocols/proxy.ts';

/** Errors that come before the first byte of a request can have left. */
const UNSENT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

export type UpstreamOptions = {
  readonly scheme: 'http' | 'https';
  /** A host, with a port if it is not the scheme's own. */
  readonly host: string;
};

export function createUpstream(options: UpstreamOptions): Upstream {
  const origin = `${options.scheme}://${options.host}`;
  const agent = new Agent({
    connections: UPSTREAM_CONNECTIONS_MAX,
    connect: { timeout: UPSTREAM_CONNECT_TIMEOUT_MS },
    headersTimeout: UPSTREAM_HEADERS_TIMEOUT_MS,
    bodyTimeout: UPSTREAM_BODY_TIMEOUT_MS,
  });
  return {
    async send(request, signal) {
      try {
        const response = await agent.request({
          origin,
          path: request.target,
          method: request.method,
          headers: request.headers.flat(),
          body: request.body,
          signal,
          responseHeaders: 'raw',
        });
        return { kind: 'answer', answer: answerOf(request, origin, response) };
      } catch (error) {
        return { kind: 'failure', failure: failureOf(error, options.host) };
      }
    },
    close: () => agent.destroy(),
  };
}

function answerOf(
  request: RestRequest,
  origin: string,
  response: Dispatcher.ResponseData,
): RestAnswer {
  const { body, statusCode: status } = response;
  // A body that breaks while nobody reads it must not end the process; whoever reads it is told.
  body.on('error', () => {});
  return {
    status,
    headers: headersOf(response.headers),
    url: origin + request.target,
    body,
    discard: () => {
      body.dump().catch(() => {});
    },
  };
}

/** With `responseHeaders: 'raw'` undici gives names and values in turn, whatever its type says. */
function headersOf(raw: unknown): HeaderList {
  if (!Array.isArray(raw)) throw new TypeError('undici gave no raw headers');
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([String(raw[index]).toLowerCase(), String(raw[index + 1])]);
  }
  return headers;
}

function failureOf(
  error: unknown,
  host: string,
): { readonly error: UpstreamError; readonly unsent: boolean } {
  const code = codeOf(error);
  const unsent = UNSENT_CODES.has(code);
  const what = unsent ? 'could not be reached' : 'did not answer';
  return { error: new UpstreamError(`${host} ${what} (${code})`, { cause: error }), unsent };
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}

/**
 * The way to Discord over undici: kept-alive connections, timeouts, and a plain answer to the question
 * whether a request that failed had been sent.
 *
 * The target goes out byte for byte: it is never parsed and put together again. The answer is handed
 * over when its headers are in; the body stays a stream, so a slow reader holds its own connection and
 * nothing else. Nothing is retried in here; the bucket decides that, since a repeat counts too.
 *
 * A request that waited for a connection which could not be opened has certainly not been sent: such
 * errors are recognised by where they come from, whatever they are called. Of all others nobody knows.
 */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { Http2NotOfferedError, UpstreamError } from '../../protocols/errors.ts';
import {
  UPSTREAM_BODY_TIMEOUT_MS,
  UPSTREAM_CONNECT_TIMEOUT_MS,
  UPSTREAM_CONNECTIONS_MAX,
  UPSTREAM_HEADERS_TIMEOUT_MS,
  UPSTREAM_HTTP2_CONNECTIONS_MAX,
  UPSTREAM_STREAMS_MAX,
} from '../../protocols/limits.ts';
import type { HeaderList, RestAnswer, RestRequest, Upstream } from '../../protocols/proxy.ts';

export type UpstreamOptions = {
  readonly scheme: 'http' | 'https';
  /** A host, with a port if it is not the scheme's own. */
  readonly host: string;
  /** Whether HTTP/2 is spoken, which the host must offer then; HTTP/1.1 unless told. */
  readonly http2?: boolean;
  /** Trusted in place of the system's own authorities, for tests. */
  readonly authority?: string;
};

export function createUpstream(options: UpstreamOptions): Upstream {
  const origin = `${options.scheme}://${options.host}`;
  const allowH2 = options.http2 ?? false;
  const connectErrors = new WeakSet<object>();
  const createAgent = (): Agent =>
    new Agent({
      allowH2,
      ...(allowH2 ? STREAMS : { connections: UPSTREAM_CONNECTIONS_MAX }),
      connect: connectorThatMarks(connectErrors, options),
      headersTimeout: UPSTREAM_HEADERS_TIMEOUT_MS,
      bodyTimeout: UPSTREAM_BODY_TIMEOUT_MS,
    });
  // The high lane has connections of its own: no slow answers of others may use them up.
  const [high, others] = [createAgent(), createAgent()];
  return {
    async send(request, signal) {
      const { headers, body } = bodyOf(request);
      const agent = request.priority === 'high' ? high : others;
      try {
        const response = await agent.request({
          origin,
          path: request.target,
          method: request.method,
          headers,
          body,
          signal,
          responseHeaders: 'raw',
        });
        return { kind: 'answer', answer: answerOf(request, origin, response) };
      } catch (error) {
        const unsent = isObject(error) && connectErrors.has(error);
        return {
          kind: 'failure',
          failure: { error: failureOf(error, options.host, unsent), unsent },
        };
      }
    },
    async close() {
      await Promise.all([high.destroy(), others.destroy()]);
    },
  };
}

/** Opens connections as undici does, and remembers the errors that this ends with. */
function connectorThatMarks(
  connectErrors: WeakSet<object>,
  { http2: allowH2 = false, authority }: UpstreamOptions,
): buildConnector.connector {
  const trusted = authority === undefined ? {} : { ca: authority };
  const connect = buildConnector({ timeout: UPSTREAM_CONNECT_TIMEOUT_MS, allowH2, ...trusted });
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result;
      if (error !== null) connectErrors.add(error);
      else if (allowH2 && !speaksHttp2(socket)) {
        // Many requests at once on a connection of HTTP/1.1 would wait for each other.
        socket.destroy();
        const notOffered = new Http2NotOfferedError();
        connectErrors.add(notOffered);
        callback(notOffered, null);
        return;
      }
      callback(...result);
    });
  };
}

const speaksHttp2 = (socket: Socket): boolean =>
  socket instanceof TLSSocket && socket.alpnProtocol === 'h2';

const STREAMS = {
  connections: UPSTREAM_HTTP2_CONNECTIONS_MAX,
  pipelining: UPSTREAM_STREAMS_MAX,
  maxConcurrentStreams: UPSTREAM_STREAMS_MAX,
};

type Sendable = {
  readonly headers: string[];
  readonly body: Uint8Array | Readable | null;
};

/** The headers in undici's form, and the body from its beginning. */
function bodyOf({ headers, body }: RestRequest): Sendable {
  const flat = headers.flat();
  if (body === null) return { headers: flat, body: null };
  const content = body.read();
  if (content instanceof Uint8Array) return { headers: flat, body: content };
  // Its length is known, so it needs no chunks.
  return {
    headers: [...flat, 'content-length', String(body.bytes)],
    body: Readable.from(content, { objectMode: false }),
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

function failureOf(error: unknown, host: string, unsent: boolean): UpstreamError {
  const what = unsent ? 'could not be reached' : 'did not answer';
  return new UpstreamError(`${host} ${what} (${codeOf(error)})`, { cause: error });
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function codeOf(error: unknown): string {
  if (!isObject(error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}

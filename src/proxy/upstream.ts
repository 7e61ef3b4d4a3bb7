/**
 * The way to Discord over undici: kept-alive connections, timeouts, and a plain answer to the
 * question whether a request that failed had been sent.
 *
 * The target goes out byte for byte: it is never parsed and put together again. The answer is
 * handed over when its headers are in, and its body arrives by itself (`arriving-body.ts`), so a
 * slow reader holds its own connection and nothing else. Nothing is retried in here; the bucket
 * decides that, since a repeat counts too. undici is used by its `dispatch`, beneath its streams
 * and promises.
 *
 * A request that waited for a connection which could not be opened has certainly not been sent:
 * such errors are recognised by where they come from, whatever they are called. Of all others
 * nobody knows.
 */
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
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
import type {
  HeaderList,
  RestRequest,
  Sending,
  Upstream,
  UpstreamFailure,
  UpstreamResult,
} from '../../protocols/proxy.ts';
import { ArrivingBody } from './arriving-body.ts';

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
    send(request, written) {
      const flight = new Flight(request, origin, written, (error) => {
        const unsent = connectErrors.has(error);
        return { error: failureOf(error, options.host, unsent), unsent };
      });
      const agent = request.priority === 'high' ? high : others;
      agent.dispatch(flight.options, flight);
      return flight;
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

/** One request in the hands of undici, and what becomes of it. */
class Flight implements Sending, Dispatcher.DispatchHandler {
  readonly options: Dispatcher.DispatchOptions;
  readonly result: Promise<UpstreamResult>;
  readonly #url: string;
  readonly #written: () => void;
  readonly #failureOf: (error: Error) => UpstreamFailure;
  #resolve: (result: UpstreamResult) => void = () => {};
  #controller: Dispatcher.DispatchController | null = null;
  #body: ArrivingBody | null = null;
  #isAborted = false;

  constructor(
    request: RestRequest,
    origin: string,
    written: () => void,
    failureOf: (error: Error) => UpstreamFailure,
  ) {
    const { method, target: path } = request;
    this.options = { origin, path, method, ...contentOf(request) };
    this.#url = origin + path;
    this.#written = written;
    this.#failureOf = failureOf;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  abort(): void {
    if (this.#body !== null) return;
    this.#isAborted = true;
    this.#controller?.abort(new Error('broken off'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isAborted) this.abort();
    else this.#written();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // Discord may say before its answer that there will be one.
    if (status < FIRST_FINAL_STATUS) return;
    const headers = headersOf(controller.rawHeaders);
    const body = new ArrivingBody(controller);
    this.#body = body;
    const discard = (): void => body.discard();
    this.#resolve({ kind: 'answer', answer: { status, headers, url: this.#url, body, discard } });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#body === null) this.#resolve({ kind: 'failure', failure: this.#failureOf(error) });
    else this.#body.end(error);
  }
}

const FIRST_FINAL_STATUS = 200;

/**
 * undici takes whatever can be iterated; its types know of streams alone. It must not be a stream:
 * undici pipes that into the stream of HTTP/2, and when an answer is given up that came before the
 * request was out, Node's session then writes without end and takes all memory.
 */
function asBody(content: AsyncIterable<Uint8Array>): Readable {
  return content as unknown as Readable;
}

/** The headers in undici's form, and the body from its beginning. */
function contentOf({
  headers: pairs,
  body,
}: RestRequest): Pick<Dispatcher.DispatchOptions, 'headers' | 'body'> {
  const headers: string[] = [];
  for (const [name, value] of pairs) headers.push(name, value);
  if (body === null) return { headers, body: null };
  const content = body.read();
  if (content instanceof Uint8Array) return { headers, body: content };
  // Its length is known, so it needs no chunks.
  headers.push('content-length', String(body.bytes));
  return { headers, body: asBody(content) };
}

/** Names and values in turn, as undici gives what stood on the wire. */
function headersOf(raw: unknown): HeaderList {
  if (!Array.isArray(raw)) throw new TypeError('undici gave no raw headers');
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([latin1(raw[index]).toLowerCase(), latin1(raw[index + 1])]);
  }
  return headers;
}

const latin1 = (text: unknown): string =>
  Buffer.isBuffer(text) ? text.toString('latin1') : String(text);

function failureOf(error: Error, host: string, unsent: boolean): UpstreamError {
  const what = unsent ? 'could not be reached' : 'did not answer';
  return new UpstreamError(`${host} ${what} (${codeOf(error)})`, { cause: error });
}

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name;

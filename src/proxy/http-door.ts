/**
 * The door for any library that speaks HTTP: what it would send to Discord, it sends here.
 *
 * Purpose: the answer is Discord's, headers included, streamed as it comes. What the proxy refuses
 * by itself has the shape of Discord's own refusals and carries the header `x-spectacles-proxy`,
 * which says why.
 *
 * Inner workings: a request is judged by its head first; what cannot be sent on is refused before
 * its body is read, and before a client that asked (`Expect`) is told to send it. The body is read
 * whole before the request queues, because it may have to be sent again after a 429. Nearly always
 * it comes with the head, and is then there at once; only one that does not is waited for. The
 * limiter is done with a request when the answer's headers are in, so a slow client holds up nobody
 * else.
 *
 * Failure modes: bytes that are no HTTP, and heads that may mean two things (both lengths, two
 * lengths), get a 4xx and the end of their connection. A client that goes away takes its request
 * with it, if it was still waiting; one that stalls is let go after HTTP_STALL_MS.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AdmissionError, RequestBodyError } from '../../protocols/errors.ts';
import {
  HTTP_CONNECTIONS_MAX,
  HTTP_HEAD_MAX_BYTES,
  HTTP_HEAD_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  HTTP_STALL_MS,
  REQUEST_BODY_MAX_BYTES,
} from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import type { HeaderList, RestOutcome } from '../../protocols/proxy.ts';
import type { ProxyTree, Submission } from '../../supervisors/proxy.ts';
import { type AdmissionOptions, type AdmittedRequest, admit } from './admission.ts';
import type { BodyStore, StoredBody } from './body-store.ts';
import { pass } from './http-answer.ts';
import {
  type Refusal,
  refusalOf,
  refusalText,
  refuseAdmission,
  refuseBody,
  refuseRequest,
} from './refusals.ts';

export type HttpDoorOptions = {
  readonly tree: Pick<ProxyTree, 'submit'>;
  readonly bodies: BodyStore;
  readonly admission: AdmissionOptions;
  readonly log: Log;
  /** Shorter for tests. */
  readonly patience?: Patience;
};

/** How long a client may take: for a head, for a whole request, and to move on with a body. */
export type Patience = {
  readonly headMs: number;
  readonly requestMs: number;
  readonly stallMs: number;
};

const PATIENCE: Patience = {
  headMs: HTTP_HEAD_TIMEOUT_MS,
  requestMs: HTTP_REQUEST_TIMEOUT_MS,
  stallMs: HTTP_STALL_MS,
};

/** How often connections are looked at that take too long for a head or a request. */
const CHECKS_PER_HEAD_TIMEOUT = 3;

export function httpDoor(options: HttpDoorOptions): Server {
  const { headMs, requestMs } = options.patience ?? PATIENCE;
  const server = createServer({
    maxHeaderSize: HTTP_HEAD_MAX_BYTES,
    headersTimeout: headMs,
    requestTimeout: requestMs,
    keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
    connectionsCheckingInterval: headMs / CHECKS_PER_HEAD_TIMEOUT,
    // Node's own refusal would not say who made it.
    requireHostHeader: false,
  });
  server.maxConnections = HTTP_CONNECTIONS_MAX;
  const answering = new WeakMap<Duplex, ServerResponse>();
  const take = (request: IncomingMessage, response: ServerResponse, asks: boolean): void => {
    answering.set(request.socket, response);
    const exchange = new Exchange(request, response, options);
    response.on('close', () => {
      exchange.closed();
      // Once the door is shut a connection has nothing to stay open for.
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    exchange.serve(asks);
  };
  server.on('request', (request, response) => take(request, response, false));
  server.on('checkContinue', (request, response) => take(request, response, true));
  server.on('checkExpectation', (request, response) => {
    refuseUnread(request, response, refuseRequest(417, 'headers'));
  });
  server.on('connect', (_request, socket) => {
    endWith(socket, refuseRequest(405, 'method'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // An answer that has begun cannot be turned into another one.
    if (!socket.writable || answering.get(socket)?.headersSent === true) socket.destroy();
    else endWith(socket, refuseRequest(CLIENT_ERRORS[error.code ?? ''] ?? 400, 'http'));
  });
  return server;
}

/** What is wrong with a head that never became a request; everything else is 400. */
const CLIENT_ERRORS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function endWith(socket: Duplex, refusal: Refusal): void {
  socket.on('error', () => socket.destroy());
  socket.end(refusalText(refusal), () => socket.destroy());
}

/** A request of a client, and what it is answered with. */
class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: HttpDoorOptions;
  #body: StoredBody | null = null;
  #submission: Submission | null = null;

  constructor(request: IncomingMessage, response: ServerResponse, options: HttpDoorOptions) {
    this.#request = request;
    this.#response = response;
    this.#options = options;
  }

  serve(asks: boolean): void {
    try {
      const admitted = judge(this.#request, this.#options.admission);
      if ('status' in admitted) refuseUnread(this.#request, this.#response, admitted);
      else if (asks) void this.#serveLater(admitted, true);
      // By then the parser has handed over the body, if it came with the head.
      else process.nextTick(serveNext, this, admitted);
    } catch (error) {
      this.#fail(error);
    }
  }

  serveNext(admitted: AdmittedRequest): void {
    try {
      if (this.#response.destroyed || this.#response.headersSent) return;
      if (this.#isWhole()) this.#submit(admitted);
      else void this.#serveLater(admitted, false);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The answer has gone out, or there is nobody to take it. */
  closed(): void {
    this.#submission?.cancel();
    this.#submission = null;
    this.#body?.dispose();
    this.#body = null;
  }

  /** Whether all of the request is there, and in its place. */
  #isWhole(): boolean {
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = this.#request.headers;
    if (encoding !== undefined || this.#request.readableLength < Number(length)) return false;
    const content: Buffer | null = this.#request.read();
    if (content === null) return true;
    this.#body = this.#options.bodies.hold(content);
    if (this.#body === null) this.#request.unshift(content);
    return this.#body !== null;
  }

  async #serveLater(admitted: AdmittedRequest, asks: boolean): Promise<void> {
    try {
      const { bodies, patience = PATIENCE } = this.#options;
      if (asks) this.#response.writeContinue();
      const body = await readBody(this.#request, this.#response, bodies, patience.stallMs);
      if (body === 'unreadable') return;
      this.#body = body;
      this.#submit(admitted);
    } catch (error) {
      this.#fail(error);
    }
  }

  #submit(admitted: AdmittedRequest): void {
    const submission = this.#options.tree.submit({ ...admitted, body: this.#body });
    this.#submission = submission;
    submission.outcome.then((outcome) => this.#deliver(outcome));
  }

  #deliver(outcome: RestOutcome): void {
    // It is settled: there is nothing left to cancel.
    this.#submission = null;
    const { stallMs } = this.#options.patience ?? PATIENCE;
    try {
      if (outcome.kind === 'cancelled') this.#response.destroy();
      else if (outcome.kind !== 'answered') refuse(this.#response, refusalOf(outcome));
      else pass(outcome.answer, this.#response, stallMs);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#options.log.error({ error }, 'a request failed in the proxy itself');
    if (!this.#response.headersSent) refuse(this.#response, refuseRequest(500, 'failed'));
    else this.#response.destroy();
  }
}

function serveNext(exchange: Exchange, admitted: AdmittedRequest): void {
  exchange.serveNext(admitted);
}

/**
 * A target may be a whole URL, as from a client that takes the door for a forward proxy (RFC 9112,
 * 3.2.2): then of the host that the request is for, and of no other.
 */
function pathOf(target: string, host = ''): string {
  if (target.startsWith('/')) return target;
  const origin = `http://${host}/`;
  return target.toLowerCase().startsWith(origin.toLowerCase())
    ? target.slice(origin.length - 1)
    : target;
}

/** What a request's head says; a refusal where nothing of it can be sent on. */
function judge(request: IncomingMessage, admission: AdmissionOptions): AdmittedRequest | Refusal {
  const { url = '', method = '' } = request;
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    return refuseRequest(400, 'headers', 'a request of HTTP/1.1 needs the header Host');
  }
  const target = pathOf(url, request.headers.host);
  if (!/^\/api(?:[/?]|$)/.test(target)) {
    return refuseRequest(404, 'path', 'the path must begin with /api');
  }
  if (Number(request.headers['content-length'] ?? 0) > REQUEST_BODY_MAX_BYTES) {
    const message = `a body may have ${REQUEST_BODY_MAX_BYTES} bytes`;
    return refuseBody(new RequestBodyError('too-large', message));
  }
  try {
    const headers = pairs(request.rawHeaders);
    return admit({ method, target, headers, timeoutMs: undefined }, admission);
  } catch (error) {
    if (!(error instanceof AdmissionError)) throw error;
    return refuseAdmission(error);
  }
}

/**
 * The whole body, null if there is none; `unreadable` when the client has been answered or is gone.
 */
async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  bodies: BodyStore,
  stallMs: number,
): Promise<StoredBody | null | 'unreadable'> {
  request.setTimeout(stallMs, () => {
    refuseUnread(request, response, refuseRequest(408, 'body'));
    response.once('finish', () => request.destroy());
  });
  try {
    const body = await bodies.collect(request.iterator({ destroyOnReturn: false }));
    request.setTimeout(0);
    if (!response.destroyed && !response.headersSent) return body;
    body?.dispose();
  } catch (error) {
    // Of all other errors the reason is that the client went away in the middle of its own request.
    if (error instanceof RequestBodyError) refuseUnread(request, response, refuseBody(error));
  }
  return 'unreadable';
}

function pairs(raw: readonly string[]): HeaderList {
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([raw[index] ?? '', raw[index + 1] ?? '']);
  }
  return headers;
}

/** Refuses a request whose body has not been read, or not to its end. */
function refuseUnread(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
  // Nobody knows how long a client would go on that is not listened to.
  if (encoding !== undefined || Number(length) > 0) response.shouldKeepAlive = false;
  request.resume();
  refuse(response, refusal);
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  if (response.destroyed || response.headersSent) return;
  const body = JSON.stringify(refusal.body);
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...refusal.headers,
  });
  response.end(body);
}

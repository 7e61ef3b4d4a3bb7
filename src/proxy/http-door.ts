/**
 * The door for any library that speaks HTTP: what it would send to Discord, it sends here.
 *
 * Purpose: the answer is Discord's, headers included, streamed as it comes. What the proxy refuses by
 * itself has the shape of Discord's own refusals and carries the header `x-spectacles-proxy`, which
 * says why.
 *
 * Inner workings: the body is read whole before the request queues, because it may have to be sent
 * again after a 429; REQUEST_BODY_MAX_BYTES bounds it. The limiter is done with a request when the
 * answer's headers are in, so a slow client holds up nobody else.
 *
 * Failure modes: a client that goes away takes its request with it, if it was still waiting. An
 * answer that breaks off in the middle breaks off for the client too.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AdmissionError } from '../../protocols/errors.ts';
import { REQUEST_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import type { HeaderList, RestAnswer, RestOutcome } from '../../protocols/proxy.ts';
import type { ProxyTree } from '../../supervisors/proxy.ts';
import { type AdmissionOptions, admit, withoutHopByHop } from './admission.ts';
import { type Refusal, refusalOf, refuseAdmission, refuseRequest } from './refusals.ts';

export type HttpDoorOptions = {
  readonly tree: ProxyTree;
  readonly admission: AdmissionOptions;
  readonly log: Log;
};

export function httpDoor(options: HttpDoorOptions): Server {
  const server = createServer((request, response) => {
    response.once('close', () => {
      // Once the door is shut a connection has nothing to stay open for.
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    serve(request, response, options).catch((error: unknown) => {
      options.log.error({ err: error }, 'a request failed in the proxy itself');
      if (!response.headersSent) refuse(response, refuseRequest(500, 'failed'));
      else response.destroy();
    });
  });
  return server;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpDoorOptions,
): Promise<void> {
  const target = request.url ?? '';
  // A target may also be a whole URL; Discord's clients never send one, and no other host is served.
  if (!/^\/api(?:[/?]|$)/.test(target)) {
    request.resume();
    refuse(response, refuseRequest(404, 'path'));
    return;
  }
  const body = await readBody(request);
  if (body === 'gone') return;
  if (body === 'too-large') {
    response.setHeader('connection', 'close');
    refuse(response, refuseRequest(413, 'body'));
    return;
  }
  try {
    const { tree, admission } = options;
    const headers = pairs(request.rawHeaders);
    const method = request.method ?? '';
    const admitted = admit({ method, target, headers, body, timeoutMs: undefined }, admission);
    const submission = tree.submit(admitted);
    response.once('close', () => submission.cancel());
    await deliver(await submission.outcome, response);
  } catch (error) {
    if (!(error instanceof AdmissionError)) throw error;
    refuse(response, refuseAdmission(error));
  }
}

async function deliver(outcome: RestOutcome, response: ServerResponse): Promise<void> {
  if (outcome.kind === 'cancelled') response.destroy();
  else if (outcome.kind !== 'answered') refuse(response, refusalOf(outcome));
  else await pass(outcome.answer, response);
}

/** Hands Discord's answer on as it comes. */
async function pass(answer: RestAnswer, response: ServerResponse): Promise<void> {
  if (response.destroyed) {
    answer.discard();
    return;
  }
  response.sendDate = false;
  response.writeHead(answer.status, withoutHopByHop(answer.headers).flat());
  try {
    await pipeline(Readable.from(answer.body), response);
  } catch {
    // Either end broke off. The client sees it: its answer is not complete.
    answer.discard();
    response.destroy();
  }
}

/** The whole body; null if there is none. */
async function readBody(
  request: IncomingMessage,
): Promise<Uint8Array | null | 'too-large' | 'gone'> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > REQUEST_BODY_MAX_BYTES) return 'too-large';
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > REQUEST_BODY_MAX_BYTES) return 'too-large';
      chunks.push(chunk);
    }
  } catch {
    // The client went away in the middle of its own request.
    return 'gone';
  }
  return bytes === 0 ? null : Buffer.concat(chunks);
}

function pairs(raw: readonly string[]): HeaderList {
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([raw[index] ?? '', raw[index + 1] ?? '']);
  }
  return headers;
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  if (response.destroyed) return;
  const body = JSON.stringify(refusal.body);
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...refusal.headers,
  });
  response.end(body);
}

/** What goes into the simulated REST API and what comes out of it, whoever does the talking. */
import type { HeaderList } from '../../../protocols/proxy.ts';

export type RestRequest = {
  readonly method: string;
  /** Path and query, as they stood on the request line. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  readonly remoteAddress: string;
};

export type RestResponse = {
  readonly status: number;
  /** Names in lower case. `content-length` is left to who sends it. */
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  /** `destroy`: the client never gets this answer, its connection breaks instead. */
  readonly delivery: 'answer' | 'destroy';
  /** How long the answer is on its way. */
  readonly delayMs: number;
};

const NO_BODY = new Uint8Array(0);
const encoder = new TextEncoder();

export function header(headers: HeaderList, name: string): string | undefined {
  return headers.find(([key]) => key === name)?.[1];
}

export function jsonResponse(
  status: number,
  value: unknown,
  headers: HeaderList = [],
): RestResponse {
  return {
    status,
    headers: [['content-type', 'application/json'], ...headers],
    body: encoder.encode(JSON.stringify(value)),
    delivery: 'answer',
    delayMs: 0,
  };
}

export function htmlResponse(status: number, html: string, headers: HeaderList = []): RestResponse {
  return {
    status,
    headers: [['content-type', 'text/html; charset=UTF-8'], ['server', 'cloudflare'], ...headers],
    body: encoder.encode(html),
    delivery: 'answer',
    delayMs: 0,
  };
}

export function textResponse(status: number, text: string): RestResponse {
  return {
    status,
    headers: [['content-type', 'text/html; charset=utf-8']],
    body: encoder.encode(text),
    delivery: 'answer',
    delayMs: 0,
  };
}

/** 204. */
export function emptyResponse(): RestResponse {
  return { status: 204, headers: [], body: NO_BODY, delivery: 'answer', delayMs: 0 };
}

/** The answer with `changes` in place of headers of the same names; null takes one away. */
export function withHeaders(
  response: RestResponse,
  changes: Readonly<Record<string, string | null>>,
): RestResponse {
  const kept = response.headers.filter(([name]) => !(name in changes));
  const added: (readonly [string, string])[] = [];
  for (const [name, value] of Object.entries(changes)) {
    if (value !== null) added.push([name, value]);
  }
  return { ...response, headers: [...kept, ...added] };
}

/**
 * What goes between a client and the proxy: a request as MessagePack, an answer as MessagePack, or
 * both in JSON, as the first clients had it.
 *
 * Requests come from clients of several years: as a map with field names, as a positional array
 * (`method, path, query, body, headers, timeout`), with nil or nothing for what is absent, with
 * text as str or as bin, and with bytes as bin or as an array of small integers. A timeout is `{
 * secs, nanos }` or `[secs, nanos]`. Unknown keys are ignored.
 *
 * A request that cannot be read is a `ProxyRequestError`, which carries the status the caller must
 * be answered with.
 */
import { encode } from '@msgpack/msgpack';
import { ProxyRequestError, UndecodableBodyError } from '../errors.ts';
import { decodeBody, encodeAnswer, encodeBody, isJsonText, openBody } from './body.ts';
import { writeJson } from './json-text.ts';
import { parseWide } from './json-to-message-pack.ts';

/** The status of an answer; 0 alone is success. */
export const ProxyStatus = {
  success: 0,
  unknown: 1,
  badRequestFormat: 2,
  badPath: 3,
  badQuery: 4,
  badMethod: 5,
  badHeaders: 6,
  requestFailed: 7,
  timedOut: 8,
} as const;
export type ProxyStatusCode = (typeof ProxyStatus)[keyof typeof ProxyStatus];

/** Every status but success: why a request was not answered by Discord. */
export type ProxyFailureCode = Exclude<ProxyStatusCode, typeof ProxyStatus.success>;

export type ProxyRequest = {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /**
   * Sending it twice does no more than sending it once; only for requests whose method does not say
   * so.
   */
  readonly idempotent?: boolean;
  /** The lane in the proxy: `high`, `normal` or `bulk`. */
  readonly priority?: string;
};

/** What Discord answered. */
export type ProxyResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly url: string;
  readonly body: Uint8Array;
};

export type ProxyAnswer =
  | { readonly status: typeof ProxyStatus.success; readonly body: ProxyResponse }
  | { readonly status: ProxyFailureCode; readonly body: string };

const POSITIONS = ['method', 'path', 'query', 'body', 'headers', 'timeout'] as const;

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
const MILLISECONDS_PER_SECOND = 1_000;

type Fields = Readonly<Record<string, unknown>>;

const text = new TextDecoder('utf-8', { fatal: true });

function isFields(value: unknown): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}

function named(value: unknown): Fields {
  if (Array.isArray(value)) {
    return Object.fromEntries(POSITIONS.map((name, index) => [name, value[index]]));
  }
  if (isFields(value)) return value;
  throw new ProxyRequestError(
    ProxyStatus.badRequestFormat,
    'a request is a map with method and path, or an array that begins with them',
  );
}

function readText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    return text.decode(value);
  } catch {
    return undefined;
  }
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xff;
}

/**
 * A body is bytes, an array of bytes, or text; of anything else it is its JSON, to the digit.
 * Undefined where it holds something that JSON has not.
 */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value) && value.length > 0 && value.every(isByte)) {
    return Uint8Array.from(value);
  }
  const content = typeof value === 'string' ? value : writeJson(value);
  return content === undefined ? undefined : new TextEncoder().encode(content);
}

function readBody(value: unknown): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  const bytes = bytesOf(value);
  if (bytes !== undefined) return bytes;
  throw new ProxyRequestError(
    ProxyStatus.badRequestFormat,
    'body holds something that JSON has not: it must be bytes, text, or a value of JSON',
  );
}

/** A map of strings; numbers and booleans are taken as they print, absent values are left out. */
function readStrings(
  name: string,
  status: ProxyFailureCode,
  value: unknown,
): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) throw new ProxyRequestError(status, `${name} must be a map of strings`);
  const strings: Record<string, string> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined || entry === null) continue;
    const content =
      typeof entry === 'number' || typeof entry === 'boolean' || typeof entry === 'bigint'
        ? String(entry)
        : readText(entry);
    if (content === undefined) {
      throw new ProxyRequestError(status, `${name}.${key} must be a string`);
    }
    strings[key] = content;
  }
  return strings;
}

function readTimeoutMs(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const [secs, nanos] = Array.isArray(value)
    ? [value[0], value[1]]
    : isFields(value)
      ? [value.secs, value.nanos ?? 0]
      : [undefined, undefined];
  const seconds = Number(secs);
  const nanoseconds = Number(nanos);
  if (!(seconds >= 0) || !(nanoseconds >= 0)) {
    throw new ProxyRequestError(
      ProxyStatus.badRequestFormat,
      'timeout must be {secs, nanos}, neither of them negative',
    );
  }
  return seconds * MILLISECONDS_PER_SECOND + nanoseconds / NANOSECONDS_PER_MILLISECOND;
}

function required(fields: Fields, name: string, status: ProxyFailureCode): string {
  const value = readText(fields[name]);
  if (value === undefined || value === '') {
    throw new ProxyRequestError(status, `${name} must be a string that is not empty`);
  }
  return value;
}

function decodeRequest(bytes: Uint8Array): unknown {
  try {
    const { value, json } = openBody(bytes);
    return json === undefined ? value : parseWide(json);
  } catch (cause) {
    if (!(cause instanceof UndecodableBodyError)) throw cause;
    throw new ProxyRequestError(ProxyStatus.badRequestFormat, cause.message);
  }
}

/** Reads a request in any dialect. Throws `ProxyRequestError` and nothing else. */
export function decodeProxyRequest(bytes: Uint8Array): ProxyRequest {
  const fields = named(decodeRequest(bytes));
  const query = readStrings('query', ProxyStatus.badQuery, fields.query);
  const headers = readStrings('headers', ProxyStatus.badHeaders, fields.headers);
  const body = readBody(fields.body);
  const timeoutMs = readTimeoutMs(fields.timeout);
  const priority = readText(fields.priority);
  return {
    method: required(fields, 'method', ProxyStatus.badMethod).toUpperCase(),
    path: required(fields, 'path', ProxyStatus.badPath),
    ...(query && { query }),
    ...(body && { body }),
    ...(headers && { headers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(fields.idempotent === true && { idempotent: true }),
    ...(priority !== undefined && { priority }),
  };
}

/** Writes a request as the proxies of every year read it: a map, absent fields left out. */
export function encodeProxyRequest(request: ProxyRequest): Uint8Array {
  const { timeoutMs, ...fields } = request;
  const secs = Math.floor((timeoutMs ?? 0) / MILLISECONDS_PER_SECOND);
  const nanos = Math.round(
    ((timeoutMs ?? 0) - secs * MILLISECONDS_PER_SECOND) * NANOSECONDS_PER_MILLISECOND,
  );
  return encodeBody(timeoutMs === undefined ? fields : { ...fields, timeout: { secs, nanos } });
}

/**
 * Writes the answer to a request: MessagePack with the body's bytes, or for one in JSON the body's
 * value.
 */
export function encodeProxyAnswer(answer: ProxyAnswer, request: Uint8Array): Uint8Array {
  if (!isJsonText(request)) return encode(answer);
  if (answer.status !== ProxyStatus.success) return encodeAnswer(answer, request);
  const body = { ...answer.body, body: readJson(answer.body.body) };
  return encodeAnswer({ ...answer, body }, request);
}

/**
 * The value of a body of JSON, null where there is none, and its text where it is something else.
 */
function readJson(body: Uint8Array): unknown {
  if (body.length === 0) return null;
  const content = new TextDecoder().decode(body);
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

const STATUS_CODES: ReadonlySet<unknown> = new Set(Object.values(ProxyStatus));

function isStatusCode(value: unknown): value is ProxyStatusCode {
  return STATUS_CODES.has(value);
}

function readResponseHeaders(value: unknown): ProxyResponse['headers'] {
  if (!isFields(value)) return {};
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, entry] of Object.entries(value)) {
    if (Array.isArray(entry)) headers[name] = entry.map((line) => readText(line) ?? String(line));
    else headers[name] = readText(entry) ?? String(entry);
  }
  return headers;
}

/** Reads an answer of any proxy. Throws `UndecodableBodyError` when it is none. */
export function decodeProxyAnswer(bytes: Uint8Array): ProxyAnswer {
  const value = decodeBody(bytes);
  const [status, body] = Array.isArray(value)
    ? [value[0], value[1]]
    : isFields(value)
      ? [value.status, value.body]
      : [undefined, undefined];
  if (!isStatusCode(status)) {
    throw new UndecodableBodyError('an answer of the proxy has a status from 0 to 8 and a body');
  }
  if (status !== ProxyStatus.success) {
    return { status, body: readText(body) ?? writeJson(body) ?? '' };
  }
  const fields = Array.isArray(body)
    ? { status: body[0], headers: body[1], url: body[2], body: body[3] }
    : body;
  if (!isFields(fields) || typeof fields.status !== 'number') {
    throw new UndecodableBodyError(
      'a successful answer of the proxy holds {status, headers, url, body}',
    );
  }
  return {
    status,
    body: {
      status: fields.status,
      headers: readResponseHeaders(fields.headers),
      url: readText(fields.url) ?? '',
      body: bytesOf(fields.body ?? '') ?? new Uint8Array(),
    },
  };
}

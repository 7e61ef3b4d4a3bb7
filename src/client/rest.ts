/**
 * `Rest`: Discord's REST API through the proxy, with the surface of `@spectacles/proxy`.
 *
 * A request is one call on the broker; the proxy keeps the limits, so a caller may send as much as
 * it likes and only waits. What comes back is the proxy's answer: `status` 0 and what Discord said,
 * or another status and a sentence that says why there is no answer.
 */
import type { Priority } from '../../protocols/lanes.ts';
import { REST_CALL_GRACE_MS, REST_CALL_TIMEOUT_MS } from '../../protocols/limits.ts';
import { ProxyStatus, type ProxyStatusCode } from '../../protocols/wire/proxy.ts';

/** What `Rest` needs of a broker: any class with the `call` of `@spectacles/brokers` will do. */
export interface RestBroker {
  call(event: string, data: unknown, options?: { readonly timeout?: number }): Promise<unknown>;
}

export type RestRequestOptions = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /**
   * How long to wait for the answer, the wait for a turn included; REST_CALL_TIMEOUT_MS unless
   * given.
   */
  readonly timeoutMs?: number;
  /** The lane in the proxy: what is `bulk` lets everything else go first. */
  readonly priority?: Priority;
  /**
   * Doing it twice comes to the same as doing it once: the proxy may repeat it where nobody knows
   * whether Discord has seen it. GET, PUT, DELETE, and messages with an enforced nonce are so
   * without being told.
   */
  readonly idempotent?: boolean;
};

/** What Discord answered. `Result` is the type that Discord documents for the request. */
export type RestResponse<Result> = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly url: string;
  readonly body: Uint8Array;
  /** The body as JSON; throws where it is none. */
  json(): Result;
};

export type RestResult<Result> =
  | { readonly status: typeof ProxyStatus.success; readonly body: RestResponse<Result> }
  | {
      readonly status: Exclude<ProxyStatusCode, typeof ProxyStatus.success>;
      readonly body: string;
    };

/** The event that proxies consume unless they are told otherwise. */
const REQUEST_EVENT = 'REQUEST';

export class Rest {
  readonly token: string;
  readonly #broker: RestBroker;

  constructor(broker: RestBroker, token: string) {
    this.#broker = broker;
    this.token = token;
    // Nobody prints a token by printing what holds it.
    Object.defineProperty(this, 'token', { enumerable: false, writable: false });
  }

  get<Result = unknown>(path: string, options?: RestRequestOptions): Promise<RestResult<Result>> {
    return this.make('GET', path, undefined, options);
  }

  post<Result = unknown>(
    path: string,
    body: unknown,
    options?: RestRequestOptions,
  ): Promise<RestResult<Result>> {
    return this.make('POST', path, body, options);
  }

  put<Result = unknown>(
    path: string,
    body: unknown,
    options?: RestRequestOptions,
  ): Promise<RestResult<Result>> {
    return this.make('PUT', path, body, options);
  }

  patch<Result = unknown>(
    path: string,
    body: unknown,
    options?: RestRequestOptions,
  ): Promise<RestResult<Result>> {
    return this.make('PATCH', path, body, options);
  }

  delete<Result = unknown>(
    path: string,
    options?: RestRequestOptions,
  ): Promise<RestResult<Result>> {
    return this.make('DELETE', path, undefined, options);
  }

  protected async make<Result>(
    method: string,
    path: string,
    body: unknown,
    options: RestRequestOptions = {},
  ): Promise<RestResult<Result>> {
    const { query, priority, idempotent, timeoutMs = REST_CALL_TIMEOUT_MS } = options;
    const payload = encodePayload(body);
    const headers = {
      authorization: authorizationOf(this.token),
      ...(payload?.type === undefined ? {} : { 'content-type': payload.type }),
      ...lowerCased(options.headers),
    };
    const request = {
      method,
      path,
      headers,
      ...(query === undefined ? {} : { query }),
      ...(payload === undefined ? {} : { body: payload.bytes }),
      ...(priority === undefined ? {} : { priority }),
      ...(idempotent === undefined ? {} : { idempotent }),
    };
    return askProxy<Result>(this.#broker, request, timeoutMs);
  }
}

/** A request as it goes to a proxy: nothing is added to it. */
type AskedRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly priority?: Priority;
  readonly idempotent?: boolean;
};

/** Sends one request to whichever proxy takes it. */
export async function askProxy<Result>(
  broker: RestBroker,
  request: AskedRequest,
  timeoutMs: number,
): Promise<RestResult<Result>> {
  // The proxy is told too, so that nothing is sent for a caller who has stopped waiting.
  const asked = { ...request, timeout: durationOf(timeoutMs) };
  const call = { timeout: timeoutMs + REST_CALL_GRACE_MS };
  return resultOf<Result>(await broker.call(REQUEST_EVENT, asked, call));
}

const authorizationOf = (token: string): string =>
  /^(?:Bot|Bearer|Basic) /.test(token) ? token : `Bot ${token}`;

const lowerCased = (headers: RestRequestOptions['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );

/** Bytes go as they are, with the caller's content type; anything else goes as JSON. */
function encodePayload(body: unknown): { bytes: Uint8Array; type?: string } | undefined {
  if (body === undefined || body === null) return undefined;
  if (body instanceof Uint8Array) return { bytes: body };
  return { bytes: Buffer.from(JSON.stringify(body)), type: 'application/json' };
}

function durationOf(timeoutMs: number): { secs: number; nanos: number } {
  const secs = Math.floor(timeoutMs / 1_000);
  return { secs, nanos: Math.round((timeoutMs - secs * 1_000) * 1_000_000) };
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function resultOf<Result>(answer: unknown): RestResult<Result> {
  if (!isFields(answer) || !isStatus(answer.status)) {
    throw new TypeError('the answer to a REST request did not come from a proxy');
  }
  const { status, body } = answer;
  if (status !== ProxyStatus.success) return { status, body: String(body) };
  if (!isFields(body) || typeof body.status !== 'number') {
    throw new TypeError('the proxy reported success without an answer of Discord');
  }
  const bytes = bytesOf(body.body);
  return {
    status,
    body: {
      status: body.status,
      headers: isFields(body.headers) ? (body.headers as Record<string, string>) : {},
      url: String(body.url ?? ''),
      body: bytes,
      json: (): Result => JSON.parse(Buffer.from(bytes).toString('utf8')),
    },
  };
}

const STATUSES: ReadonlySet<unknown> = new Set(Object.values(ProxyStatus));

const isStatus = (value: unknown): value is ProxyStatusCode => STATUSES.has(value);

/** Proxies of every year: bytes, or an array of them, or text. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return Uint8Array.from(value);
  return Buffer.from(typeof value === 'string' ? value : '');
}

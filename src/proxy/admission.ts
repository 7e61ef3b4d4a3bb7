/**
 * What both doors do with a request before the limiter sees it: find its route, clean its headers,
 * settle whose credentials it carries.
 *
 * Bytes that mean something to Discord are left alone: target, body, and every header that is not
 * about one connection only. An `Authorization` is taken away where the path carries a token that
 * authorises it, since with one Discord counts the request against the bot; it is added, if there is
 * a token of the proxy's own, where the client brought none and Discord asks for one.
 *
 * Whatever cannot be sent on is an `AdmissionError`, which names the part that is wrong.
 */
import { createHash } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { AdmissionError, PathRefusedError } from '../../protocols/errors.ts';
import {
  ANONYMOUS,
  type HeaderList,
  REST_METHODS,
  type RestMethod,
  type RestRequest,
} from '../../protocols/proxy.ts';
import { PACKAGE_USER_AGENT } from '../package-info.ts';

export type AdmissionOptions = {
  /** For requests that bring no credentials, without `Bot `; undefined if there is none. */
  readonly token: string | undefined;
  /** The longest any request may take, waiting included. */
  readonly timeoutMs: number | undefined;
};

/** A request as a door understood it. */
export type DoorRequest = {
  readonly method: string;
  /** Path and query as they are to go upstream, `/api` included. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
  readonly timeoutMs: number | undefined;
};

/** Headers that concern one connection only, and those that our own connection sets anew. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const SET_ANEW: ReadonlySet<string> = new Set(['host', 'content-length', 'expect']);

/** Enough of a hash to tell tokens apart, and too little to find one. */
const IDENTITY_CHARACTERS = 24;

/** Throws AdmissionError and nothing else. */
export function admit(request: DoorRequest, options: AdmissionOptions): RestRequest {
  const method = methodOf(request.method);
  const route = routeOf(method, request.target);
  const headers = request.headers.map(([name, value]) => headerOf(name, value));
  let kept = withoutHopByHop(headers).filter(([name]) => !SET_ANEW.has(name));
  if (route.tokenInPath) kept = kept.filter(([name]) => name !== 'authorization');
  const { token } = options;
  if (token !== undefined && !route.unauthenticated && !has(kept, 'authorization')) {
    kept = [...kept, ['authorization', `Bot ${token}`]];
  }
  if (!has(kept, 'user-agent')) kept = [...kept, ['user-agent', PACKAGE_USER_AGENT]];
  return {
    method,
    target: request.target,
    route,
    headers: kept,
    body: request.body,
    identity: identityOf(kept),
    timeoutMs: earliest(request.timeoutMs, options.timeoutMs),
  };
}

/** Takes away what concerns one connection only, also by the word of the `Connection` header. */
export function withoutHopByHop(headers: HeaderList): HeaderList {
  const named = new Set<string>();
  for (const [name, value] of headers) {
    if (name !== 'connection') continue;
    for (const option of value.split(',')) named.add(option.trim().toLowerCase());
  }
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name));
}

function methodOf(method: string): RestMethod {
  const known = REST_METHODS.find((one) => one === method);
  if (known !== undefined) return known;
  const shown = JSON.stringify(method.slice(0, 32));
  throw new AdmissionError('method', `method is ${shown}; allowed are ${REST_METHODS.join(', ')}`);
}

function routeOf(method: RestMethod, target: string): RestRequest['route'] {
  try {
    return resolveRoute(method, target);
  } catch (error) {
    if (!(error instanceof PathRefusedError)) throw error;
    throw new AdmissionError('path', error.message);
  }
}

function headerOf(name: string, value: string): readonly [string, string] {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    const shown = JSON.stringify(name.slice(0, 64));
    throw new AdmissionError(
      'headers',
      `the header ${shown} has a name or value HTTP cannot carry`,
    );
  }
  return [name.toLowerCase(), value];
}

const has = (headers: HeaderList, name: string): boolean => headers.some(([key]) => key === name);

function identityOf(headers: HeaderList): string {
  const authorization = headers.find(([name]) => name === 'authorization')?.[1];
  if (authorization === undefined) return ANONYMOUS;
  return createHash('sha256').update(authorization).digest('hex').slice(0, IDENTITY_CHARACTERS);
}

function earliest(one: number | undefined, other: number | undefined): number | null {
  if (one === undefined) return other ?? null;
  return other === undefined ? one : Math.min(one, other);
}

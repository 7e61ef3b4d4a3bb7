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
import { type Route, resolveRoute } from '../../protocols/discord/routes.ts';
import { AdmissionError, PathRefusedError } from '../../protocols/errors.ts';
import { PRIORITIES, type Priority } from '../../protocols/lanes.ts';
import { INTERACTION_ANSWER_MS } from '../../protocols/limits.ts';
import {
  ANONYMOUS,
  type HeaderList,
  REPEATABLE_METHODS,
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
  readonly timeoutMs: number | undefined;
  /** The lane, where the client names it otherwise than by a header. */
  readonly priority?: string | undefined;
  /** Whether the client has said that doing it twice comes to the same as doing it once. */
  readonly idempotent?: boolean;
};

/** Ready to be sent, but for its body, which may still be on its way. */
export type AdmittedRequest = Omit<RestRequest, 'body'>;

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

/** By which a client says in which lane its request is to travel; Discord never sees it. */
const PRIORITY_HEADER = 'x-spectacles-priority';

/** Enough of a hash to tell tokens apart, and too little to find one. */
const IDENTITY_CHARACTERS = 24;

/** Throws AdmissionError and nothing else. */
export function admit(request: DoorRequest, options: AdmissionOptions): AdmittedRequest {
  const method = methodOf(request.method);
  const route = routeOf(method, request.target);
  const headers = request.headers.map(([name, value]) => headerOf(name, value));
  const named = request.priority ?? headerValue(headers, PRIORITY_HEADER);
  let kept = withoutHopByHop(headers).filter(
    ([name]) => !SET_ANEW.has(name) && name !== PRIORITY_HEADER,
  );
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
    identity: identityOf(kept),
    timeoutMs: earliest(request.timeoutMs, options.timeoutMs),
    sendWithinMs: isInteractionAnswer(route) ? INTERACTION_ANSWER_MS : null,
    priority: priorityOf(route, named),
    repeatable: request.idempotent === true || REPEATABLE_METHODS.has(method),
  };
}

/** Which no limit concerns, and which Discord takes for a few seconds only. */
const isInteractionAnswer = (route: Route): boolean => route.family === 'interactions';

/** What belongs to an interaction goes first, whatever is said of it: a person is waiting. */
function priorityOf(route: Route, named: string | undefined): Priority {
  const text = (named ?? 'normal').trim().toLowerCase();
  const known = PRIORITIES.find((one) => one === text);
  if (known === undefined) {
    const shown = JSON.stringify(text.slice(0, 32));
    const allowed = PRIORITIES.join(', ');
    throw new AdmissionError('headers', `the priority is ${shown}; allowed are ${allowed}`);
  }
  return route.globalExempt ? 'high' : known;
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

function routeOf(method: RestMethod, target: string): Route {
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

const headerValue = (headers: HeaderList, name: string): string | undefined =>
  headers.find(([key]) => key === name)?.[1];

const has = (headers: HeaderList, name: string): boolean =>
  headerValue(headers, name) !== undefined;

function identityOf(headers: HeaderList): string {
  const authorization = headerValue(headers, 'authorization');
  return authorization === undefined ? ANONYMOUS : identityOfCredentials(authorization);
}

function identityOfCredentials(authorization: string): string {
  return createHash('sha256').update(authorization).digest('hex').slice(0, IDENTITY_CHARACTERS);
}

/** The identity of a bot's requests; `token` is without `Bot `. */
export const identityOfBot = (token: string): string => identityOfCredentials(`Bot ${token}`);

function earliest(one: number | undefined, other: number | undefined): number | null {
  if (one === undefined) return other ?? null;
  return other === undefined ? one : Math.min(one, other);
}

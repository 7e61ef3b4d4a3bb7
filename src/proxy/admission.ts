/**
 * What both doors do with a request before the limiter sees it: find its route, clean its headers,
 * settle whose credentials it carries.
 *
 * Bytes that mean something to Discord are left alone: target, body, and every header that is not
 * about one connection only. An `Authorization` is taken away where the path carries a token that
 * authorises it, since with one Discord counts the request against the bot; it is added, if there
 * is a token of the proxy's own, where the client brought none and Discord asks for one.
 *
 * Whatever cannot be sent on is an `AdmissionError`, which names the part that is wrong.
 */
import { createHash } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { type Route, resolveRoute } from '../../protocols/discord/routes.ts';
import { AdmissionError, PathRefusedError } from '../../protocols/errors.ts';
import { PRIORITIES, type Priority } from '../../protocols/lanes.ts';
import { GATES_MAX, INTERACTION_ANSWER_MS } from '../../protocols/limits.ts';
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
  const { headers, authorization, priority } = clean(request, route, options);
  return {
    method,
    target: request.target,
    route,
    headers,
    identity: authorization === undefined ? ANONYMOUS : identityOf(authorization),
    timeoutMs: earliest(request.timeoutMs, options.timeoutMs),
    sendWithinMs: isInteractionAnswer(route) ? INTERACTION_ANSWER_MS : null,
    priority: priorityOf(route, priority),
    repeatable: request.idempotent === true || REPEATABLE_METHODS.has(method),
  };
}

type Cleaned = {
  readonly headers: HeaderList;
  readonly authorization: string | undefined;
  /** The lane that the client has named. */
  readonly priority: string | undefined;
};

/** The headers as Discord is to get them, in one pass: every request comes through here. */
function clean(request: DoorRequest, route: Route, { token }: AdmissionOptions): Cleaned {
  const checked = request.headers.map(headerOf);
  const isHop = hopByHopIn(checked);
  const headers: (readonly [string, string])[] = [];
  let { priority } = request;
  let authorization: string | undefined;
  let hasAgent = false;
  for (const header of checked) {
    const [name, value] = header;
    if (name === PRIORITY_HEADER) {
      priority ??= value;
      continue;
    }
    if (isHop(name) || SET_ANEW.has(name)) continue;
    if (name === 'authorization') {
      if (route.tokenInPath) continue;
      authorization ??= value;
    } else if (name === 'user-agent') hasAgent = true;
    headers.push(header);
  }
  if (token !== undefined && !route.unauthenticated && authorization === undefined) {
    authorization = `Bot ${token}`;
    headers.push(['authorization', authorization]);
  }
  if (!hasAgent) headers.push(['user-agent', PACKAGE_USER_AGENT]);
  return { headers, authorization, priority };
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

/** Which headers concern one connection only, also by the word of the `Connection` header. */
export function hopByHopIn(headers: HeaderList): (name: string) => boolean {
  let named: Set<string> | null = null;
  for (const [name, value] of headers) {
    // What nearly everybody says, and which names nothing new.
    if (name !== 'connection' || value === 'keep-alive') continue;
    named ??= new Set();
    for (const option of value.split(',')) named.add(option.trim().toLowerCase());
  }
  if (named === null) return isHopByHop;
  const more = named;
  return (name) => isHopByHop(name) || more.has(name);
}

const isHopByHop = (name: string): boolean => HOP_BY_HOP.has(name);

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

function headerOf(header: readonly [string, string]): readonly [string, string] {
  const [name, value] = header;
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
  const lowerCase = name.toLowerCase();
  return lowerCase === name ? header : [lowerCase, value];
}

/** The same few tokens come again and again: what each is known by is found out once. */
const knownIdentities = new Map<string, string>();

function identityOf(authorization: string): string {
  const known = knownIdentities.get(authorization);
  if (known !== undefined) return known;
  const identity = createHash('sha256')
    .update(authorization)
    .digest('hex')
    .slice(0, IDENTITY_CHARACTERS);
  if (knownIdentities.size >= GATES_MAX) knownIdentities.clear();
  knownIdentities.set(authorization, identity);
  return identity;
}

/** The identity of a bot's requests; `token` is without `Bot `. */
export const identityOfBot = (token: string): string => identityOf(`Bot ${token}`);

function earliest(one: number | undefined, other: number | undefined): number | null {
  if (one === undefined) return other ?? null;
  return other === undefined ? one : Math.min(one, other);
}

/**
 * What a request means to the cache: which answer it asks for, and what it lets the cache do.
 *
 * Two requests ask for the same answer only if identity, target and every header are the same, but
 * for headers that certainly do not matter to Discord's answer. A GET with a body, with a
 * condition, for a part of an answer, or with a token in its path is none of the cache's business.
 */
import { type Cacheable, cacheableRead } from '../../../protocols/discord/cached-routes.ts';
import { ANONYMOUS, type HeaderList, type RestRequest } from '../../../protocols/proxy.ts';

export type Reading = {
  readonly key: string;
  readonly identity: string;
  /** It asks for the thing as it is: a query may add what no event tells, such as counts. */
  readonly isPlain: boolean;
  /** The answer may come from an earlier request. */
  readonly mayReuse: boolean;
  /** Undefined when the answer is not to be kept. */
  readonly cacheable: Cacheable | undefined;
};

/**
 * They name the sender or one attempt, or speak to those in between; the identity is told apart
 * anyway.
 */
const NO_MATTER: ReadonlySet<string> = new Set([
  'authorization',
  'baggage',
  'cache-control',
  'forwarded',
  'pragma',
  'sentry-trace',
  'traceparent',
  'tracestate',
  'user-agent',
  'via',
  'x-amzn-trace-id',
  'x-audit-log-reason',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
]);

/** An answer to these is no answer to anybody else. */
const CONDITIONS: ReadonlySet<string> = new Set([
  'cookie',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]);

/**
 * Undefined when the cache has nothing to do with the request.
 * @param keeps whether answers are kept at all
 */
export function readingOf(request: RestRequest, keeps: boolean): Reading | undefined {
  const { method, route, target, headers, body, identity } = request;
  if (method !== 'GET' || body !== null || route.tokenInPath) return undefined;
  if (headers.some(([name]) => CONDITIONS.has(name))) return undefined;
  const wishes = wishesOf(headers);
  if (wishes.has('no-store')) return undefined;
  const telling = headers.filter(([name]) => !NO_MATTER.has(name));
  const sorted = telling.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  return {
    key: JSON.stringify([identity, target, ...sorted]),
    identity,
    isPlain: !target.includes('?'),
    mayReuse: !wishes.has('no-cache') && !wishes.has('max-age=0'),
    cacheable: keeps && isOfBot(request) ? cacheableRead(route, target) : undefined,
  };
}

function wishesOf(headers: HeaderList): ReadonlySet<string> {
  const wishes = new Set<string>();
  for (const [name, value] of headers) {
    if (name !== 'cache-control' && name !== 'pragma') continue;
    for (const wish of value.toLowerCase().split(',')) wishes.add(wish.trim());
  }
  return wishes;
}

const isOfBot = ({ identity, headers }: RestRequest): boolean =>
  identity !== ANONYMOUS &&
  headers.some(([name, value]) => name === 'authorization' && /^Bot /i.test(value));

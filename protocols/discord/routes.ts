/**
 * Which of Discord's routes a request takes, and whose rate limit it counts against.
 *
 * Purpose: the proxy keys its buckets and labels its metrics with what `resolveRoute` says, and the
 * simulator picks its endpoint by it, so that both can only disagree with Discord, not with each
 * other.
 *
 * Inner workings: the path is split at its slashes, an `/api/vN` in front and empty segments are
 * dropped, and the rest walks a trie of the documented templates. A literal is taken before a
 * placeholder, so that `bulk-delete` or `@me` where an id may stand stays what it is. What follows
 * the last segment the trie knows becomes `:x`, at most ROUTE_UNKNOWN_SEGMENTS_MAX times.
 *
 * Templates come from a finite set, whatever is asked, and hold no id, no code and no token: they
 * are made to be metric labels. `major` is not: for a webhook it holds the webhook's token, and
 * must stay out of logs, metrics and errors.
 *
 * Failure modes: PathRefusedError for a path that would climb out of the API or that is no path at
 * all. Every other text resolves, and what is not documented says so in `known`.
 */
import { PathRefusedError } from '../errors.ts';
import { ROUTE_PATH_MAX_CHARACTERS, ROUTE_UNKNOWN_SEGMENTS_MAX } from '../limits.ts';
import { DOCUMENTED_ROUTES, PUBLIC_ROUTES } from './route-table.ts';

export type Route = {
  /** In capitals; `OTHER` for what is no method of HTTP, so that it too can be a metric label. */
  readonly method: string;
  /** `/channels/:channel/messages/:message`; fit for a metric label. */
  readonly template: string;
  /**
   * `channels:ID`, `guilds:ID`, `webhooks:ID`, `webhooks:ID:TOKEN` or nothing. May hold a secret.
   */
  readonly major: string;
  /** The first segment, or `other` where Discord documents no such family. */
  readonly family: string;
  /** The id of the message in the path, where Discord limits by its age; null elsewhere. */
  readonly agedMessage: string | null;
  /** An interaction's endpoint, which the global limit leaves alone. */
  readonly globalExempt: boolean;
  /** The path carries the token that authorises it; an `Authorization` would do harm, no good. */
  readonly tokenInPath: boolean;
  /** Discord asks for no `Authorization` here. */
  readonly unauthenticated: boolean;
  /** The path is documented. */
  readonly known: boolean;
  /** The methods documented for the path; none if it is not known. */
  readonly methods: readonly string[];
};

export type ParsedPath = {
  /** Whether the path began with `/api`. */
  readonly api: boolean;
  /** The N of `/api/vN`; undefined where the path names no version. */
  readonly version: number | undefined;
  /** What follows the version, percent-decoded, without empty segments. */
  readonly segments: readonly string[];
  /** What stands behind the question mark, as it was sent. */
  readonly query: string;
};

type Placeholder = {
  readonly accepts: (segment: string) => boolean;
  readonly node: Node;
};

type Node = {
  readonly template: string;
  readonly tokenInPath: boolean;
  readonly globalExempt: boolean;
  readonly literals: Map<string, Node>;
  readonly placeholders: Placeholder[];
  methods: readonly string[];
  /** Of these, the ones that need no `Authorization`. */
  publicMethods: readonly string[];
};

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
]);

/**
 * Placeholders that take any text; the others stand for an id and leave `@me` and its like alone.
 */
const FREE_PLACEHOLDERS: ReadonlySet<string> = new Set([':code', ':emoji', ':instance', ':token']);

/** An interaction's token is base64 that opens with the word `interaction` and a colon. */
const INTERACTION_TOKEN_START = 'aW50ZXJhY3Rpb246';

/** Stands for what no documented template has a name for. */
const UNKNOWN_SEGMENT = ':x';

const SNOWFLAKE = /^\d{1,20}$/;
const VERSION = /^v(\d{1,4})$/;
/** Bytes that no request target may hold; a backslash is a slash to some that read URLs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const FORBIDDEN = /[\u0000-\u0020\u007f\\]/;

/** Splits a path into what the routes are made of. Throws PathRefusedError. */
export function parsePath(path: string): ParsedPath {
  if (path.length > ROUTE_PATH_MAX_CHARACTERS) {
    throw new PathRefusedError(`it is longer than ${ROUTE_PATH_MAX_CHARACTERS} characters`);
  }
  if (FORBIDDEN.test(path)) {
    throw new PathRefusedError('it holds a space, a control character or a backslash');
  }
  const end = path.search(/[?#]/);
  const query = end < 0 || path[end] === '#' ? '' : (path.slice(end + 1).split('#', 1)[0] ?? '');
  const segments: string[] = [];
  for (const raw of (end < 0 ? path : path.slice(0, end)).split('/')) {
    if (raw !== '') segments.push(decodeSegment(raw));
  }
  if (segments[0] !== 'api') return { api: false, version: undefined, segments, query };
  const version = VERSION.exec(segments[1] ?? '');
  if (version === null) {
    return { api: true, version: undefined, segments: segments.slice(1), query };
  }
  return { api: true, version: Number(version[1]), segments: segments.slice(2), query };
}

/**
 * Finds the route of a request. Throws PathRefusedError, and nothing else, whatever it is given.
 */
export function resolveRoute(method: string, path: string): Route {
  return routeOf(method, parsePath(path).segments);
}

/** As `resolveRoute`, for a path that has been split already. */
export function routeOf(method: string, segments: readonly string[]): Route {
  const safeMethod = methodOf(method);
  let node = ROOT;
  let depth = 0;
  for (; depth < segments.length; depth++) {
    const next = step(node, segments[depth] ?? '');
    if (next === undefined) break;
    node = next;
  }
  const { tokenInPath, globalExempt } = node;
  const isWhole = depth === segments.length;
  const template = isWhole ? node.template : node.template + remainder(segments, depth);
  const methods = isWhole ? node.methods : [];
  return {
    method: safeMethod,
    template: template === '' ? '/' : template,
    major: majorOf(segments, depth, tokenInPath),
    family: depth === 0 ? 'other' : (segments[0] ?? 'other'),
    agedMessage: isWhole ? agedMessageOf(safeMethod, template, segments) : null,
    globalExempt,
    tokenInPath,
    unauthenticated: tokenInPath || (isWhole && node.publicMethods.includes(safeMethod)),
    known: methods.length > 0,
    methods,
  };
}

function methodOf(method: string): string {
  if (METHODS.has(method)) return method;
  const upper = method.toUpperCase();
  return METHODS.has(upper) ? upper : 'OTHER';
}

/**
 * Percent-decodes; what is not valid encoding stays as it is, and belongs to no documented literal.
 */
function decodeSegment(raw: string): string {
  if (!raw.includes('%')) {
    refuseDots(raw);
    return raw;
  }
  let segment = raw;
  try {
    segment = decodeURIComponent(raw);
  } catch {
    segment = raw;
  }
  // Encoded slashes stay inside their segment here, but not with everybody who reads the path
  // later.
  for (const part of segment.split(/[/\\]/)) refuseDots(part);
  return segment;
}

function refuseDots(segment: string): void {
  if (segment === '.' || segment === '..') throw new PathRefusedError('it holds a dot segment');
}

function step(node: Node, segment: string): Node | undefined {
  const literal = node.literals.get(segment);
  if (literal !== undefined) return literal;
  return node.placeholders.find((placeholder) => placeholder.accepts(segment))?.node;
}

function remainder(segments: readonly string[], from: number): string {
  let text = '';
  const end = Math.min(segments.length, from + ROUTE_UNKNOWN_SEGMENTS_MAX);
  for (let index = from; index < end; index++) {
    const segment = segments[index];
    // Only the first may stay itself, which keeps the number of templates small.
    const isSelf = segment === '@me' || segment === '@original';
    text += index === from && isSelf ? `/${segment}` : `/${UNKNOWN_SEGMENT}`;
  }
  return end < segments.length ? `${text}/*` : text;
}

function majorOf(segments: readonly string[], depth: number, tokenInPath: boolean): string {
  const [family, id, token] = segments;
  if (depth < 2 || id === undefined || !SNOWFLAKE.test(id)) return '';
  if (family === 'channels' || family === 'guilds') return `${family}:${id}`;
  if (family !== 'webhooks') return '';
  return tokenInPath ? `webhooks:${id}:${token}` : `webhooks:${id}`;
}

function agedMessageOf(
  method: string,
  template: string,
  segments: readonly string[],
): string | null {
  if (method !== 'DELETE' || template !== '/channels/:channel/messages/:message') return null;
  const id = segments[3] ?? '';
  return SNOWFLAKE.test(id) ? id : null;
}

function acceptsOf(name: string, parent: string): (segment: string) => boolean {
  if (name === ':interaction_token' && parent.startsWith('/webhooks/')) {
    return (segment) => segment.startsWith(INTERACTION_TOKEN_START);
  }
  if (name === ':interaction_token' || FREE_PLACEHOLDERS.has(name)) return () => true;
  return (segment) => !segment.startsWith('@') && segment !== UNKNOWN_SEGMENT;
}

function makeNode(template: string): Node {
  return {
    template,
    tokenInPath: /:(?:interaction_)?token(?:\/|$)/.test(template),
    globalExempt: template.includes(':interaction_token'),
    literals: new Map(),
    placeholders: [],
    methods: [],
    publicMethods: [],
  };
}

function childOf(node: Node, segment: string): Node {
  const existing = node.literals.get(segment);
  if (existing !== undefined) return existing;
  const child = makeNode(`${node.template}/${segment}`);
  // A placeholder is also its own literal, so that a template resolves to itself.
  node.literals.set(segment, child);
  if (segment.startsWith(':')) {
    // Those of one place are tried in the table's order.
    node.placeholders.push({ accepts: acceptsOf(segment, node.template), node: child });
  }
  return child;
}

function buildTrie(routes: readonly string[]): Node {
  const root = makeNode('');
  for (const route of routes) {
    const words = route.split(' ');
    const template = words.pop() ?? '';
    let node = root;
    for (const segment of template.split('/').slice(1)) node = childOf(node, segment);
    node.methods = words;
    node.publicMethods = words.filter((method) => PUBLIC_ROUTES.has(`${method} ${template}`));
  }
  return root;
}

const ROOT = buildTrie(DOCUMENTED_ROUTES);

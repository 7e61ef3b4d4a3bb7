/**
 * Requests of one route that Discord limits differently.
 *
 * Two routes are known to have classes. Deleting a message depends on its age, which its id tells;
 * it grows while the request waits, so the class is only known for a moment. Editing a channel's
 * name or topic has a limit of its own beside that of all edits, and the body tells which it is.
 *
 * Failure modes: a body that is too long, still on its way or no JSON object is taken for the class
 * that is limited more tightly. Ages are as right as our clock.
 */
import { CLASS_BODY_MAX_BYTES } from '../limits.ts';
import type { Route } from './routes.ts';

/** `plain` where Discord makes no difference. */
export type RequestClass = 'plain' | 'fresh' | 'recent' | 'old' | 'renaming';

/** What decides a request's class. */
export type ClassRule =
  /** The route has no classes. */
  | { readonly by: 'route' }
  | { readonly by: 'body'; readonly class: RequestClass }
  /** The class changes with time; `bornMs` is when the message was made, on the caller's clock. */
  | { readonly by: 'age'; readonly bornMs: number };

/** Discord: messages are limited differently up to this age, and from the other on. */
export const MESSAGE_FRESH_MS = 10_000;
export const MESSAGE_OLD_MS = 14 * 86_400_000;

/** The first moment of 2015 (UTC), from which the ids of things count. */
const DISCORD_EPOCH_MS = 1_420_070_400_000;
const ID_LOW_BITS = 22n;

const EDIT_CHANNEL = 'PATCH /channels/:channel';

/** What is asked of a body: whether it is there already, and what it holds. */
export type ReadableBody = {
  readonly bytes: number;
  read(): Uint8Array | AsyncIterable<Uint8Array>;
};

/** `epochMs` is the wall clock's time at `nowMs` of the clock that `bornMs` is to be of. */
export function classRuleOf(
  route: Route,
  body: ReadableBody | null,
  nowMs: number,
  epochMs: number,
): ClassRule {
  if (route.agedMessage !== null) {
    const bornEpochMs = Number(BigInt(route.agedMessage) >> ID_LOW_BITS) + DISCORD_EPOCH_MS;
    return { by: 'age', bornMs: nowMs + bornEpochMs - epochMs };
  }
  if (`${route.method} ${route.template}` !== EDIT_CHANNEL) return { by: 'route' };
  return { by: 'body', class: renames(body) ? 'renaming' : 'plain' };
}

function renames(body: ReadableBody | null): boolean {
  if (body === null || body.bytes === 0) return false;
  if (body.bytes > CLASS_BODY_MAX_BYTES) return true;
  const content = body.read();
  if (!(content instanceof Uint8Array)) return true;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(content));
  } catch {
    return true;
  }
  return typeof value !== 'object' || value === null || 'name' in value || 'topic' in value;
}

/** The classes in which Discord may count a request that reaches it between the two times. */
export function classesBetween(
  rule: ClassRule,
  fromMs: number,
  untilMs: number,
): readonly RequestClass[] {
  if (rule.by === 'route') return ['plain'];
  if (rule.by === 'body') return [rule.class];
  const first = classOfAge(fromMs - rule.bornMs);
  const last = classOfAge(untilMs - rule.bornMs);
  return first === last ? [first] : [first, last];
}

function classOfAge(ageMs: number): RequestClass {
  if (ageMs < MESSAGE_FRESH_MS) return 'fresh';
  return ageMs > MESSAGE_OLD_MS ? 'old' : 'recent';
}

/** When the classes that `classesBetween` gives for a span from now on change next. */
export function classChangeMs(rule: ClassRule, nowMs: number, spanMs: number): number {
  if (rule.by !== 'age') return Number.POSITIVE_INFINITY;
  const edges = [MESSAGE_FRESH_MS, MESSAGE_OLD_MS + 1].flatMap((ageMs) => {
    const atMs = rule.bornMs + ageMs;
    return [atMs - spanMs, atMs];
  });
  return Math.min(...edges.filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY);
}

/**
 * What must hold after a random schedule of the proxy, whatever it was. Each rule looks at what was
 * sent and what came of it, as the network and the simulated API saw it, and says what broke it.
 *
 * The 429s that Discord's own counters may give are these, and no others:
 *
 * - none of the global limit, ever;
 * - any of a limit that no header shows, or that is shared with others; but while a 429's time
 *   runs, nothing that it means is sent;
 * - of a counter that several routes share, until it has been seen that they do: for each of them
 *   one for its first request, and what is in the air in its first two windows;
 * - where a crash took along what was known, where the very first answers were lost, and, of
 *   messages that are limited by their age, where our own clock was stepped.
 */
import { classesBetween, classRuleOf } from '../../protocols/discord/request-class.ts';
import {
  ARRIVAL_MAX_MS,
  EDGE_BLOCK_MIN_MS,
  FAILED_ATTEMPTS_MAX,
  LIMITED_ATTEMPTS_MAX,
  TOKEN_PROBE_MIN_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { BucketSpec } from '../../src/simulator/rest/bucket-table.ts';
import { header } from '../../src/simulator/rest/http.ts';
import type { RestBreach } from '../../src/simulator/rest/rest-audit.ts';
import type { SimulatedRest } from '../../src/simulator/rest/simulated-rest.ts';
import { type ProxyPlan, UNKNOWN_IDENTITY } from './proxy-plan.ts';
import { fate, type ProxyStage, type Send, type Sent } from './simulated-upstream.ts';

const LIMITED = 429;

/** A request with all that was sent of it. */
type Journey = {
  readonly sent: Sent;
  readonly sends: readonly Send[];
  /** `METHOD template`. */
  readonly label: string;
  /** Whose limits it counts against. */
  readonly place: string;
  readonly epochMs: number;
};

/** Where a schedule was played, as far as its judge looks. */
export type Played = {
  readonly clock: Clock;
  readonly rest: SimulatedRest;
  readonly sent: readonly Sent[];
  /** In order. */
  readonly sends: readonly Send[];
};

type Case = {
  readonly plan: ProxyPlan;
  readonly world: Played;
  readonly journeys: readonly Journey[];
  readonly byTarget: ReadonlyMap<string, Journey>;
};

/** What holds for each proxy by itself. */
type Rule = (one: Case, proxy: ProxyStage, tellMs: number) => Iterable<string>;

const RULES: readonly Rule[] = [
  fatesAreTrue,
  nothingIsRepeated,
  retriesAreBounded,
  nobodyIsOvertaken,
  waitsAreKept,
  theGuardCounts,
  whatIsLockedStaysSo,
  familiesAreCapped,
];

/**
 * Judges a proxy by those of its requests that are of the schedule itself, and by all that it has
 * sent. `tellMs` is how long others have to be told before what it has heard counts: till then it
 * may send what they have been told of already.
 */
export function judgeProxy(
  plan: ProxyPlan,
  world: Pick<Played, 'clock' | 'rest'>,
  proxy: ProxyStage,
  isPlayed: (sent: Sent) => boolean,
  tellMs = 0,
): string[] {
  const { clock, rest } = world;
  const { sent, upstream } = proxy;
  const one = caseOf(plan, { clock, rest, sent, sends: upstream.sends }, isPlayed);
  return RULES.flatMap((rule) => [...rule(one, proxy, tellMs)]);
}

function caseOf(plan: ProxyPlan, world: Played, isPlayed: (sent: Sent) => boolean): Case {
  const byTarget = new Map<string, Journey>();
  for (const sent of world.sent) byTarget.set(sent.request.target, journeyOf(sent, world));
  for (const send of world.sends) {
    (byTarget.get(send.target)?.sends as Send[] | undefined)?.push(send);
  }
  const journeys = [...byTarget.values()].filter(({ sent }) => isPlayed(sent));
  return { plan, world, journeys, byTarget };
}

/** Judges Discord's refusals of all that was sent, by however many proxies. */
export function judgeRefusals(plan: ProxyPlan, world: Played, fleet: FleetExcuses): string[] {
  return [
    ...refusalsAreExcused(
      caseOf(plan, world, () => true),
      fleet,
    ),
  ];
}

/** What several proxies do not know of each other. */
export type FleetExcuses = {
  readonly proxies: number;
  /**
   * Their store was away at times: then each may send one request, however small a limit is, and
   * asks with one where it does not know what others know.
   */
  readonly isTornApart: boolean;
};

function journeyOf(sent: Sent, world: Pick<Played, 'clock'>): Journey {
  const { identity, route } = sent.request;
  const label = `${route.method} ${route.template}`;
  const epochMs = world.clock.epochMs() - world.clock.nowMs() + sent.submittedMs;
  return { sent, sends: [], label, place: `${identity} ${route.major}`, epochMs };
}

function grouped<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const refused429 = ({ end, status }: Send): boolean => end === 'answered' && status === LIMITED;

/** What is said of a request is what happened to it. */
function* fatesAreTrue({ journeys }: Case): Iterable<string> {
  for (const { sent, sends } of journeys) {
    const { outcome, id, request } = sent;
    if (outcome === null) yield `request ${id} has no fate`;
    const last = sends.at(-1);
    if (outcome?.kind === 'answered') {
      const isTrue = last?.end === 'answered' && last.status === outcome.answer.status;
      if (!isTrue) yield `request ${id} got ${outcome.answer.status}, which nobody answered`;
    }
    if (outcome?.kind === 'failed' && (last === undefined || last.end === 'answered')) {
      yield `request ${id} failed, but was answered: ${outcome.error.message}`;
    }
    const unsent = sends.every((one) => one.end === 'unsent' || refused429(one));
    const isPromised = outcome?.kind === 'refused' && !request.repeatable;
    if (isPromised && !unsent) yield `request ${id} was sent and is said to be refused`;
    if (outcome?.kind === 'timed-out' && !outcome.sent && !unsent) {
      yield `request ${id} was sent and is said not to be`;
    }
  }
}

/** What changes something anew each time is sent again only if the last attempt did nothing. */
function* nothingIsRepeated({ byTarget }: Case): Iterable<string> {
  for (const { sent, sends } of byTarget.values()) {
    for (const [index, send] of sends.slice(1).entries()) {
      const before = sends[index] as Send;
      const isOver = before.endedMs !== null && before.endedMs <= send.atMs;
      const isDead = before.end === 'unsent' || refused429(before) || sent.request.repeatable;
      if (!isOver || !isDead) yield `request ${sent.id} was sent again after ${before.end}`;
    }
  }
}

function* retriesAreBounded({ byTarget }: Case, proxy: ProxyStage): Iterable<string> {
  // Each crash starts the counting anew.
  const lives = 1 + proxy.actorClock.count;
  const most = lives * (LIMITED_ATTEMPTS_MAX + FAILED_ATTEMPTS_MAX - 1);
  for (const { sent, sends } of byTarget.values()) {
    if (sends.length > most) yield `request ${sent.id} was sent ${sends.length} times`;
  }
}

/** The classes in which a request may be counted if it is sent at this time. */
function classesAt({ sent, epochMs }: Journey, atMs: number): string {
  const { route, body } = sent.request;
  const rule = classRuleOf(route, body, sent.submittedMs, epochMs);
  return classesBetween(rule, atMs, atMs + ARRIVAL_MAX_MS).join();
}

/** Of one lane of one route nobody is sent while one who came earlier, and could as well, waits. */
function* nobodyIsOvertaken(
  { plan, journeys, world }: Case,
  _proxy: ProxyStage,
  tellMs: number,
): Iterable<string> {
  const position = new Map(world.sends.map((send, index) => [send, index] as const));
  const lines = grouped(
    journeys,
    ({ place, label, sent }) => `${place} ${label} ${sent.request.priority}`,
  );
  // A message's age is told by a clock that was stepped meanwhile.
  const isAgeKnown = plan.steps.length === 0;
  for (const line of lines.values()) {
    for (const [index, late] of line.entries()) {
      if (!isAgeKnown && late.sent.request.route.agedMessage !== null) continue;
      for (const send of late.sends) {
        const over = line.slice(0, index).find((early) => {
          if (classesAt(early, send.atMs) !== classesAt(late, send.atMs)) return false;
          return isWaiting(early, send, position, tellMs);
        });
        if (over === undefined) continue;
        yield `request ${late.sent.id} was sent before ${over.sent.id} at ${send.atMs}`;
      }
    }
  }
}

function isWaiting(
  { sent, sends }: Journey,
  at: Send,
  position: Map<Send, number>,
  tellMs: number,
): boolean {
  if (sent.settledMs !== null && sent.settledMs <= at.atMs) return false;
  const index = position.get(at) ?? 0;
  const before = sends.filter((send) => (position.get(send) ?? 0) < index).at(-1);
  if (before === undefined) return true;
  // What has its answer waits no more, though a store may still have to be told.
  const isDone = before.end === 'answered' && !refused429(before);
  return !isDone && before.endedMs !== null && before.endedMs + tellMs < at.atMs;
}

type Shut = { readonly fromMs: number; readonly untilMs: number; readonly send: Send };

/** How long a 429 asks to stay away. */
function waitOf({ response, status }: Send): number {
  if (response === null || status !== LIMITED) return 0;
  const headerMs = Number(header(response.headers, 'retry-after') ?? Number.NaN) * 1_000;
  const text = new TextDecoder().decode(response.body);
  const seconds = text.startsWith('{') ? JSON.parse(text).retry_after : undefined;
  if (typeof seconds === 'number') return seconds * 1_000;
  return Number.isNaN(headerMs) ? EDGE_BLOCK_MIN_MS : headerMs;
}

const scopeOf = ({ response }: Send): string =>
  (response && header(response.headers, 'x-ratelimit-scope')) ?? 'edge';

/** While the time of a 429 runs, nothing that it means is sent. */
function* waitsAreKept(
  { plan, world, byTarget }: Case,
  _proxy: ProxyStage,
  tellMs: number,
): Iterable<string> {
  // A crash can take along the word of a 429 that has just come.
  if (plan.crashes.length > 0) return;
  const shuts: Shut[] = world.sends.filter(refused429).map((send) => {
    const fromMs = send.endedMs ?? 0;
    return { fromMs: fromMs + tellMs, untilMs: fromMs + waitOf(send), send };
  });
  for (const send of world.sends) {
    const journey = byTarget.get(send.target);
    if (journey === undefined) continue;
    const broken = shuts.find(
      ({ fromMs, untilMs, send: refused }) =>
        send.atMs > fromMs &&
        send.atMs < untilMs &&
        isMeant(journey, send, refused, byTarget.get(refused.target)),
    );
    if (broken === undefined) continue;
    const [to, scope] = [broken.untilMs, scopeOf(broken.send)];
    yield `request ${journey.sent.id} was sent at ${send.atMs}, shut (${scope}) until ${to}`;
  }
}

function isMeant(one: Journey, send: Send, refused: Send, other: Journey | undefined): boolean {
  const scope = scopeOf(refused);
  if (scope === 'edge') return true;
  if (other === undefined || one.sent.request.identity !== other.sent.request.identity)
    return false;
  const { route } = one.sent.request;
  if (scope === 'global' && !other.sent.request.route.globalExempt) return !route.globalExempt;
  if (one.place !== other.place || one.label !== other.label) return false;
  // Which of two classes was refused is not known.
  if (route.agedMessage !== null) return false;
  return classesAt(one, send.atMs) === classesAt(other, refused.atMs);
}

/** Discord's own counters have refused only what could not be known to be too much. */
function* refusalsAreExcused(
  { plan, world, byTarget }: Case,
  { proxies, isTornApart }: FleetExcuses,
): Iterable<string> {
  const joint = new Map<string, number>();
  for (const breach of world.rest.audit.breaches) {
    if (['hidden', 'shared', 'unauthorized', 'forbidden'].includes(breach.name)) continue;
    const where = `${breach.route} at ${breach.atMs}`;
    if (breach.name === 'global' && isOfStrangers(breach, plan)) continue;
    const limit = limitOf(plan, breach);
    if (isTornApart && (limit < proxies || isFirstOfSender(breach, byTarget, world))) continue;
    if (breach.name !== 'user') yield `${breach.name} was broken: ${where}`;
    else if (plan.crashes.length > 0 || isLostFromTheStart(breach, byTarget)) continue;
    else if (isAged(breach) && plan.steps.length > 0) continue;
    else {
      const spec = specOf(plan, breach);
      const key = `${breach.identity} ${breach.route}`;
      joint.set(key, (joint.get(key) ?? 0) + 1);
      const most = spec === undefined ? 0 : proxies * unknownMost(plan, spec);
      if ((joint.get(key) ?? 0) > most) yield `a shown limit was broken: ${where}`;
    }
  }
}

/**
 * Discord counts a token that it does not know as the address, which has a gate of its own with us.
 */
const isOfStrangers = ({ identity }: RestBreach, { requests }: ProxyPlan): boolean =>
  identity === 'address' && requests.some(({ token }) => token === UNKNOWN_IDENTITY);

const isAged = ({ route }: RestBreach): boolean =>
  route === 'DELETE /channels/:channel/messages/:message';

const specOf = (plan: ProxyPlan, { route, bucket }: RestBreach): BucketSpec | undefined =>
  plan.buckets[route]?.find(({ name }) => name === bucket);

/** Whether the one who was refused had never been answered there before. */
function isFirstOfSender(breach: RestBreach, byTarget: Case['byTarget'], world: Played): boolean {
  if (breach.name !== 'user') return false;
  const refused = world.sends.find(
    ({ atMs, endedMs, status, target }) =>
      status === LIMITED &&
      atMs <= breach.atMs &&
      (endedMs ?? Number.POSITIVE_INFINITY) >= breach.atMs &&
      byTarget.get(target)?.label === breach.route,
  );
  const journey = byTarget.get(refused?.target ?? '');
  if (refused === undefined || journey === undefined) return false;
  return !world.sends.some(
    ({ address, target, end, endedMs }) =>
      address === refused.address &&
      end === 'answered' &&
      (endedMs ?? 0) < refused.atMs &&
      byTarget.get(target)?.label === journey.label &&
      byTarget.get(target)?.place === journey.place,
  );
}

const limitOf = (plan: ProxyPlan, breach: RestBreach): number =>
  breach.name === 'global'
    ? plan.globalLimit
    : (specOf(plan, breach)?.window.limit ?? Number.POSITIVE_INFINITY);

/** How often a counter may refuse one of its routes before it is known that it has several. */
function unknownMost({ buckets }: ProxyPlan, spec: BucketSpec): number {
  const sharers = Object.values(buckets).filter((specs) => specs.includes(spec));
  const isOfTwoClasses = sharers.some((specs) => specs.some((one) => one.class !== spec.class));
  const isJoint = spec.counter === 'joint' && sharers.length > 1;
  return isJoint || isOfTwoClasses ? 2 * (1 + 2 * spec.window.limit) : 0;
}

/** Whether answers of the route were lost that would have been the first to tell of its limit. */
function isLostFromTheStart({ route, atMs }: RestBreach, byTarget: Case['byTarget']): boolean {
  const journeys = [...byTarget.values()].filter(({ label }) => label === route);
  const byPlace = grouped(journeys, ({ place }) => place);
  return [...byPlace.values()].some((ofPlace) => {
    const sends = ofPlace.flatMap((one) => one.sends).filter((send) => (send.endedMs ?? 0) <= atMs);
    const told = sends.filter(({ end, response }) => end === 'answered' && tells(response));
    const firstMs = Math.min(...told.map(({ endedMs }) => endedMs ?? 0));
    return sends.some(
      ({ end, status, endedMs }) => status !== null && end === 'lost' && (endedMs ?? 0) <= firstMs,
    );
  });
}

const tells = (response: Send['response']): boolean =>
  response !== null && header(response.headers, 'x-ratelimit-limit') !== undefined;

/** What counts towards a ban is counted, but for answers that never came. */
function* theGuardCounts({ world }: Case, proxy: ProxyStage): Iterable<string> {
  const known = proxy.tree.standing.invalidRequests;
  const lost = world.sends.filter(({ end }) => end === 'lost').length;
  const counted = world.rest.invalidRequests(proxy.address);
  if (known + lost < counted) yield `${counted} bad answers, ${known} of them counted`;
}

/** After a 401 a token is only probed; what Discord says is gone is left alone. */
function* whatIsLockedStaysSo({ world, byTarget }: Case): Iterable<string> {
  const refused = world.sends.filter(
    ({ identity, target }) =>
      identity === UNKNOWN_IDENTITY &&
      byTarget.get(target)?.sent.request.route.unauthenticated === false,
  );
  const firstMs = Math.min(
    ...refused.filter(({ status, end }) => status === 401 && end === 'answered').map(endOf),
  );
  let lastMs = firstMs;
  for (const send of refused.filter(({ atMs }) => atMs > firstMs)) {
    if (send.atMs < lastMs + TOKEN_PROBE_MIN_MS) yield `a locked token was used at ${send.atMs}`;
    lastMs = endOf(send);
  }
  const dead = [...byTarget.values()].filter(({ label }) => label.endsWith('/:token/slack'));
  for (const ofPlace of grouped(dead, ({ place }) => place).values()) {
    const sends = ofPlace.flatMap((one) => one.sends);
    const goneMs = Math.min(
      ...sends.filter(({ status, end }) => status === 404 && end === 'answered').map(endOf),
    );
    const late = sends.find(({ atMs }) => atMs > goneMs);
    if (late !== undefined) yield `a webhook that is gone was used at ${late.atMs}`;
  }
}

const endOf = ({ endedMs }: Send): number => endedMs ?? Number.POSITIVE_INFINITY;

function* familiesAreCapped({ plan, world }: Case): Iterable<string> {
  for (const [family, { count, windowMs }] of plan.familyLimits) {
    const times = world.sends
      .filter(({ target }) => target.startsWith(`/api/v10/${family}/`))
      .map(({ atMs }) => atMs);
    for (const [index, atMs] of times.entries()) {
      const later = times[index + count];
      if (later !== undefined && later < atMs + windowMs) yield `more ${family} than allowed`;
    }
  }
}

/**
 * Bursts that show whether any permit was lost: of each identity one plain bucket's whole limit.
 */
export function limitsToProbe(
  plan: ProxyPlan,
  places: readonly Sent[],
): readonly { readonly sent: Sent; readonly count: number }[] {
  const seen = new Set<string>();
  return places.flatMap((sent) => {
    const { identity, route } = sent.request;
    const [spec, ...others] = plan.buckets[`${route.method} ${route.template}`] ?? [];
    if (seen.has(identity) || identity === UNKNOWN_IDENTITY || fate(sent) !== 200) return [];
    const isPlain = spec?.scope === 'user' && spec.counter === 'split' && spec.shown;
    if (!isPlain || others.length > 0 || spec.class !== undefined) return [];
    if (route.family === 'invites') return [];
    seen.add(identity);
    return [{ sent, count: Math.min(spec.window.limit, plan.globalLimit) }];
  });
}

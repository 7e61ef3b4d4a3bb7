/**
 * What happens in every random schedule of the proxy, whether there is one or several of them:
 * requests come in, actors crash, and afterwards whoever is left is asked for everything once more.
 */

import type { ProxyMetrics } from '../../protocols/proxy.ts';
import type { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { limitsToProbe } from './proxy-judge.ts';
import type { PlannedCrash, PlannedRequest, ProxyPlan } from './proxy-plan.ts';
import {
  fate,
  NO_METRICS,
  type ProxyStage,
  QUIET_NETWORK,
  type Sent,
} from './simulated-upstream.ts';

export const START_EPOCH_MS = 1_700_000_000_000;
/** The longest that anything of a plan waits is the proxy's own longest wait, and then its turn. */
export const END_MAX_MS = 20 * 60_000;
export const STEP_MS = 10_000;
/**
 * Longer than what keeps a bucket of a plan shut: the front's block, or a back-off, and a window.
 */
const SHUT_MAX_MS = 90_000;
/** Two ways to Discord and back, and the second of the global limit. */
export const BURST_MAX_MS = 3_000;
/**
 * A bucket is forgotten a minute after nothing is to be known of it: at the latest when hours are
 * over.
 */
export const FORGOTTEN_MS = 3 * 3_600_000;

const REFUSED_LONG: ReadonlySet<string> = new Set([
  'unknown-webhook',
  'unauthorized',
  'long-wait',
  'family-limit',
]);

export type ScheduleResult = {
  readonly sends: number;
  readonly crashes: number;
  readonly limited: number;
  readonly fates: ReadonlyMap<number | string | null, number>;
};

/** What was counted of the fates, which are to be as many as the requests. */
export class CountedFates implements ProxyMetrics {
  readonly requestLatency = NO_METRICS.requestLatency;
  readonly ratelimitLatency = NO_METRICS.ratelimitLatency;
  readonly limited = NO_METRICS.limited;
  readonly invalid = NO_METRICS.invalid;
  readonly refused = NO_METRICS.refused;
  asked = 0;
  fates = 0;

  requested(): void {
    this.asked += 1;
  }

  responded(): void {
    this.fates += 1;
  }

  unanswered(): void {
    this.fates += 1;
  }
}

export type Fail = (problem: string) => void;

export function ask(stage: ProxyStage, clock: VirtualClock, one: PlannedRequest): Sent {
  const { method, path, token, priority, body, timeoutMs, cancelAfterMs } = one;
  const sent = stage.send(method, path, {
    token,
    ...(priority === null ? {} : { priority }),
    ...(body === null ? {} : { body }),
    ...(timeoutMs === null ? {} : { timeoutMs }),
  });
  if (cancelAfterMs !== null) clock.setTimer(cancelAfterMs, () => sent.submission.cancel());
  return sent;
}

export function crash({ actorClock }: ProxyStage, { actor, skip }: PlannedCrash): void {
  let left = skip;
  actorClock.where = `actors/${actor}/actor.ts`;
  actorClock.crashes = () => {
    left -= 1;
    if (left >= 0) return false;
    actorClock.crashes = undefined;
    return true;
  };
}

/** Nothing goes wrong with it any more. */
export function calm({ upstream, actorClock }: ProxyStage): void {
  upstream.network = QUIET_NETWORK;
  actorClock.crashes = undefined;
}

/** Lets everything that is under way come to its end: answers to what was given up, too. */
export async function finish(world: Players, fail: Fail): Promise<void> {
  const requests = (): number => world.stages().reduce((sum, { tree }) => sum + tree.requests, 0);
  const isAnswerDue = (): boolean =>
    world.stages().some(({ upstream }) => upstream.sends.some(({ end }) => end === null));
  const endMs = world.clock.nowMs() + END_MAX_MS;
  while ((requests() > 0 || isAnswerDue()) && world.clock.nowMs() < endMs) {
    await world.pass(STEP_MS);
  }
  if (requests() > 0) fail(`${requests()} requests have no fate after 20 minutes`);
}

/** The proxies of a schedule that are alive. */
export type Players = {
  readonly clock: VirtualClock;
  stages(): readonly ProxyStage[];
  pass(ms: number): Promise<void>;
};

/** Asks once more wherever the schedule has asked: nothing may be kept of what it was given. */
export async function probe(
  plan: ProxyPlan,
  world: Players,
  sent: readonly Sent[],
  burstMaxMs: number,
  fail: Fail,
): Promise<void> {
  const places = new Map<string, Sent>();
  for (const one of sent) {
    const { identity, route } = one.request;
    places.set(`${identity} ${route.method} ${route.major} ${route.template}`, one);
  }
  let turn = 0;
  const repeated = (one: Sent): Sent => {
    const stages = world.stages();
    const stage = stages[turn++ % stages.length];
    if (stage === undefined) throw new Error('nobody is left');
    return repeat(stage, one);
  };
  const again = [...places.values()].map(repeated);
  await world.pass(SHUT_MAX_MS);
  for (const one of again)
    if (!isForStrangers(plan, one)) expectAnswer(one, 'after the schedule', fail);
  const bursts = limitsToProbe(plan, [...places.values()]).flatMap(({ sent: one, count }) =>
    Array.from({ length: count }, () => repeated(one)),
  );
  await world.pass(burstMaxMs);
  for (const one of bursts) expectAnswer(one, 'in a burst', fail);
}

/** What others use up as well may be refused as often as one may ask. */
function isForStrangers({ buckets }: ProxyPlan, { request: { route } }: Sent): boolean {
  const specs = buckets[`${route.method} ${route.template}`] ?? [];
  return specs.some(({ scope }) => scope === 'shared');
}

function repeat(stage: ProxyStage, { request }: Sent): Sent {
  const { method, target, identity, body } = request;
  const path = (target.split('?n=')[0] ?? '').slice('/api/v10'.length);
  const hasToken = request.headers.some(([name]) => name === 'authorization');
  const content = body?.read();
  return stage.send(method, path, {
    token: hasToken ? identity : null,
    ...(content instanceof Uint8Array ? { body: content } : {}),
  });
}

function expectAnswer(sent: Sent, when: string, fail: Fail): void {
  const { outcome } = sent;
  if (outcome?.kind === 'answered' && outcome.answer.status !== 429) return;
  // What Discord has said is gone, locked, or away for hours is refused, as is what is configured
  // to be.
  const isRefused = outcome?.kind === 'refused';
  if (isRefused && REFUSED_LONG.has(outcome.reason)) return;
  // The answer to an interaction cannot wait until its bucket is open.
  const isLate = outcome?.kind === 'timed-out' && sent.request.sendWithinMs !== null;
  if (isLate && !outcome.sent) return;
  const { method, route } = sent.request;
  const reason = isRefused ? outcome.reason : '';
  fail(`${when}: ${method} ${route.template} (${sent.id}) has ${fate(sent)} ${reason}`);
}

/**
 * After long idling nothing is kept, and after the stop nothing is left of any that there ever
 * were.
 */
export async function leave(
  { clock, stages, pass }: Players,
  all: readonly ProxyStage[],
  fail: Fail,
): Promise<void> {
  await pass(FORGOTTEN_MS);
  for (const { tree } of stages()) {
    if (tree.buckets > 0) fail(`${tree.buckets} buckets are kept after hours of nothing`);
    if (tree.requests > 0) fail(`${tree.requests} requests are kept`);
  }
  const stops = stages().map(({ tree }) => tree.stop());
  await pass(1);
  await Promise.all(stops);
  for (const { system, upstream } of all) {
    if (system.actors > 0) fail(`${system.actors} actors are left`);
    if (upstream.open > 0) fail(`${upstream.open} answers were neither read nor discarded`);
    if (upstream.sends.some(({ end }) => end === null)) fail('a send has no end');
  }
  if (clock.pendingTimers > 0) fail(`${clock.pendingTimers} timers are left`);
  // nact keeps a system that was never stopped.
  const ends = all.map(({ system }) => system.stop());
  await pass(1);
  await Promise.all(ends);
}

/** What became of the requests, and how often. */
export function countFates(sent: readonly Sent[]): ReadonlyMap<number | string | null, number> {
  const fates = new Map<number | string | null, number>();
  for (const one of sent) fates.set(fate(one), (fates.get(fate(one)) ?? 0) + 1);
  return fates;
}

/**
 * One random schedule of the proxy's tree against the simulated REST API, on virtual time; all of it is
 * drawn from a seed (`proxy-plan.ts`).
 *
 * `runProxySchedule` plays the plan, lets what is left of it come to its end, and then asks once more
 * of every bucket and every gate: what they were given must all have come back. It throws, with the
 * seed that shows it again, when an invariant does not hold (`proxy-judge.ts`).
 */
import type { ProxyMetrics } from '../../protocols/proxy.ts';
import { judge, limitsToProbe } from './proxy-judge.ts';
import { drawPlan, type PlannedRequest, type ProxyPlan } from './proxy-plan.ts';
import {
  createProxyWorld,
  fate,
  NO_METRICS,
  type ProxyWorld,
  QUIET_NETWORK,
  type Sent,
} from './simulated-upstream.ts';

const START_EPOCH_MS = 1_700_000_000_000;
/** The longest that anything of a plan waits is the proxy's own longest wait, and then its turn. */
const END_MAX_MS = 20 * 60_000;
const STEP_MS = 10_000;
/** Longer than what keeps a bucket of a plan shut: the front's block, or a back-off, and a window. */
const SHUT_MAX_MS = 90_000;
/** Two ways to Discord and back, and the second of the global limit. */
const BURST_MAX_MS = 3_000;
/** A bucket is forgotten a minute after nothing is to be known of it: at the latest when hours are over. */
const FORGOTTEN_MS = 3 * 3_600_000;

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
class CountedFates implements ProxyMetrics {
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

export async function runProxySchedule(seed: number): Promise<ScheduleResult> {
  const plan = drawPlan(seed, START_EPOCH_MS);
  const metrics = new CountedFates();
  const world = createProxyWorld({
    ...plan,
    metrics,
    crashesWithin: true,
    faults: [],
    global: { kind: 'sliding', limit: plan.globalLimit, windowMs: 1_000 },
  });

  const problems: string[] = [];
  const fail = (problem: string): number => problems.push(problem);
  await play(plan, world, fail);
  const played = world.sent.length;
  if (plan.drainAtMs === null) await probe(plan, world, fail);
  problems.push(...judge(plan, world, played));
  await leave(world, fail);
  if (metrics.fates !== metrics.asked) fail(`${metrics.fates} fates of ${metrics.asked} requests`);
  if (problems.length > 0) throw new Error(`schedule ${seed}: ${problems.slice(0, 5).join('; ')}`);
  const fates = new Map<number | string | null, number>();
  for (const one of world.sent) fates.set(fate(one), (fates.get(fate(one)) ?? 0) + 1);
  return {
    sends: world.upstream.sends.length,
    crashes: world.actorClock.count,
    limited: world.upstream.sends.filter(({ status }) => status === 429).length,
    fates,
  };
}

type Fail = (problem: string) => void;

async function play(plan: ProxyPlan, world: ProxyWorld, fail: Fail): Promise<void> {
  const { clock, rest } = world;
  for (const fault of plan.faults) rest.inject(fault);
  for (const one of plan.requests) clock.setTimer(one.atMs, () => ask(world, one));
  for (const { atMs, deltaMs } of plan.steps) clock.setTimer(atMs, () => clock.stepEpoch(deltaMs));
  for (const { atMs, actor, skip } of plan.crashes) {
    clock.setTimer(atMs, () => crash(world, actor, skip));
  }
  let drained = plan.drainAtMs === null;
  clock.setTimer(plan.drainAtMs ?? 0, () => {
    if (!drained) void world.tree.drain(END_MAX_MS).then(() => (drained = true));
  });
  await world.pass(plan.spanMs);
  rest.clearFaults();
  world.upstream.network = QUIET_NETWORK;
  world.actorClock.crashes = undefined;
  const endMs = clock.nowMs() + END_MAX_MS;
  while (world.tree.requests > 0 && clock.nowMs() < endMs) await world.pass(STEP_MS);
  if (world.tree.requests > 0)
    fail(`${world.tree.requests} requests have no fate after 20 minutes`);
  if (!drained) fail('the drain has no end');
}

function ask(world: ProxyWorld, one: PlannedRequest): void {
  const { method, path, token, priority, body, timeoutMs, cancelAfterMs } = one;
  const sent = world.send(method, path, {
    token,
    ...(priority === null ? {} : { priority }),
    ...(body === null ? {} : { body }),
    ...(timeoutMs === null ? {} : { timeoutMs }),
  });
  if (cancelAfterMs !== null) {
    world.clock.setTimer(cancelAfterMs, () => sent.submission.cancel());
  }
}

function crash(world: ProxyWorld, actor: 'bucket' | 'global', skip: number): void {
  let left = skip;
  world.actorClock.where = `actors/${actor}/actor.ts`;
  world.actorClock.crashes = () => {
    left -= 1;
    if (left >= 0) return false;
    world.actorClock.crashes = undefined;
    return true;
  };
}

/** Asks once more wherever the schedule has asked: nothing may be kept of what it was given. */
async function probe(plan: ProxyPlan, world: ProxyWorld, fail: Fail): Promise<void> {
  const places = new Map<string, Sent>();
  for (const sent of world.sent) {
    const { identity, route } = sent.request;
    places.set(`${identity} ${route.method} ${route.major} ${route.template}`, sent);
  }
  const again = [...places.values()].map((sent) => repeat(world, sent));
  await world.pass(SHUT_MAX_MS);
  for (const one of again)
    if (!isForStrangers(plan, one)) expectAnswer(one, 'after the schedule', fail);
  const bursts = limitsToProbe(plan, [...places.values()]).flatMap(({ sent, count }) =>
    Array.from({ length: count }, () => repeat(world, sent)),
  );
  await world.pass(BURST_MAX_MS);
  for (const one of bursts) expectAnswer(one, 'in a burst', fail);
}

/** What others use up as well may be refused as often as one may ask. */
function isForStrangers({ buckets }: ProxyPlan, { request: { route } }: Sent): boolean {
  const specs = buckets[`${route.method} ${route.template}`] ?? [];
  return specs.some(({ scope }) => scope === 'shared');
}

function repeat(world: ProxyWorld, { request }: Sent): Sent {
  const { method, target, identity, body } = request;
  const path = (target.split('?n=')[0] ?? '').slice('/api/v10'.length);
  const hasToken = request.headers.some(([name]) => name === 'authorization');
  const content = body?.read();
  return world.send(method, path, {
    token: hasToken ? identity : null,
    ...(content instanceof Uint8Array ? { body: content } : {}),
  });
}

function expectAnswer(sent: Sent, when: string, fail: Fail): void {
  const { outcome } = sent;
  if (outcome?.kind === 'answered' && outcome.answer.status !== 429) return;
  // What Discord has said is gone, locked, or away for hours is refused, as is what is configured to be.
  const isRefused = outcome?.kind === 'refused';
  if (isRefused && REFUSED_LONG.has(outcome.reason)) return;
  // The answer to an interaction cannot wait until its bucket is open.
  const isLate = outcome?.kind === 'timed-out' && sent.request.sendWithinMs !== null;
  if (isLate && !outcome.sent) return;
  const { method, route } = sent.request;
  const reason = isRefused ? outcome.reason : '';
  fail(`${when}: ${method} ${route.template} (${sent.id}) has ${fate(sent)} ${reason}`);
}

/** After long idling nothing is kept, and after the stop nothing is left at all. */
async function leave(world: ProxyWorld, fail: Fail): Promise<void> {
  await world.pass(FORGOTTEN_MS);
  const { tree, clock, system, upstream } = world;
  if (tree.buckets > 0) fail(`${tree.buckets} buckets are kept after hours of nothing`);
  if (tree.requests > 0) fail(`${tree.requests} requests are kept`);
  const stop = tree.stop();
  await world.pass(1);
  await stop;
  if (system.actors > 0) fail(`${system.actors} actors are left`);
  if (clock.pendingTimers > 0) fail(`${clock.pendingTimers} timers are left`);
  if (upstream.open > 0) fail(`${upstream.open} answers were neither read nor discarded`);
  if (upstream.sends.some(({ end }) => end === null)) fail('a send has no end');
}

/** Many schedules, one after the other; the first that fails ends it. What they were is summed up. */
export async function runProxySchedules(first: number, count: number): Promise<ScheduleResult> {
  const fates = new Map<number | string | null, number>();
  const sum = { sends: 0, crashes: 0, limited: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const result = await runProxySchedule(seed);
    sum.sends += result.sends;
    sum.crashes += result.crashes;
    sum.limited += result.limited;
    for (const [fate, times] of result.fates) fates.set(fate, (fates.get(fate) ?? 0) + times);
  }
  return { ...sum, fates };
}

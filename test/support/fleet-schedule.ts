/**
 * One random schedule of several proxies that share their limits, on virtual time: their actors,
 * their side of the store and its scripts are the real ones, and all of it is drawn from a seed
 * (`fleet-plan.ts`).
 *
 * Each proxy is judged as one that is alone, and all of them by what Discord has refused
 * (`proxy-judge.ts`). Then whoever is left asks once more of everything, whole limits at once:
 * nothing may be missing that was given to a proxy that died, or to anybody while the store was
 * away.
 */

import { SHARED_ANSWER_MS } from '../../protocols/limits.ts';
import type { RestFault } from '../../src/simulator/rest/faults.ts';
import { drawFleetPlan, type FleetPlan, type StoreFault } from './fleet-plan.ts';
import { type FleetProxy, type ProxyFleet, startFleet } from './proxy-fleet.ts';
import { judgeProxy, judgeRefusals } from './proxy-judge.ts';
import {
  ask,
  CountedFates,
  calm,
  countFates,
  crash,
  type Fail,
  finish,
  leave,
  type Players,
  probe,
  type ScheduleResult,
  START_EPOCH_MS,
} from './proxy-play.ts';
import type { Sent } from './simulated-upstream.ts';
import type { StoreHost } from './store-way.ts';

/** By then each proxy has heard of the others. */
const START_MS = 5_000;
/** As with one proxy, and for each a look at the store of which it was not told. */
const BURST_MAX_MS = 6_000;

export async function runFleetSchedule(seed: number): Promise<ScheduleResult> {
  const plan = drawFleetPlan(seed, START_EPOCH_MS + START_MS);
  const metrics = new CountedFates();
  const fleet = await startFleet({
    ...plan,
    metrics,
    crashesWithin: true,
    faults: [],
    global: { kind: 'sliding', limit: plan.globalLimit, windowMs: 1_000 },
  });
  const problems: string[] = [];
  const fail: Fail = (problem) => problems.push(problem);
  const players: Players = {
    clock: fleet.clock,
    stages: () => fleet.proxies.filter(({ deadMs }) => deadMs === null),
    pass: (ms) => fleet.pass(ms),
  };
  await play(plan, fleet, players, fail);
  const played = new Set(fleet.sent.map(({ id }) => id));
  await probe(plan, players, [...fleet.sent], BURST_MAX_MS, fail);
  for (const proxy of fleet.proxies) {
    // Nobody hears what becomes of what a proxy had that was killed.
    const deadMs = proxy.deadMs ?? Number.POSITIVE_INFINITY;
    const isPlayed = ({ id, settledMs }: Sent): boolean =>
      played.has(id) && (settledMs ?? 0) < deadMs;
    problems.push(...judgeProxy(plan, fleet, proxy, isPlayed, tellMs(plan)));
  }
  // A memory whose clock was set is given up: for a moment each is alone.
  const isTornApart = plan.storeFaults.length > 0 || plan.storeSteps.length > 0;
  problems.push(...judgeRefusals(plan, fleet, { proxies: plan.proxies, isTornApart }));
  await part(fleet);
  await leave(players, fleet.proxies, fail);
  if (metrics.fates !== metrics.asked) fail(`${metrics.fates} fates of ${metrics.asked} requests`);
  if (problems.length > 0) throw new Error(`schedule ${seed}: ${problems.slice(0, 5).join('; ')}`);
  return {
    sends: fleet.sends.length,
    crashes: fleet.proxies.reduce((sum, { actorClock }) => sum + actorClock.count, 0),
    limited: fleet.sends.filter(({ status }) => status === 429).length,
    fates: countFates(fleet.sent),
  };
}

/**
 * A gate tells of a permit, and a bucket of what it sends with it: a question and its answer each.
 */
function tellMs({ storeMs, proxies, kills, storeFaults }: FleetPlan): number {
  const slowMs = storeFaults.map(({ effect }) => (effect.kind === 'slow' ? effect.byMs : 0));
  const wayMs = storeMs * (proxies + kills.length) + slowMs.reduce((sum, ms) => sum + ms, 0);
  return 2 * Math.min(2 * wayMs, SHARED_ANSWER_MS);
}

async function play(
  plan: FleetPlan,
  fleet: ProxyFleet,
  players: Players,
  fail: Fail,
): Promise<void> {
  const { clock, rest } = fleet;
  await fleet.pass(START_MS - clock.nowMs());
  /** Who stands in a place; a proxy that was killed may have been replaced. */
  const inPlace: (FleetProxy | undefined)[] = [...fleet.proxies];
  for (const fault of plan.faults) rest.inject(later(fault));
  for (const [index, one] of plan.requests.entries()) {
    clock.setTimer(one.atMs, () => {
      const proxy = inPlace[plan.askers[index] ?? 0];
      if (proxy !== undefined) fleet.sent.push(ask(proxy, clock, one));
    });
  }
  for (const { atMs, deltaMs } of plan.steps) clock.setTimer(atMs, () => clock.stepEpoch(deltaMs));
  for (const one of plan.crashes) {
    clock.setTimer(one.atMs, () => {
      const proxy = inPlace[plan.crasher];
      if (proxy !== undefined) crash(proxy, one);
    });
  }
  for (const fault of plan.storeFaults) strike(fault, fleet, inPlace);
  for (const { atMs, byMs } of plan.storeSteps) {
    clock.setTimer(atMs, () => {
      fleet.host.setAheadMs += byMs;
    });
  }
  for (const { atMs, proxy, replacedMs } of plan.kills) {
    clock.setTimer(atMs, () => {
      fleet.kill(proxy);
      inPlace[proxy] = undefined;
    });
    if (!Number.isFinite(replacedMs)) continue;
    clock.setTimer(atMs + replacedMs, async () => {
      const joined = await fleet.join();
      if (clock.nowMs() >= START_MS + plan.spanMs) calm(joined);
      inPlace[proxy] = joined;
    });
  }
  await fleet.pass(plan.spanMs);
  rest.clearFaults();
  for (const proxy of fleet.proxies) calm(proxy);
  await finish(players, fail);
}

const later = (fault: RestFault): RestFault => ({
  ...fault,
  fromMs: START_MS + (fault.fromMs ?? 0),
  untilMs: START_MS + (fault.untilMs ?? 0),
});

function strike(
  { atMs, forMs, proxy, effect }: StoreFault,
  { clock, host }: ProxyFleet,
  inPlace: readonly (FleetProxy | undefined)[],
): void {
  const struck = (): Pick<StoreHost, 'cut' | 'mend' | 'slowMs'> | undefined =>
    proxy === null ? host : inPlace[proxy]?.way;
  clock.setTimer(atMs, () => {
    const way = struck();
    if (way === undefined) return;
    if (effect.kind === 'slow') way.slowMs = effect.byMs;
    else way.cut(effect.kind === 'cut' ? effect.breach : 'refusing');
    if (effect.kind === 'lose') host.store.lose();
  });
  clock.setTimer(atMs + forMs, () => {
    const way = struck();
    if (way === undefined) return;
    way.slowMs = 0;
    way.mend();
  });
}

/** They let go of the store, so that nothing beats while hours pass. */
async function part(fleet: ProxyFleet): Promise<void> {
  const closing = fleet.proxies.map(({ limits }) => limits.close());
  await fleet.pass(5_000);
  await Promise.all(closing);
}

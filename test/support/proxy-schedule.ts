/**
 * One random schedule of the proxy's tree against the simulated REST API, on virtual time; all of
 * it is drawn from a seed (`proxy-plan.ts`).
 *
 * `runProxySchedule` plays the plan, lets what is left of it come to its end, and then asks once
 * more of every bucket and every gate: what they were given must all have come back. It throws,
 * with the seed that shows it again, when an invariant does not hold (`proxy-judge.ts`).
 */
import { judgeProxy, judgeRefusals } from './proxy-judge.ts';
import { drawPlan, type ProxyPlan } from './proxy-plan.ts';
import {
  ask,
  BURST_MAX_MS,
  CountedFates,
  calm,
  countFates,
  crash,
  END_MAX_MS,
  type Fail,
  finish,
  leave,
  type Players,
  probe,
  type ScheduleResult,
  START_EPOCH_MS,
} from './proxy-play.ts';
import { createProxyWorld, type ProxyWorld } from './simulated-upstream.ts';

const ALONE = { proxies: 1, isTornApart: false };

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
  const players: Players = { ...world, stages: () => [world] };

  const problems: string[] = [];
  const fail: Fail = (problem) => problems.push(problem);
  await play(plan, world, players, fail);
  const played = world.sent.length;
  if (plan.drainAtMs === null) await probe(plan, players, [...world.sent], BURST_MAX_MS, fail);
  problems.push(...judgeProxy(plan, world, world, ({ id }) => id < played));
  problems.push(...judgeRefusals(plan, { ...world, sends: world.upstream.sends }, ALONE));
  await leave(players, [world], fail);
  if (metrics.fates !== metrics.asked) fail(`${metrics.fates} fates of ${metrics.asked} requests`);
  if (problems.length > 0) throw new Error(`schedule ${seed}: ${problems.slice(0, 5).join('; ')}`);
  const { sends } = world.upstream;
  return {
    sends: sends.length,
    crashes: world.actorClock.count,
    limited: sends.filter(({ status }) => status === 429).length,
    fates: countFates(world.sent),
  };
}

async function play(
  plan: ProxyPlan,
  world: ProxyWorld,
  players: Players,
  fail: Fail,
): Promise<void> {
  const { clock, rest, tree } = world;
  for (const fault of plan.faults) rest.inject(fault);
  for (const one of plan.requests) clock.setTimer(one.atMs, () => ask(world, clock, one));
  for (const { atMs, deltaMs } of plan.steps) clock.setTimer(atMs, () => clock.stepEpoch(deltaMs));
  for (const one of plan.crashes) clock.setTimer(one.atMs, () => crash(world, one));
  let isDrained = plan.drainAtMs === null;
  if (plan.drainAtMs !== null) {
    clock.setTimer(plan.drainAtMs, async () => {
      await tree.drain(END_MAX_MS);
      isDrained = true;
    });
  }
  await world.pass(plan.spanMs);
  rest.clearFaults();
  calm(world);
  await finish(players, fail);
  if (!isDrained) fail('the drain has no end');
}

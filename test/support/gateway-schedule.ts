/**
 * One random schedule of a gateway against the simulated Discord, all of it drawn from a seed: the number
 * of shards, compression, heartbeat interval, faults of the network and of Discord, a broker that is
 * slow, refuses, loses and goes away, and actors that crash.
 *
 * `runSchedule` throws when an invariant does not hold, with the seed that shows it again:
 * no breach; all shards ready once things have been well for a while; per session, events reach the
 * broker in order and without a gap up to the point from which it would be resumed.
 */
import { createRandom } from '../../src/random.ts';
import { randomScenario } from '../../src/simulator/scenario.ts';
import { type CrashSite, startSimulation } from './gateway-simulation.ts';

const CRASH_SITES: readonly CrashSite[] = [
  'connection',
  'data-plane',
  'shard',
  'session-store',
  'identify',
];
/** Fewer than the restart intensity allows. */
const CRASHES_MAX = 3;

const SCENARIO_MS = 60_000;
/** Longer than the longest back-off, a session timeout and an identify line together. */
const RECOVERY_MAX_MS = 400_000;
/** Once all shards are ready, time for what is left of the last replay. */
const SETTLE_MS = 20_000;

export type ScheduleResult = {
  readonly events: number;
  readonly resumes: number;
  readonly identifies: number;
};

export async function runSchedule(seed: number): Promise<ScheduleResult> {
  const random = createRandom(seed);
  const shards = 1 + Math.floor(random() * 3);
  const isLossy = random() < 0.3;
  const world = startSimulation({
    seed,
    shards,
    compression: random() < 0.8 ? 'none' : random() < 0.5 ? 'zlib-stream' : 'zstd-stream',
    refusal: random() < 0.3 ? 0.05 : 0,
    loss: isLossy ? 0.05 : 0,
    gateway: {
      heartbeatIntervalMs: 5_000 + random() * 36_000,
      maxConcurrency: 1 + Math.floor(random() * 2),
    },
  });
  const { discord, writer } = world;
  discord.setRate(random() * 2);
  discord.scenario.run(randomScenario(seed, SCENARIO_MS, random() * 15, shards));
  const crashes = random() < 0.5 ? Math.ceil(random() * CRASHES_MAX) : 0;
  for (let crash = 0; crash < crashes; crash++) {
    const site = CRASH_SITES[Math.floor(random() * CRASH_SITES.length)] ?? 'shard';
    world.clock.setTimer(random() * SCENARIO_MS, () => world.crash(site));
  }
  if (random() < 0.3) {
    await world.pass(random() * SCENARIO_MS);
    world.setBroker('away');
    writer.refusal = 1;
    await world.pass(random() * 30_000);
    writer.refusal = 0;
    world.setBroker('open');
  }
  await world.pass(SCENARIO_MS);
  writer.refusal = 0;
  writer.loss = 0;
  let wasReady = false;
  for (let passedMs = 0; passedMs < RECOVERY_MAX_MS; passedMs += SETTLE_MS) {
    await world.pass(SETTLE_MS);
    const isReady = world.ready.size === shards;
    if (wasReady && isReady) break;
    wasReady = isReady;
  }
  const problems = [
    ...discord.audit.breaches.map((breach) => `breach ${breach.name}: ${breach.detail}`),
    ...world.failures.map((error) => `failure: ${error.message}`),
    ...(crashes > 0 ? [] : world.log.at('error').map(({ message }) => `error: ${message}`)),
    ...(world.ready.size === shards ? [] : [`only ${world.ready.size} of ${shards} shards ready`]),
  ];
  await world.stop();
  // The last confirms of the broker are still on their way.
  world.clock.advance(1_000);
  const timers = world.clock.pendingTimers;
  for (const [shard, ids] of writer.delivered) {
    problems.push(...gaps(ids, isLossy).map((gap) => `shard ${shard}: ${gap}`));
  }
  if (timers > 0) problems.push(`${timers} timers are left`);
  if (problems.length > 0) throw new Error(`schedule ${seed}: ${problems.slice(0, 5).join('; ')}`);
  return {
    events: [...writer.delivered.values()].reduce((sum, ids) => sum + ids.length, 0),
    resumes: discord.audit.count('resume'),
    identifies: discord.audit.count('identify'),
  };
}

/**
 * What is missing in the ids of one shard, `session:sequence` in the order of writing. Without losses no
 * number may be skipped; with them a number may come late, but none may be missing below the last.
 */
function gaps(ids: readonly string[], isLossy: boolean): string[] {
  const found: string[] = [];
  const seen = new Map<string, Set<number>>();
  let highest = new Map<string, number>();
  for (const id of ids) {
    const [session = '', text] = id.split(':');
    const sequence = Number(text);
    const last = highest.get(session) ?? 0;
    if (!isLossy && sequence > last + 1) found.push(`${id} follows ${last}`);
    highest = highest.set(session, Math.max(last, sequence));
    const numbers = seen.get(session) ?? new Set();
    seen.set(session, numbers.add(sequence));
  }
  // Only the last session is certain to have had the time to be made whole.
  const session = [...seen.keys()].at(-1) ?? '';
  for (let sequence = 1; sequence <= (highest.get(session) ?? 0); sequence++) {
    if (!seen.get(session)?.has(sequence)) found.push(`${session}:${sequence} is missing`);
  }
  return found;
}

/**
 * Commands under random schedules of faults, through the whole gateway tree on virtual time:
 * Discord hears each command that was said to be sent, at least once, and never one that was
 * refused; each delivery is settled once; no rule of Discord is broken. A run that fails names its
 * seed.
 */
import { describe, expect, it } from 'vitest';
import { COMMAND_WAIT_MAX_MS, COMMAND_WRITE_MAX_MS } from '../../protocols/limits.ts';
import { createRandom } from '../../src/random.ts';
import { randomScenario } from '../../src/simulator/scenario.ts';
import { type CrashSite, startSimulation } from '../support/gateway-simulation.ts';
import { PlayedDelivery } from '../support/played-delivery.ts';

const RUNS = 150;
const SCENARIO_MS = 60_000;
const CRASH_SITES: readonly CrashSite[] = ['connection', 'shard', 'data-plane'];

async function runCommands(seed: number): Promise<{ sent: number; refused: number }> {
  const random = createRandom(seed);
  const shards = 1 + Math.floor(random() * 3);
  const world = startSimulation({ seed, shards });
  const { discord, clock } = world;
  discord.setRate(random());
  discord.scenario.run(randomScenario(seed, SCENARIO_MS, random() * 15, shards));
  const crashes = random() < 0.3;
  if (crashes) {
    const site = CRASH_SITES[Math.floor(random() * CRASH_SITES.length)] ?? 'shard';
    clock.setTimer(random() * SCENARIO_MS, () => world.crash(site));
  }
  const deliveries = new Map<string, PlayedDelivery>();
  const commands = Math.floor(random() * 400);
  for (let index = 0; index < commands; index++) {
    const name = `command-${index}`;
    const event = String(Math.floor(random() * shards));
    const d = { since: null, activities: [{ name, type: 0 }], status: 'idle', afk: false };
    const delivery = new PlayedDelivery(event, { op: 3, d });
    deliveries.set(name, delivery);
    clock.setTimer(random() * SCENARIO_MS, () => world.tree.command(delivery));
  }
  await world.pass(SCENARIO_MS + COMMAND_WAIT_MAX_MS + COMMAND_WRITE_MAX_MS);
  const heard = discord.audit.of('command').map(({ data }) => {
    return (data as { activities: readonly { name: string }[] }).activities[0]?.name ?? '';
  });
  // What was written to a connection that broke may never have arrived; nobody can know.
  const counts = new Map<string, number>();
  for (const name of heard) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [name, { settlements, answers }] of deliveries) {
    expect([settlements.length, answers.length], `${seed}: ${name}`).toEqual([1, 1]);
    const times = counts.get(name) ?? 0;
    if (settlements[0] !== 'ack') expect(times, `${seed}: ${name} was refused`).toBe(0);
    else if (!crashes) expect(times, `${seed}: ${name} was sent`).toBeLessThan(2);
  }
  expect(discord.audit.breaches, String(seed)).toEqual([]);
  await world.stop();
  const sent = [...deliveries.values()].filter(
    ({ settlements }) => settlements[0] === 'ack',
  ).length;
  return { sent, refused: deliveries.size - sent };
}

describe(`commands under ${RUNS} random schedules of faults`, () => {
  it('GP-42 GP-43: have one fate each, and Discord hears nothing that it should not', {
    timeout: 300_000,
  }, async () => {
    let sent = 0;
    let refused = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const result = await runCommands(seed);
      sent += result.sent;
      refused += result.refused;
    }
    // The schedules did what they are for.
    expect(sent).toBeGreaterThan(RUNS * 50);
    expect(refused).toBeGreaterThan(0);
  });
});

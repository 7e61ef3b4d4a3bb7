/** Whatever throws in the gateway's tree: the actor is restarted, and its session goes on. */
import { describe, expect, it } from 'vitest';
import { type CrashSite, startSimulation } from '../support/gateway-simulation.ts';

const SHARDS = 2;

async function startReady(): Promise<ReturnType<typeof startSimulation>> {
  const world = startSimulation({ seed: 7, shards: SHARDS });
  world.discord.setRate(5);
  await world.pass(20_000);
  expect(world.ready.size).toBe(SHARDS);
  return world;
}

/** The sequences that reached the broker, by session. */
function delivered(world: ReturnType<typeof startSimulation>): Map<string, number[]> {
  const sessions = new Map<string, number[]>();
  for (const id of [...world.writer.delivered.values()].flat()) {
    const [session = '', sequence] = id.split(':');
    sessions.set(session, [...(sessions.get(session) ?? []), Number(sequence)]);
  }
  return sessions;
}

describe('a fault in a running gateway', () => {
  const sites: readonly CrashSite[] = ['connection', 'data-plane', 'shard', 'session-store'];

  it.each(sites)('in the %s costs no session and no event (GP-19)', async (site) => {
    const world = await startReady();
    world.crash(site);
    if (site === 'shard') world.discord.scenario.strike({ fault: 'drop', shard: 0 });
    await world.pass(120_000);

    expect(world.log.at('error').map(({ message }) => message)).toContain('actor crashed');
    expect(world.ready.size).toBe(SHARDS);
    expect(world.discord.audit.breaches).toEqual([]);
    expect(world.discord.audit.count('identify')).toBe(SHARDS);
    expect(world.discord.audit.count('resume')).toBeGreaterThan(0);
    expect(world.notices.filter(({ notice }) => notice.kind === 'session-lost')).toEqual([]);
    const sessions = delivered(world);
    expect(sessions.size).toBe(SHARDS);
    for (const sequences of sessions.values()) {
      const last = Math.max(...sequences);
      expect(new Set(sequences).size).toBe(last);
    }
    await world.stop();
  });

  it('in the identify governor breaks no window, and forgets no shard', async () => {
    const world = startSimulation({ seed: 8, shards: 3 });
    world.crash('identify');
    await world.pass(2_000);
    world.crash('identify');
    await world.pass(60_000);

    expect(world.log.at('error').length).toBeGreaterThan(0);
    expect(world.ready.size).toBe(3);
    expect(world.discord.audit.breaches).toEqual([]);
    expect(world.discord.audit.count('identify')).toBe(3);
    await world.stop();
  });

  it('GP-19: is what trouble in the network is not, however often it comes, and costs no session', async () => {
    const world = await startReady();
    const faults = ['drop', 'truncate', 'reconnect'] as const;
    for (let turn = 0; turn < 300; turn++) {
      world.discord.scenario.strike({ fault: faults[turn % 3] ?? 'drop' });
      await world.pass(200);
    }
    await world.pass(300_000);
    expect(world.failures).toEqual([]);
    expect(world.log.at('error')).toEqual([]);
    expect(world.ready.size).toBe(SHARDS);
    expect(world.discord.audit.count('connect')).toBeGreaterThan(10);
    world.crash('shard');
    world.discord.scenario.strike({ fault: 'drop' });
    await world.pass(60_000);
    expect(world.log.at('error')).not.toEqual([]);
    expect(world.failures).toEqual([]);
    expect(world.ready.size).toBe(SHARDS);
    expect(world.discord.audit.count('identify')).toBe(SHARDS);
    expect(world.discord.audit.breaches).toEqual([]);
    await world.stop();
  });

  it('ends the gateway when it comes again and again', async () => {
    const world = startSimulation({ seed: 9, shards: 1 });
    for (let second = 0; second < 60; second++) {
      world.crash('session-store');
      await world.pass(1_000);
    }
    expect(world.failures).toHaveLength(1);
    expect(world.failures[0]?.message).toContain('the gateway cannot go on');
    world.discord.stop();
  });
});

describe('stopping', () => {
  it('closes every connection so that its session lives (GP-57)', async () => {
    const world = await startReady();
    await world.stop();
    const { audit } = world.discord;
    const closes = audit.of('close').filter(({ by }) => by === 'client');
    expect(closes).toHaveLength(SHARDS);
    expect(closes.filter(({ code }) => code === 1000 || code === 1001)).toEqual([]);
    expect(audit.of('session-end').filter(({ why }) => why === 'closed-by-client')).toEqual([]);
    for (let shard = 0; shard < SHARDS; shard++) {
      expect(world.sessions.load(shard)?.sequence).toBeGreaterThan(0);
    }
  });
});

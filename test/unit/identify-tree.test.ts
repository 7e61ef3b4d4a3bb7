/** Session starts in whole gateways on virtual time, against the simulated Discord. */
import { describe, expect, it } from 'vitest';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import { StoreUnavailableError } from '../../protocols/errors.ts';
import {
  GATEWAY_BOT_FRESH_MS,
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_LEDGER_BACKOFF,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { startSimulation, wordOf } from '../support/gateway-simulation.ts';
import { FickleLedger } from '../support/governor-bench.ts';

type World = ReturnType<typeof startSimulation>;

/** When shards identified: for each its number and the time, in the order of arrival. */
function identifies({ discord }: World): readonly { shard: number; atMs: number }[] {
  return discord.audit.of('identify').map(({ shard, atMs }) => ({ shard: shard[0], atMs }));
}

function strikeAll({ discord }: World, shards: number, fault: 'drop' | 'expire'): void {
  for (let shard = 0; shard < shards; shard++) discord.scenario.strike({ fault, shard });
}

describe('session starts of a whole gateway', () => {
  it('GP-31: a mass resume failure becomes no burst: one IDENTIFY a key and window, in order', async () => {
    const shards = 96;
    const maxConcurrency = 16;
    const world = startSimulation({ seed: 31, shards, gateway: { maxConcurrency } });
    await world.pass(120_000);
    expect(world.ready.size).toBe(shards);
    const before = identifies(world).length;
    strikeAll(world, shards, 'expire');
    strikeAll(world, shards, 'drop');
    await world.pass(180_000);
    expect(world.ready.size).toBe(shards);
    expect(world.discord.audit.breaches).toEqual([]);
    // Each tried to resume once, and then each identified once: no attempt was refused.
    expect(world.discord.audit.count('resume')).toBe(shards);
    const again = identifies(world).slice(before);
    expect(new Set(again.map(({ shard }) => shard)).size).toBe(shards);
    expect(again).toHaveLength(shards);
    for (const { atMs } of again) {
      const near = again.filter(
        (each) => each.atMs >= atMs && each.atMs < atMs + IDENTIFY_WINDOW_MS,
      );
      expect(near.length).toBeLessThanOrEqual(maxConcurrency);
    }
    await world.stop();
  });

  it('GP-28: starts all of one bucket before any of the next', async () => {
    const world = startSimulation({ seed: 28, shards: 12, gateway: { maxConcurrency: 4 } });
    await world.pass(60_000);
    const buckets = identifies(world).map(({ shard }) => Math.floor(shard / 4));
    expect(buckets).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    await world.stop();
  });

  it('GP-32, GP-30: shards that can resume start with nothing left of the budget, and wait for no permit', async () => {
    const shards = 4;
    const gateway = { maxConcurrency: 4, identifiesPerDay: shards };
    const first = startSimulation({
      seed: 32,
      shards,
      gateway: { ...gateway, identifiesRemaining: shards },
    });
    await first.pass(20_000);
    expect(first.ready.size).toBe(shards);
    await first.end();
    const { clock, discord, sessions } = first;
    expect(wordOf(discord).remaining).toBe(0);
    const second = startSimulation({ seed: 33, shards, sessions, beside: { clock, discord } });
    await second.pass(10_000);
    expect(second.ready.size).toBe(shards);
    expect(second.startNotices).toEqual([]);
    expect(discord.audit.count('identify')).toBe(shards);
    expect(discord.audit.count('resume')).toBe(shards);
    expect(discord.audit.breaches).toEqual([]);
    await second.stop();
    discord.stop();
  });

  it('GP-33: at the floor it says so once and goes on resuming; after the reset it starts sessions again', async () => {
    const shards = 3;
    const floor = 4;
    const gateway = { maxConcurrency: 1, identifiesPerDay: 12, identifiesRemaining: 12 };
    const world = startSimulation({ seed: 34, shards, floor, gateway });
    await world.pass(60_000);
    // Sessions die again and again, until the budget is down to its floor.
    for (let round = 0; round < 6; round++) {
      world.discord.scenario.strike({ fault: 'expire', shard: 0 });
      world.discord.scenario.strike({ fault: 'drop', shard: 0 });
      await world.pass(300_000);
    }
    expect(wordOf(world.discord).remaining).toBe(floor);
    expect(world.startNotices.map(({ kind }) => kind)).toEqual(['floor']);
    expect(world.statuses.at(-1)).toMatchObject({ atFloor: true, waiting: 1 });
    expect([...world.ready].sort()).toEqual([1, 2]);
    const resumes = world.discord.audit.count('resume');
    world.discord.scenario.strike({ fault: 'drop', shard: 1 });
    await world.pass(60_000);
    expect(world.discord.audit.count('resume')).toBe(resumes + 1);
    expect([...world.ready].sort()).toEqual([1, 2]);

    await world.pass(IDENTIFY_BUDGET_PERIOD_MS);
    expect(world.ready.size).toBe(shards);
    expect(world.startNotices.map(({ kind }) => kind)).toEqual(['floor', 'above-floor']);
    expect(world.failures).toEqual([]);
    expect(world.discord.audit.breaches).toEqual([]);
    await world.stop();
  });

  it('GP-29, GP-33: gateways that share a ledger, started and restarted at any time, break no limit', async () => {
    const shards = 12;
    const gateway = { maxConcurrency: 2, identifiesPerDay: 40, identifiesRemaining: 40 };
    const owned = [0, 1, 2].map((first) => [0, 1, 2, 3].map((row) => 3 * row + first));
    const [ownedFirst = [], ...ownedRest] = owned;
    const base = startSimulation({ seed: 29, shards, owned: ownedFirst, gateway });
    const { clock, discord } = base;
    await base.end();
    const ledger = localLedger(clock);
    const start = (seed: number, own: readonly number[]): World =>
      startSimulation({
        seed,
        shards,
        owned: own,
        beside: { clock, discord },
        ledger: () => ledger,
      });
    const worlds = [start(1, ownedFirst), ...ownedRest.map((own, index) => start(2 + index, own))];
    const passAll = async (ms: number): Promise<void> =>
      clock.advanceSettled(ms, async () => {
        for (const { system } of worlds) await system.idle();
      });
    await passAll(7_000);
    // One dies in the midst of it, and another process takes its shards at once.
    await worlds[0]?.stop();
    worlds[0] = start(9, ownedFirst);
    await passAll(120_000);
    expect(worlds.flatMap(({ ready }) => [...ready])).toHaveLength(shards);
    expect(discord.audit.breaches).toEqual([]);
    expect(worlds.at(-1)?.statuses.at(-1)?.starts.remaining).toBeGreaterThanOrEqual(0);
    for (const world of worlds) await world.stop();
    discord.stop();
  });

  it('GP-35: without its ledger it starts sessions all the same, and breaks no limit', async () => {
    let ledger: FickleLedger | undefined;
    const world = startSimulation({
      seed: 35,
      shards: 6,
      gateway: { maxConcurrency: 2 },
      ledger: (clock) => {
        ledger = new FickleLedger(localLedger(clock));
        ledger.isAway = 'unanswered';
        return ledger;
      },
    });
    await world.pass(60_000);
    expect(world.ready.size).toBe(6);
    expect(world.startNotices).toEqual([{ kind: 'ledger-away' }]);
    if (ledger !== undefined) ledger.isAway = 'no';
    world.discord.scenario.strike({ fault: 'expire', shard: 0 });
    world.discord.scenario.strike({ fault: 'drop', shard: 0 });
    await world.pass(120_000);
    expect(world.ready.size).toBe(6);
    expect(world.startNotices.map(({ kind }) => kind)).toEqual(['ledger-away', 'ledger-back']);
    expect(world.discord.audit.breaches).toEqual([]);
    await world.stop();
  });

  it('knows that its ledger is away, and that it is back, though nobody wants to start a session', async () => {
    let ledger: FickleLedger | undefined;
    const isAway = (state: FickleLedger['isAway']): void => {
      if (ledger !== undefined) ledger.isAway = state;
    };
    const sessions = new SessionDesk([0, 1]);
    const first = startSimulation({ seed: 7, shards: 2, sessions });
    const { clock, discord } = first;
    await first.pass(60_000);
    await first.end();
    const world = startSimulation({
      seed: 8,
      shards: 2,
      sessions,
      beside: { clock, discord },
      ledger: (own) => {
        ledger = new FickleLedger(localLedger(own));
        isAway('unheard');
        return ledger;
      },
    });
    const isKnownAway = () => world.statuses.at(-1)?.ledgerIsAway;
    await world.pass(60_000);
    expect(world.ready.size).toBe(2);
    expect(isKnownAway()).toBe(true);
    const asked = ledger?.asked ?? 0;
    // Again and again, but with growing waits.
    await world.pass(600_000);
    const more = (ledger?.asked ?? 0) - asked;
    expect(more).toBeGreaterThanOrEqual(600_000 / IDENTIFY_LEDGER_BACKOFF.maxMs - 1);
    expect(more).toBeLessThanOrEqual((2 * 600_000) / IDENTIFY_LEDGER_BACKOFF.maxMs + 1);
    expect(isKnownAway()).toBe(true);
    isAway('no');
    await world.pass(IDENTIFY_LEDGER_BACKOFF.maxMs);
    expect(isKnownAway()).toBe(false);
    expect(world.startNotices.map(({ kind }) => kind)).toEqual(['ledger-away', 'ledger-back']);
    expect(discord.audit.count('identify')).toBe(2);
    await world.stop();
    discord.stop();
  });

  it('takes no permit from a ledger before that has heard what Discord said', async () => {
    const heard: string[] = [];
    const world = startSimulation({
      seed: 9,
      shards: 1,
      ledger: (clock) => {
        const ledger = localLedger(clock);
        return {
          ...ledger,
          learn: async (word) => {
            const isFirst = heard.push('word') === 1;
            if (isFirst) throw new StoreUnavailableError('the ledger of the test is away');
            await ledger.learn(word);
          },
          take: (request) => {
            heard.push('permit');
            return ledger.take(request);
          },
        };
      },
    });
    await world.pass(60_000);
    expect(world.ready.size).toBe(1);
    expect(heard).toEqual(['word', 'word', 'permit']);
    await world.stop();
  });

  it('GP-36, GP-37: takes a changed max_concurrency at its next start, though Discord fails to say it at first', async () => {
    let asked = 0;
    const world: World = startSimulation({
      seed: 36,
      shards: 8,
      gateway: { maxConcurrency: 8 },
      askDiscord: async () => {
        asked++;
        if (asked === 1) throw new Error('status 500');
        return wordOf(world.discord);
      },
    });
    await world.pass(GATEWAY_BOT_FRESH_MS);
    expect(world.ready.size).toBe(8);
    world.discord.scenario.strike({ fault: 'expire', shard: 7 });
    world.discord.scenario.strike({ fault: 'drop', shard: 7 });
    await world.pass(60_000);
    expect(asked).toBe(1);
    expect(world.ready.size).toBe(8);
    world.discord.gateway.limits.setMaxConcurrency(1);
    strikeAll(world, 8, 'expire');
    strikeAll(world, 8, 'drop');
    await world.pass(120_000);
    expect(asked).toBe(2);
    expect(world.startNotices).toEqual([{ kind: 'concurrency', from: 8, to: 1 }]);
    expect(world.ready.size).toBe(8);
    expect(world.discord.audit.breaches).toEqual([]);
    await world.stop();
  });
});

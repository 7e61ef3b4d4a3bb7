/**
 * Two gateway processes with the same shards, on virtual time: one store of sessions, one ledger,
 * one simulated Discord. The one that was started later keeps them; the other one ends them, and no
 * event is lost.
 */
import { describe, expect, it } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import type { SessionsNotice } from '../../actors/sessions/actor.ts';
import { SESSION_STORE_INTERVAL_MS } from '../../protocols/limits.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { type LocalShelves, localArchive } from '../../src/gateway/stores/local-archive.ts';
import { createRandom } from '../../src/random.ts';
import { SimulatedDiscord } from '../../src/simulator/discord.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { startSessionsTree } from '../../supervisors/sessions.ts';
import { startSimulation } from '../support/gateway-simulation.ts';
import { PlayedDelivery } from '../support/played-delivery.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { PLACE } from '../support/session-records.ts';

const SHARDS = 3;
const ALL = [0, 1, 2];
const READY_MS = 60_000;
/** Far more than it takes until the older process has heard of the newer one. */
const TAKEOVER_MS = 60_000;

function createStage() {
  const clock = new VirtualClock();
  const discord = new SimulatedDiscord({
    clock,
    seed: 4,
    guildCount: 6,
    gateway: { maxConcurrency: SHARDS },
  });
  discord.setRate(5);
  const shelves: LocalShelves = new Map();
  const ledger = localLedger(clock);
  const systems: { idle(): Promise<void> }[] = [];
  const pass = (ms: number) =>
    clock.advanceSettled(ms, async () => {
      for (const system of systems) await system.idle();
    });

  async function start(owner: string, owned: readonly number[]) {
    const log = new RecordingLog();
    const random = createRandom(systems.length);
    const system = createActorSystem({ name: owner, clock, random, log });
    systems.push(system);
    const notices: SessionsNotice[] = [];
    const archive = localArchive({ shelves, place: PLACE, owner, clock });
    const { signal } = new AbortController();
    const sessions = await startSessionsTree({
      system,
      clock,
      archive,
      shards: owned,
      signal,
      onNotice: (notice) => notices.push(notice),
      onFailure: (error) => notices.push({ kind: 'away', error }),
    });
    const passedOn: unknown[] = [];
    const gateway = startSimulation({
      seed: systems.length,
      shards: SHARDS,
      owned,
      sessions: sessions.store,
      ledger: () => ledger,
      beside: { clock, discord },
      process: { clock, system },
      others: {
        publish: async (event) => void passedOn.push(event),
        call: () => Promise.reject(new Error('not asked')),
      },
    });
    const fenced = () =>
      gateway.notices.flatMap(({ shard, notice }) => (notice.kind === 'fenced' ? [shard] : []));
    return { ...gateway, system, notices, passedOn, fenced };
  }
  return { clock, discord, pass, start };
}

type Stage = ReturnType<typeof createStage>;
type Process = Awaited<ReturnType<Stage['start']>>;

/** Every event of every session has come to the broker, whichever process brought it. */
function missing({ discord }: Stage, ...processes: readonly Process[]): readonly string[] {
  const delivered = new Set(
    processes.flatMap(({ writer }) => [...writer.delivered.values()].flat()),
  );
  return discord.gateway.sessions().flatMap((session) => {
    const sent = session.missed(0) ?? [];
    return sent
      .map(({ sequence }) => `${session.id}:${sequence}`)
      .filter((id) => !delivered.has(id));
  });
}

describe('two gateways with the same shards', () => {
  it('leave them to the one that was started later, session and all, and lose no event', async () => {
    const stage = createStage();
    const { discord, pass } = stage;
    const older = await stage.start('older', ALL);
    await pass(READY_MS);
    expect(older.ready.size).toBe(SHARDS);
    const newer = await stage.start('newer', ALL);
    await pass(TAKEOVER_MS);
    expect(older.fenced().toSorted()).toEqual(ALL);
    expect(newer.fenced()).toEqual([]);
    expect(newer.ready.size).toBe(SHARDS);
    expect(older.ready.size).toBe(0);
    const told = older.notices.filter(({ kind }) => kind === 'fenced');
    expect(told.flatMap((notice) => (notice.kind === 'fenced' ? notice.refusals : []))).toEqual(
      expect.arrayContaining(ALL.map((shard) => ({ shard, owner: 'newer' }))),
    );

    // From now on there is peace: no connection is opened, and the newer one has every event.
    const connects = discord.audit.count('connect');
    await pass(20 * TAKEOVER_MS);
    expect(discord.audit.count('connect')).toBe(connects);
    discord.setRate(0);
    await pass(SESSION_STORE_INTERVAL_MS);
    expect(missing(stage, older, newer)).toEqual([]);
    expect(discord.audit.count('identify')).toBe(SHARDS);
    expect(discord.audit.of('session-end')).toEqual([]);
    expect(discord.audit.breaches).toEqual([]);
    expect([...older.failures, ...newer.failures]).toEqual([]);
    expect(older.log.at('error')).toEqual([]);
    await older.end();
    await newer.end();
    discord.stop();
  });

  it('go on with the shards that only one of them has, and hand each its commands', async () => {
    const stage = createStage();
    const { discord, pass } = stage;
    const older = await stage.start('older', ALL);
    await pass(READY_MS);
    const newer = await stage.start('newer', [1]);
    await pass(TAKEOVER_MS);
    expect(older.fenced()).toEqual([1]);
    expect([...older.ready].toSorted()).toEqual([0, 2]);
    expect([...newer.ready]).toEqual([1]);

    const presence = { since: null, activities: [], status: 'idle', afk: false };
    const packet = { op: 3, d: presence };
    const send = (event: string, value: unknown): PlayedDelivery => {
      const delivery = new PlayedDelivery(event, value, false);
      older.tree.command(delivery);
      return delivery;
    };
    const guildOfOne = String(1n << 22n);
    const own = send('0', packet);
    const late = send('1', packet);
    const byGuild = send('SEND', { guild_id: guildOfOne, packet });
    await pass(1_000);
    expect(own.settlements).toEqual(['ack']);
    // One goes back to where its new owner takes it; the other is published to that owner.
    expect(late.settlements).toEqual(['retry']);
    expect(byGuild.settlements).toEqual(['ack']);
    expect(older.passedOn).toEqual(['1']);
    discord.setRate(0);
    await pass(SESSION_STORE_INTERVAL_MS);
    expect(missing(stage, older, newer)).toEqual([]);
    expect(discord.audit.breaches).toEqual([]);
    await older.end();
    await newer.end();
    discord.stop();
  });

  it('hand back the commands that wait when a shard is taken', async () => {
    const stage = createStage();
    const { discord, pass } = stage;
    const older = await stage.start('older', [1]);
    await pass(READY_MS);
    const newer = await stage.start('newer', [1]);
    // Nothing can be sent while neither of them gets through.
    discord.scenario.strike({ fault: 'kill-resume-host', mode: 'refuse' });
    discord.scenario.strike({ fault: 'kill-main-host', mode: 'refuse' });
    discord.scenario.strike({ fault: 'drop' });
    const packet = { op: 3, d: { since: null, activities: [], status: 'idle', afk: false } };
    const delivery = new PlayedDelivery('1', packet);
    await pass(100);
    expect(older.ready.size).toBe(0);
    older.tree.command(delivery);
    await pass(2 * SESSION_STORE_INTERVAL_MS);
    expect(older.fenced()).toEqual([1]);
    expect(delivery).toMatchObject({ settlements: ['retry'], answers: [] });
    await older.end();
    await newer.end();
    discord.stop();
  });
});

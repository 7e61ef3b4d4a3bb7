/**
 * A gateway that is stopped and started again, as a process of its own, with a real Redis as its
 * broker and a session store of each kind. Discord goes on sending while it is down.
 *
 * Every session is resumed, none is started anew, and at the far end, in Redis' streams, is every
 * event.
 */
import { describe, expect, it } from 'vitest';
import { SIMULATED_TOKEN } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import {
  EVENTS_AT_LEAST,
  haveArrived,
  letEventsHappen,
  sentIds,
  setStage,
  startGateway,
  storedSessions,
} from '../support/gateway-stage.ts';

const SHARDS = 16;
/** Long enough that a restart is worth it, and reached after a few attempts. */
const BACKOFF_MS = 2_000;

describe('a gateway that is started again', () => {
  it.each(['redis', 'file'] as const)(
    'resumes every session and loses no event, with the %s store (GP-69)',
    async (store) => {
      const stage = await setStage(store, SHARDS);
      const { discord } = stage.simulator;
      const { audit } = discord;
      const first = startGateway(stage);
      await first.log('shard is ready', SHARDS);
      await letEventsHappen(stage);
      const seen = new Map(discord.gateway.sessions().map(({ id, sequence }) => [id, sequence]));
      const seenIds = sentIds(stage);
      await until('they have arrived', () => haveArrived(stage, seenIds));
      expect(await first.end('SIGTERM')).toEqual({ status: 0, signal: null });
      await letEventsHappen(stage);

      const second = startGateway(stage);
      await second.log('shard has resumed its session', SHARDS);
      // Each goes on where the first process has left off, and nothing before that is sent again.
      const resumes = audit.of('resume');
      expect(resumes).toHaveLength(SHARDS);
      for (const { session, sequence } of resumes) {
        expect(sequence).toBeGreaterThanOrEqual(seen.get(session) ?? Number.POSITIVE_INFINITY);
      }
      await letEventsHappen(stage);
      await until('all are stored', async () => (await storedSessions(stage)) === SHARDS);
      await second.end('SIGKILL');
      await letEventsHappen(stage);

      const third = startGateway(stage);
      await third.log('shard has resumed its session', SHARDS);
      discord.setRate(0);
      await until('all has arrived', () => haveArrived(stage));
      expect(sentIds(stage).size).toBeGreaterThan(4 * EVENTS_AT_LEAST);
      expect(audit.count('resume')).toBe(2 * SHARDS);
      expect(audit.count('identify')).toBe(SHARDS);
      expect(audit.of('session-end')).toEqual([]);
      expect(audit.breaches).toEqual([]);
      expect(await third.end('SIGTERM')).toEqual({ status: 0, signal: null });
      for (const { logs, stderr } of [first, second, third]) {
        // Discord limits how often it is asked for the gateway, and a start waits for its turn.
        const trouble = logs.filter(({ level, msg }) => level !== 'info' && !msg.includes('/bot'));
        expect(trouble).toEqual([]);
        expect(stderr).not.toContain(SIMULATED_TOKEN);
      }
    },
    120_000,
  );

  it('GP-07: continues a session at once that waited out a back-off', async () => {
    const stage = await setStage('redis', 1);
    const { discord } = stage.simulator;
    const first = startGateway(stage);
    await first.log('shard is ready');
    await until('it is stored', async () => (await storedSessions(stage)) === 1);
    for (const fault of ['kill-main-host', 'kill-resume-host'] as const) {
      discord.scenario.strike({ fault, mode: 'refuse' });
    }
    discord.scenario.strike({ fault: 'drop' });
    const waits = () =>
      first.logsOf('shard lost its connection').map(({ retryInMs }) => Number(retryInMs));
    await first.until('to wait for long', () => (waits().at(-1) ?? 0) > BACKOFF_MS);
    expect(await first.end('SIGTERM')).toEqual({ status: 0, signal: null });
    discord.scenario.strike({ fault: 'revive-main-host' });
    discord.scenario.strike({ fault: 'revive-resume-host' });
    const second = startGateway(stage);
    await second.log('shard has resumed its session');
    // Its first attempt, with nothing to wait for before it.
    expect(second.logsOf('shard lost its connection')).toEqual([]);
    expect(discord.audit.count('resume')).toBe(1);
    discord.setRate(0);
    await until('all has arrived', () => haveArrived(stage));
    expect(discord.audit.count('identify')).toBe(1);
    expect(discord.audit.breaches).toEqual([]);
    expect(await second.end('SIGTERM')).toEqual({ status: 0, signal: null });
  }, 120_000);
});

describe('a gateway that is started beside another one with the same shards', () => {
  it.each(['redis', 'file'] as const)(
    'has them from then on, and the other one ends and says what to do, with the %s store',
    async (store) => {
      const stage = await setStage(store, SHARDS);
      const { audit } = stage.simulator.discord;
      const first = startGateway(stage);
      await first.log('shard is ready', SHARDS);
      await letEventsHappen(stage);
      const second = startGateway(stage);
      expect(await first.ended).toEqual({ status: 1, signal: null });
      const taken = first.logsOf('was started later').flatMap(({ shards }) => shards as number[]);
      expect(taken.toSorted((left, right) => left - right)).toEqual(
        Array.from({ length: SHARDS }, (_, shard) => shard),
      );
      expect(first.stderrLines.at(-1)).toMatch(/was started later .* stop one of the two/);

      // The one that is left has every shard and every event.
      const { gateway } = stage.simulator.discord;
      await until('every session has a connection', () =>
        gateway.sessions().every(({ connection }) => connection !== undefined),
      );
      await letEventsHappen(stage);
      stage.simulator.discord.setRate(0);
      await until('all has arrived', () => haveArrived(stage));
      expect(second.logsOf('was started later')).toEqual([]);
      expect(audit.count('identify')).toBe(SHARDS);
      expect(audit.of('session-end')).toEqual([]);
      expect(audit.breaches).toEqual([]);
      expect(await second.end('SIGTERM')).toEqual({ status: 0, signal: null });
    },
    120_000,
  );
});

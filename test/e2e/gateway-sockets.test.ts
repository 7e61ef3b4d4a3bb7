/**
 * A gateway of four shards on real sockets whose connections are cut, garbled and sent away for
 * eight seconds, in front of a broker that confirms late and out of order, loses events and is full
 * at times.
 *
 * In the end the broker holds each event of each session, whole; each was first written in order;
 * and no RESUME ever claimed an event that the broker had not confirmed. The simulator has seen no
 * breach.
 */
import { Registry } from 'prom-client';
import { describe, it } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { createRandom } from '../../src/random.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import {
  SIMULATED_TOKEN,
  type Simulator,
  startSimulator,
  type TimedFault,
} from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { simulatedApi } from '../support/simulated-api.ts';
import { SlowBroker } from '../support/slow-broker.ts';
import { drawTrouble, SURVIVABLE_FAULTS } from '../support/survivable-faults.ts';

const SHARDS = 4;
const TROUBLE_MS = 8_000;
const FAULTS = 14;

function drawScenario(seed: number): readonly TimedFault[] {
  return drawTrouble({
    seed,
    count: FAULTS,
    troubleMs: TROUBLE_MS,
    faults: [...SURVIVABLE_FAULTS, { fault: 'drop' }, { fault: 'huge-guild', bytes: 600_000 }],
    // In turn: a shard that is struck again and again waits longer each time, and the test with it.
    shardOf: (index) => index % SHARDS,
  });
}

type Sent = { readonly sequence: number; readonly event: string; readonly json: string };

/** What each session has sent, by its id. */
function sentBySession({ discord }: Simulator): ReadonlyMap<string, readonly Sent[]> {
  return new Map(
    discord.gateway.sessions().map((session) => {
      const sent = session.missed(0);
      if (sent === undefined) throw new Error('the session has forgotten what it sent');
      return [session.id, sent];
    }),
  );
}

/** A list by session of what belongs to each. */
function bySession<Item extends { readonly session: string }>(
  items: readonly Item[],
): ReadonlyMap<string, readonly Item[]> {
  const lists = new Map<string, Item[]>();
  for (const item of items) {
    const list = lists.get(item.session);
    if (list === undefined) lists.set(item.session, [item]);
    else list.push(item);
  }
  return lists;
}

describe('a gateway on real sockets in trouble', () => {
  it.concurrent.for([
    ['zstd-stream', 21],
    ['zlib-stream', 22],
    ['none', 23],
  ] as const)(
    'accounts for every event of its sessions, with compression %s and seed %i',
    async ([compression, seed], { expect, onTestFinished }) => {
      const simulator = await startSimulator({
        seed,
        guildCount: 8,
        rate: 300,
        gateway: {
          maxConcurrency: SHARDS,
          recommendedShards: SHARDS,
          // Both sides and two more pairs of them share one event loop, which is busy at times: an
          // acknowledgement that is late before READY would cost an IDENTIFY.
          heartbeatIntervalMs: 2_000,
          heartbeatToleranceMs: 3_000,
        },
      });
      onTestFinished(() => simulator.close());
      const { audit, scenario } = simulator.discord;
      const { config } = await loadText(loadGatewayConfig, undefined, {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: '*',
        DISCORD_RAW_INTENTS: '53608447',
        DISCORD_COMPRESSION: compression,
        ...simulatedApi(simulator.port),
      });
      const clock = systemClock;
      const random = createRandom(seed);
      const log = new RecordingLog();
      const system = createActorSystem({ name: compression, clock, random, log });
      onTestFinished(() => system.stop());
      const broker = new SlowBroker(createRandom(seed + 1));
      const { signal } = new AbortController();
      const host = {
        system,
        broker,
        clock,
        random,
        log,
        signal,
        summaryMs: 60_000,
        registry: new Registry(),
      };
      const gateway = await startGatewayOn(config, host);
      onTestFinished(() => gateway.stop());
      const said = (message: string) => log.lines.filter((line) => line.message === message).length;
      await until('all shards are ready', () => said('shard is ready') === SHARDS);

      scenario.run(drawScenario(seed));
      broker.losesNext = true;
      await until('the trouble is over', () => audit.count('fault') === FAULTS);
      // One more, now that no fault of Discord's makes it send again what it has sent.
      broker.losesNext = true;
      await until('an event is lost', () => !broker.losesNext);
      simulator.discord.setRate(0);
      await until('the broker has everything', () => {
        const confirmed = bySession(broker.confirmed);
        return [...sentBySession(simulator)].every(([session, sent]) => {
          const ids = new Set(confirmed.get(session)?.map(({ sequence }) => sequence));
          return ids.size === sent.length;
        });
      });

      const sent = sentBySession(simulator);
      const taken = bySession(broker.taken);
      const confirmed = bySession(broker.confirmed);
      expect(sent.size).toBe(SHARDS);
      expect(new Set(taken.keys())).toEqual(new Set(sent.keys()));
      for (const [session, events] of sent) {
        const seen = new Set<number>();
        const first = (taken.get(session) ?? []).filter(({ sequence }) => {
          const isFirst = !seen.has(sequence);
          seen.add(sequence);
          return isFirst;
        });
        expect(first.map(({ sequence, event, json }) => ({ sequence, event, json }))).toEqual(
          events,
        );
        for (const { sequence, event, json } of confirmed.get(session) ?? []) {
          expect(events[sequence - 1]).toEqual({ sequence, event, json });
        }
      }

      // A RESUME says up to where all is done: the broker had confirmed that much by then.
      const resumes = audit.of('resume');
      expect(resumes.length).toBeGreaterThan(0);
      for (const { session, sequence, atMs } of resumes) {
        const done = (confirmed.get(session) ?? []).filter((event) => event.atMs <= atMs);
        const ids = new Set(done.map((event) => event.sequence));
        const undone = Array.from({ length: sequence }, (_, index) => index + 1).filter(
          (id) => !ids.has(id),
        );
        expect(undone).toEqual([]);
      }

      await gateway.stop();
      expect(audit.breaches).toEqual([]);
      expect(audit.of('session-end')).toEqual([]);
      expect(audit.count('identify')).toBe(SHARDS);
      expect(new Set(audit.of('connect').map(({ compress }) => compress))).toEqual(
        new Set([compression === 'none' ? null : compression]),
      );
      expect(log.at('error')).toEqual([]);
    },
  );
});

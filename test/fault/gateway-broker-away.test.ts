/**
 * The gateway while its broker is away: what it keeps is bounded, Discord has nothing to complain
 * of, no session is lost, and when the broker is back every event is delivered. First a minute of
 * virtual time, then real servers that are killed under real traffic.
 */
import { describe, expect, it } from 'vitest';
import { HELD_MAX_BYTES } from '../../protocols/limits.ts';
import { runDelivery } from '../support/delivery-run.ts';
import { WatchedSockets } from '../support/delivery-watch.ts';
import { startSimulation } from '../support/gateway-simulation.ts';
import type { ServerKind } from '../support/servers.ts';

const SHARDS = 2;
const AWAY_MS = 60_000;

type Simulation = ReturnType<typeof startSimulation>;

type Absence = {
  readonly what: string;
  /**
   * How many connections at the least wait for room; one whose events are lost is closed at once.
   */
  readonly held: number;
  begin(world: Simulation): Promise<void>;
  end(world: Simulation): void;
};

const takesNothing = (world: Simulation): void => {
  world.writer.refusal = 1;
};
const takesAll = (world: Simulation): void => {
  world.writer.refusal = 0;
  world.writer.loss = 0;
};

const absences: readonly Absence[] = [
  {
    what: 'is lost, and what it had not confirmed with it',
    held: 0,
    async begin(world) {
      world.writer.loss = 1;
      await world.pass(200);
      takesNothing(world);
      world.setBroker('away');
    },
    end(world) {
      takesAll(world);
      world.setBroker('open');
    },
  },
  {
    what: 'says that it takes nothing, as RabbitMQ does when it is short of memory',
    held: SHARDS,
    async begin(world) {
      takesNothing(world);
      world.setBroker('away');
    },
    end(world) {
      takesAll(world);
      world.setBroker('open');
    },
  },
  {
    what: 'is there and has no room',
    held: SHARDS,
    begin: async (world) => takesNothing(world),
    end: takesAll,
  },
];

/** What the sessions have numbered and the broker has not confirmed. */
function missing({ discord, writer }: Simulation): readonly string[] {
  return discord.gateway.sessions().flatMap(({ id, shard, sequence }) => {
    const delivered = new Set(writer.delivered.get(shard[0]));
    return Array.from({ length: sequence }, (_, index) => `${id}:${index + 1}`).filter(
      (name) => !delivered.has(name),
    );
  });
}

describe('a minute without a broker, on virtual time', () => {
  it.each(absences)('GP-13 GP-77 passes when it $what', async ({ held, begin, end }) => {
    let sockets: WatchedSockets | undefined;
    const world = startSimulation({
      seed: 77,
      shards: SHARDS,
      gateway: { heartbeatIntervalMs: 4_000, heartbeatToleranceMs: 1_000 },
      watchSockets: (network) => {
        sockets = new WatchedSockets(network);
        return sockets;
      },
    });
    const { discord } = world;
    discord.setRate(250);
    await world.pass(20_000);
    expect(world.ready.size).toBe(SHARDS);
    const before = discord.gateway.sessions().map(({ sequence }) => sequence);

    await begin(world);
    await world.pass(AWAY_MS);
    end(world);
    await world.pass(30_000);
    discord.setRate(0);
    await world.pass(60_000);

    const after = discord.gateway.sessions().map(({ sequence }) => sequence);
    for (const shard of after.keys()) {
      expect(after[shard]).toBeGreaterThan((before[shard] ?? 0) + 500);
    }
    expect(missing(world)).toEqual([]);
    expect(discord.audit.breaches).toEqual([]);
    expect(discord.audit.count('identify')).toBe(SHARDS);
    expect(discord.audit.of('session-end')).toEqual([]);
    expect(world.ready.size).toBe(SHARDS);
    expect(sockets?.pauses).toBeGreaterThanOrEqual(held);
    expect(sockets?.maxHeldBytes).toBeLessThan(HELD_MAX_BYTES);
    await world.stop();
  });
});

type Outage = { readonly kind: ServerKind; readonly downMs: number };

/** RabbitMQ takes some seconds to start again by itself. */
const outages: readonly Outage[] = [
  { kind: 'redis', downMs: 5_000 },
  { kind: 'rabbitmq', downMs: 0 },
];

describe('some seconds without a broker, on real sockets', () => {
  it.concurrent.each(outages)(
    'GP-76 GP-77 GP-78 delivers everything when $kind was killed and has come back',
    async ({ kind, downMs }) => {
      const result = await runDelivery({
        kind,
        seed: 78,
        shards: SHARDS,
        events: 2_500,
        rate: 400,
        interruptions: [{ atEvents: 500, delayMs: 0, frozenMs: 250, downMs }],
      });
      expect(result.problems).toEqual([]);
      expect(result.identifies).toBe(SHARDS);
      expect(result.resumes).toBeGreaterThan(0);
    },
    120_000,
  );
});

/**
 * A gateway that is stopped is stopped, whatever it was doing: the whole tree on virtual time,
 * stopped at a random moment of its start, of its life, of an outage.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomScenario } from '../../src/simulator/scenario.ts';
import { startSimulation } from '../support/gateway-simulation.ts';

/** Longer than any back-off and any heartbeat interval. */
const AFTERWARDS_MS = 300_000;
/** Longer than anything is on its way through the network, shorter than any interval. */
const NETWORK_MS = 1_000;

type World = ReturnType<typeof startSimulation>;

/** Everything a gateway can do to Discord. */
function deeds({ discord }: World): readonly number[] {
  const kinds = ['connect', 'handshake-refused', 'frame', 'identify', 'resume'] as const;
  return kinds.map((kind) => discord.audit.count(kind));
}

async function expectStill(world: World): Promise<void> {
  const before = deeds(world);
  await world.pass(AFTERWARDS_MS);
  expect(deeds(world)).toEqual(before);
  expect(world.failures).toEqual([]);
}

/** Leaves the network a moment to deliver what is on its way; any other timer is the gateway's. */
function expectNoTimer({ discord, clock, failures }: World): void {
  discord.stop();
  clock.advance(NETWORK_MS);
  expect(clock.pendingTimers).toBe(0);
  expect(failures).toEqual([]);
}

describe('a gateway that is stopped', () => {
  it('has saved all that the broker has got, so that a later start repeats nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(100_000), fc.nat(5_000), async (seed, moreMs) => {
        const world = startSimulation({ seed, shards: 2 });
        world.discord.setRate(200);
        await world.pass(20_000 + moreMs);
        await world.end();
        world.discord.stop();
        const delivered = [...world.writer.delivered].map(([shard, ids]) => [shard, ids.at(-1)]);
        expect(delivered).toHaveLength(2);
        for (const [shard, id] of delivered) {
          const { sessionId, sequence } = world.sessions.load(Number(shard)) ?? {};
          expect(`${sessionId}:${sequence}`).toBe(id);
        }
      }),
      { numRuns: 10 },
    );
  });

  it('GP-14: leaves no timer, whenever that is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(100_000),
        fc.integer({ min: 1, max: 4 }),
        fc.oneof(fc.nat(5_000), fc.nat(90_000)),
        fc.nat(12),
        async (seed, shards, stopAtMs, faults) => {
          const world = startSimulation({ seed, shards });
          world.discord.scenario.run(randomScenario(seed, 60_000, faults, shards));
          await world.pass(stopAtMs);
          await world.end();
          expectNoTimer(world);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each(['refuse', 'hang', 'silent', 'unavailable', 'drop'] as const)(
    'GP-21: attempts no further connection to a host that answers with %s',
    async (mode) => {
      await fc.assert(
        fc.asyncProperty(fc.nat(100_000), fc.nat(200_000), async (seed, stopAtMs) => {
          const world = startSimulation({ seed, shards: 2 });
          world.discord.scenario.strike({ fault: 'kill-main-host', mode });
          world.discord.scenario.strike({ fault: 'kill-resume-host', mode });
          await world.pass(stopAtMs);
          await world.end();
          await expectStill(world);
          expect(world.discord.audit.count('identify')).toBe(0);
        }),
        { numRuns: 12 },
      );
    },
  );
});

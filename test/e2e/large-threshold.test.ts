/** What `large_threshold` is for: guilds that are not small come with all of their members. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { LARGE_THRESHOLD_MAX, LARGE_THRESHOLD_MIN } from '../../protocols/limits.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { startSpectacles } from '../support/process.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const GUILDS = 60;

type Guild = {
  readonly large: boolean;
  readonly member_count: number;
  readonly members: readonly unknown[];
};

/** The guilds between the two thresholds, as they came over standard output. */
async function guildsWith(
  environment: Readonly<Record<string, string>>,
): Promise<readonly Guild[]> {
  const simulator = await startSimulator({ seed: 12, guildCount: GUILDS });
  onTestFinished(() => simulator.close());
  const gateway = startSpectacles(['gateway'], {
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: 'GUILD_CREATE',
      DISCORD_RAW_INTENTS: '53608447',
      ...simulatedApi(simulator.port),
      ...environment,
    },
  });
  await gateway.until('all guilds have come', () => gateway.stdoutLines.length === GUILDS);
  expect(await gateway.end('SIGTERM')).toEqual({ status: 0, signal: null });
  return gateway.stdoutLines
    .map((line): Guild => JSON.parse(line).data)
    .filter(({ member_count: count }) => {
      return count > LARGE_THRESHOLD_MIN && count <= LARGE_THRESHOLD_MAX;
    });
}

describe('large_threshold', () => {
  it('brings the members who are offline of guilds up to that size', async () => {
    const [few, all] = [
      await guildsWith({}),
      await guildsWith({ DISCORD_LARGE_THRESHOLD: String(LARGE_THRESHOLD_MAX) }),
    ];
    expect(all.length).toBeGreaterThan(0);
    expect(few).toHaveLength(all.length);
    expect(few.every(({ large }) => large)).toBe(true);
    for (const { large, members, member_count } of all) {
      expect([large, members.length]).toEqual([false, member_count]);
    }
  });
});

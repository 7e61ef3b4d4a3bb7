/** A gateway process with sessions in a file that a test looks into, for tests of its start and its end. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { type Program, startSpectacles } from './process.ts';

export const SHARDS = 2;
const FILE = 'sessions.json';

export type StopStage = { readonly simulator: Simulator; readonly folder: string };

export async function setStopStage(): Promise<StopStage> {
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-stop-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const simulator = await startSimulator({
    seed: 17,
    guildCount: 2 * SHARDS,
    rate: 200,
    gateway: { maxConcurrency: SHARDS, recommendedShards: SHARDS },
  });
  onTestFinished(() => simulator.close());
  return { simulator, folder };
}

export function startGateway(
  { simulator, folder }: StopStage,
  environment: Readonly<Record<string, string>>,
): Program {
  return startSpectacles(['gateway'], {
    folder,
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: '53608447',
      DISCORD_API_SCHEME: 'http',
      DISCORD_API_HOST: `127.0.0.1:${simulator.port}`,
      SHARD_STORE_TYPE: 'file',
      SHARD_STORE_PATH: FILE,
      ...environment,
    },
  });
}

/** When each session was saved last. */
async function savedAt({ folder }: StopStage): Promise<readonly number[]> {
  const text = await readFile(join(folder, FILE), 'utf8');
  return [...text.matchAll(/"savedAtEpochMs": ?(\d+)/g)].map(([, digits]) => Number(digits));
}

/** Every connection was closed so that its session lives, and every session saved after that moment. */
export async function expectKept(stage: StopStage, sinceEpochMs: number): Promise<void> {
  const { audit } = stage.simulator.discord;
  const codes = audit
    .of('close')
    .map(({ by, code }) => ({ by, ends: code === 1000 || code === 1001 }));
  expect(codes).toEqual(Array.from({ length: SHARDS }, () => ({ by: 'client', ends: false })));
  expect(audit.of('session-end')).toEqual([]);
  const saved = await savedAt(stage);
  expect(saved).toHaveLength(SHARDS);
  for (const epochMs of saved) expect(epochMs).toBeGreaterThanOrEqual(sinceEpochMs);
  expect(audit.breaches).toEqual([]);
}

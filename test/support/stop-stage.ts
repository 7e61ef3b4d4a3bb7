/**
 * A gateway process with sessions in a file that a test looks into, for tests of its start and its
 * end.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Simulator } from '../../src/simulator/index.ts';
import { SESSIONS_FILE, startDiscord, startGatewayProgram } from './gateway-stage.ts';
import type { Program } from './process.ts';

export const SHARDS = 2;

export type StopStage = { readonly simulator: Simulator; readonly folder: string };

export async function setStopStage(): Promise<StopStage> {
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-stop-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return { simulator: await startDiscord(17, SHARDS), folder };
}

export function startGateway(
  { simulator, folder }: StopStage,
  environment: Readonly<Record<string, string>>,
): Program {
  return startGatewayProgram(simulator, folder, { SHARD_STORE_TYPE: 'file', ...environment });
}

/** When each session was saved last. */
async function savedAt({ folder }: StopStage): Promise<readonly number[]> {
  const text = await readFile(join(folder, SESSIONS_FILE), 'utf8');
  return [...text.matchAll(/"savedAtEpochMs": ?(\d+)/g)].map(([, digits]) => Number(digits));
}

/**
 * Every connection was closed so that its session lives, and every session saved after that moment.
 */
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

/** `spectacles check gateway` tries the session store too, and leaves it as it was. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { startSpectacles } from '../support/process.ts';
import { freePort, startServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

async function check(folder: string, environment: Readonly<Record<string, string>>) {
  const simulator = await startSimulator({ seed: 3, guildCount: 1 });
  onTestFinished(() => simulator.close());
  const program = startSpectacles(['check', 'gateway'], {
    folder,
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_INTENTS: 'GUILDS',
      ...simulatedApi(simulator.port),
      ...environment,
    },
  });
  const { status } = await program.ended;
  return { status, lines: program.stdoutLines };
}

async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-check-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

describe('spectacles check and the session store', () => {
  it('finds a file that can be written, and does not write it', async () => {
    const folder = await openFolder();
    const { status, lines } = await check(folder, { SHARD_STORE_TYPE: 'file' });
    expect(lines).toContain(
      '  ok      the session file spectacles-sessions.json: holds 0 shards, and can be written',
    );
    expect(status).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('finds a file that is none of ours', async () => {
    const folder = await openFolder();
    await writeFile(join(folder, 'bot.json'), '{}');
    const environment = { SHARD_STORE_TYPE: 'file', SHARD_STORE_PATH: 'bot.json' };
    const { status, lines } = await check(folder, environment);
    expect(lines.at(-1)).toMatch(/^ {2}failed {2}the session file bot\.json: .*name another file/);
    expect(status).toBe(1);
  });

  it('finds a Redis, changes nothing in it, and misses one that is not there', async () => {
    const server = await startServer('redis');
    onTestFinished(() => server.stop());
    const folder = await openFolder();
    const environment = { SHARD_STORE_TYPE: 'redis', REDIS_URL: server.url };
    const found = await check(folder, environment);
    expect(found.lines).toContain('  ok      the session store in Redis: connected');
    expect(found.status).toBe(0);
    const client = new Redis(server.url);
    expect(await client.dbsize()).toBe(0);
    client.disconnect();
    const nowhere = `127.0.0.1:${await freePort()}`;
    const missed = await check(folder, { ...environment, REDIS_URL: nowhere });
    expect(missed.lines.at(-1)).toMatch(
      /^ {2}failed {2}the session store in Redis: .*ECONNREFUSED/,
    );
    expect(missed.status).toBe(1);
  });
});

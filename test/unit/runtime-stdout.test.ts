import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const fixture = fileURLToPath(new URL('./fixtures/crashing-actors.mjs', import.meta.url));

describe('stdout', () => {
  it('S1: stays empty whatever actors do, since it belongs to the stdio broker', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fixture], {
      encoding: 'utf8',
      timeout: 25_000,
    });
    expect(stderr.trim().split('\n')).toEqual(['crashed', 'crashed', 'crashed', 'stopped', 'done']);
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});

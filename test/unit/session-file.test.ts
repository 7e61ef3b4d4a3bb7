/**
 * What is the file store's own: whose file it writes to, how it replaces it, and the lock beside
 * it.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FatalError } from '../../protocols/errors.ts';
import { SESSION_KEPT_MS, SESSION_LOCK_STALE_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { fileArchive } from '../../src/gateway/stores/file-archive.ts';
import { withLock } from '../../src/gateway/stores/file-lock.ts';
import { readSessionFile } from '../../src/gateway/stores/session-file.ts';
import { systemClock } from '../../src/system-clock.ts';
import { PLACE, recordOf } from '../support/session-records.ts';

async function openFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-file-'));
  onTestFinished(() => rm(folder, { recursive: true, maxRetries: 5 }));
  const path = join(folder, 'sessions.json');
  const open = (owner: string, clock: Clock = systemClock) =>
    fileArchive({ path, place: PLACE, owner, clock });
  return { folder, path, open };
}

/** Under a claim that is above every other. */
function changes(sequence: number, shards = 1) {
  return Array.from({ length: shards }, (_, shard) => {
    return { shard, generation: Number.MAX_SAFE_INTEGER, record: recordOf(sequence) };
  });
}

describe('the file of the stored sessions', () => {
  it('is for its owner alone, and nothing else is left in its folder', async () => {
    const { folder, path, open } = await openFolder();
    // What a process has left behind that died while it wrote.
    await writeFile(`${path}.tmp`, '{"half', { mode: 0o644 });
    const archive = open('owner');
    await archive.claim({ shards: [0], ageMs: 0 });
    await archive.save({ number: 1, changes: changes(1) });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['sessions.json']);
  });

  it('is whole whenever it is read', async () => {
    const { path, open } = await openFolder();
    const archive = open('owner');
    await archive.claim({ shards: [0, 1, 2, 3], ageMs: 0 });
    let isOver = false;
    const writing = (async () => {
      for (let number = 1; number <= 100; number++) {
        await archive.save({ number, changes: changes(number, 4) });
      }
      isOver = true;
    })();
    let reads = 0;
    while (!isOver) {
      const [shelf] = (await readSessionFile(path)).values();
      const sequences = [...(shelf?.values() ?? [])].map(({ record }) => record?.sequence);
      expect(sequences).toHaveLength(4);
      expect(new Set(sequences).size).toBe(1);
      reads++;
    }
    await writing;
    expect(reads).toBeGreaterThan(10);
  });

  it.each([
    ['a configuration', 'token = "x"\n'],
    ['JSON of somebody else', '{"name":"my-bot","version":1}'],
    ['a list', '[]'],
    ['a later version', '{"format":"spectacles-sessions","version":2,"places":{}}'],
    ['half of ours', '{"format":"spectacles-sessions","version":1,"places":{"gateway'],
    [
      'ours with a broken record',
      '{"format":"spectacles-sessions","version":1,"places":{"p":{"0":{"owner":"o","generation":1,"batch":1,"touchedAtEpochMs":1,"record":{"sessionId":1}}}}}',
    ],
  ])('that holds %s is refused, and left as it is', async (_what, text) => {
    const { folder, path, open } = await openFolder();
    await writeFile(path, text);
    const refusal = open('owner').claim({ shards: [0], ageMs: 0 });
    await expect(refusal).rejects.toBeInstanceOf(FatalError);
    await expect(refusal).rejects.toThrow(`shard_store.path: ${path}`);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['sessions.json']);
  });

  it('may be empty', async () => {
    const { path, open } = await openFolder();
    await writeFile(path, '\n');
    expect(await open('owner').claim({ shards: [0], ageMs: 0 })).toMatchObject({
      claims: [{ shard: 0, record: undefined }],
    });
  });

  it('says what is wrong with its path', async () => {
    const { folder } = await openFolder();
    const open = (path: string) =>
      fileArchive({ path, place: PLACE, owner: 'owner', clock: systemClock });
    await expect(
      open(join(folder, 'no/such.json')).claim({ shards: [0], ageMs: 0 }),
    ).rejects.toThrow('its folder does not exist: create it');
    await mkdir(join(folder, 'folder'));
    await expect(open(join(folder, 'folder')).claim({ shards: [0], ageMs: 0 })).rejects.toThrow(
      'it is a folder',
    );
  });

  it('forgets what nobody has touched for a day', async () => {
    const { path, open } = await openFolder();
    await open('owner').claim({ shards: [0, 1], ageMs: 0 });
    const later = { ...systemClock, epochMs: () => Date.now() + SESSION_KEPT_MS + 1_000 };
    await open('next', later).claim({ shards: [1], ageMs: 0 });
    const [shelf] = (await readSessionFile(path)).values();
    expect([...(shelf?.keys() ?? [])]).toEqual([1]);
  });
});

describe('the lock beside the file', () => {
  it('is left alone by a holder that took so long that another has it', async () => {
    const { folder } = await openFolder();
    const path = join(folder, 'lock');
    const { signal } = new AbortController();
    await withLock(path, systemClock, signal, () => writeFile(path, 'another holder'));
    expect(await readFile(path, 'utf8')).toBe('another holder');
  });

  it('of a process that died is taken over, and one that changes hands is waited for', async () => {
    const { path, open } = await openFolder();
    // A clock that runs fast, so that nobody waits.
    const speed = 20;
    const clock: Clock = {
      nowMs: () => systemClock.nowMs() * speed,
      epochMs: () => systemClock.epochMs(),
      setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / speed, callback),
    };
    await writeFile(`${path}.lock`, 'a process that died');
    const startedMs = clock.nowMs();
    const archive = open('owner', clock);
    await archive.claim({ shards: [0], ageMs: 0 });
    expect(clock.nowMs() - startedMs).toBeGreaterThanOrEqual(SESSION_LOCK_STALE_MS);
    await writeFile(`${path}.lock`, 'a process that lives');
    const saving = archive.save({ number: 1, changes: changes(1) });
    await expect(Promise.race([saving, Promise.resolve('waits')])).resolves.toBe('waits');
    await rm(`${path}.lock`);
    expect(await saving).toEqual([]);
  });

  it('that is never free ends the wait, and the file is as it was', async () => {
    const { path, open } = await openFolder();
    const archive = open('owner');
    await archive.claim({ shards: [0], ageMs: 0 });
    const before = await readFile(path, 'utf8');
    let turns = 0;
    const lockPath = `${path}.lock`;
    const clock: Clock = {
      ...systemClock,
      setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 20, callback),
    };
    const busy = setInterval(() => void writeFile(lockPath, `holder ${++turns}`), 5);
    onTestFinished(() => clearInterval(busy));
    await writeFile(lockPath, 'holder 0');
    const saving = open('owner', clock).save({ number: 1, changes: changes(1) });
    await expect(saving).rejects.toThrow('was not written within');
    expect(await readFile(path, 'utf8')).toBe(before);
  });
});

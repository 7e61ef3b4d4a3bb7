/**
 * A lock between processes: a file beside the one that it protects, made by whoever holds it.
 *
 * It is held for one read and write. A process that dies in between leaves it behind; that is seen
 * by its content, which is another for each holder and then stays the same. No clock and no process
 * id is compared, since both mean nothing between two machines or containers that share a folder.
 *
 * Failure: two processes that find the same dead lock at the same moment may both go on. What one
 * of them writes may then be lost, and is written again with the next batch; claims heal in the
 * same way.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { SESSION_LOCK_POLL_MS, SESSION_LOCK_STALE_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { pause } from '../../pause.ts';
import { errorCode } from './file-errors.ts';

/** Runs `use` while nobody else holds the lock at `path`; stops waiting for it at `signal`. */
export async function withLock<Value>(
  path: string,
  clock: Clock,
  signal: AbortSignal,
  use: () => Promise<Value>,
): Promise<Value> {
  const holder = randomUUID();
  await acquire(path, holder, clock, signal);
  try {
    return await use();
  } finally {
    // Whoever took so long that it was taken for dead must not open the lock of its successor.
    if ((await contentOf(path)) === holder) await rm(path, { force: true });
  }
}

async function acquire(
  path: string,
  holder: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let other: string | undefined;
  let sinceMs = clock.nowMs();
  while (!(await create(path, holder))) {
    signal.throwIfAborted();
    const present = await contentOf(path);
    if (present !== other) {
      other = present;
      sinceMs = clock.nowMs();
    } else if (clock.nowMs() - sinceMs >= SESSION_LOCK_STALE_MS) {
      await rm(path, { force: true });
      continue;
    }
    await pause(clock, SESSION_LOCK_POLL_MS);
  }
}

async function create(path: string, holder: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(holder);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when it has just gone. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

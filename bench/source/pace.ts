/** Keeps to a schedule, more exactly than timers do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { blockThread } from '../../src/block-thread.ts';

/** A wait shorter than this is not worth sleeping. */
const WAIT_MIN_MS = 0.02;
/** A longer wait leaves the thread to the event loop. */
const BLOCK_MAX_MS = 2;

/**
 * Timers are too coarse; short waits block the thread, so that they cost no processor time either.
 */
export async function untilMs(dueMs: number): Promise<void> {
  for (;;) {
    const waitMs = dueMs - performance.now();
    if (waitMs > BLOCK_MAX_MS) await sleep(waitMs - 1);
    else {
      if (waitMs > WAIT_MIN_MS) blockThread(waitMs);
      await new Promise((resolve) => setImmediate(resolve));
      if (dueMs - performance.now() <= WAIT_MIN_MS) return;
    }
  }
}

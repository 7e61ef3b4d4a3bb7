import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Many tests wait for something most of the time; on a small machine one at a time would waste it.
 */
const WORKERS_MIN = 2;

/**
 * No test is about how long it takes. This is for one that hangs, and longer than any takes on two
 * cores that have ten times as much to do.
 */
const PATIENCE_MS = 120_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/fast-check-seed.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    maxWorkers: Math.max(WORKERS_MIN, availableParallelism() - 1),
  },
});

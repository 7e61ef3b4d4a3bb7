import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Many tests wait for something most of the time; on a small machine one at a time would waste it.
 */
const WORKERS_MIN = 2;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/fast-check-seed.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: Math.max(WORKERS_MIN, availableParallelism() - 1),
  },
});

// npm run simulate:long -- [--schedules 100000] [--seed 1]
//
// Runs that many random schedules of the gateway, from that seed on. Every seed that fails is printed.
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});

for (const [name, value] of Object.entries(values)) {
  if (/^[1-9]\d*$/.test(value)) continue;
  process.stderr.write(`--${name}: ${JSON.stringify(value)} is not allowed; a positive number is\n`);
  process.exit(2);
}

await startVitest('test', [], {
  include: ['test/long/*.long.ts'],
  watch: false,
  testTimeout: 24 * 60 * 60 * 1000,
  globalSetup: [],
  env: { SCHEDULES: values.schedules, FIRST_SEED: values.seed },
});

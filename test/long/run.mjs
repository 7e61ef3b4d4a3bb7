// node test/long/run.mjs NAME [--key value …]
//
// Runs the tests that take too long for every day. What they are given stands in the table below.
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const NUMBER = { pattern: /^[1-9]\d*$/, allowed: 'a positive number' };

/**
 * Each: the file, and its options with default, what is allowed, and the variable that passes them
 * on.
 */
const RUNS = {
  simulate: {
    file: 'test/long/gateway-simulation.long.ts',
    options: {
      schedules: { default: '100000', variable: 'SCHEDULES', ...NUMBER },
      seed: { default: '1', variable: 'FIRST_SEED', ...NUMBER },
    },
  },
  proxy: {
    file: 'test/long/proxy-schedules.long.ts',
    options: {
      schedules: { default: '50000', variable: 'SCHEDULES', ...NUMBER },
      seed: { default: '1', variable: 'FIRST_SEED', ...NUMBER },
    },
  },
  fleet: {
    file: 'test/long/fleet-schedules.long.ts',
    options: {
      schedules: { default: '10000', variable: 'SCHEDULES', ...NUMBER },
      seed: { default: '1', variable: 'FIRST_SEED', ...NUMBER },
    },
  },
  endurance: {
    file: 'test/long/gateway-endurance.long.ts',
    options: {
      shards: { default: '64', variable: 'SHARDS', ...NUMBER },
      seconds: { default: '60', variable: 'SECONDS', ...NUMBER },
      rate: { default: '500', variable: 'RATE', ...NUMBER },
      seed: { default: '1', variable: 'SEED', ...NUMBER },
    },
  },
  hostile: {
    file: 'test/long/hostile-input.long.ts',
    options: {
      frames: { default: '1000000', variable: 'FRAMES', ...NUMBER },
      seed: { default: '1', variable: 'FIRST_SEED', ...NUMBER },
    },
  },
  wire: {
    file: 'test/long/wire.long.ts',
    options: {
      frames: { default: '1000000', variable: 'FRAMES', ...NUMBER },
      seed: { default: '1', variable: 'FIRST_SEED', ...NUMBER },
    },
  },
  delivery: {
    file: 'test/long/delivery.long.ts',
    options: {
      events: { default: '200000', variable: 'EVENTS', ...NUMBER },
      rate: { default: '2500', variable: 'RATE', ...NUMBER },
      broker: {
        default: 'both',
        variable: 'BROKER',
        pattern: /^(redis|amqp|both)$/,
        allowed: 'redis, amqp or both',
      },
      seed: { default: '1', variable: 'SEED', ...NUMBER },
    },
  },
  doors: {
    file: 'test/long/proxy-fuzz.long.ts',
    options: {
      requests: { default: '100000', variable: 'REQUESTS', ...NUMBER },
      seed: { default: '1', variable: 'SEED', ...NUMBER },
    },
  },
  callers: {
    file: 'test/long/proxy-endurance.long.ts',
    options: {
      callers: { default: '80', variable: 'CALLERS', ...NUMBER },
      seconds: { default: '60', variable: 'SECONDS', ...NUMBER },
      seed: { default: '1', variable: 'SEED', ...NUMBER },
    },
  },
};

function refuse(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(2);
}

const [name, ...line] = process.argv.slice(2);
const run = Object.hasOwn(RUNS, name ?? '') ? RUNS[name] : undefined;
if (run === undefined) {
  refuse(`${JSON.stringify(name ?? '')} is no long run; there are ${Object.keys(RUNS).join(', ')}`);
}

function parse() {
  const options = Object.fromEntries(
    Object.entries(run.options).map(([key, option]) => [
      key,
      { type: 'string', default: option.default },
    ]),
  );
  try {
    return parseArgs({ args: line, options }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const env = {};
for (const [key, value] of Object.entries(parse())) {
  const { pattern, allowed, variable } = run.options[key];
  if (!pattern.test(value)) {
    refuse(`--${key}: ${JSON.stringify(value)} is not allowed; ${allowed} is`);
  }
  env[variable] = value;
}

await startVitest('test', [], {
  include: [run.file],
  watch: false,
  testTimeout: 24 * 60 * 60 * 1000,
  globalSetup: [],
  env,
});

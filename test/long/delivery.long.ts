/**
 * As many events through Redis and RabbitMQ as `npm run test:delivery` was asked for, while the
 * server is killed and started again five times.
 */
import { expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { type DeliveryResult, type Interruption, runDelivery } from '../support/delivery-run.ts';
import type { ServerKind } from '../support/servers.ts';

const SHARDS = 4;
const INTERRUPTIONS = 5;
/** The last kill comes before this share of the events has left. */
const LAST_KILL_SHARE = 0.9;
const DELAY_MAX_MS = 500;
/** Every other kill finds a server that answers, the others one that has frozen. */
const FROZEN_MAX_MS = 500;
const DOWN_MAX_MS = 4_000;

const events = Number(process.env.EVENTS);
const rate = Number(process.env.RATE);
const seed = Number(process.env.SEED);
const kinds: readonly ServerKind[] =
  process.env.BROKER === 'both'
    ? ['redis', 'rabbitmq']
    : [process.env.BROKER === 'amqp' ? 'rabbitmq' : 'redis'];

/** Random moments, one in each fifth of the run, so that the gateway is back in between. */
function interruptions(): readonly Interruption[] {
  const random = createRandom(seed);
  return Array.from({ length: INTERRUPTIONS }, (_, index) => ({
    atEvents: Math.floor(((index + random()) / INTERRUPTIONS) * LAST_KILL_SHARE * events),
    delayMs: Math.floor(random() * DELAY_MAX_MS),
    frozenMs: index % 2 === 0 ? 0 : Math.floor(random() * FROZEN_MAX_MS),
    downMs: Math.floor(random() * DOWN_MAX_MS),
  }));
}

function show(kind: ServerKind, result: DeliveryResult): string {
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`;
  const { sent, seconds, repeats, gaps, outages, resumes, identifies } = result;
  return [
    `${kind}, seed ${seed}: ${sent} events in ${seconds.toFixed(1)} s,`,
    `${Math.round(sent / seconds)} a second, with ${INTERRUPTIONS} kills and ${outages} outages;`,
    `${repeats} repeats, ${resumes} resumes, ${identifies} identifies, ${gaps} gap notices;`,
    `unconfirmed at most ${result.writerMaxEvents} events, ${megabytes(result.writerMaxBytes)};`,
    `held back at most ${megabytes(result.heldMaxBytes)}; rss at most ${megabytes(result.rssMaxBytes)}`,
  ].join(' ');
}

it.each(kinds)(`brings ${events} events through a %s that is killed`, async (kind) => {
  const result = await runDelivery({
    kind,
    seed,
    shards: SHARDS,
    events,
    rate,
    interruptions: interruptions(),
  });
  process.stderr.write(`${show(kind, result)}\n`);
  expect(result.problems).toEqual([]);
  expect(result.sent).toBeGreaterThanOrEqual(events);
  expect(result.identifies).toBe(SHARDS + result.gaps);
  // Each kill was felt.
  expect(result.outages).toBeGreaterThanOrEqual(INTERRUPTIONS);
  expect(result.resumes).toBeGreaterThan(0);
});

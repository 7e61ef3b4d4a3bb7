// npm run bench -- [--quick] [--only PART,PART] [--rounds N] [--rate N] [--against FOLDER] [--profile full|steady]
/**
 * Runs every row side by side, in turns, and writes down what came of it.
 *
 * A round takes one sample of each row, one after the other; every other round goes backwards. What is
 * reported of a figure is the median of the rounds. A complete run writes bench/RESULTS.md; every run
 * prints what it found. It ends by itself, at the latest at its deadline, and its servers with it.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer, type TestServer } from '../test/support/servers.ts';
import type { Figures } from './figures.ts';
import { describeMachine, ROOT } from './machine.ts';
import { Child } from './processes.ts';
import { heaviest } from './profile.ts';
import { type Result, writeReport } from './report.ts';
import { type ListedRow, listRows } from './rows/index.ts';
import { type Plan, type Stage, takeSample } from './sample.ts';
import type { SourceOrder, SourceReport } from './source/source.ts';

const QUICK: Plan = {
  rounds: 3,
  warmUpEvents: 10_000,
  fullMs: 300,
  steadyPerSecond: 10_000,
  steadyMs: 300,
  halfMs: 0,
  halfEventsMax: 0,
  heapEvents: 1_000,
  streamEvents: 40_000,
};

const COMPLETE: Plan = {
  rounds: 7,
  warmUpEvents: 30_000,
  fullMs: 2_000,
  steadyPerSecond: 10_000,
  steadyMs: 2_000,
  halfMs: 1_000,
  halfEventsMax: 30_000,
  heapEvents: 2_000,
  streamEvents: 160_000,
};

/** A profile needs much of one thing. */
const PROFILE: Plan = { ...COMPLETE, rounds: 1, fullMs: 4_000, steadyMs: 8_000, halfMs: 0 };

const QUICK_DEADLINE_MS = 5 * 60_000;
const COMPLETE_DEADLINE_MS = 60 * 60_000;

const RESULTS = join(ROOT, 'bench', 'RESULTS.md');
const SOURCE = fileURLToPath(new URL('source/source.js', import.meta.url));
const MEASURED = 'dist/bench/bench/measured.js';

type Options = {
  readonly plan: Plan;
  readonly deadlineMs: number;
  readonly rows: readonly ListedRow[];
  readonly isComplete: boolean;
  readonly against: string | undefined;
  readonly profile: 'full' | 'steady' | undefined;
};

/** One row as it is measured: of this working tree, or of another. */
type Entrant = { readonly label: string; readonly row: ListedRow; readonly script: string };

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function readOptions(): Promise<Options> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      rate: { type: 'string' },
      against: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const { only, against, profile, rounds, rate } = values;
  if (profile !== undefined && profile !== 'full' && profile !== 'steady') {
    throw new Error(`--profile: ${JSON.stringify(profile)} is not allowed; full and steady are`);
  }
  const base = profile === undefined ? (values.quick ? QUICK : COMPLETE) : PROFILE;
  const plan = {
    ...base,
    ...(rounds !== undefined && { rounds: readNumber('rounds', rounds, 999) }),
    ...(rate !== undefined && { steadyPerSecond: readNumber('rate', rate, 50_000) }),
  };
  return {
    plan,
    deadlineMs: values.quick ? QUICK_DEADLINE_MS : COMPLETE_DEADLINE_MS,
    rows: chooseRows(await listRows(), only?.split(','), profile === undefined),
    isComplete:
      !values.quick && [only, against, profile, rounds, rate].every((value) => value === undefined),
    against: against === undefined ? undefined : resolve(against),
    profile,
  };
}

function readNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${option}: ${JSON.stringify(text)} is not allowed; 1 to ${max} is`);
}

/** The rows whose names contain one of `parts`, and those that they are compared with. */
function chooseRows(
  all: readonly ListedRow[],
  parts: readonly string[] | undefined,
  withFloor: boolean,
): readonly ListedRow[] {
  if (parts === undefined) return all;
  const chosen = all.filter(({ name }) => parts.some((part) => name.includes(part)));
  if (chosen.length === 0) {
    throw new Error(
      `--only: no row has such a name; there are ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  const floors = new Set(chosen.map(({ compression }) => `receive ${compression}`));
  return all.filter((row) => chosen.includes(row) || (withFloor && floors.has(row.name)));
}

function entrantsOf({ rows, against }: Options): readonly Entrant[] {
  return rows.flatMap((row) => {
    const here = { label: row.name, row, script: join(ROOT, MEASURED) };
    if (against === undefined) return [here];
    return [here, { label: `${row.name}, other tree`, row, script: join(against, MEASURED) }];
  });
}

const servers: TestServer[] = [];

async function stopServers(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
}

async function startServers(rows: readonly ListedRow[]) {
  const start = async (kind: 'redis' | 'rabbitmq', receiver: ListedRow['receiver']) => {
    if (!rows.some((row) => row.receiver === receiver)) return undefined;
    const server = await startServer(kind);
    servers.push(server);
    return server.url;
  };
  const [redis, amqp] = await Promise.all([start('redis', 'redis'), start('rabbitmq', 'amqp')]);
  return { redis, amqp };
}

async function takeRounds(
  entrants: readonly Entrant[],
  stage: Omit<Stage, 'script'>,
): Promise<readonly Result[]> {
  const samples = new Map<Entrant, Figures[]>(entrants.map((entrant) => [entrant, []]));
  const { rounds } = stage.plan;
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? entrants : entrants.toReversed();
    for (const entrant of order) {
      const { label, row, script } = entrant;
      const figures = await takeSample(row, { ...stage, script });
      samples.get(entrant)?.push(figures);
      say(`${round + 1}/${rounds}  ${label.padEnd(32)} ${figures.fullMicros?.toFixed(3)} µs`);
    }
  }
  return entrants.map((entrant) => ({ ...entrant, samples: samples.get(entrant) ?? [] }));
}

async function takeProfiles(
  entrants: readonly Entrant[],
  stage: Omit<Stage, 'script'>,
  kind: 'full' | 'steady',
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-profile-'));
  for (const { label, row, script } of entrants) {
    const file = join(folder, `${label.replaceAll(/\W+/g, '-')}-${kind}.cpuprofile`);
    await takeSample({ ...row, figures: [kind] }, { ...stage, script, profile: file });
    process.stdout.write(`${label}, ${kind} (${file})\n${heaviest(file)}\n\n`);
  }
}

function methodOf(plan: Plan, source: SourceReport): readonly string[] {
  const sizes = Object.entries(source.wireBytes).map(
    ([compression, bytes]) => `${compression} ${Math.round(bytes)} B`,
  );
  return [
    `Rounds: ${plan.rounds}, every other one backwards. A figure is the median, with the least and the most in brackets.`,
    'Each sample has a process of its own, beside the load generator and, where there is a broker, its consumer; all on loopback.',
    `µs are processor time of the whole measured process for an event (user and system, every thread), over about ${plan.fullMs} ms after a warm-up of ${plan.warmUpEvents.toLocaleString('en-US')} events.`,
    `Full speed: as fast as they are taken, many events in one TCP segment. At ${plan.steadyPerSecond.toLocaleString('en-US')}/s: evenly spaced, each in a segment of its own, for ${plan.steadyMs} ms.`,
    `Events are MESSAGE_CREATE of 1,024 bytes, all different; a frame takes ${sizes.join(', ')} on the wire (zstd made by ${source.zstd}).`,
    'Gateway rows run the whole gateway service with payload `json`, or with the one that they name; an event is done when the broker has confirmed it. Every event is counted at the consumer: one that is missing, twice or wrong fails the run.',
    'Heap bytes are the growth of the JavaScript heap for an event while the collector was quiet.',
    'A dash stands for what could not be measured: the row does not keep up with the rate, or the collector was never quiet.',
  ];
}

async function main(): Promise<void> {
  const options = await readOptions();
  const { plan, rows, profile, deadlineMs } = options;
  const deadline = setTimeout(() => {
    say(`the run is not done after ${deadlineMs} ms and is given up`);
    process.exit(1);
  }, deadlineMs);
  const source = new Child<SourceOrder>('the source', SOURCE);
  try {
    const compressions = [...new Set(rows.flatMap(({ compression }) => compression ?? []))];
    const opening = source.ask<SourceReport>({
      kind: 'open',
      compressions,
      events: plan.streamEvents,
    });
    const [opened, started] = await Promise.all([opening, startServers(rows)]);
    const addresses = {
      gateway: opened.address,
      ...started,
    };
    const entrants = entrantsOf(options);
    const stage = { addresses, source, plan };
    if (profile !== undefined) {
      await takeProfiles(entrants, stage, profile);
      return;
    }
    const facts = await describeMachine(addresses);
    const results = await takeRounds(entrants, stage);
    const report = writeReport({ facts, method: methodOf(plan, opened), results, plan });
    process.stdout.write(report);
    if (options.isComplete) writeFileSync(RESULTS, report);
  } finally {
    clearTimeout(deadline);
    await source.end();
    await stopServers();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say('stopping');
    void stopServers().finally(() => process.exit(130));
  });
}

main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});

/**
 * Runs every row side by side, in turns, and writes down what came of it.
 *
 * A round takes one sample of each row, one after the other; every other round goes backwards. What
 * is reported of a figure is the median of the rounds. Of rows that miss a target a profile is
 * taken at the end. A complete run writes bench/RESULTS.md and bench/results.svg; every run prints
 * what it found. It ends by itself, at the latest at its deadline, and its servers with it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../protocols/message-of.ts';
import { startServer, type TestServer } from '../test/support/servers.ts';
import type { Figures } from './figures.ts';
import { describeMachine, ROOT } from './machine.ts';
import { methodOf } from './method.ts';
import { HELP, type Options, type ProfileKind, readOptions } from './options.ts';
import { PROFILE, roundsOf } from './plan.ts';
import { Child } from './processes.ts';
import { heaviest } from './profile.ts';
import { drawChart } from './report/chart.ts';
import { type ProfileText, writeReport } from './report/report.ts';
import type { Result } from './report/result.ts';
import { targetsOf, verdict } from './report/targets.ts';
import type { EventFeed } from './row.ts';
import { type ListedRow, listRows } from './rows/index.ts';
import { type Stage, takeSample } from './sample.ts';
import type { SourceOrder, SourceReport } from './source/source.ts';

const RESULTS = join(ROOT, 'bench', 'RESULTS.md');
const CHART = 'results.svg';
const SOURCE = fileURLToPath(new URL('source/source.js', import.meta.url));
const MEASURED = 'dist/bench/bench/measured.js';
/** What a person reads of the profile of one row among several. */
const REPORTED_LINES = 12;
const PROFILE_LINES = 30;

/** One row as it is measured: of this working tree, or of another. */
type Entrant = { readonly label: string; readonly row: ListedRow; readonly script: string };

type Scene = Omit<Stage, 'script' | 'profile'>;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
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

async function takeRounds(entrants: readonly Entrant[], scene: Scene): Promise<readonly Result[]> {
  const samples = new Map<Entrant, Figures[]>(entrants.map((entrant) => [entrant, []]));
  const { rounds, budgetMs } = scene.plan;
  const startMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (performance.now() - startMs > budgetMs) {
      say(`the time is up after ${round} of ${rounds} rounds`);
      break;
    }
    const taking = entrants.filter(({ row }) => round < roundsOf(row, scene.plan));
    for (const entrant of round % 2 === 0 ? taking : taking.toReversed()) {
      const figures = await takeSample(entrant.row, { ...scene, script: entrant.script });
      samples.get(entrant)?.push(figures);
      say(`${round + 1}/${rounds}  ${entrant.label.padEnd(48)} ${glance(figures)}`);
    }
  }
  return entrants
    .map((entrant) => ({ ...entrant, samples: samples.get(entrant) ?? [] }))
    .filter((result) => result.samples.length > 0);
}

function glance({ fullMicros, residentBytes = 0 }: Figures): string {
  return fullMicros === undefined
    ? `${(residentBytes / 2 ** 20).toFixed(1)} MiB`
    : `${fullMicros.toFixed(3)} µs`;
}

async function takeProfile(
  { label, row, script }: Entrant,
  scene: Scene,
  kind: ProfileKind,
  file: string,
  lines: number,
): Promise<ProfileText> {
  await takeSample({ ...row, figures: [kind] }, { ...scene, script, profile: file });
  return { label, kind, text: heaviest(file, lines) };
}

async function printProfiles(
  entrants: readonly Entrant[],
  scene: Scene,
  kind: ProfileKind,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-profile-'));
  for (const entrant of entrants) {
    const file = join(folder, `${entrant.label.replaceAll(/\W+/g, '-')}-${kind}.cpuprofile`);
    const { label, text } = await takeProfile(entrant, scene, kind, file, PROFILE_LINES);
    process.stdout.write(`${label}, ${kind} (${file})\n${text}\n\n`);
  }
}

/** Of the rows that miss a target: each once. */
async function profileMissed(
  entrants: readonly Entrant[],
  results: readonly Result[],
  scene: Scene,
): Promise<readonly ProfileText[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-profile-'));
  const profiles: ProfileText[] = [];
  for (const target of targetsOf(results)) {
    const { profile } = target;
    if (profile === undefined || verdict(target) !== 'missed') continue;
    const { label, kind } = profile;
    const entrant = entrants.find((candidate) => candidate.label === label);
    const isTaken = profiles.some((taken) => taken.label === label && taken.kind === kind);
    if (entrant === undefined || isTaken) continue;
    say(`profile  ${label}`);
    const file = join(folder, 'profile');
    profiles.push(await takeProfile(entrant, scene, kind, file, REPORTED_LINES));
  }
  rmSync(folder, { recursive: true });
  return profiles;
}

async function measure(options: Options, source: Child<SourceOrder>): Promise<void> {
  const { plan, rows, profile, isComplete } = options;
  const feeds = rows.flatMap(({ feed }) => (feed?.kind === 'events' ? [feed] : []));
  const opening = source.ask<SourceReport>({
    kind: 'open',
    compressions: [...new Set(feeds.map(({ compression }: EventFeed) => compression))],
    events: plan.streamEvents,
  });
  const [opened, started] = await Promise.all([opening, startServers(rows)]);
  const addresses = { gateway: opened.address, ...started };
  const entrants = entrantsOf(options);
  const scene = { addresses, source, plan };
  if (profile !== undefined) {
    await printProfiles(entrants, scene, profile);
    return;
  }
  const facts = await describeMachine(addresses);
  const results = await takeRounds(entrants, scene);
  const profiles = isComplete
    ? await profileMissed(entrants, results, { ...scene, plan: PROFILE })
    : [];
  const method = methodOf(plan, opened);
  const chart = isComplete ? { chart: CHART } : {};
  const report = writeReport({ facts, method, results, profiles, plan, ...chart });
  process.stdout.write(report);
  if (!isComplete) return;
  writeFileSync(RESULTS, report);
  writeFileSync(join(ROOT, 'bench', CHART), drawChart(results));
}

/** @returns `undefined` when there is nothing to run, and why has been said */
function optionsOrHelp(rows: readonly ListedRow[]): Options | undefined {
  try {
    const options = readOptions(rows);
    if (options === undefined) process.stdout.write(`${HELP}\n`);
    return options;
  } catch (error) {
    say(`${messageOf(error)}\n\n${HELP}`);
    process.exitCode = 2;
    return undefined;
  }
}

async function main(): Promise<void> {
  const options = optionsOrHelp(await listRows());
  if (options === undefined) return;
  const { deadlineMs } = options.plan;
  const deadline = setTimeout(() => {
    say(`the run is not done after ${deadlineMs} ms and is given up`);
    void stopServers().finally(() => process.exit(1));
  }, deadlineMs);
  const source = new Child<SourceOrder>('the source', SOURCE);
  try {
    await measure(options, source);
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

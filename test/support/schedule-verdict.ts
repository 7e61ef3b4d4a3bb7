/**
 * Judges what a schedule left behind, from Discord's side: which events each session had, which of
 * them the broker got, and which were reported as lost; when IDENTIFYs came.
 *
 * Each event of each session that the gateway heard of is with the broker, or lies behind a
 * reported gap. Nobody can report a session that died with the only process that knew of it, before
 * it was stored.
 */
import {
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_LEDGER_TIMEOUT_MS,
  IDENTIFY_RETURNS_MAX,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import type { SimulatedDiscord } from '../../src/simulator/discord.ts';
import type { SchedulePlan } from './schedule-plan.ts';
import type { GatewayProcess } from './schedule-process.ts';

/** Longer than a permit and its IDENTIFY are on their way. */
const PERMITS_USED_MS = IDENTIFY_LEDGER_TIMEOUT_MS + 1_000;

type JudgedSession = {
  readonly id: string;
  readonly shard: number;
  /** The number of its latest event. */
  readonly sequence: number;
  /** Whether a connection carries it now. */
  readonly isLive: boolean;
};

export function judgeEvents(
  discord: SimulatedDiscord,
  processes: readonly GatewayProcess[],
  options: { readonly isLossy: boolean; readonly archiveHasLost: boolean },
): readonly string[] {
  const holdings = processes.map((process) => ({ process, delivered: deliveriesOf(process) }));
  return allSessions(discord).flatMap((session) =>
    [
      ...(options.isLossy ? [] : orderProblems(session, holdings)),
      ...lossProblems(session, holdings, options.archiveHasLost),
    ].map((problem) => `shard ${session.shard}, session ${session.id.slice(0, 6)}: ${problem}`),
  );
}

/**
 * A process, and the numbers that the broker got from it of each session, in the order of arrival.
 */
type Holding = {
  readonly process: GatewayProcess;
  readonly delivered: ReadonlyMap<string, readonly number[]>;
};

/** Every session there ever was. */
function allSessions(discord: SimulatedDiscord): readonly JudgedSession[] {
  const ended = discord.audit.of('session-end').map(({ session: id, shard, sequence }) => {
    return { id, shard: shard[0], sequence, isLive: false };
  });
  const alive = discord.gateway.sessions().map(({ id, shard, sequence, connection }) => {
    return { id, shard: shard[0], sequence, isLive: connection !== undefined };
  });
  return [...ended, ...alive];
}

function deliveriesOf({ gateway }: GatewayProcess): Holding['delivered'] {
  const numbers = new Map<string, number[]>();
  for (const id of [...(gateway?.writer.delivered.values() ?? [])].flat()) {
    const [session = '', sequence] = id.split(':');
    const known = numbers.get(session);
    if (known === undefined) numbers.set(session, [Number(sequence)]);
    else known.push(Number(sequence));
  }
  return numbers;
}

/**
 * Repeats aside, numbers come in order and without a gap, from where the process took the session
 * up.
 */
function orderProblems({ id }: JudgedSession, holdings: readonly Holding[]): readonly string[] {
  const problems: string[] = [];
  for (const { delivered } of holdings) {
    const numbers = delivered.get(id) ?? [];
    let last = (numbers[0] ?? 1) - 1;
    for (const number of numbers) {
      if (number > last + 1) problems.push(`${number} follows ${last}`);
      last = Math.max(last, number);
    }
  }
  return problems;
}

function lossProblems(
  { id, sequence, isLive }: JudgedSession,
  holdings: readonly Holding[],
  archiveHasLost: boolean,
): readonly string[] {
  const last = holdings.findLast((holding) => hasHeardOf(holding, id))?.process;
  if (last === undefined) return [];
  const delivered = new Set(holdings.flatMap((holding) => holding.delivered.get(id) ?? []));
  const gaps = holdings.flatMap(({ process }) => process.gaps);
  const reported = gaps.filter(({ session }) => session === id).map((gap) => gap.sequence);
  const until = Math.min(sequence, ...reported);
  const missing: number[] = [];
  for (let number = 1; number <= until; number++) {
    if (!delivered.has(number)) missing.push(number);
  }
  if (missing.length === 0) return [];
  if (!last.isUp && mayForget(last, archiveHasLost)) return [];
  const what = isLive ? 'live' : 'over';
  return [`${missing.length} events from ${missing[0]} on are missing (${what}, ${last.state})`];
}

/** Whether a process that has ended may have taken what it knew with it. */
function mayForget({ state, sessionNotices }: GatewayProcess, archiveHasLost: boolean): boolean {
  if (state === 'killed' || archiveHasLost) return true;
  return sessionNotices.some(({ kind }) => kind === 'unsaved' || kind === 'fenced');
}

/** A session that was stored counts as heard of by whoever is given it. */
function hasHeardOf({ process, delivered }: Holding, session: string): boolean {
  if (process.stored.has(session) || delivered.has(session)) return true;
  return (process.gateway?.notices ?? []).some(
    ({ notice }) => notice.kind === 'ready' && notice.sessionId === session,
  );
}

/**
 * What Discord counts as a breach, and IDENTIFYs of a key that are closer than it allows, whatever
 * it made of them. Keys are those of max_concurrency at the time, for the IDENTIFYs before as well.
 *
 * A bot cannot know before it asks that max_concurrency has changed: shards that had different keys
 * may share one now, unless it has become a multiple of what it was. What is sent too soon until
 * then is excused if it is not much: Discord's last word is believed for a minute, and then it is
 * asked after a few refusals. In each window one of the keys that were believed in is let through.
 */
export function judgeIdentifies(
  discord: SimulatedDiscord,
  plan: SchedulePlan,
  processes: readonly GatewayProcess[],
): readonly string[] {
  const untold = untoldSpans(plan, processes);
  const isExcused = (atMs: number): boolean =>
    untold.some(({ fromMs, untilMs }) => atMs >= fromMs && atMs <= untilMs);
  const problems: string[] = [];
  let excused = 0;
  for (const { name, detail, atMs } of discord.audit.breaches) {
    if (name === 'identify-concurrency' && isExcused(atMs)) excused++;
    else problems.push(`breach ${name}: ${detail}`);
  }
  const awayMs = plan.api.reduce((sum, { forMs }) => sum + forMs, 0);
  const believedMs = GATEWAY_BOT_SUSPECT_MS + awayMs;
  const keysMax = Math.max(plan.maxConcurrency, ...plan.concurrency.map(({ value }) => value));
  const windows = Math.ceil(believedMs / IDENTIFY_WINDOW_MS);
  const excusedMax = (keysMax - 1) * windows + IDENTIFY_RETURNS_MAX;
  if (excused > excusedMax * processes.length) problems.push(`${excused} IDENTIFYs came too soon`);

  const records = discord.audit.of('identify');
  for (const [index, { shard, atMs }] of records.entries()) {
    if (isExcused(atMs)) continue;
    const concurrency = concurrencyAt(plan, atMs);
    const near = records
      .slice(0, index)
      .filter((before) => atMs - before.atMs < IDENTIFY_WINDOW_MS)
      .find((before) => before.shard[0] % concurrency === shard[0] % concurrency);
    if (near === undefined) continue;
    const afterMs = Math.round(atMs - near.atMs);
    problems.push(`IDENTIFY of shard ${shard[0]} ${afterMs} ms after that of ${near.shard[0]}`);
  }
  const { remaining, total } = discord.gateway.limits.facts();
  if (total - remaining !== records.length) problems.push('an IDENTIFY is not in the budget');
  return problems;
}

function concurrencyAt({ concurrency, maxConcurrency }: SchedulePlan, atMs: number): number {
  const changes = concurrency.filter((change) => change.atMs <= atMs);
  changes.sort((left, right) => left.atMs - right.atMs);
  return changes.at(-1)?.value ?? maxConcurrency;
}

/**
 * From each such change of max_concurrency until a process has heard of it, and its last permits
 * are used.
 */
function untoldSpans(plan: SchedulePlan, processes: readonly GatewayProcess[]) {
  const heardMs = processes.flatMap((process) => process.heardAtMs);
  return plan.concurrency
    .filter(({ atMs, value }) => value % concurrencyAt(plan, atMs - 1) !== 0)
    .map(({ atMs }) => ({
      fromMs: atMs,
      untilMs: Math.min(...heardMs.filter((heard) => heard > atMs)) + PERMITS_USED_MS,
    }));
}

/**
 * Judges what a schedule left behind, from Discord's side: which events each session had, which of them
 * the broker got, and which were reported as lost; when IDENTIFYs came.
 *
 * Each event of each session that the gateway heard of is with the broker, or lies behind a reported gap.
 * Nobody can report a session that died with the only process that knew of it, before it was stored.
 */
import { IDENTIFY_WINDOW_MS } from '../../protocols/limits.ts';
import type { SimulatedDiscord } from '../../src/simulator/discord.ts';
import type { GatewayProcess } from './schedule-process.ts';

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

/** A process, and the numbers that the broker got from it of each session, in the order of arrival. */
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

/** Repeats aside, numbers come in order and without a gap, from where the process took the session up. */
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

/** Two IDENTIFYs of a key are never closer than Discord allows, whatever it made of them. */
export function judgeIdentifies(discord: SimulatedDiscord): readonly string[] {
  const problems: string[] = [];
  const lastMs = new Map<string, number>();
  const { max_concurrency: concurrency, remaining, total } = discord.gateway.limits.facts();
  const records = discord.audit.of('identify');
  for (const { shard, key, atMs } of records) {
    // With more keys than before, a shard's key may be another one.
    const name = `${key} of ${concurrency}`;
    const previousMs = lastMs.get(name) ?? Number.NEGATIVE_INFINITY;
    const isSameDivision = shard[0] % concurrency === key;
    if (isSameDivision && atMs - previousMs < IDENTIFY_WINDOW_MS) {
      problems.push(`IDENTIFY of shard ${shard[0]} ${Math.round(atMs - previousMs)} ms after one`);
    }
    if (isSameDivision) lastMs.set(name, atMs);
  }
  if (total - remaining !== records.length) problems.push('an IDENTIFY is not in the budget');
  return problems;
}

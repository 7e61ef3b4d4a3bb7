/**
 * What is to happen to a gateway in one random schedule, drawn from a seed: how large everything
 * is, and which trouble comes when. The plan is data; `gateway-schedule.ts` carries it out.
 *
 * Most schedules are small, since the interleavings that matter need few shards and a minute; some
 * are large. Each kind of trouble is left out of most of them, so that it also meets a gateway that
 * is otherwise well.
 */
import type { Random } from '../../protocols/ports.ts';
import { createRandom } from '../../src/random.ts';
import type { CrashSite } from './gateway-simulation.ts';

/** How a store can fail. `deaf` does what it is asked and says that it has not. */
export const STORE_MODES = ['away', 'slow', 'deaf', 'mixed'] as const;
export type StoreMode = 'well' | (typeof STORE_MODES)[number];

/**
 * How a store may fail processes that have the same keys or shards. Without their ledger they
 * cannot know of each other; and of two that claim shards in vain, again and again, either may be
 * the last.
 */
const LATE: readonly ['slow'] = ['slow'];

/** Something that lasts. */
type Spell<Kind extends string> = {
  readonly kind: Kind;
  readonly atMs: number;
  readonly forMs: number;
};

export type SchedulePlan = {
  readonly seed: number;
  readonly shards: number;
  /** The shards of each process; a shard may be nobody's. */
  readonly processes: readonly (readonly number[])[];
  readonly durationMs: number;
  readonly compression: 'none' | 'zlib-stream' | 'zstd-stream';
  readonly heartbeatIntervalMs: number;
  readonly maxConcurrency: number;
  /** Events a second. */
  readonly rate: number;
  /** Of Discord and the network, a minute. */
  readonly faults: number;
  /** The chances that the broker refuses an event, and that it loses one that it took. */
  readonly refusal: number;
  readonly loss: number;
  readonly crashes: readonly { readonly site: CrashSite; readonly atMs: number }[];
  readonly broker: readonly Spell<'away' | 'full' | 'stuck'>[];
  readonly archive: readonly Spell<Exclude<StoreMode, 'well'>>[];
  readonly ledger: readonly Spell<Exclude<StoreMode, 'well'>>[];
  /** When GET /gateway/bot does not answer. */
  readonly api: readonly Spell<'away'>[];
  /** A store loses all it knows. */
  readonly losses: readonly { readonly kind: 'archive' | 'ledger'; readonly atMs: number }[];
  /**
   * The ledger loses all it knows after so many permits, before any of these is used; 0 for never.
   */
  readonly permitsUntilLoss: number;
  /** Steps of the wall clock. */
  readonly steps: readonly { readonly atMs: number; readonly byMs: number }[];
  readonly restarts: readonly {
    readonly process: number;
    /** `overlap` starts the new one first, and stops the old one when that long has passed. */
    readonly how: 'stop' | 'kill' | 'overlap';
    readonly atMs: number;
    readonly downMs: number;
  }[];
  /** Discord raises or lowers max_concurrency. */
  readonly concurrency: readonly { readonly atMs: number; readonly value: number }[];
  readonly commands: number;
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A step of a clock, either way. */
const STEP_MAX_MS = HOUR_MS;
const CONCURRENCY_MAX = 3;
/** Fewer than the restart intensity allows. */
const CRASHES_MAX = 3;

const CRASH_SITES: readonly CrashSite[] = [
  'connection',
  'data-plane',
  'shard',
  'session-store',
  'identify',
];

type Dice = {
  readonly chance: (share: number) => boolean;
  readonly upTo: (limit: number) => number;
  readonly of: <Item>(items: readonly [Item, ...Item[]]) => Item;
  /** Between 1 and `most` of something, or none at all. */
  readonly some: <Item>(share: number, most: number, draw: () => Item) => readonly Item[];
};

function diceOf(random: Random): Dice {
  const chance = (share: number): boolean => random() < share;
  const upTo = (limit: number): number => random() * limit;
  return {
    chance,
    upTo,
    of: (items) => items[Math.floor(upTo(items.length))] ?? items[0],
    some: (share, most, draw) =>
      chance(share) ? Array.from({ length: Math.ceil(upTo(most)) }, draw) : [],
  };
}

export function drawPlan(seed: number): SchedulePlan {
  const dice = diceOf(createRandom(seed));
  const { chance, upTo, some } = dice;
  const isLarge = chance(0.005);
  const shards = isLarge ? 4 + Math.floor(upTo(13)) : 1 + Math.floor(upTo(3));
  const durationMs = isLarge ? 2 * MINUTE_MS : 20_000 + upTo(40_000);
  const at = (): number => upTo(durationMs);
  const processes = drawProcesses(dice, shards);
  const maxConcurrency = 1 + Math.floor(upTo(CONCURRENCY_MAX));
  const restarts: SchedulePlan['restarts'] = some(0.35, 3, () => ({
    process: Math.floor(upTo(processes.length)),
    how: dice.of<'stop' | 'kill' | 'overlap'>(['stop', 'kill', 'kill', 'overlap']),
    atMs: at(),
    downMs: chance(0.7) ? upTo(2_000) : upTo(60_000),
  }));
  const overlaps = restarts.some(({ how }) => how === 'overlap');
  const isShared = processes.length > 1 || overlaps;
  const ledgerModes = isShared ? LATE : STORE_MODES;
  const archiveModes = overlaps ? LATE : STORE_MODES;
  return {
    seed,
    shards,
    processes,
    durationMs,
    compression: chance(0.85) ? 'none' : chance(0.5) ? 'zlib-stream' : 'zstd-stream',
    heartbeatIntervalMs: 5_000 + upTo(36_000),
    maxConcurrency,
    rate: upTo(2),
    faults: chance(0.1) ? 0 : upTo(15),
    refusal: chance(0.2) ? 0.05 : 0,
    loss: chance(0.2) ? 0.05 : 0,
    crashes: some(0.25, CRASHES_MAX, () => ({ site: drawSite(dice), atMs: at() })),
    broker: some(0.3, 2, () => spell(dice, durationMs, ['away', 'full', 'stuck'])),
    archive: some(0.25, 2, () => spell(dice, durationMs, archiveModes)),
    ledger: some(0.25, 2, () => spell(dice, durationMs, ledgerModes)),
    api: some(0.1, 1, () => spell(dice, durationMs, ['away'])),
    losses: some(0.15, 2, () => drawLoss(dice, at())),
    permitsUntilLoss: chance(0.1) ? 1 + Math.floor(upTo(3)) : 0,
    // Who came last is known by the clock alone once the archive has lost it.
    steps: some(0.2, 3, () => ({
      atMs: at(),
      byMs: upTo(2 * STEP_MAX_MS) - (overlaps ? 0 : STEP_MAX_MS),
    })),
    restarts,
    concurrency: some(0.15, 2, () => ({
      atMs: at(),
      value: 1 + Math.floor(upTo(CONCURRENCY_MAX)),
    })),
    commands: chance(0.3) ? Math.ceil(upTo(isLarge || chance(0.03) ? 400 : 20)) : 0,
  };
}

/** All shards in one process, split between several, or only some of them run at all. */
function drawProcesses({ chance, upTo }: Dice, shards: number): readonly (readonly number[])[] {
  const ids = Array.from({ length: shards }, (_, shard) => shard);
  if (shards === 1 || chance(0.7)) return [ids];
  if (chance(0.3)) return [ids.slice(Math.ceil(upTo(shards - 1)))];
  const processes = 2 + Math.floor(upTo(Math.min(shards, 3) - 1));
  return Array.from({ length: processes }, (_, process) =>
    ids.filter((shard) => shard % processes === process),
  );
}

function drawSite({ upTo }: Dice): CrashSite {
  return CRASH_SITES[Math.floor(upTo(CRASH_SITES.length))] ?? 'shard';
}

function drawLoss({ of }: Dice, atMs: number): SchedulePlan['losses'][number] {
  return { kind: of(['archive', 'ledger']), atMs };
}

function spell<Kind extends string>(
  { of, upTo }: Dice,
  durationMs: number,
  kinds: readonly [Kind, ...Kind[]],
): Spell<Kind> {
  const atMs = upTo(durationMs);
  // All is mended by the end, so that the gateway has to become well again.
  return { kind: of(kinds), atMs, forMs: Math.min(upTo(40_000), durationMs - atMs) };
}

/**
 * The book of session starts: what a ledger knows, and how it decides. Pure.
 *
 * Inner workings: each key has the time at which it opens. A permit closes it for the length of a
 * lease, and the word that the IDENTIFY was sent shortens that to one window. A day of the budget
 * begins with its first IDENTIFY, as Discord's does, and not when the old one happens to be used
 * up: what was left of the old day must not be spent on top of the new. Until a permit is known to
 * have been used, each one puts the end of the day off.
 *
 * Failure: a permit that nobody speaks of again costs one of the budget and the length of a lease.
 * A wall clock that steps back cannot keep a key closed for longer than that, or a day longer than
 * a day. A book that is missing when a permit is asked for, or has been used, was lost: any key may
 * be leased then, so all are closed for a lease.
 *
 * The Redis ledger does the same in the server's own language; one contract suite holds all of them
 * to it.
 */
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_MARGIN_MS,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import type { TakeRequest } from './ports.ts';

/** The spans that a ledger goes by. */
export type LedgerSpans = {
  readonly windowMs: number;
  readonly leaseMs: number;
  readonly periodMs: number;
};

export const LEDGER_SPANS: LedgerSpans = {
  windowMs: IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS,
  leaseMs: IDENTIFY_LEASE_MS,
  periodMs: IDENTIFY_BUDGET_PERIOD_MS,
};

type KeyEntry = {
  /** When the key opens, on the ledger's clock. */
  readonly openAtMs: number;
  /** Who holds a permit that has not been used, and when the key would have opened without it. */
  readonly holder?: string | undefined;
  readonly formerMs?: number | undefined;
};

export type IdentifyBook = {
  readonly total: number;
  readonly remaining: number;
  readonly resetAtMs: number;
  readonly begun: boolean;
  readonly maxConcurrency: number;
  /** When a key opens that has no entry. */
  readonly baseMs: number;
  /** At most `maxConcurrency` of them. */
  readonly keys: Readonly<Record<string, KeyEntry>>;
};

/** The clock and the rules by which one operation is judged. */
export type BookUse = LedgerSpans & {
  readonly nowMs: number;
  /** Who asks: a process and its shard. */
  readonly holder: string;
};

/** The first page of a book. If any of the budget is spent, that may have been a moment ago. */
export function beginBook(word: SessionStarts, { nowMs, windowMs }: BookUse): IdentifyBook {
  return emptyBook(word, nowMs, word.begun ? nowMs + windowMs : nowMs);
}

/** In the place of a book that was lost; `known` is what the asking process knows. */
export function lostBook(known: SessionStarts, { nowMs, leaseMs }: BookUse): IdentifyBook {
  return emptyBook(known, nowMs, nowMs + leaseMs);
}

function emptyBook(word: SessionStarts, nowMs: number, baseMs: number): IdentifyBook {
  const { total, remaining, begun, maxConcurrency } = word;
  return {
    total,
    remaining,
    begun,
    resetAtMs: nowMs + word.resetInMs,
    maxConcurrency,
    baseMs,
    keys: {},
  };
}

/** The book after Discord's word. */
export function learnWord(book: IdentifyBook, word: SessionStarts, use: BookUse): IdentifyBook {
  const { nowMs } = use;
  const { total, maxConcurrency } = word;
  const wordResetMs = nowMs + word.resetInMs;
  const isRunning = word.begun && word.resetInMs > 0;
  const old = renewed(book, use);
  const isNewDay = old.begun && isRunning && wordResetMs > old.resetAtMs + use.leaseMs;
  const most = old.remaining + Math.max(0, total - old.total);
  const rekeyed = withConcurrency(old, maxConcurrency);
  // A permit is subtracted before Discord counts its IDENTIFY: somebody has sent without a permit
  // of this ledger, and that may have been a moment ago.
  const hasMissed = !isNewDay && word.remaining < most;
  return {
    ...(hasMissed ? closed(rekeyed, nowMs + use.windowMs) : rekeyed),
    total,
    remaining: isNewDay ? word.remaining : Math.min(most, word.remaining),
    begun: old.begun || word.begun,
    resetAtMs: isRunning ? wordResetMs : old.resetAtMs,
  };
}

export function takePermit(
  book: IdentifyBook | undefined,
  request: TakeRequest,
  use: BookUse,
): { readonly book: IdentifyBook; readonly answer: TakeAnswer } {
  const { nowMs, leaseMs, periodMs, holder } = use;
  if (book === undefined) {
    // What was spent without the ledger has been subtracted from what is known.
    const lost = lostBook(request.known, use);
    return {
      book: lost,
      answer: { kind: 'forgot', waitMs: leaseMs, starts: startsOf(lost, nowMs) },
    };
  }
  const old = renewed(book, use);
  const paid = { ...old, remaining: Math.max(0, old.remaining - request.owed) };
  const formerMs = opensAt(paid, request.shard, use);
  if (nowMs < formerMs) {
    // A lease becomes a window as soon as its holder has sent, so nobody waits for all of it.
    const isLease = entryOf(paid, request.shard).holder !== undefined;
    const waitMs = Math.min(formerMs - nowMs, isLease ? use.windowMs : Number.POSITIVE_INFINITY);
    // Written down, or a clock that has stepped back would have to catch up first.
    const noted = withKey(paid, request.shard, {
      ...entryOf(paid, request.shard),
      openAtMs: formerMs,
    });
    return { book: noted, answer: { kind: 'wait', waitMs, starts: startsOf(paid, nowMs) } };
  }
  if (paid.remaining <= request.floor) {
    return { book: paid, answer: { kind: 'floor', starts: startsOf(paid, nowMs) } };
  }
  const next: IdentifyBook = {
    ...withKey(paid, request.shard, { openAtMs: nowMs + leaseMs, holder, formerMs }),
    remaining: paid.remaining - 1,
    // It begins for Discord when the IDENTIFY arrives, which is somewhat after the permit.
    resetAtMs: paid.begun ? paid.resetAtMs : nowMs + leaseMs + periodMs,
  };
  return { book: next, answer: { kind: 'granted', starts: startsOf(next, nowMs) } };
}

export function markSent(book: IdentifyBook, shard: number, use: BookUse): IdentifyBook {
  const old = begunDay(book, use);
  const entry = entryOf(old, shard);
  const windowEndMs = use.nowMs + use.windowMs;
  if (entry.holder === use.holder) return withKey(old, shard, { openAtMs: windowEndMs });
  // Another one's permit stays what it is; given back, it leaves this window behind.
  const openAtMs = Math.max(opensAt(old, shard, use), windowEndMs);
  return withKey(old, shard, { ...entry, openAtMs, formerMs: windowEndMs });
}

export function returnPermit(book: IdentifyBook, shard: number, use: BookUse): IdentifyBook {
  const { holder, formerMs = use.nowMs } = entryOf(book, shard);
  if (holder !== use.holder) return book;
  const remaining = Math.min(book.total, book.remaining + 1);
  return { ...withKey(book, shard, { openAtMs: formerMs }), remaining };
}

/** What a book of this process says to others. */
function startsOf(book: IdentifyBook, nowMs: number): SessionStarts {
  const { total, remaining, begun, maxConcurrency } = book;
  return {
    total,
    remaining,
    begun,
    maxConcurrency,
    resetInMs: Math.max(0, book.resetAtMs - nowMs),
  };
}

function renewed(book: IdentifyBook, { nowMs, leaseMs, periodMs }: BookUse): IdentifyBook {
  const resetAtMs = Math.min(book.resetAtMs, nowMs + leaseMs + periodMs);
  if (nowMs < resetAtMs) return { ...book, resetAtMs };
  return { ...book, resetAtMs, remaining: book.total, begun: false };
}

/** An IDENTIFY whose permit is of the day before is the first of the new day. */
function begunDay(book: IdentifyBook, use: BookUse): IdentifyBook {
  const old = renewed(book, use);
  if (use.nowMs < book.resetAtMs) return { ...old, begun: true };
  const resetAtMs = use.nowMs + use.leaseMs + use.periodMs;
  return { ...old, remaining: Math.max(0, old.remaining - 1), resetAtMs, begun: true };
}

/** Every key of a new concurrency opens when all keys of the old one have. */
function withConcurrency(book: IdentifyBook, maxConcurrency: number): IdentifyBook {
  if (book.maxConcurrency === maxConcurrency) return book;
  const times = Object.values(book.keys).map(({ openAtMs }) => openAtMs);
  return { ...book, maxConcurrency, baseMs: Math.max(book.baseMs, ...times), keys: {} };
}

/** No key opens before `untilMs`, those whose permit is given back included. */
function closed(book: IdentifyBook, untilMs: number): IdentifyBook {
  const keys = Object.entries(book.keys).map(([key, { openAtMs, holder, formerMs }]) => {
    const entry: KeyEntry = { openAtMs: Math.max(openAtMs, untilMs) };
    if (holder === undefined) return [key, entry] as const;
    return [key, { ...entry, holder, formerMs: Math.max(formerMs ?? untilMs, untilMs) }] as const;
  });
  return { ...book, baseMs: Math.max(book.baseMs, untilMs), keys: Object.fromEntries(keys) };
}

function entryOf(book: IdentifyBook, shard: number): KeyEntry {
  return book.keys[shard % book.maxConcurrency] ?? { openAtMs: book.baseMs };
}

/** No key is closed for longer than a lease: if one seems to be, the clock has stepped back. */
function opensAt(book: IdentifyBook, shard: number, { nowMs, leaseMs }: BookUse): number {
  return Math.min(entryOf(book, shard).openAtMs, nowMs + leaseMs);
}

function withKey(book: IdentifyBook, shard: number, entry: KeyEntry): IdentifyBook {
  return { ...book, keys: { ...book.keys, [shard % book.maxConcurrency]: entry } };
}

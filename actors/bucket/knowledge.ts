/** What is known of a bucket as a text in the store's time, for other proxies. */
import { z } from 'zod';
import { type Keyed, mapValues } from './keyed.ts';
import type { Knowledge } from './state.ts';
import type { Window } from './window.ts';

type Shared = Pick<Knowledge, 'ledger'> & { readonly flights: Knowledge['others'] };

const storedWindow = z.object({
  kind: z.enum(['unknown', 'unlimited', 'limited']),
  limit: z.number().min(1),
  remaining: z.number(),
  heard: z
    .object({ countedByMs: z.number(), resetFromMs: z.number(), resetByMs: z.number() })
    .nullable(),
  wholeAtMs: z.number().nullable(),
  epoch: z.number(),
  epochStartMs: z.number(),
  lengthMs: z.number().nullable(),
  shareMs: z.number(),
  excluded: z.array(z.enum(['fixed', 'leaky', 'sliding'])),
  distrusted: z.boolean(),
  log: z.array(
    z.object({
      id: z.number(),
      sentMs: z.number(),
      countedByMs: z.number().nullable(),
      counted: z.boolean(),
    }),
  ),
  spent: z.array(z.object({ countedByMs: z.number(), untilMs: z.number() })),
  strangers: z.number(),
  refusedOnly: z.boolean(),
  blockedUntilMs: z.number(),
  failures: z.number(),
});

const storedAccount = z.object({
  route: z.string(),
  window: z.number(),
  tight: z.number().nullable(),
  hash: z.string().nullable(),
  candidate: z.string().nullable(),
  careful: z.boolean(),
  blockedUntilMs: z.number(),
  usedMs: z.number(),
});

const storedBucket = z
  .object({
    ledger: z.object({
      accounts: z.record(z.string(), storedAccount),
      windows: z.record(z.string(), storedWindow),
      joined: z.record(z.string(), z.number()),
      nextWindow: z.number(),
    }),
    flights: z.array(
      z.object({
        id: z.number(),
        sentMs: z.number(),
        charges: z.array(z.object({ account: z.string(), window: z.number(), epoch: z.number() })),
        proxy: z.string(),
        leaseUntilMs: z.number(),
      }),
    ),
  })
  // A window that an account draws on and that is not there would crash whoever takes this over.
  .refine(({ ledger: { accounts, windows } }) =>
    Object.values(accounts).every(
      ({ window, tight }) =>
        windows[window] !== undefined && (tight === null || windows[tight] !== undefined),
    ),
  );

/**
 * In our own time, where the store's is `offsetMs` ahead of it; null if it cannot be understood.
 */
export function readKnowledge(text: string, offsetMs: number): Shared | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { data } = storedBucket.safeParse(value);
  if (data === undefined) return null;
  const { ledger, flights } = data;
  const accounts = Object.entries(ledger.accounts).map(([key, value]) => ({ key, value }));
  const windows = Object.entries(ledger.windows).map(([key, value]) => ({
    key: Number(key),
    value,
  }));
  return shiftKnowledge({ ledger: { ...ledger, accounts, windows }, flights }, -offsetMs);
}

export function writeKnowledge(shared: Shared, offsetMs: number): string {
  const { ledger, flights } = shiftKnowledge(shared, offsetMs);
  const accounts = recordOf(ledger.accounts);
  const windows = recordOf(ledger.windows);
  return JSON.stringify({ ledger: { ...ledger, accounts, windows }, flights });
}

function recordOf<Value>(list: Keyed<string | number, Value>): Record<string, Value> {
  return Object.fromEntries(list.map(({ key, value }) => [key, value]));
}

/** The same as seen from a clock that is `byMs` ahead. */
function shiftKnowledge({ ledger, flights }: Shared, byMs: number): Shared {
  return {
    ledger: {
      ...ledger,
      accounts: mapValues(ledger.accounts, (one) => ({
        ...one,
        blockedUntilMs: one.blockedUntilMs + byMs,
        usedMs: one.usedMs + byMs,
      })),
      windows: mapValues(ledger.windows, (window) => shiftWindow(window, byMs)),
    },
    flights: flights.map((flight) => ({
      ...flight,
      sentMs: flight.sentMs + byMs,
      leaseUntilMs: flight.leaseUntilMs + byMs,
    })),
  };
}

function shiftWindow(window: Window, byMs: number): Window {
  const { heard, wholeAtMs } = window;
  return {
    ...window,
    heard: heard && {
      countedByMs: heard.countedByMs + byMs,
      resetFromMs: heard.resetFromMs + byMs,
      resetByMs: heard.resetByMs + byMs,
    },
    wholeAtMs: wholeAtMs === null ? null : wholeAtMs + byMs,
    epochStartMs: window.epochStartMs + byMs,
    log: window.log.map((entry) => ({
      ...entry,
      sentMs: entry.sentMs + byMs,
      countedByMs: entry.countedByMs === null ? null : entry.countedByMs + byMs,
    })),
    spent: window.spent.map((one) => ({
      countedByMs: one.countedByMs + byMs,
      untilMs: one.untilMs + byMs,
    })),
    blockedUntilMs: window.blockedUntilMs + byMs,
  };
}

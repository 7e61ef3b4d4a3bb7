/**
 * Brings together what was known of one bucket in two places, such as in the store and in a proxy
 * that could not reach it for a while.
 *
 * Inner workings: both ledgers come from one, or tell of the same counters, so for each account the
 * two windows are joined as those of two routes are that turn out to share a counter: of each fact
 * the stricter is kept. The numbers of the first ledger's windows stay; those of the second get new
 * ones.
 *
 * Failure modes: what both have counted without a number, which is requests whose answers said
 * nothing, is counted twice until it expires; too little is sent then, never too much.
 */

import { mapValues, valueAt } from './keyed.ts';
import type { Account, Charged, Ledger } from './ledger.ts';
import { accountOf, join, resolve, withAccount } from './ledger.ts';
import type { Window } from './window.ts';

export type United<Flight> = { readonly ledger: Ledger; readonly flights: readonly Flight[] };

/** `flights` are those of the second ledger. */
export function unite<Flight extends Charged>(
  first: Ledger,
  second: Ledger,
  flights: readonly Flight[],
): United<Flight> {
  const offset = first.nextWindow;
  const renumber = (id: number): number => resolve(second, id) + offset;
  let ledger: Ledger = {
    ...first,
    windows: [...first.windows, ...renumbered(second.windows, offset)],
    nextWindow: offset + second.nextWindow,
  };
  for (const { key, value: account } of second.accounts) {
    const moved = {
      ...account,
      window: renumber(account.window),
      tight: account.tight === null ? null : renumber(account.tight),
    };
    ledger = addAccount(ledger, key, moved);
  }
  const windows = mapValues(ledger.windows, withoutRepeats);
  const moved = flights.map((flight) => ({
    ...flight,
    charges: flight.charges.map((charge) => ({ ...charge, window: renumber(charge.window) })),
  }));
  return { ledger: { ...ledger, windows }, flights: moved };
}

function renumbered(windows: Ledger['windows'], offset: number): Ledger['windows'] {
  return windows.map(({ key, value }) => ({ key: key + offset, value }));
}

/** Adds an account of the second ledger, whose windows have their new numbers. */
function addAccount(ledger: Ledger, key: string, account: Account): Ledger {
  const known = valueAt(ledger.accounts, key);
  if (known === undefined) return withAccount(ledger, key, account);
  const both: Account = {
    ...known,
    hash: known.hash ?? account.hash,
    tight: known.tight ?? account.tight,
    careful: known.careful || account.careful,
    blockedUntilMs: Math.max(known.blockedUntilMs, account.blockedUntilMs),
    usedMs: Math.max(known.usedMs, account.usedMs),
  };
  let next = withAccount(ledger, key, both);
  next = joinKnown(next, known.window, account.window);
  if (known.tight === null || account.tight === null) return next;
  next = joinKnown(next, known.tight, account.tight);
  const tight = resolve(next, known.tight);
  return withAccount(next, key, { ...accountOf(next, key), tight });
}

/** Joins two windows of one counter, one of which may know nothing of it. */
function joinKnown(ledger: Ledger, one: number, other: number): Ledger {
  const [left, right] = [resolve(ledger, one), resolve(ledger, other)];
  if (left === right) return ledger;
  const isUnknown = valueAt(ledger.windows, left)?.kind === 'unknown';
  return isUnknown ? join(ledger, right, left) : join(ledger, left, right);
}

/**
 * Both may have had the same request in their logs; of the two entries, that which has landed
 * counts.
 */
function withoutRepeats(window: Window): Window {
  const byId = new Map<number, Window['log'][number]>();
  for (const entry of window.log) {
    const known = byId.get(entry.id);
    if (known === undefined || known.countedByMs === null) byId.set(entry.id, entry);
  }
  return byId.size === window.log.length ? window : { ...window, log: [...byId.values()] };
}

/**
 * Which of Discord's counters the requests of one bucket actor count against.
 *
 * Purpose: Discord gives routes, and classes of requests within a route, names of buckets, and does
 * not say which of them share a counter. The ledger keeps an account for each class of each route,
 * and the windows that these accounts draw on. Since all accounts that could ever share a counter
 * are in one ledger, and a ledger has one owner, no counter has two.
 *
 * Inner workings. An account draws on one window, its own at first, and a request is charged to all
 * windows that it may count against. Windows are brought together on evidence only:
 *
 * - Classes of one route that Discord gives one name share the window from then on.
 * - Routes with one name stay apart, until an answer to one shows more used than it has sent while
 *   the others of that name were sending: then their counter is one, and so is the window. Who
 *   waits is not touched by it; only what they wait for changes.
 * - Accounts that another ledger has seen to share a counter share a window from the start, until
 *   they turn out to have other names here, or an answer shows that they do not
 *   (`protocols/siblings.ts`).
 *
 * What an answer changes in all this stands in `answers.ts`.
 *
 * Where a request may be counted in either of two classes, both are charged until the answer tells.
 *
 * Failure modes: requests of strangers that use the same token can look like those of another route
 * of the same name; then the two are counted together, which is slower than it needs to be and
 * breaks nothing, until an answer shows one of them alone. Accounts that nothing is to be known of
 * are forgotten, and what was brought together with them.
 */
import { BUCKET_IDLE_MS } from '../../protocols/limits.ts';
import { areSiblings, NO_SIBLINGS, type Siblings } from '../../protocols/siblings.ts';
import { type Keyed, mapValues, valueAt, withValue } from './keyed.ts';
import { NOTHING } from './lists.ts';
import type { Window, WindowFlight } from './window.ts';
import * as windows from './window.ts';

/** What is known of one class of one route. */
export type Account = {
  readonly route: string;
  /** The window it draws on. */
  readonly window: number;
  /** A second window, that only 429s tell of. */
  readonly tight: number | null;
  /** Discord's name of the bucket, and another one that a single success has named since. */
  readonly hash: string | null;
  readonly candidate: string | null;
  /** A limit that is never shown has refused a request of this account. */
  readonly careful: boolean;
  readonly blockedUntilMs: number;
  readonly usedMs: number;
};

/** Plain data, so that it can be kept, sent and restored. */
export type Ledger = {
  readonly accounts: Keyed<string, Account>;
  readonly windows: Keyed<number, Window>;
  /**
   * Windows that are gone, and those they were joined to; for requests that are still in flight.
   */
  readonly joined: Readonly<Record<number, number>>;
  readonly nextWindow: number;
};

/** A request stands in this window of this account. */
export type Charge = { readonly account: string; readonly window: number; readonly epoch: number };

export type Charged = {
  readonly id: number;
  readonly sentMs: number;
  readonly charges: readonly Charge[];
};

/** How many requests are in flight, by window and by account. */
export type Load = {
  readonly windows: ReadonlyMap<number, number>;
  readonly accounts: ReadonlyMap<string, number>;
};

export const EMPTY_LEDGER: Ledger = {
  accounts: NOTHING,
  windows: NOTHING,
  joined: {},
  nextWindow: 1,
};

export const accountKey = (route: string, requestClass: string): string =>
  `${route} ${requestClass}`;

const NO_LOAD: Load = { windows: new Map(), accounts: new Map() };

export function loadOf(ledger: Ledger, flights: readonly Charged[]): Load {
  if (flights.length === 0) return NO_LOAD;
  const byWindow = new Map<number, number>();
  const byAccount = new Map<string, number>();
  const add = <Key>(map: Map<Key, number>, key: Key) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const { charges } of flights) {
    const [one] = charges;
    if (one !== undefined && charges.length === 1) {
      add(byWindow, resolve(ledger, one.window));
      add(byAccount, one.account);
      continue;
    }
    for (const id of new Set(charges.map(({ window }) => resolve(ledger, window)))) {
      add(byWindow, id);
    }
    for (const key of new Set(charges.map(({ account }) => account))) add(byAccount, key);
  }
  return { windows: byWindow, accounts: byAccount };
}

export function roll(ledger: Ledger, nowMs: number): Ledger {
  let next = ledger;
  for (const { key, value } of ledger.windows) {
    const rolled = windows.roll(value, nowMs);
    if (rolled !== value) next = withWindow(next, key, rolled);
  }
  return next;
}

/** Makes sure that there is an account. */
export function open(
  ledger: Ledger,
  route: string,
  key: string,
  nowMs: number,
  siblings: Siblings = NO_SIBLINGS,
): Ledger {
  if (valueAt(ledger.accounts, key) !== undefined) return ledger;
  const shared = siblingWindow(ledger, key, siblings);
  const made = shared === null ? withNewWindow(ledger, windows.newWindow()) : ledger;
  return withAccount(made, key, {
    route,
    window: shared ?? ledger.nextWindow,
    tight: null,
    hash: null,
    candidate: null,
    careful: false,
    blockedUntilMs: 0,
    usedMs: nowMs,
  });
}

/**
 * The window of an account that was counted with this one elsewhere, unless it has another name
 * here.
 */
function siblingWindow(ledger: Ledger, key: string, siblings: Siblings): number | null {
  const hash = siblings[key]?.hash;
  if (hash === undefined) return null;
  const found = ledger.accounts.find(
    ({ key: other, value: one }) =>
      (one.hash === null || one.hash === hash) && areSiblings(siblings, key, other),
  );
  return found === undefined ? null : found.value.window;
}

/**
 * Takes over what other buckets have seen: accounts that have the same name share a window from now
 * on.
 */
export function joinSiblings(ledger: Ledger, siblings: Siblings): Ledger {
  let next = ledger;
  for (const { key, value } of ledger.accounts) {
    const { hash } = value;
    if (hash === null || hash !== siblings[key]?.hash) continue;
    const others = next.accounts.filter(
      (other) => other.value.hash === hash && areSiblings(siblings, key, other.key),
    );
    for (const { key: other } of others) {
      const [into, gone] = [accountOf(next, key).window, accountOf(next, other).window];
      if (into !== gone) next = join(next, into, gone);
    }
  }
  return next;
}

const windowsOf = ({ window, tight }: Account): readonly number[] =>
  tight === null ? [window] : [window, tight];

/** How many requests the account may send now, of what `share` of the limits gives room for. */
export function room(ledger: Ledger, key: string, load: Load, nowMs: number, share = 1): number {
  const account = valueAt(ledger.accounts, key);
  if (account === undefined || account.blockedUntilMs > nowMs) return 0;
  let least = account.careful ? 1 - (load.accounts.get(key) ?? 0) : Number.POSITIVE_INFINITY;
  for (const id of windowsOf(account)) {
    const inFlight = load.windows.get(id) ?? 0;
    least = Math.min(least, windows.capacity(windowOf(ledger, id), inFlight, nowMs, share));
  }
  return least;
}

/** The next time after `nowMs` at which the account may get room by itself. */
export function nextChangeMs(ledger: Ledger, key: string, nowMs: number): number {
  const account = valueAt(ledger.accounts, key);
  if (account === undefined) return Number.POSITIVE_INFINITY;
  if (account.blockedUntilMs > nowMs) return account.blockedUntilMs;
  const times = windowsOf(account).map((id) => windows.nextChangeMs(windowOf(ledger, id), nowMs));
  return Math.min(...times);
}

/** The earliest a request with `ahead` others before it can be sent, as far as that is known. */
export function earliestMs(
  ledger: Ledger,
  key: string,
  load: Load,
  ahead: number,
  nowMs: number,
): number {
  const account = valueAt(ledger.accounts, key);
  if (account === undefined) return nowMs;
  const times = windowsOf(account).map((id) => {
    const inFlight = load.windows.get(id) ?? 0;
    return windows.earliestMs(windowOf(ledger, id), inFlight, ahead, nowMs);
  });
  return Math.max(account.blockedUntilMs, ...times);
}

/** Whether the account is held back until then by errors of Discord's, and not by a limit. */
export function isFailing(ledger: Ledger, key: string, untilMs: number): boolean {
  const account = valueAt(ledger.accounts, key);
  if (account === undefined) return false;
  return windowsOf(account).some((id) => {
    const { failures, blockedUntilMs } = windowOf(ledger, id);
    return failures > 0 && blockedUntilMs === untilMs;
  });
}

/** Charges a request to every window that it may count against. */
export function charge(
  ledger: Ledger,
  keys: readonly string[],
  id: number,
  nowMs: number,
): readonly [Ledger, readonly Charge[]] {
  let next = ledger;
  const charges: Charge[] = [];
  for (const key of keys) {
    const account = accountOf(ledger, key);
    next = withAccount(next, key, { ...account, usedMs: nowMs });
    for (const window of windowsOf(account)) {
      if (charges.some((one) => one.window === window)) continue;
      const { epoch } = windowOf(next, window);
      charges.push({ account: key, window, epoch });
      next = withWindow(next, window, windows.noteSent(windowOf(next, window), id, nowMs));
    }
  }
  return [next, charges];
}

/** The request never left. */
export function noteUnsent(ledger: Ledger, flight: Charged): Ledger {
  return eachWindow(ledger, flight, (window, one) => windows.noteUnsent(window, one));
}

/** The request was sent and nothing was heard. */
export function noteLost(ledger: Ledger, flight: Charged, nowMs: number): Ledger {
  return eachWindow(ledger, flight, (window, one) => windows.noteLost(window, one, nowMs));
}

/** Nothing of the request's windows is sent for a while, unless they are blocked anyhow. */
export function slowDown(ledger: Ledger, flight: Charged, nowMs: number): Ledger {
  return eachWindow(ledger, flight, (window) =>
    window.blockedUntilMs > nowMs ? window : windows.backOff(window, nowMs),
  );
}

/** From now on the accounts of both windows draw on one. */
export function join(ledger: Ledger, into: number, gone: number): Ledger {
  const merged = windows.merge(windowOf(ledger, into), windowOf(ledger, gone));
  const kept = withWindow(ledger, into, merged).windows.filter(({ key }) => key !== gone);
  const accounts = mapValues(ledger.accounts, (one) =>
    one.window === gone ? { ...one, window: into } : one,
  );
  const joined = { ...ledger.joined, [gone]: into };
  return { ...ledger, windows: kept, joined, accounts };
}

/**
 * Forgets the accounts that nothing is to be known of and nobody needs, and what only they referred
 * to. Returns the ledger and when to look again; infinite if it is empty.
 */
export function forget(
  ledger: Ledger,
  isNeeded: (key: string) => boolean,
  flights: readonly Charged[],
  nowMs: number,
): readonly [Ledger, number] {
  let nextMs = Number.POSITIVE_INFINITY;
  const accounts = ledger.accounts.filter(({ key, value: account }) => {
    if (isNeeded(key)) return true;
    const idleMs = Math.max(account.usedMs, busyUntilMs(ledger, account)) + BUCKET_IDLE_MS;
    if (idleMs > nowMs) nextMs = Math.min(nextMs, idleMs);
    return idleMs > nowMs;
  });
  if (accounts.length === ledger.accounts.length) return [ledger, nextMs];
  const charged = new Set(flights.flatMap(({ charges }) => charges.map(({ window }) => window)));
  const used = new Set(accounts.flatMap(({ value }) => windowsOf(value)));
  for (const id of charged) used.add(resolve(ledger, id));
  const joined = Object.entries(ledger.joined).filter(([id]) => charged.has(Number(id)));
  return [
    {
      ...ledger,
      accounts,
      windows: ledger.windows.filter(({ key }) => used.has(key)),
      joined: Object.fromEntries(joined),
    },
    nextMs,
  ];
}

function busyUntilMs(ledger: Ledger, account: Account): number {
  const times = windowsOf(account).map((id) => windows.busyUntilMs(windowOf(ledger, id)));
  return Math.max(account.blockedUntilMs, ...times);
}

/** After this nothing that the ledger knows matters any more, unless something is sent. */
export function quietAtMs(ledger: Ledger): number {
  return Math.max(0, ...ledger.accounts.map(({ value }) => busyUntilMs(ledger, value)));
}

// The parts of a ledger.

/** The window that is meant by the number of one that may have been joined to another since. */
export function resolve(ledger: Ledger, id: number): number {
  let at = id;
  for (let into = ledger.joined[at]; into !== undefined; into = ledger.joined[at]) at = into;
  return at;
}

export function accountOf(ledger: Ledger, key: string): Account {
  const account = valueAt(ledger.accounts, key);
  if (account === undefined)
    throw new Error('a request is charged to an account that is not there');
  return account;
}

export function windowOf(ledger: Ledger, id: number): Window {
  const window = valueAt(ledger.windows, id);
  if (window === undefined) throw new Error(`the ledger has no window ${id}`);
  return window;
}

export function withAccount(ledger: Ledger, key: string, account: Account): Ledger {
  return { ...ledger, accounts: withValue(ledger.accounts, key, account) };
}

export function withWindow(ledger: Ledger, id: number, window: Window): Ledger {
  return { ...ledger, windows: withValue(ledger.windows, id, window) };
}

export function withNewWindow(ledger: Ledger, window: Window): Ledger {
  return { ...withWindow(ledger, ledger.nextWindow, window), nextWindow: ledger.nextWindow + 1 };
}

/**
 * The request as this window knows it; one that it was not charged to is of the window's own epoch.
 */
export function flightIn(
  ledger: Ledger,
  { id, sentMs, charges }: Charged,
  window: number,
): WindowFlight {
  const charge = charges.find((one) => resolve(ledger, one.window) === window);
  return { id, sentMs, epoch: charge?.epoch ?? windowOf(ledger, window).epoch };
}

export function eachWindow(
  ledger: Ledger,
  flight: Charged,
  change: (window: Window, flight: WindowFlight) => Window,
): Ledger {
  const ids = new Set(flight.charges.map(({ window }) => resolve(ledger, window)));
  let next = ledger;
  for (const id of ids) {
    const window = valueAt(ledger.windows, id);
    if (window !== undefined) {
      next = withWindow(next, id, change(window, flightIn(next, flight, id)));
    }
  }
  return next;
}

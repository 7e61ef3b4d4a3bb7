/**
 * Which of Discord's counters the requests of one bucket actor count against.
 *
 * Purpose: Discord gives routes, and classes of requests within a route, names of buckets, and does
 * not say which of them share a counter. The ledger keeps an account for each class of each route, and
 * the windows that these accounts draw on. Since all accounts that could ever share a counter are in
 * one ledger, and a ledger has one owner, no counter has two.
 *
 * Inner workings. An account draws on one window, its own at first, and a request is charged to all
 * windows that it may count against. Windows are brought together on evidence only:
 *
 * - Classes of one route that Discord gives one name share the window from then on.
 * - Routes with one name stay apart, until an answer to one shows more used than it has sent while the
 *   others of that name were sending: then their counter is one, and so is the window. Who waits is
 *   not touched by it; only what they wait for changes.
 * - Accounts that another ledger has seen to share a counter share a window from the start, until they
 *   turn out to have other names here, or an answer shows that they do not (`protocols/siblings.ts`).
 *
 * A name is learned from successes, and a new one counts after two in a row; errors may carry other
 * names, and Discord flips between them for a while. A 429 that tells of another name or limit than the
 * successes do comes from a second, tighter counter: it is kept as a second window of the account, which
 * no success speaks of, and which is followed send by send. A 429 that shows room, or no numbers at
 * all, comes from a limit that is never shown: the account alone waits for it, and sends one at a time
 * from then on, so that each end of that wait costs no more than one 429.
 *
 * Where a request may be counted in either of two classes, both are charged until the answer tells.
 *
 * Failure modes: requests of strangers that use the same token can look like those of another route of
 * the same name; then the two are counted together, which is slower than it needs to be and breaks
 * nothing, until an answer shows one of them alone. Accounts that nothing is to be known of are
 * forgotten, and what was brought together with them.
 */
import { BUCKET_IDLE_MS, RESET_MARGIN_MS } from '../../protocols/limits.ts';
import type { Limited } from '../../protocols/proxy.ts';
import {
  areSiblings,
  NO_SIBLINGS,
  type SiblingEvidence,
  type Siblings,
} from '../../protocols/siblings.ts';
import type { Reading } from './reading.ts';
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
  readonly accounts: Readonly<Record<string, Account>>;
  readonly windows: Readonly<Record<number, Window>>;
  /** Windows that are gone, and those they were joined to; for requests that are still in flight. */
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

export const EMPTY_LEDGER: Ledger = { accounts: {}, windows: {}, joined: {}, nextWindow: 1 };

export const accountKey = (route: string, requestClass: string): string =>
  `${route} ${requestClass}`;

export function loadOf(ledger: Ledger, flights: readonly Charged[]): Load {
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
  for (const [id, window] of Object.entries(ledger.windows)) {
    const rolled = windows.roll(window, nowMs);
    if (rolled !== window) next = withWindow(next, Number(id), rolled);
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
  if (ledger.accounts[key] !== undefined) return ledger;
  const named = { route, tight: null, hash: null, candidate: null };
  const account = { ...named, careful: false, blockedUntilMs: 0, usedMs: nowMs };
  const shared = siblingWindow(ledger, key, siblings);
  if (shared !== null) return withAccount(ledger, key, { ...account, window: shared });
  const made = withNewWindow(ledger, windows.newWindow());
  return withAccount(made, key, { ...account, window: ledger.nextWindow });
}

/** The window of an account that was counted with this one elsewhere, unless it has another name here. */
function siblingWindow(ledger: Ledger, key: string, siblings: Siblings): number | null {
  const hash = siblings[key]?.hash;
  if (hash === undefined) return null;
  const found = Object.entries(ledger.accounts).find(
    ([other, one]) => (one.hash === null || one.hash === hash) && areSiblings(siblings, key, other),
  );
  return found === undefined ? null : found[1].window;
}

/** Takes over what other buckets have seen: accounts that have the same name share a window from now on. */
export function joinSiblings(ledger: Ledger, siblings: Siblings): Ledger {
  let next = ledger;
  for (const [key, { hash }] of Object.entries(ledger.accounts)) {
    if (hash === null || hash !== siblings[key]?.hash) continue;
    const others = Object.entries(next.accounts).filter(
      ([other, one]) => one.hash === hash && areSiblings(siblings, key, other),
    );
    for (const [other] of others) {
      const [into, gone] = [accountOf(next, key).window, accountOf(next, other).window];
      if (into !== gone) next = join(next, into, gone);
    }
  }
  return next;
}

/** What the landing of a request has shown of the routes that share its bucket's name; null if nothing. */
export function siblingsSeen(
  before: Ledger,
  after: Ledger,
  flight: Charged,
): SiblingEvidence | null {
  const key = flight.charges[0]?.account ?? '';
  const [was, is] = [before.accounts[key], after.accounts[key]];
  if (was === undefined || is === undefined) return null;
  if (after.joined !== before.joined) {
    const accounts = sharingWith(after, key);
    const hash = accounts.map((one) => after.accounts[one]?.hash).find(Boolean);
    return hash ? { kind: 'together', hash, accounts } : null;
  }
  // Whoever leaves the others of its name has shown that it is not counted with them.
  const hasLeft =
    is.window !== was.window && othersNamed(before, key).some((one) => one === is.hash);
  if (!hasLeft || is.hash === null) return null;
  return { kind: 'apart', hash: is.hash, accounts: sharingWith(before, key) };
}

/** The accounts that draw on the window of this one, and itself. */
function sharingWith(ledger: Ledger, key: string): readonly string[] {
  const window = ledger.accounts[key]?.window;
  return Object.keys(ledger.accounts).filter((one) => ledger.accounts[one]?.window === window);
}

const windowsOf = ({ window, tight }: Account): readonly number[] =>
  tight === null ? [window] : [window, tight];

/** How many requests the account may send now, of what `share` of the limits gives room for. */
export function room(ledger: Ledger, key: string, load: Load, nowMs: number, share = 1): number {
  const account = ledger.accounts[key];
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
  const account = ledger.accounts[key];
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
  const account = ledger.accounts[key];
  if (account === undefined) return nowMs;
  const times = windowsOf(account).map((id) => {
    const inFlight = load.windows.get(id) ?? 0;
    return windows.earliestMs(windowOf(ledger, id), inFlight, ahead, nowMs);
  });
  return Math.max(account.blockedUntilMs, ...times);
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

/** What an answer said. */
export type Heard = {
  readonly status: number;
  readonly reading: Reading | null;
  /** Present on a 429. */
  readonly limited: Limited | null;
};

/** Takes in an answer. `gated` says whether a gate keeps everything when all is shut. */
export function noteHeard(
  ledger: Ledger,
  flight: Charged,
  heard: Heard,
  gated: boolean,
  nowMs: number,
): Ledger {
  const [settled, own] = settleClass(ledger, flight, heard.reading, nowMs);
  if (heard.limited === null) return noteAnswer(settled, own, heard, nowMs);
  return noteLimited(settled, own, heard.limited, heard.reading, gated, nowMs);
}

/** Of the two classes that a request may have been of, finds the one, and takes it off the other. */
function settleClass(
  ledger: Ledger,
  flight: Charged,
  reading: Reading | null,
  nowMs: number,
): readonly [Ledger, Charged] {
  const keys = [...new Set(flight.charges.map(({ account }) => account))];
  const [first] = keys;
  if (first === undefined || keys.length === 1) return [ledger, flight];
  const named = keys.find((key) => {
    const account = ledger.accounts[key];
    if (account === undefined) return false;
    if (reading !== null) return account.hash !== null && account.hash === reading.hash;
    return windowOf(ledger, account.window).kind === 'unlimited';
  });
  const own = named ?? first;
  const of = (isOwn: boolean) => ({
    ...flight,
    charges: flight.charges.filter(({ account }) => (account === own) === isOwn),
  });
  const other = of(false);
  if (named !== undefined) return [noteUnsent(ledger, other), of(true)];
  const guessed = eachWindow(ledger, other, (window, one) =>
    windows.noteRefusedElsewhere(window, one, nowMs),
  );
  return [guessed, of(true)];
}

function noteAnswer(
  ledger: Ledger,
  flight: Charged,
  { status, reading }: Heard,
  nowMs: number,
): Ledger {
  const key = flight.charges[0]?.account;
  if (key === undefined || ledger.accounts[key] === undefined) return ledger;
  const [named, usable] = identify(ledger, key, flight, status, reading, nowMs);
  const settled = usable === null ? named : keepTight(named, key, usable);
  const main = resolve(settled, accountOf(settled, key).window);
  const landed = landElsewhere(settled, flight, main, nowMs);
  const one = flightIn(landed, flight, main);
  const before = windowOf(landed, main);
  const strangers = usable === null ? 0 : windows.strangersIn(before, one, usable, false);
  const after = windows.noteAnswer(before, one, status, usable, nowMs);
  const next = withWindow(landed, main, after);
  return strangers > 0
    ? sharersOf(next, key, usable).reduce((sum, id) => join(sum, main, id), next)
    : next;
}

/** Lands the request in every window it was charged to but this one. */
function landElsewhere(ledger: Ledger, flight: Charged, but: number, nowMs: number): Ledger {
  const charges = flight.charges.filter(({ window }) => resolve(ledger, window) !== but);
  return eachWindow(ledger, { ...flight, charges }, (window, one) =>
    windows.noteLanded(window, one, nowMs),
  );
}

/**
 * Decides whether a reading is about this account's window, and moves the account to a new one when
 * its bucket has a new name.
 */
function identify(
  ledger: Ledger,
  key: string,
  flight: Charged,
  status: number,
  reading: Reading | null,
  nowMs: number,
): readonly [Ledger, Reading | null] {
  const account = accountOf(ledger, key);
  const isGuess = account.hash === null && status < 300 && sharingWith(ledger, key).length > 1;
  // Where the routes go by other names, or by none, what was seen elsewhere says nothing of them.
  if (reading === null) return [isGuess ? moveOut(ledger, key) : ledger, null];
  const { hash } = reading;
  const isAlone = isDenied(ledger, key, flight, reading, nowMs);
  if (hash === null || hash === account.hash) {
    if (isAlone) return [moveOut(ledger, key), reading];
    if (account.candidate === null) return [ledger, reading];
    return [withAccount(ledger, key, { ...account, candidate: null }), reading];
  }
  const success = status < 300;
  if (account.hash === null) {
    const isOther = isAlone || othersNamed(ledger, key).some((name) => name !== hash);
    const own = isGuess && isOther ? moveOut(ledger, key) : ledger;
    if (success) return [rename(own, key, hash), reading];
    return [withAccount(ledger, key, { ...account, candidate: hash }), reading];
  }
  if (!success) return [ledger, null];
  if (hash !== account.candidate) {
    return [withAccount(ledger, key, { ...account, candidate: hash }), null];
  }
  return [rename(moveOut(ledger, key), key, hash), reading];
}

/** Gives an account a window of its own. What was sent of late may count against that one, too. */
function moveOut(ledger: Ledger, key: string): Ledger {
  const account = accountOf(ledger, key);
  const old = windowOf(ledger, account.window);
  const fresh = windows.block(windows.newWindowAfter(old), old.blockedUntilMs);
  const moved = { ...account, window: ledger.nextWindow };
  return withAccount(withNewWindow(ledger, fresh), key, moved);
}

/** The names of the other accounts of the same window. */
function othersNamed(ledger: Ledger, key: string): readonly string[] {
  const names = sharingWith(ledger, key).map((one) => one !== key && ledger.accounts[one]?.hash);
  return names.filter((name) => typeof name === 'string');
}

/**
 * Whether an answer shows that an account does not share its counter with the one other route that draws
 * on its window. Of more routes it would not be known which of them has to go.
 */
function isDenied(
  ledger: Ledger,
  key: string,
  flight: Charged,
  reading: Reading,
  nowMs: number,
): boolean {
  const { route, window } = accountOf(ledger, key);
  const [other, ...more] = sharingWith(ledger, key).filter((one) => one !== key);
  if (other === undefined || more.length > 0 || ledger.accounts[other]?.route === route)
    return false;
  return windows.isOfAnother(windowOf(ledger, window), flight.sentMs, reading, nowMs);
}

/** Gives an account its name; classes of one route that have one name have one window. */
function rename(ledger: Ledger, key: string, hash: string): Ledger {
  const account = accountOf(ledger, key);
  const named = withAccount(ledger, key, { ...account, hash, candidate: null });
  const twin = Object.values(ledger.accounts).find(
    (one) => one.route === account.route && one.hash === hash && one.window !== account.window,
  );
  return twin === undefined ? named : join(named, twin.window, account.window);
}

/** Sees to it that what successes say of a window does not hide what a 429 has said. */
function keepTight(ledger: Ledger, key: string, { limit }: Reading): Ledger {
  const account = accountOf(ledger, key);
  const window = windowOf(ledger, account.window);
  if (account.tight !== null && windowOf(ledger, account.tight).limit === limit) {
    return withAccount(ledger, key, { ...account, tight: null });
  }
  if (!window.refusedOnly || window.limit === limit || account.tight !== null) return ledger;
  const made = withNewWindow(ledger, windows.newWindowAfter(window));
  const swapped = { ...account, window: ledger.nextWindow, tight: account.window };
  return withAccount(made, key, swapped);
}

function noteLimited(
  ledger: Ledger,
  flight: Charged,
  { by, waitMs }: Limited,
  reading: Reading | null,
  gated: boolean,
  nowMs: number,
): Ledger {
  const key = flight.charges[0]?.account;
  if (key === undefined || ledger.accounts[key] === undefined) return ledger;
  const untilMs = nowMs + waitMs + RESET_MARGIN_MS;
  if (by === 'global' || by === 'edge') {
    const spent = eachWindow(ledger, flight, (window, one) =>
      windows.noteRefusedElsewhere(window, one, nowMs),
    );
    return by === 'global' && gated ? spent : blockAccount(spent, key, untilMs, false);
  }
  const { window } = accountOf(ledger, key);
  const main = resolve(ledger, window);
  const { kind, limit } = windowOf(ledger, main);
  const isMain = reading !== null && (kind !== 'limited' || reading.limit === limit);
  if (reading !== null && reading.remaining === 0) {
    if (!isMain) return noteTight(ledger, key, flight, reading, untilMs, nowMs);
    return noteExhausted(ledger, key, flight, reading, by === 'shared', untilMs, nowMs);
  }
  // What refused is shown nowhere; the headers, if there are any, tell of something else.
  const landed = landElsewhere(ledger, flight, isMain ? main : 0, nowMs);
  const next = isMain ? refuse(landed, main, flight, reading, true, nowMs) : landed;
  return blockAccount(next, key, untilMs, true);
}

function blockAccount(ledger: Ledger, key: string, untilMs: number, careful: boolean): Ledger {
  const account = accountOf(ledger, key);
  const blockedUntilMs = Math.max(account.blockedUntilMs, untilMs);
  return withAccount(ledger, key, {
    ...account,
    blockedUntilMs,
    careful: account.careful || careful,
  });
}

function refuse(
  ledger: Ledger,
  id: number,
  flight: Charged,
  reading: Reading,
  explained: boolean,
  nowMs: number,
): Ledger {
  const window = windowOf(ledger, id);
  const one = flightIn(ledger, flight, id);
  return withWindow(ledger, id, windows.noteRefused(window, one, reading, explained, nowMs));
}

/** The account's own window is used up, by us or by somebody else. */
function noteExhausted(
  ledger: Ledger,
  key: string,
  flight: Charged,
  reading: Reading,
  shared: boolean,
  untilMs: number,
  nowMs: number,
): Ledger {
  const main = resolve(ledger, accountOf(ledger, key).window);
  const one = flightIn(ledger, flight, main);
  const strangers = windows.strangersIn(windowOf(ledger, main), one, reading, true);
  const sharers = shared || strangers === 0 ? [] : sharersOf(ledger, key, reading);
  const landed = landElsewhere(ledger, flight, main, nowMs);
  const explained = shared || sharers.length > 0;
  const refused = refuse(landed, main, flight, reading, explained, nowMs);
  const blocked = withWindow(refused, main, windows.block(windowOf(refused, main), untilMs));
  return sharers.reduce((sum, id) => join(sum, main, id), blocked);
}

/** A counter refused that successes do not speak of: it is kept beside the one they speak of. */
function noteTight(
  ledger: Ledger,
  key: string,
  flight: Charged,
  reading: Reading,
  untilMs: number,
  nowMs: number,
): Ledger {
  const account = accountOf(ledger, key);
  let next = ledger;
  let { tight } = account;
  if (tight === null) {
    tight = ledger.nextWindow;
    // What was sent of late counts against it too.
    const after = windows.newWindowAfter(windowOf(ledger, account.window));
    next = withNewWindow(ledger, after);
    next = withAccount(next, key, { ...account, tight });
  }
  next = landElsewhere(next, flight, tight, nowMs);
  next = refuse(next, tight, flight, reading, false, nowMs);
  return withWindow(next, tight, windows.block(windowOf(next, tight), untilMs));
}

/** The windows of other routes of the same name that were sent through of late. */
function sharersOf(ledger: Ledger, key: string, reading: Reading | null): readonly number[] {
  const { hash, window } = accountOf(ledger, key);
  // One that has only ever been refused has no name yet but that of its refusals.
  const name = hash ?? reading?.hash ?? null;
  const found = Object.values(ledger.accounts)
    .filter((one) => name !== null && (one.hash ?? one.candidate) === name)
    .filter((one) => one.window !== window)
    .filter(({ window: id }) => {
      const { log, spent } = windowOf(ledger, id);
      return log.length + spent.length > 0;
    });
  return [...new Set(found.map((one) => one.window))];
}

/** From now on the accounts of both windows draw on one. */
export function join(ledger: Ledger, into: number, gone: number): Ledger {
  const merged = windows.merge(windowOf(ledger, into), windowOf(ledger, gone));
  const { [gone]: _, ...others } = withWindow(ledger, into, merged).windows;
  const accounts = Object.entries(ledger.accounts).map(
    ([key, one]) => [key, one.window === gone ? { ...one, window: into } : one] as const,
  );
  const joined = { ...ledger.joined, [gone]: into };
  return { ...ledger, windows: others, joined, accounts: Object.fromEntries(accounts) };
}

/**
 * Forgets the accounts that nothing is to be known of and nobody needs, and what only they referred to.
 * Returns the ledger and when to look again; infinite if it is empty.
 */
export function forget(
  ledger: Ledger,
  isNeeded: (key: string) => boolean,
  flights: readonly Charged[],
  nowMs: number,
): readonly [Ledger, number] {
  let nextMs = Number.POSITIVE_INFINITY;
  const kept = Object.entries(ledger.accounts).filter(([key, account]) => {
    if (isNeeded(key)) return true;
    const idleMs = Math.max(account.usedMs, busyUntilMs(ledger, account)) + BUCKET_IDLE_MS;
    if (idleMs > nowMs) nextMs = Math.min(nextMs, idleMs);
    return idleMs > nowMs;
  });
  if (kept.length === Object.keys(ledger.accounts).length) return [ledger, nextMs];
  const charged = new Set(flights.flatMap(({ charges }) => charges.map(({ window }) => window)));
  const used = new Set([...kept.flatMap(([, account]) => windowsOf(account))]);
  for (const id of charged) used.add(resolve(ledger, id));
  const pick = <Value>(from: Readonly<Record<number, Value>>, ids: ReadonlySet<number>) =>
    Object.fromEntries(Object.entries(from).filter(([id]) => ids.has(Number(id))));
  return [
    {
      ...ledger,
      accounts: Object.fromEntries(kept),
      windows: pick(ledger.windows, used),
      joined: pick(ledger.joined, charged),
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
  return Math.max(0, ...Object.values(ledger.accounts).map((one) => busyUntilMs(ledger, one)));
}

// The parts of a ledger.

/** The window that is meant by the number of one that may have been joined to another since. */
export function resolve(ledger: Ledger, id: number): number {
  let at = id;
  for (let into = ledger.joined[at]; into !== undefined; into = ledger.joined[at]) at = into;
  return at;
}

function accountOf(ledger: Ledger, key: string): Account {
  const account = ledger.accounts[key];
  if (account === undefined)
    throw new Error('a request is charged to an account that is not there');
  return account;
}

function windowOf(ledger: Ledger, id: number): Window {
  const window = ledger.windows[id];
  if (window === undefined) throw new Error(`the ledger has no window ${id}`);
  return window;
}

function withAccount(ledger: Ledger, key: string, account: Account): Ledger {
  return { ...ledger, accounts: { ...ledger.accounts, [key]: account } };
}

function withWindow(ledger: Ledger, id: number, window: Window): Ledger {
  return { ...ledger, windows: { ...ledger.windows, [id]: window } };
}

function withNewWindow(ledger: Ledger, window: Window): Ledger {
  return { ...withWindow(ledger, ledger.nextWindow, window), nextWindow: ledger.nextWindow + 1 };
}

/** The request as this window knows it; one that it was not charged to is of the window's own epoch. */
function flightIn(ledger: Ledger, { id, sentMs, charges }: Charged, window: number): WindowFlight {
  const charge = charges.find((one) => resolve(ledger, one.window) === window);
  return { id, sentMs, epoch: charge?.epoch ?? windowOf(ledger, window).epoch };
}

function eachWindow(
  ledger: Ledger,
  flight: Charged,
  change: (window: Window, flight: WindowFlight) => Window,
): Ledger {
  const ids = new Set(flight.charges.map(({ window }) => resolve(ledger, window)));
  let next = ledger;
  for (const id of ids) {
    const window = ledger.windows[id];
    if (window !== undefined) {
      next = withWindow(next, id, change(window, flightIn(next, flight, id)));
    }
  }
  return next;
}

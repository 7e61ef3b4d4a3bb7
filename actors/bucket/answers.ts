/**
 * What an answer changes in a ledger: which of its windows the answer is about, and what it shows
 * of routes that share a counter.
 *
 * Purpose: to be the one place where a name, a limit and a refusal of Discord are believed or not.
 *
 * Inner workings. An answer is brought to the window that its request's account draws on. Before
 * that it is asked whether the account has a new name, or a counter of its own; after it, whether
 * the requests of other routes are in its numbers.
 *
 * A name is learned from successes, and a new one counts after two in a row; errors may carry other
 * names, and Discord flips between them for a while. A 429 that tells of another name or limit than
 * the successes do comes from a second, tighter counter: it is kept as a second window of the
 * account, which no success speaks of, and which is followed send by send. A 429 that shows room,
 * or no numbers at all, comes from a limit that is never shown: the account alone waits for it, and
 * sends one at a time from then on, so that each end of that wait costs no more than one 429.
 *
 * Failure modes: an answer to a request whose account has been forgotten changes nothing. One that
 * may be of either of two classes, and does not say of which, is taken for the first of them and
 * counts in the other as well.
 */
import { RESET_MARGIN_MS } from '../../protocols/limits.ts';
import type { Limited, LimitedBy } from '../../protocols/proxy.ts';
import type { SiblingEvidence } from '../../protocols/siblings.ts';
import { valueAt } from './keyed.ts';
import * as learning from './learning.ts';
import {
  accountOf,
  type Charged,
  eachWindow,
  flightIn,
  join,
  type Ledger,
  noteUnsent,
  resolve,
  roll,
  windowOf,
  withAccount,
  withNewWindow,
  withWindow,
} from './ledger.ts';
import type { Reading } from './reading.ts';
import * as windows from './window.ts';

/** What an answer said. */
export type Heard = {
  readonly status: number;
  /** When it had arrived. */
  readonly landedMs: number;
  readonly reading: Reading | null;
  /** Present on a 429. */
  readonly limited: Limited | null;
};

/**
 * Takes in an answer, much of which may be over as it arrives. `gated` says whether a gate keeps
 * everything when all is shut.
 */
export function noteHeard(
  ledger: Ledger,
  flight: Charged,
  heard: Heard,
  gated: boolean,
  nowMs: number,
): Ledger {
  const [settled, own] = settleClass(ledger, flight, heard);
  const { limited } = heard;
  if (limited === null) return roll(noteAnswer(settled, own, heard), nowMs);
  const untilMs = nowMs + limited.waitMs + RESET_MARGIN_MS;
  return roll(noteLimited(settled, own, heard, limited.by, gated, untilMs), nowMs);
}

/**
 * Of the two classes that a request may have been of, finds the one, and takes it off the other.
 */
function settleClass(
  ledger: Ledger,
  flight: Charged,
  { reading, landedMs }: Heard,
): readonly [Ledger, Charged] {
  if (flight.charges.length <= 1) return [ledger, flight];
  const keys = [...new Set(flight.charges.map(({ account }) => account))];
  const [first] = keys;
  if (first === undefined || keys.length === 1) return [ledger, flight];
  const named = keys.find((key) => {
    const account = valueAt(ledger.accounts, key);
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
    windows.noteRefusedElsewhere(window, one, landedMs),
  );
  return [guessed, of(true)];
}

function noteAnswer(ledger: Ledger, flight: Charged, heard: Heard): Ledger {
  const { status, landedMs } = heard;
  const key = flight.charges[0]?.account;
  if (key === undefined || valueAt(ledger.accounts, key) === undefined) return ledger;
  const [named, usable] = identify(ledger, key, flight, heard);
  const settled = usable === null ? named : keepTight(named, key, usable);
  const main = resolve(settled, accountOf(settled, key).window);
  const landed = landElsewhere(settled, flight, main, landedMs);
  const one = flightIn(landed, flight, main);
  const before = windowOf(landed, main);
  const strangers = usable === null ? 0 : learning.strangersIn(before, one, usable, false);
  const after = learning.noteAnswer(before, one, status, usable, landedMs);
  const next = withWindow(landed, main, after);
  return strangers > 0
    ? sharersOf(next, key, usable).reduce((sum, id) => join(sum, main, id), next)
    : next;
}

/** Lands the request in every window it was charged to but this one. */
function landElsewhere(ledger: Ledger, flight: Charged, but: number, landedMs: number): Ledger {
  const charges = flight.charges.filter(({ window }) => resolve(ledger, window) !== but);
  if (charges.length === 0) return ledger;
  return eachWindow(ledger, { ...flight, charges }, (window, one) =>
    windows.noteLanded(window, one, landedMs),
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
  { status, reading, landedMs }: Heard,
): readonly [Ledger, Reading | null] {
  const account = accountOf(ledger, key);
  const isGuess = account.hash === null && status < 300 && sharingWith(ledger, key).length > 1;
  // Where the routes go by other names, or by none, what was seen elsewhere says nothing of them.
  if (reading === null) return [isGuess ? moveOut(ledger, key) : ledger, null];
  const { hash } = reading;
  const isAlone = isDenied(ledger, key, flight, reading, landedMs);
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
  const others = sharingWith(ledger, key).filter((one) => one !== key);
  return others.map((one) => accountOf(ledger, one).hash).filter((name) => name !== null);
}

/**
 * Whether an answer shows that an account does not share its counter with the one other route that
 * draws on its window. Of more routes it would not be known which of them has to go.
 */
function isDenied(
  ledger: Ledger,
  key: string,
  flight: Charged,
  reading: Reading,
  landedMs: number,
): boolean {
  const { route, window } = accountOf(ledger, key);
  const [other, ...more] = sharingWith(ledger, key).filter((one) => one !== key);
  if (other === undefined || more.length > 0) return false;
  if (accountOf(ledger, other).route === route) return false;
  return learning.isOfAnother(windowOf(ledger, window), flight.sentMs, reading, landedMs);
}

/** Gives an account its name; classes of one route that have one name have one window. */
function rename(ledger: Ledger, key: string, hash: string): Ledger {
  const account = accountOf(ledger, key);
  const named = withAccount(ledger, key, { ...account, hash, candidate: null });
  const twin = ledger.accounts.find(
    ({ value: one }) =>
      one.route === account.route && one.hash === hash && one.window !== account.window,
  );
  return twin === undefined ? named : join(named, twin.value.window, account.window);
}

/** Sees to it that what successes say of a window does not hide what a 429 has said. */
function keepTight(ledger: Ledger, key: string, { limit }: Reading): Ledger {
  const account = accountOf(ledger, key);
  const window = windowOf(ledger, account.window);
  if (account.tight !== null && windowOf(ledger, account.tight).limit === limit) {
    return withAccount(ledger, key, { ...account, tight: null });
  }
  if (!window.refusedOnly || window.limit === limit || account.tight !== null) return ledger;
  const fresh = withNewWindow(ledger, windows.newWindowAfter(window));
  const swapped = { ...account, window: ledger.nextWindow, tight: account.window };
  return withAccount(fresh, key, swapped);
}

function noteLimited(
  ledger: Ledger,
  flight: Charged,
  { reading, landedMs }: Heard,
  by: LimitedBy,
  gated: boolean,
  untilMs: number,
): Ledger {
  const key = flight.charges[0]?.account;
  if (key === undefined || valueAt(ledger.accounts, key) === undefined) return ledger;
  if (by === 'global' || by === 'edge') {
    const spent = eachWindow(ledger, flight, (window, one) =>
      windows.noteRefusedElsewhere(window, one, landedMs),
    );
    return by === 'global' && gated ? spent : blockAccount(spent, key, untilMs, false);
  }
  const { window } = accountOf(ledger, key);
  const main = resolve(ledger, window);
  const { kind, limit } = windowOf(ledger, main);
  const isMain = reading !== null && (kind !== 'limited' || reading.limit === limit);
  if (reading !== null && reading.remaining === 0) {
    if (!isMain) return noteTight(ledger, key, flight, reading, untilMs, landedMs);
    return noteExhausted(ledger, key, flight, reading, by === 'shared', untilMs, landedMs);
  }
  // What refused is shown nowhere; the headers, if there are any, tell of something else.
  const landed = landElsewhere(ledger, flight, isMain ? main : 0, landedMs);
  const next = isMain ? refuse(landed, main, flight, reading, true, landedMs) : landed;
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
  landedMs: number,
): Ledger {
  const window = windowOf(ledger, id);
  const one = flightIn(ledger, flight, id);
  return withWindow(ledger, id, learning.noteRefused(window, one, reading, explained, landedMs));
}

/** The account's own window is used up, by us or by somebody else. */
function noteExhausted(
  ledger: Ledger,
  key: string,
  flight: Charged,
  reading: Reading,
  shared: boolean,
  untilMs: number,
  landedMs: number,
): Ledger {
  const main = resolve(ledger, accountOf(ledger, key).window);
  const one = flightIn(ledger, flight, main);
  const strangers = learning.strangersIn(windowOf(ledger, main), one, reading, true);
  const sharers = shared || strangers === 0 ? [] : sharersOf(ledger, key, reading);
  const landed = landElsewhere(ledger, flight, main, landedMs);
  const explained = shared || sharers.length > 0;
  const refused = refuse(landed, main, flight, reading, explained, landedMs);
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
  landedMs: number,
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
  next = landElsewhere(next, flight, tight, landedMs);
  next = refuse(next, tight, flight, reading, false, landedMs);
  return withWindow(next, tight, windows.block(windowOf(next, tight), untilMs));
}

/** The windows of other routes of the same name that were sent through of late. */
function sharersOf(ledger: Ledger, key: string, reading: Reading | null): readonly number[] {
  const { hash, candidate, window } = accountOf(ledger, key);
  // One that has never succeeded has no name yet but those of its refusals and of its errors.
  const names = hash === null ? [reading?.hash ?? null, candidate] : [hash];
  const isNamed = (name: string | null): boolean => name !== null && names.includes(name);
  const found = ledger.accounts
    .map(({ value }) => value)
    .filter((one) => isNamed(one.hash ?? one.candidate))
    .filter((one) => one.window !== window)
    .filter(({ window: id }) => {
      const { log, spent } = windowOf(ledger, id);
      return log.length + spent.length > 0;
    });
  return [...new Set(found.map((one) => one.window))];
}

/**
 * What the landing of a request has shown of the routes that share its bucket's name; null if
 * nothing.
 */
export function siblingsSeen(
  before: Ledger,
  after: Ledger,
  flight: Charged,
): SiblingEvidence | null {
  const key = flight.charges[0]?.account ?? '';
  const [was, is] = [valueAt(before.accounts, key), valueAt(after.accounts, key)];
  if (was === undefined || is === undefined) return null;
  if (after.joined !== before.joined) {
    const accounts = sharingWith(after, key);
    const hash = accounts.map((one) => accountOf(after, one).hash).find(Boolean);
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
  const { window } = accountOf(ledger, key);
  return ledger.accounts.filter((one) => one.value.window === window).map((one) => one.key);
}

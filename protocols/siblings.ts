/**
 * Which routes Discord counts together, as far as one bucket has seen it: knowledge for all
 * buckets, since what a bucket's name stands for is the same in every channel, and for every token.
 *
 * Inner workings: a claim says that these accounts (a class of a route each) share a counter
 * wherever Discord gives them this name. It is made by the evidence of one bucket and taken back by
 * that of any other; the latest counts. At SIBLINGS_MAX the claim on the account that was learned
 * first is forgotten.
 *
 * Failure modes: a claim that is false makes the routes slower than they need to be, and one that
 * is missing costs each bucket the refusals from which it learns by itself.
 */
import { SIBLINGS_MAX } from './limits.ts';

/** By account: the name of its bucket, and what stands for all that are counted with it. */
export type Siblings = Readonly<Record<string, { readonly hash: string; readonly group: string }>>;

export const NO_SIBLINGS: Siblings = {};

/** What a bucket has seen of accounts that have one name. */
export type SiblingEvidence = {
  readonly kind: 'together' | 'apart';
  readonly hash: string;
  readonly accounts: readonly string[];
};

export function areSiblings(siblings: Siblings, one: string, other: string): boolean {
  const group = siblings[one]?.group;
  return one !== other && group !== undefined && group === siblings[other]?.group;
}

/** Takes evidence in; the same value if it says nothing new. */
export function learnSiblings(siblings: Siblings, evidence: SiblingEvidence): Siblings {
  const { kind, hash, accounts } = evidence;
  if (kind === 'apart') {
    const rest = Object.entries(siblings).filter(([account]) => !accounts.includes(account));
    const isNews = rest.length < Object.keys(siblings).length;
    return isNews ? Object.fromEntries(rest) : siblings;
  }
  const [first = ''] = accounts;
  const group = `${hash} ${first}`;
  const isKnown = accounts.every(
    (one) => siblings[one]?.hash === hash && (one === first || areSiblings(siblings, first, one)),
  );
  if (isKnown) return siblings;
  const rest = Object.entries(siblings).filter(([account]) => !accounts.includes(account));
  const learned = accounts.map((account) => [account, { hash, group }] as const);
  return Object.fromEntries([...rest, ...learned].slice(-SIBLINGS_MAX));
}

/**
 * What is said about session starts: Discord's word on them, and the answers of the ledger that
 * keeps them.
 *
 * All spans are relative, so that each clock (ours, the store's, Discord's) is only read where it
 * is.
 */

/** How many sessions an application may still start, and how many at once. */
export type SessionStarts = {
  readonly total: number;
  readonly remaining: number;
  /** Until Discord renews the budget; of no meaning before the day has begun. */
  readonly resetInMs: number;
  /** Whether an IDENTIFY of this day has been sent for certain, so that its end stands. */
  readonly begun: boolean;
  readonly maxConcurrency: number;
};

/** What the ledger answers to a shard that wants to identify. */
export type TakeAnswer =
  /** The window of its key is its own, and one of the budget is spent. */
  | { readonly kind: 'granted'; readonly starts: SessionStarts }
  /** Another one's window is still running. */
  | { readonly kind: 'wait'; readonly waitMs: number; readonly starts: SessionStarts }
  /** It knew nothing any more; every key may be another one's until this long from now. */
  | { readonly kind: 'forgot'; readonly waitMs: number; readonly starts: SessionStarts }
  /** No more of the budget is left than is to be kept. */
  | { readonly kind: 'floor'; readonly starts: SessionStarts };

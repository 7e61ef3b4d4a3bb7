/**
 * What the identify governor needs of the world: a ledger of session starts, and Discord's word on
 * them.
 */
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';

export type TakeRequest = {
  readonly shard: number;
  /** So much of the budget is never spent. */
  readonly floor: number;
  /** Session starts that were spent while the ledger was away, and that it is to subtract. */
  readonly owed: number;
  /** What is known here, for a ledger that has lost its memory. */
  readonly known: SessionStarts;
};

/**
 * Who has identified when, and what is left of the day, for all that share the ledger.
 *
 * A permit takes the window of its key and one of the budget in one step, on the ledger's own
 * clock. It is a lease: whoever says nothing more of it holds the key for IDENTIFY_LEASE_MS.
 * Operations of one process take effect in the order in which they are called, and each settles
 * within IDENTIFY_LEDGER_TIMEOUT_MS or rejects; one that rejects may have taken effect all the
 * same.
 */
export interface IdentifyLedger {
  /** What a person calls it. */
  readonly label: string;
  /**
   * Takes Discord's word: what it says is left lowers what the ledger knows, and never raises it
   * within a day. Where it lowers it, somebody has sent what the ledger has not heard of, and every
   * key is closed for one window. The first word of a process begins a ledger that has no memory,
   * with every key closed for one window unless nothing was sent today. A later word does not:
   * without memory the ledger was lost then, as it was for whoever takes a permit, and nobody knows
   * what is on its way to Discord.
   */
  learn(word: SessionStarts): Promise<void>;
  take(request: TakeRequest): Promise<TakeAnswer>;
  /**
   * The shard's IDENTIFY has been sent, or may have been: its window begins now. A ledger that has
   * lost its memory since the permit begins anew with what it said then, every key closed for a
   * lease.
   */
  sent(shard: number): Promise<void>;
  /** The shard's permit was never used: window and budget are as if it had not been taken. */
  giveBack(shard: number): Promise<void>;
  /** Resolves when the ledger could be read and written; changes nothing in it. */
  reach(): Promise<void>;
}

/** Asks GET /gateway/bot once; rejects when there is no answer that can be used. */
export type AskDiscord = () => Promise<SessionStarts>;

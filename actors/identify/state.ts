/** What the identify governor knows, hears and does. */
import type { BackoffState } from '../../protocols/backoff.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import type { IdentifyMessage } from '../../protocols/gateway/messages.ts';
import type { Openings } from './openings.ts';
import type { Standing, Tally } from './order.ts';
import type { Table } from './table.ts';

export type IdentifyRules = {
  /** So much of the budget is never spent. */
  readonly floor: number;
  /**
   * The part of the bot's shards that this process has: what it may use while the ledger is away.
   */
  readonly share: number;
};

/** The budget of the day as last heard, less what was spent since; on the monotonic clock. */
export type IdentifyBudget = {
  readonly total: number;
  readonly remaining: number;
  readonly resetAtMs: number;
  readonly begun: boolean;
};

export type Holder = Standing & { readonly prepared: boolean };

/** One key of max_concurrency. */
export type Line = {
  /** Sorted; the holder comes before all of them. */
  readonly waiting: readonly Standing[];
  /** Who was called to open its socket, and is not permitted yet. */
  readonly holder: Holder | undefined;
  /** Who was permitted and has not said that the frame is sent. */
  readonly sending: readonly Standing[];
  /** When the next IDENTIFY of this key may be sent, as far as it is known here. */
  readonly openAtMs: number;
  /** The question to the ledger that is under way for the holder. */
  readonly attempt: number | undefined;
};

export type LedgerAbsence = {
  readonly sinceMs: number;
  readonly retryAtMs: number;
  readonly backoff: BackoffState;
  /** What may still be spent without the ledger. */
  readonly allowance: number;
  /** It is asked just now whether it is back, for nobody's permit. */
  readonly looking: boolean;
};

export type DiscordsWord = {
  readonly atMs: number;
  readonly asking: boolean;
  /** Not asked before this, after a failure. */
  readonly retryAtMs: number;
  readonly backoff: BackoffState;
  /** Sessions since then that ended soon after their IDENTIFY. */
  readonly returns: number;
  /** The ledger's answers to earlier attempts know nothing of it. */
  readonly sinceAttempt: number;
};

export type IdentifyState = {
  readonly rules: IdentifyRules;
  readonly maxConcurrency: number;
  readonly budget: IdentifyBudget;
  readonly lines: Table<Line>;
  /** Those that were called, or permitted and not heard of since. */
  readonly called: Tally;
  /** The round of each shard that waits or was called, and how many there are of each round. */
  readonly standing: Table<number>;
  readonly rounds: Tally;
  /** The round of each shard's last turn, and the latest round there was. */
  readonly turns: Table<number>;
  readonly round: number;
  /** When each shard's last IDENTIFY was sent. */
  readonly sentAtMs: Table<number>;
  /** Who each question to the ledger is for, and what debt it carries. */
  readonly attempts: Table<{ readonly shard: number; readonly owed: number }>;
  readonly nextAttempt: number;
  readonly absence: LedgerAbsence | undefined;
  /** Spent without the ledger, and not yet subtracted by it. */
  readonly owed: number;
  readonly word: DiscordsWord;
  readonly atFloor: boolean;
  /** At the floor: nobody is asked again before this. */
  readonly shutUntilMs: number;
  /** When to look again at the keys that could not go on for the time being. */
  readonly openings: Openings;
  /** When `due` is to come. */
  readonly dueAtMs: number | undefined;
};

/** The messages of the actor without their references. */
export type IdentifyInput =
  | Exclude<IdentifyMessage, { readonly type: 'request' }>
  | { readonly type: 'request'; readonly shard: number };

/** What the rest of the gateway hears. */
export type IdentifyNotice =
  | { readonly kind: 'floor'; readonly remaining: number; readonly resetInMs: number }
  | { readonly kind: 'above-floor'; readonly remaining: number }
  | { readonly kind: 'ledger-away' }
  | { readonly kind: 'ledger-back'; readonly awayMs: number }
  | { readonly kind: 'ledger-forgot'; readonly waitMs: number }
  | { readonly kind: 'concurrency'; readonly from: number; readonly to: number };

export type IdentifyEffect =
  | { readonly type: 'tell'; readonly shard: number; readonly message: 'prepare' | 'permitted' }
  | {
      readonly type: 'arm';
      readonly timer: 'overdue' | 'silent';
      readonly shard: number;
      readonly delayMs: number;
    }
  | { readonly type: 'disarm'; readonly timer: 'overdue' | 'silent'; readonly shard: number }
  | { readonly type: 'arm-due'; readonly delayMs: number }
  | { readonly type: 'disarm-due' }
  /** To the ledger. */
  | {
      readonly type: 'take';
      readonly attempt: number;
      readonly shard: number;
      readonly owed: number;
      readonly known: SessionStarts;
    }
  | { readonly type: 'learn'; readonly word: SessionStarts }
  | { readonly type: 'sent' | 'give-back'; readonly shard: number }
  | { readonly type: 'reach' | 'ask-discord' }
  | { readonly type: 'notice'; readonly notice: IdentifyNotice };

export type IdentifyStep = {
  readonly state: IdentifyState;
  readonly effects: readonly IdentifyEffect[];
};

export type IdentifyFacts = {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
};

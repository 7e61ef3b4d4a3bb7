/**
 * What several proxies that count against the same limits need of a store between them.
 *
 * The store keeps a text for each place (a bucket, or the gate of an identity) and the version it
 * has. A new text is kept only if the place is still at the version that it was made from: whoever
 * comes second is told what is there instead, and decides anew. So no proxy ever holds a lock, and
 * none can die with one.
 */

/** What a proxy asks of a place. */
export type Offer = {
  /** The version that it knows; empty if it knows none. */
  readonly expected: string;
  /** What is to be kept from now on, and its version; null to look only. */
  readonly next: {
    readonly version: string;
    readonly text: string;
    readonly keptMs: number;
  } | null;
  /** What this proxy waits for in the place; null if it does not wait. */
  readonly waitsFor: string | null;
  /** It was its turn: from now on it has waited less than the others. */
  readonly hadTurn: boolean;
};

export type Answer = {
  /** The place was at the expected version, and what was offered is kept. */
  readonly kept: boolean;
  /** The version that it is at now; empty if there is nothing. */
  readonly version: string;
  /** What is there, if that is not what was expected; null if there is nothing. */
  readonly text: string | null;
  /** What each proxy waits for that has waited longer than this one. */
  readonly ahead: readonly string[];
};

export type SharedStanding = {
  /** Whether the store answers. */
  readonly together: boolean;
  /** Since when it does, or does not, in our own time. */
  readonly sinceMs: number;
  /** The part of each limit that what is known here may use, from 0 to 1. */
  readonly share: number;
  /**
   * Grows each time the store is reached anew: what was decided alone is still to be told there.
   */
  readonly joined: number;
  /** Grows each time the store is found to have forgotten what it knew. */
  readonly forgotten: number;
  /** Proxies that were seen of late, this one included. */
  readonly proxies: number;
};

export interface SharedLimits {
  /** Stands for this proxy; no two have the same. */
  readonly proxy: string;
  /** Stands for the address that Discord sees: proxies with the same one are banned together. */
  readonly address: string;
  /** The numbers of this proxy's requests begin here, so that no two proxies use the same. */
  readonly firstRequest: number;
  readonly standing: SharedStanding;
  /** The store's time less our own monotonic one. */
  readonly offsetMs: number;
  /** How far off `offsetMs` may be, either way. */
  readonly errorMs: number;
  /**
   * Settles within SHARED_ANSWER_MS and never rejects. Null: the store is away, and `standing` says
   * so; what was offered may or may not be kept.
   */
  exchange(place: string, offer: Offer): Promise<Answer | null>;
  /** `news` is called when there is reason to look at the place again. Returns what ends that. */
  watch(place: string, news: () => void): () => void;
}

/** Where a bucket, or a gate, meets its like in other proxies. */
export type SharedPlace = { readonly limits: SharedLimits; readonly place: string };

/**
 * What shared limits need of a store: that it runs a script in one piece, and that words get from
 * one proxy to another. `redis-store.ts` is the real one.
 */

/**
 * One way to the store; once it is lost or closed it stays so, and nothing it is asked is answered.
 */
export interface LimitsLink {
  /** All keys are in one slot. Answers come in the order of the questions, however late. */
  run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  /** Resolves when nothing that is published on the channel from then on escapes `heard`. */
  listen(channel: string, heard: (word: string) => void): Promise<void>;
  close(): void;
}

export interface LimitsStore {
  /** What a person calls it; it holds no password. */
  readonly label: string;
  /**
   * Rejects with a FatalError where a person has to heal it. `lost` is told when the link is gone
   * after this has resolved and before it was closed; `signal` ends it, also while it is being
   * opened.
   */
  open(signal: AbortSignal, lost: (reason: unknown) => void): Promise<LimitsLink>;
}

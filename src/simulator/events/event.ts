/**
 * What the simulated world sends: one dispatch event with what a gateway needs to route and filter
 * it.
 */

export type SimulatedEvent = {
  /** The event's name, the `t` of its frame. */
  readonly t: string;
  /** The `d` of its frame. RESUMED alone may leave it empty. */
  readonly d: object;
  /**
   * The guild whose shard gets it; null for what goes to shard 0: direct messages, entitlements …
   */
  readonly guildId: string | null;
  /** A session gets it when it has any of these intents; 0 means that every session does. */
  readonly intents: number;
};

/**
 * The event by which consumers hear of events that may be missing; Discord has none of that name.
 */
export const GAP_EVENT = 'SPECTACLES_GAP';

/** What it carries. */
export type SessionGap = {
  readonly shard: number;
  readonly session: string;
  /** The last event of the session that was seen for certain. */
  readonly sequence: number;
  readonly reason: string;
};

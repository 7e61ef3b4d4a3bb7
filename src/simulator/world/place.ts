/** Where in the world a guild's things stand: all that making one of them depends on. */
export type Place = {
  readonly seed: number;
  readonly guildIndex: number;
  readonly guildId: string;
  readonly memberCount: number;
  /** Whether the guild has forums, stages, stickers and the like. */
  readonly community: boolean;
  /** When the simulation begins; what is planned lies after it. */
  readonly startEpochMs: number;
};

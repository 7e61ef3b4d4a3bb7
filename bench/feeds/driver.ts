/** What feeds the measured process of one sample, and sees what becomes of what it sent. */
export interface Driver {
  /** Before the row is set up. */
  begin(): Promise<void>;
  /** The row has been set up, and takes requests there, if it takes any. */
  target(address: string | undefined): Promise<void>;
  /** Resolves when so many more events are sent, and requests answered. */
  play(events: number, perSecond: number | undefined): Promise<void>;
  /**
   * Waits until all has arrived where it was sent to, and checks it.
   *
   * @param events how many were played by now
   * @returns how long each event of the last run took, ascending; undefined where nobody can tell
   */
  latencies(events: number, wasSteady: boolean): Promise<Float64Array | undefined>;
  /** Throws when something went wrong that nobody has heard of. */
  check(): Promise<void>;
  end(): Promise<void>;
}

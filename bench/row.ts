/**
 * What a row of the benchmark is: one thing that is measured, in a process of its own.
 *
 * A row gives a name, what it needs, which figures make sense for it, and how it is set up. All that is
 * set up does is to work through a number of events; who measures it, how long and how often is the
 * business of `measured.ts` and `sample.ts`, the same for every row.
 */
import type { Compression } from '../actors/connection/ports.ts';
import type { Arrivals } from './arrivals.ts';

/** The group that rows publish to. */
export const BROKER_GROUP = 'bench';

/**
 * - `full`: processor time for an event, and events a second, when events come as fast as they are taken.
 * - `steady`: processor time and latency at a rate that is the same for all, each event in a segment of its own.
 * - `half`: latency at half of the rate that `full` has found.
 * - `heap`: bytes of JavaScript heap that are allocated for an event.
 */
export type FigureKind = 'full' | 'steady' | 'half' | 'heap';

/** Where a row finds what it works with. */
export type Addresses = {
  /** `HOST:PORT` of the source, which answers `GET /gateway/bot` and replays events. */
  readonly gateway: string;
  readonly redis: string | undefined;
  readonly amqp: string | undefined;
};

export type Place = {
  readonly addresses: Addresses;
  /** Asks the source for so many events, at once or at a rate. */
  play(events: number, perSecond: number | undefined): void;
};

export type Work = {
  /** Resolves when so many more events have been worked through, to the last confirm. */
  run(events: number, perSecond?: number): Promise<void>;
  /** Of a row whose receiver is itself. */
  readonly arrivals?: Arrivals;
  stop(): Promise<void>;
};

export type Row = {
  readonly name: string;
  /** What is done with an event, in a few words. */
  readonly about: string;
  /** How the source compresses; a row without it works by itself. */
  readonly compression?: Compression;
  /** Where events arrive and are checked, one by one: in a process of its own, or in the row's. */
  readonly receiver?: 'redis' | 'amqp' | 'itself';
  readonly figures: readonly FigureKind[];
  setup(place: Place): Promise<Work>;
};

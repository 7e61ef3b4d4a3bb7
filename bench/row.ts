/**
 * What a row of the benchmark is: one thing that is measured, in a process of its own.
 *
 * A row gives a name, what feeds it, which figures make sense for it, and how it is set up. All
 * that is set up does is to work through a number of events; who measures it, how long and how
 * often is the business of `measured.ts` and `sample.ts`, the same for every row. An event is
 * whatever the row is made for: an event of the gateway, a request, a call of a function.
 */
import type { Compression } from '../actors/connection/ports.ts';
import type { Arrivals } from './arrivals.ts';
import { FRAME_BYTES } from './source/messages.ts';

/** The group that rows publish to. */
export const BROKER_GROUP = 'bench';

/** The table that a row stands in. */
export type Topic =
  | 'forward'
  | 'payload'
  | 'shards'
  | 'sizes'
  | 'idle'
  | 'proxy'
  | 'buckets'
  | 'part';

/**
 * - `full`: processor time for an event, and events a second, when events come as fast as they are
 *   taken.
 * - `steady`: processor time and latency at a rate that is the same for all, each event in a
 *   segment of its own.
 * - `half`: latency at half of the rate that `full` has found; of proxies, at a rate that is the
 *   same for all.
 * - `heap`: bytes of JavaScript heap that are allocated for an event.
 * - `idle`: what the process holds when nothing happens, and how its connections were opened.
 */
export type FigureKind = 'full' | 'steady' | 'half' | 'heap' | 'idle';

/** Events come from the source, over `shards` connections in turn. */
export type EventFeed = {
  readonly kind: 'events';
  readonly compression: Compression;
  readonly shards: number;
  readonly frameBytes: number;
  /** What `GET /gateway/bot` says. */
  readonly maxConcurrency: number;
};

/** Requests come from the load generator, to `channels` channels in turn. */
export type RequestFeed = {
  readonly kind: 'requests';
  readonly channels: number;
  /** A message is created, with a body; or a channel is read, without one. */
  readonly method: 'POST' | 'GET';
  /** Requests that the upstream takes for a channel in a window. */
  readonly limit: number;
};

export type Feed = EventFeed | RequestFeed;

/** Where a row finds what it works with. */
export type Addresses = {
  /** `HOST:PORT` of the source, which answers `GET /gateway/bot` and replays events. */
  readonly gateway: string;
  /** `HOST:PORT` of what answers requests; only where there are some. */
  readonly upstream?: string;
  readonly redis: string | undefined;
  readonly amqp: string | undefined;
};

export type Place = {
  readonly addresses: Addresses;
  /**
   * Asks for so many events, at once or at a rate; resolves when all are sent, and requests
   * answered.
   */
  play(events: number, perSecond: number | undefined): Promise<void>;
};

export type Work = {
  /** Resolves when so many more events have been worked through, to the last confirm. */
  run(events: number, perSecond?: number): Promise<void>;
  /** Of a row whose receiver is itself. */
  readonly arrivals?: Arrivals;
  /** `HOST:PORT`, where a row takes requests. */
  readonly address?: string;
  stop(): Promise<void>;
};

export type Row = {
  readonly name: string;
  /** What is done with an event, in a few words. */
  readonly about: string;
  readonly topic: Topic;
  /** A row without it works by itself. */
  readonly feed?: Feed;
  /** Where events arrive and are checked, one by one: in a process of its own, or in the row's. */
  readonly receiver?: 'redis' | 'amqp' | 'itself';
  /** Its events carry nothing beside their data: the id of an event is not looked at. */
  readonly withoutIds?: true;
  readonly figures: readonly FigureKind[];
  /** Takes long, or differs little: it is run in fewer rounds. */
  readonly rounds?: 'few';
  setup(place: Place): Promise<Work>;
};

/** What the sizes of events are compared by: some 0.2, 1, 8 and 64 KB. */
export const SIZES = [200, 1_024, 8_192, 65_536];

/** Permits of a window where many shards start: a thousand wait for one window, and no longer. */
export const IDLE_STARTED_AT_ONCE = 500;

/** The usual feed: one shard, and events of 1 KB. */
export function eventFeed(compression: Compression, other: Partial<EventFeed> = {}): EventFeed {
  const usual = { kind: 'events', shards: 1, frameBytes: FRAME_BYTES, maxConcurrency: 1 } as const;
  return { ...usual, compression, ...other };
}

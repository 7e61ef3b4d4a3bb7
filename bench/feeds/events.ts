/**
 * Feeds a gateway: the source plays Discord's part, and behind the broker a receiver takes what
 * comes out.
 *
 * Each event has to arrive once, and as it was sent.
 */
import { fileURLToPath } from 'node:url';
import type { ArrivalReport } from '../measured.ts';
import { Child } from '../processes.ts';
import type { ReceiverOrder } from '../receiver.ts';
import type { Addresses, EventFeed, Row } from '../row.ts';
import type { SentTimes } from '../source/connections.ts';
import type { SourceOrder, Starts } from '../source/source.ts';
import type { Driver } from './driver.ts';

const RECEIVER = fileURLToPath(new URL('../receiver.js', import.meta.url));
const NANOSECONDS_PER_MS = 1e6;

export type EventStage = {
  readonly addresses: Addresses;
  readonly source: Child<SourceOrder>;
  /** What arrived in the measured process itself. */
  ownArrivals(): Promise<ArrivalReport>;
};

export class EventDriver implements Driver {
  readonly #row: Row;
  readonly #feed: EventFeed;
  readonly #stage: EventStage;
  readonly #receiver: Child<ReceiverOrder> | undefined;

  constructor(row: Row, feed: EventFeed, stage: EventStage) {
    this.#row = row;
    this.#feed = feed;
    this.#stage = stage;
    const { name, receiver } = row;
    this.#receiver =
      receiver === undefined || receiver === 'itself'
        ? undefined
        : new Child(`the receiver of ${name}`, RECEIVER);
  }

  async begin(): Promise<void> {
    const { name, receiver: broker, withoutIds = false } = this.#row;
    await this.#stage.source.ask({ kind: 'begin', feed: this.#feed });
    if (broker === undefined || broker === 'itself') return;
    const url = this.#stage.addresses[broker];
    if (url === undefined) throw new Error(`${name} has no server`);
    const { shards } = this.#feed;
    await this.#receiver?.ask({ kind: 'open', broker, url, shards, withoutIds });
  }

  async target(): Promise<void> {
    const { identifies } = await this.starts();
    const { shards } = this.#feed;
    if (identifies !== shards) throw new Error(`${identifies} of ${shards} shards came`);
  }

  starts(): Promise<Starts> {
    return this.#stage.source.ask({ kind: 'starts' });
  }

  async play(events: number, perSecond: number | undefined): Promise<void> {
    await this.#stage.source.ask({ kind: 'play', events, perSecond });
  }

  async latencies(events: number, wasSteady: boolean): Promise<Float64Array | undefined> {
    const arrivals = await this.#arrivals(events);
    if (arrivals === undefined || !wasSteady) return undefined;
    const { first, times } = await this.#stage.source.ask<SentTimes>({ kind: 'sent' });
    const latencies = times.map((sentAt, place) => {
      const arrivedAt = arrivals.times[first + place] ?? 0;
      if (arrivedAt === 0) throw new Error(`event ${first + place} did not arrive`);
      return (arrivedAt - sentAt) / NANOSECONDS_PER_MS;
    });
    return latencies.sort();
  }

  async check(): Promise<void> {
    const troubles = await this.#stage.source.ask<readonly string[]>({ kind: 'troubles' });
    if (troubles.length > 0) throw new Error(`${this.#row.name}: ${troubles.join('; ')}`);
  }

  async end(): Promise<void> {
    await this.#receiver?.ask({ kind: 'close' }).catch(() => this.#receiver?.kill());
    await this.#receiver?.end();
  }

  async #arrivals(events: number): Promise<ArrivalReport | undefined> {
    const { name, receiver } = this.#row;
    if (receiver === undefined) return undefined;
    const report = await (this.#receiver?.ask<ArrivalReport>({ kind: 'arrivals', events }) ??
      this.#stage.ownArrivals());
    // A row that receives by itself notes events at a steady rate only; it counts all of them.
    const expected = this.#receiver === undefined ? report.count : events;
    if (report.count !== expected || report.duplicates > 0) {
      const { count, duplicates } = report;
      throw new Error(`${name}: of ${expected} events ${count} came, ${duplicates} more than once`);
    }
    return report;
  }
}

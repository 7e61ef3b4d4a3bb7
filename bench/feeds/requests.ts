/**
 * Feeds a proxy: an upstream that answers as Discord does, and callers that send to whatever is
 * measured.
 *
 * Each request has to be answered with 200 and the upstream's own answer.
 */
import { fileURLToPath } from 'node:url';
import { Child } from '../processes.ts';
import type { LoadOrder } from '../requests/load.ts';
import type { UpstreamOrder } from '../requests/upstream.ts';
import type { RequestFeed } from '../row.ts';
import type { Driver } from './driver.ts';

const UPSTREAM = fileURLToPath(new URL('../requests/upstream.js', import.meta.url));
const LOAD = fileURLToPath(new URL('../requests/load.js', import.meta.url));

export class RequestDriver implements Driver {
  readonly #feed: RequestFeed;
  readonly #upstream = new Child<UpstreamOrder>('the upstream', UPSTREAM);
  readonly #load = new Child<LoadOrder>('the callers', LOAD);
  /** `HOST:PORT`, once it has begun. */
  upstream = '';

  constructor(feed: RequestFeed) {
    this.#feed = feed;
  }

  async begin(): Promise<void> {
    this.upstream = await this.#upstream.ask<string>({ kind: 'open', limit: this.#feed.limit });
  }

  async target(address: string | undefined): Promise<void> {
    if (address === undefined) throw new Error('the row takes no requests');
    const { channels, method } = this.#feed;
    await this.#load.ask({ kind: 'open', address, channels, method });
  }

  async play(events: number, perSecond: number | undefined): Promise<void> {
    await this.#load.ask({ kind: 'play', events, perSecond });
  }

  latencies(): Promise<Float64Array | undefined> {
    return this.#load.ask({ kind: 'latencies' });
  }

  async check(): Promise<void> {}

  async end(): Promise<void> {
    await Promise.all([this.#load.end(), this.#upstream.end()]);
  }
}

/**
 * The connections of one sample, and the events that go out over them in turn: event n over
 * connection n modulo their number.
 *
 * As fast as the reader takes it, many frames in one write; or at a steady rate, each frame in a
 * write and so in a TCP segment of its own. It writes to the TCP sockets directly, since the frames
 * are finished, so its own cost is small.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { nanoseconds } from '../arrivals.ts';
import { READY_SEQUENCE } from './messages.ts';
import { untilMs } from './pace.ts';
import type { Stream } from './streams.ts';

/** When events were written to the socket, from the one with index `first`. */
export type SentTimes = { readonly first: number; readonly times: Float64Array };

const BATCH_BYTES = 64 * 1024;
/** Two batches: one is filled while the other is on its way. */
const BATCHES = 2;

export class Connections {
  readonly #stream: Stream;
  readonly #sockets: (Socket | undefined)[];
  /** Of the last steady play. */
  sent: SentTimes = { first: 0, times: new Float64Array(0) };
  #next = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#sockets = stream.greetings.map(() => undefined);
  }

  greet(shard: number, socket: Socket): void {
    if (this.#sockets[shard] !== undefined) throw new Error(`shard ${shard} came twice`);
    const greeting = this.#stream.greetings[shard];
    if (greeting === undefined) throw new Error(`there is no shard ${shard}`);
    this.#sockets[shard] = socket;
    socket.setNoDelay(true);
    socket.write(greeting.ready);
  }

  async play(events: number, perSecond: number | undefined): Promise<void> {
    const first = this.#claim(events);
    if (perSecond !== undefined) await this.#steady(first, events, perSecond);
    else {
      await Promise.all(this.#sockets.map((_, shard) => this.#burst(shard, first, first + events)));
    }
  }

  /** Those of the events from `first` to before `end` that are the shard's. */
  async #burst(shard: number, first: number, end: number): Promise<void> {
    const shards = this.#sockets.length;
    const ahead = (shard - (first % shards) + shards) % shards;
    const batches = Array.from({ length: BATCHES }, () =>
      Buffer.allocUnsafeSlow(Math.max(BATCH_BYTES, this.#stream.size(first))),
    );
    const writes = batches.map(() => Promise.resolve());
    for (let turn = 0, index = first + ahead; index < end; turn++) {
      const place = turn % BATCHES;
      await writes[place];
      const batch = batches[place] as Buffer;
      let length = 0;
      while (index < end && length + this.#stream.size(index) <= batch.length) {
        this.#copy(index, batch, length);
        length += this.#stream.size(index);
        index += shards;
      }
      writes[place] = this.#write(shard, batch.subarray(0, length));
    }
    await Promise.all(writes);
  }

  /** Sends each event when it is due, whatever became of those before it. */
  async #steady(first: number, events: number, perSecond: number): Promise<void> {
    const times = new Float64Array(events);
    const startMs = performance.now();
    for (let count = 0; count < events; count++) {
      await untilMs(startMs + (count * 1_000) / perSecond);
      const index = first + count;
      const frame = Buffer.allocUnsafe(this.#stream.size(index));
      this.#copy(index, frame, 0);
      times[count] = nanoseconds();
      this.#socket(index % this.#sockets.length).write(frame);
    }
    this.sent = { first, times };
  }

  #claim(events: number): number {
    const first = this.#next;
    this.#next += events;
    if (this.#next > this.#stream.events) {
      throw new Error(
        `the stream ends after ${this.#stream.events} events; ${this.#next} were asked for`,
      );
    }
    return first;
  }

  #copy(index: number, target: Uint8Array, offset: number): void {
    const sequence = READY_SEQUENCE + 1 + Math.floor(index / this.#sockets.length);
    this.#stream.copy(index, sequence, target, offset);
  }

  #socket(shard: number): Socket {
    const socket = this.#sockets[shard];
    if (socket === undefined) throw new Error(`shard ${shard} is not connected`);
    return socket;
  }

  #write(shard: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket(shard).write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }
}

/**
 * The load generator: a gateway in a process of its own that replays frames made beforehand.
 *
 * It answers GET /gateway/bot, says HELLO, takes an IDENTIFY, says READY, and then sends what it is told
 * to: as fast as the reader takes it, many frames in one write; or at a steady rate, each frame in a
 * write and so in a TCP segment of its own. One connection is played to at a time, the latest. It writes to
 * the TCP socket directly, since the frames are finished, so its own cost is small.
 *
 * Failure: whatever a client does that is not expected (a second IDENTIFY, a resume, a close) is a trouble,
 * and spoils the sample.
 */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Compression } from '../../actors/connection/ports.ts';
import { nanoseconds } from '../arrivals.ts';
import { serve } from '../processes.ts';
import { compressedStream, plainStream, type Stream, wireBytes, ZSTD_SOURCE } from './streams.ts';

export type SourceOrder =
  /** Makes the streams; answers with a `SourceReport`. */
  | {
      readonly kind: 'open';
      readonly compressions: readonly Compression[];
      readonly events: number;
    }
  | { readonly kind: 'play'; readonly events: number; readonly perSecond: number | undefined }
  /** Answers with what went wrong since the last time, each in a line. */
  | { readonly kind: 'troubles' }
  /** Answers with the `SentTimes` of the last steady play. */
  | { readonly kind: 'sent' };

export type SourceReport = {
  /** `HOST:PORT` */
  readonly address: string;
  readonly zstd: string;
  /** Bytes of an average frame, by compression. */
  readonly wireBytes: Readonly<Record<string, number>>;
};

/** When events were written to the socket, from the one with index `first`. */
export type SentTimes = { readonly first: number; readonly times: Float64Array };

const BATCH_BYTES = 64 * 1024;
/** Two batches: one is filled while the other is on its way. */
const BATCHES = 2;
/** A wait shorter than this is not worth sleeping. */
const WAIT_MIN_MS = 0.02;
/** A longer wait leaves the thread to the event loop. */
const BLOCK_MAX_MS = 2;

const OP_HEARTBEAT = 1;
const OP_IDENTIFY = 2;

const streams = new Map<string, Stream>();
const troubles: string[] = [];
let feed: Feed | undefined;
let sent: SentTimes = { first: 0, times: new Float64Array(0) };

/** What Atomics.wait waits on; nobody ever wakes it. */
const sleeper = new Int32Array(new SharedArrayBuffer(4));

class Feed {
  readonly #stream: Stream;
  readonly #socket: Socket;
  #next = 0;

  constructor(stream: Stream, socket: Socket) {
    this.#stream = stream;
    this.#socket = socket;
    socket.setNoDelay(true);
  }

  begin(): void {
    this.#socket.write(this.#stream.ready);
  }

  async burst(events: number): Promise<void> {
    const end = this.#claim(events);
    const batches = Array.from({ length: BATCHES }, () => Buffer.allocUnsafeSlow(BATCH_BYTES));
    const writes = batches.map(() => Promise.resolve());
    for (let turn = 0, index = end - events; index < end; turn++) {
      const place = turn % BATCHES;
      await writes[place];
      const batch = batches[place] as Buffer;
      let length = 0;
      while (index < end && length + this.#stream.size(index) <= BATCH_BYTES) {
        this.#stream.copy(index, batch, length);
        length += this.#stream.size(index);
        index++;
      }
      writes[place] = this.#write(batch.subarray(0, length));
    }
    await Promise.all(writes);
  }

  /** Sends each event when it is due, whatever became of those before it. */
  async steady(events: number, perSecond: number): Promise<SentTimes> {
    const end = this.#claim(events);
    const first = end - events;
    const times = new Float64Array(events);
    const startMs = performance.now();
    for (let count = 0; count < events; count++) {
      await untilMs(startMs + (count * 1_000) / perSecond);
      const frame = Buffer.allocUnsafe(this.#stream.size(first + count));
      this.#stream.copy(first + count, frame, 0);
      times[count] = nanoseconds();
      this.#socket.write(frame);
    }
    return { first, times };
  }

  #claim(events: number): number {
    const end = this.#next + events;
    if (end > this.#stream.events) {
      throw new Error(`the stream ends after ${this.#stream.events} events; ${end} were asked for`);
    }
    this.#next = end;
    return end;
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** Timers are too coarse; short waits block the thread, so that they cost no processor time either. */
async function untilMs(dueMs: number): Promise<void> {
  for (;;) {
    const waitMs = dueMs - performance.now();
    if (waitMs > BLOCK_MAX_MS) await sleep(waitMs - 1);
    else {
      if (waitMs > WAIT_MIN_MS) Atomics.wait(sleeper, 0, 0, waitMs);
      await new Promise((resolve) => setImmediate(resolve));
      if (dueMs - performance.now() <= WAIT_MIN_MS) return;
    }
  }
}

function gatewayBot(address: string): string {
  return JSON.stringify({
    url: `ws://${address}`,
    shards: 1,
    session_start_limit: { total: 1000, remaining: 1000, reset_after: 60_000, max_concurrency: 1 },
  });
}

function greet(client: WebSocket, socket: Socket, compression: string): void {
  const stream = streams.get(compression);
  if (stream === undefined) {
    troubles.push(`there is no stream for ${compression}`);
    client.terminate();
    return;
  }
  let state: 'greeted' | 'identified' = 'greeted';
  socket.write(stream.hello);
  client.on('message', (data) => {
    const { op } = JSON.parse(String(data)) as { op: number };
    if (op === OP_IDENTIFY && state === 'greeted') {
      state = 'identified';
      feed = new Feed(stream, socket);
      feed.begin();
    } else if (op !== OP_HEARTBEAT) troubles.push(`a client sent op ${op} when it was ${state}`);
  });
  client.on('error', (error) => troubles.push(`a connection failed: ${error.message}`));
}

async function open(order: Extract<SourceOrder, { kind: 'open' }>): Promise<SourceReport> {
  const server = createServer((_request, response) => response.end(gatewayBot(address)));
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => {
    const { searchParams } = new URL(request.url ?? '/', 'ws://source');
    webSockets.handleUpgrade(request, socket, head, (client) => {
      greet(client, socket as Socket, searchParams.get('compress') ?? 'none');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const compression of order.compressions) {
    const stream =
      compression === 'none'
        ? plainStream(`ws://${address}`)
        : await compressedStream(compression, `ws://${address}`, order.events);
    streams.set(compression, stream);
  }
  const bytes = [...streams].map(([compression, stream]) => [compression, wireBytes(stream)]);
  return { address, zstd: ZSTD_SOURCE, wireBytes: Object.fromEntries(bytes) };
}

async function play(events: number, perSecond: number | undefined): Promise<void> {
  if (feed === undefined) throw new Error('nobody is connected');
  if (perSecond === undefined) await feed.burst(events);
  else sent = await feed.steady(events, perSecond);
}

serve<SourceOrder>((order) => {
  switch (order.kind) {
    case 'open':
      return open(order);
    case 'play':
      return play(order.events, order.perSecond);
    case 'troubles':
      return troubles.splice(0);
    case 'sent':
      return sent;
  }
});

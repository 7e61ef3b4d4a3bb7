/**
 * The load generator: a gateway in a process of its own that replays frames made beforehand.
 *
 * It answers GET /gateway/bot, says HELLO, takes an IDENTIFY, says READY, and then sends what it is
 * told to. It knows of one sample at a time, and of the connections that the sample has.
 *
 * Failure: whatever a client does that is not expected (a second IDENTIFY, a resume, a close) is a
 * trouble, and spoils the sample.
 */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Compression } from '../../actors/connection/ports.ts';
import { serve } from '../processes.ts';
import { type EventFeed, eventFeed } from '../row.ts';
import { Connections } from './connections.ts';
import { compressedStream, plainStream, type Stream, wireBytes, ZSTD_SOURCE } from './streams.ts';

export type SourceOrder =
  /** Makes the usual streams; answers with a `SourceReport`. */
  | {
      readonly kind: 'open';
      readonly compressions: readonly Compression[];
      readonly events: number;
    }
  /** A sample begins: the connections of the one before it are forgotten. */
  | { readonly kind: 'begin'; readonly feed: EventFeed }
  | { readonly kind: 'play'; readonly events: number; readonly perSecond: number | undefined }
  /** Answers with what went wrong since the last time, each in a line. */
  | { readonly kind: 'troubles' }
  /** Answers with the `SentTimes` of the last steady play. */
  | { readonly kind: 'sent' }
  /** Answers with the `Starts` of the sample. */
  | { readonly kind: 'starts' };

export type SourceReport = {
  /** `HOST:PORT` */
  readonly address: string;
  readonly zstd: string;
  /** Bytes of an average frame, by compression. */
  readonly wireBytes: Readonly<Record<string, number>>;
};

/** How the connections of a sample were opened, as Discord would see it. */
export type Starts = {
  readonly identifies: number;
  /** From the first connection to the last READY. */
  readonly readyMs: number;
  /** From the first IDENTIFY to the last. */
  readonly identifySpanMs: number;
};

const OP_HEARTBEAT = 1;
const OP_IDENTIFY = 2;

const streams = new Map<string, Stream>();
const troubles: string[] = [];
let streamEvents = 0;
let address = '';
let feed = eventFeed('none');
let stream: Stream | undefined;
let connections: Connections | undefined;
let connectedAtMs: number | undefined;
let identifiedAtMs: number[] = [];

function gatewayBot(): string {
  const { shards, maxConcurrency } = feed;
  const starts = { total: 2_000, remaining: 2_000, reset_after: 60_000 };
  return JSON.stringify({
    url: `ws://${address}`,
    shards,
    session_start_limit: { ...starts, max_concurrency: maxConcurrency },
  });
}

function greet(client: WebSocket, socket: Socket): void {
  const sample = connections;
  const [greeting] = stream?.greetings ?? [];
  if (sample === undefined || greeting === undefined) {
    client.terminate();
    return;
  }
  connectedAtMs ??= performance.now();
  let state: 'greeted' | 'identified' = 'greeted';
  // HELLO is the same for every shard.
  socket.write(greeting.hello);
  client.on('message', (data) => {
    const { op, d } = JSON.parse(String(data)) as { op: number; d: { shard?: [number, number] } };
    if (op === OP_IDENTIFY && state === 'greeted') {
      state = 'identified';
      identifiedAtMs.push(performance.now());
      sample.greet(d.shard?.[0] ?? 0, socket);
    } else if (op !== OP_HEARTBEAT) troubles.push(`a client sent op ${op} when it was ${state}`);
  });
  client.on('error', (error) => troubles.push(`a connection failed: ${error.message}`));
}

async function makeStream({ compression, shards, frameBytes }: EventFeed): Promise<Stream> {
  const name = `${compression} ${shards} ${frameBytes}`;
  const known = streams.get(name);
  if (known !== undefined) return known;
  const url = `ws://${address}`;
  const made =
    compression === 'none'
      ? plainStream(url, shards, frameBytes)
      : await compressedStream(compression, url, shards, streamEvents);
  streams.set(name, made);
  return made;
}

async function open(order: Extract<SourceOrder, { kind: 'open' }>): Promise<SourceReport> {
  streamEvents = order.events;
  const server = createServer((_request, response) => response.end(gatewayBot()));
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => {
    const { searchParams } = new URL(request.url ?? '/', 'ws://source');
    const compression = searchParams.get('compress') ?? 'none';
    if (compression !== feed.compression) troubles.push(`a client asked for ${compression}`);
    webSockets.handleUpgrade(request, socket, head, (client) => greet(client, socket as Socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bytes: Record<string, number> = {};
  for (const compression of order.compressions) {
    bytes[compression] = wireBytes(await makeStream(eventFeed(compression)));
  }
  return { address, zstd: ZSTD_SOURCE, wireBytes: bytes };
}

async function begin(next: EventFeed): Promise<void> {
  feed = next;
  stream = await makeStream(next);
  connections = new Connections(stream);
  connectedAtMs = undefined;
  identifiedAtMs = [];
}

function present(): Connections {
  if (connections === undefined) throw new Error('no sample has begun');
  return connections;
}

function starts(): Starts {
  const first = identifiedAtMs[0] ?? Number.NaN;
  const last = identifiedAtMs.at(-1) ?? Number.NaN;
  const readyMs = last - (connectedAtMs ?? Number.NaN);
  return { identifies: identifiedAtMs.length, readyMs, identifySpanMs: last - first };
}

serve<SourceOrder>((order) => {
  switch (order.kind) {
    case 'open':
      return open(order);
    case 'begin':
      return begin(order.feed);
    case 'play':
      return present().play(order.events, order.perSecond);
    case 'troubles':
      return troubles.splice(0);
    case 'sent':
      return present().sent;
    case 'starts':
      return starts();
  }
});

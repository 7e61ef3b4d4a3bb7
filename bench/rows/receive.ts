/**
 * The floor: ws sockets that receive, and a counter. Nothing that forwards events by ws can cost
 * less.
 *
 * Compressed, the floor has our decoder in it, which a row of the same compression has as well.
 */
import { WebSocket } from 'ws';
import type { Compression } from '../../actors/connection/ports.ts';
import { identifyFrame } from '../../protocols/gateway/frames.ts';
import { loadDecoder } from '../../src/gateway/decompression/decoders.ts';
import { fed } from '../fed.ts';
import { type EventFeed, eventFeed, type Place, type Row, SIZES, type Work } from '../row.ts';

/** HELLO and READY come before the first event. */
const OPENING_FRAMES = 2;

function receive(compression: Compression): Row {
  const feed = eventFeed(compression);
  return {
    name: `receive ${compression}`,
    about: compression === 'none' ? 'ws, and nothing else' : 'ws, our decoder, and nothing else',
    topic: 'forward',
    feed,
    figures: ['full', 'steady', 'heap'],
    setup: (place) => setup(place, feed),
  };
}

function receiveSized(frameBytes: number): Row {
  const feed = eventFeed('none', { frameBytes });
  return {
    name: `receive ${frameBytes} B`,
    about: 'ws, and nothing else',
    topic: 'sizes',
    feed,
    figures: ['full'],
    rounds: 'few',
    setup: (place) => setup(place, feed),
  };
}

function receiveMany(shards: number): Row {
  const feed = eventFeed('none', { shards, maxConcurrency: shards });
  return {
    name: `receive ${shards} shards`,
    about: `ws, and nothing else, the events over ${shards} sockets in turn`,
    topic: 'shards',
    feed,
    figures: ['full', 'steady'],
    rounds: 'few',
    setup: (place) => setup(place, feed),
  };
}

async function setup(place: Place, feed: EventFeed): Promise<Work> {
  const shards = Array.from({ length: feed.shards }, (_, shard) => shard);
  const receivers = await Promise.all(shards.map((shard) => receiver(place, feed, shard)));
  const check = () => {
    for (const one of receivers) one.check();
  };
  const received = () => receivers.reduce((sum, { events }) => sum + events(), 0);
  return {
    run: fed(place, received, check, feed.frameBytes),
    async stop() {
      for (const { socket } of receivers) socket.terminate();
    },
  };
}

/** A socket that is ready for events. */
async function receiver(
  { addresses }: Place,
  { compression, frameBytes, shards }: EventFeed,
  shard: number,
) {
  const decompressor = (await loadDecoder(compression)).create();
  const socket = new WebSocket(
    `ws://${addresses.gateway}/?v=10&encoding=json&compress=${compression}`,
    { perMessageDeflate: false, skipUTF8Validation: true },
  );
  socket.binaryType = 'nodebuffer';
  let frames = 0;
  let wrong = 0;
  let failure: unknown;
  const ready = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const message = decompressor.push(data as Buffer);
      if (message === undefined) return;
      frames++;
      if (frames > OPENING_FRAMES) {
        if (message.length !== frameBytes) wrong++;
      } else if (frames === OPENING_FRAMES) resolve();
      else socket.send(identifyFrame({ token: 'bench', intents: 0 }, shard, shards));
    });
  });
  socket.on('error', (error) => {
    failure = error;
  });
  const check = () => {
    if (failure !== undefined) throw failure;
    if (wrong > 0) throw new Error(`${wrong} events do not have ${frameBytes} bytes`);
  };
  await ready;
  return { socket, events: () => frames - OPENING_FRAMES, check };
}

export const rows: readonly Row[] = [
  receive('none'),
  receive('zlib-stream'),
  receive('zstd-stream'),
  ...[1, 256].map(receiveMany),
  ...SIZES.map(receiveSized),
];

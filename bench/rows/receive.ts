/**
 * The floor: a ws socket that receives, and a counter. Nothing that forwards events can cost less.
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

async function setup(place: Place, { compression, frameBytes }: EventFeed): Promise<Work> {
  const decompressor = (await loadDecoder(compression)).create();
  const socket = new WebSocket(
    `ws://${place.addresses.gateway}/?v=10&encoding=json&compress=${compression}`,
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
      else socket.send(identifyFrame({ token: 'bench', intents: 0 }, 0, 1));
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
  return {
    run: fed(place, () => frames - OPENING_FRAMES, check, frameBytes),
    async stop() {
      socket.terminate();
    },
  };
}

export const rows: readonly Row[] = [
  receive('none'),
  receive('zlib-stream'),
  receive('zstd-stream'),
  ...SIZES.map(receiveSized),
];

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
import type { Place, Row, Work } from '../row.ts';
import { FRAME_BYTES } from '../source/messages.ts';

/** HELLO and READY come before the first event. */
const OPENING_FRAMES = 2;

function receive(compression: Compression): Row {
  return {
    name: `receive ${compression}`,
    about: compression === 'none' ? 'ws, and nothing else' : 'ws, our decoder, and nothing else',
    compression,
    figures: ['full', 'steady', 'heap'],
    setup: (place) => setup(place, compression),
  };
}

async function setup(place: Place, compression: Compression): Promise<Work> {
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
        if (message.length !== FRAME_BYTES) wrong++;
      } else if (frames === OPENING_FRAMES) resolve();
      else socket.send(identifyFrame({ token: 'bench', intents: 0 }, 0, 1));
    });
  });
  socket.on('error', (error) => {
    failure = error;
  });
  const check = () => {
    if (failure !== undefined) throw failure;
    if (wrong > 0) throw new Error(`${wrong} events do not have ${FRAME_BYTES} bytes`);
  };
  await ready;
  return {
    run: fed(place, () => frames - OPENING_FRAMES, check),
    async stop() {
      socket.terminate();
    },
  };
}

export const rows: readonly Row[] = [
  receive('none'),
  receive('zlib-stream'),
  receive('zstd-stream'),
];

/**
 * What a hostile or broken peer might send where an event is due, drawn from a seed: text that is
 * no gateway payload, or wire bytes that are no stream. Each draw says of which kind it is.
 */
import { constants, deflateRawSync } from 'node:zlib';
import type { Compression } from '../../actors/connection/ports.ts';
import type { Random } from '../../protocols/ports.ts';
import { zlibBomb } from './gateway-compression.ts';

/** Pieces of a stream that fit behind any other: none refers to what came before it. */
export type Framing = {
  /** The first message; `first` stands in front of it what opens the stream. */
  readonly first: (message: Uint8Array) => Buffer;
  readonly next: (message: Uint8Array) => Buffer;
  /** Ends the stream, as no gateway does. */
  readonly end: Buffer;
  /** Too large a message, small on the wire. */
  readonly bomb: () => Buffer;
};

/**
 * The head of a frame with a window of 4 KiB: a context is made for each case, and holds the
 * window.
 */
const ZSTD_HEAD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x10);
const ZSTD_BLOCK_BYTES = 4096;
const BOMB_MEBIBYTES = 65;
const BOMB_BYTES = BOMB_MEBIBYTES * 1024 * 1024;
/** 4096 zeros. */
const REPEATED_BLOCK = Buffer.of(...blockHead(ZSTD_BLOCK_BYTES, 1), 0);
const ZLIB_HEAD = Buffer.of(0x78, 0x9c);

const FRAMINGS: Readonly<Record<Compression, Framing>> = {
  none: {
    first: (message) => Buffer.from(message),
    next: (message) => Buffer.from(message),
    end: Buffer.of(),
    bomb: () => Buffer.alloc(1024 * 1024, '['),
  },
  'zlib-stream': {
    first: (message) => Buffer.concat([ZLIB_HEAD, deflated(message)]),
    next: deflated,
    end: deflateRawSync(''),
    bomb: () => zlibBomb(BOMB_MEBIBYTES).subarray(2),
  },
  'zstd-stream': {
    first: (message) => Buffer.concat([ZSTD_HEAD, stored(message)]),
    next: stored,
    // The last block, stored, of no bytes.
    end: Buffer.of(1, 0, 0),
    bomb: () =>
      Buffer.concat(new Array<Buffer>(BOMB_BYTES / ZSTD_BLOCK_BYTES).fill(REPEATED_BLOCK)),
  },
};

/** The least effort, since a context is made for each. */
function deflated(message: Uint8Array): Buffer {
  return deflateRawSync(message, { level: 1, memLevel: 1, finishFlush: constants.Z_SYNC_FLUSH });
}

/** Each in blocks of its own, which are not the last. */
function stored(message: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < message.length; start += ZSTD_BLOCK_BYTES) {
    const block = message.subarray(start, start + ZSTD_BLOCK_BYTES);
    parts.push(Uint8Array.from(blockHead(block.length, 0)), block);
  }
  return Buffer.concat(parts);
}

function blockHead(size: number, type: 0 | 1): readonly number[] {
  const head = (size << 3) | (type << 1);
  return [head & 0xff, (head >> 8) & 0xff, head >> 16];
}

export function framingOf(compression: Compression): Framing {
  return FRAMINGS[compression];
}

export type Hostility = {
  readonly kind: string;
  /** WebSocket messages. */
  readonly chunks: readonly Uint8Array[];
};

/**
 * Values where others belong: each a whole payload. `SEQUENCE` stands for the number that is due.
 */
const MISSHAPEN = [
  '{"t":5,"s":SEQUENCE,"op":0,"d":{}}',
  '{"t":["MESSAGE_CREATE"],"s":SEQUENCE,"op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":"SEQUENCE","op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE.5,"op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":-SEQUENCE,"op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":1e3,"op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":9007199254740993,"op":0,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":"0","d":{}}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":null,"d":{}}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":0}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":0,"d":}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":0,"d":{]}',
  '{"t":"MESSAGE_CREATE","s":SEQUENCE,"op":0,"d":{"a":"}}',
  '{"t":"MESSAGE_CREATE","s":null,"op":0,"d":{}}',
  '{"t":null,"s":SEQUENCE,"op":0,"d":{}}',
  '{"t":"","s":SEQUENCE,"op":0,"d":{}}',
  '{"t":"\\ud800","s":SEQUENCE,"op":0,"d":{}}',
  '{"t":"READY","s":SEQUENCE,"op":0,"d":{"session_id":5}}',
  '{"t":"READY","s":SEQUENCE,"op":0,"d":[[[[]]]]}',
  '{"t":"RESUMED","s":SEQUENCE,"op":0,"d":"\\x"}',
  '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":"41250"}}',
  '{"t":null,"s":null,"op":10,"d":null}',
  '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":1e999}}',
  '{"t":null,"s":null,"op":9,"d":"true"}',
  '{"t":null,"s":null,"op":7,"d":{"d":{}}}',
  '{"t":null,"s":null,"op":1,"d":[]}',
  '{"t":null,"s":null,"op":11}',
  '{"t":null,"s":null,"op":2147483648,"d":null}',
  '{"op":0,"op":7,"s":SEQUENCE,"s":1,"t":"MESSAGE_CREATE","d":{},"d":[]}',
  '[]',
  'null',
  '"op"',
  '0',
  '{}',
] as const;

const DEPTH_MAX = 20_000;
/** One in so many draws is a bomb, which takes as long as thousands of others. */
const BOMB_SHARE = 1 / 5_000;

type Draw = {
  readonly random: Random;
  /** The event that is due, as it should be. */
  readonly due: Buffer;
  readonly sequence: number;
  readonly framing: Framing;
};

const upTo = (random: Random, limit: number): number => Math.floor(random() * limit);

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => upTo(random, 256)));
}

function flipped(random: Random, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  for (let flips = 1 + upTo(random, 4); flips > 0 && copy.length > 0; flips--) {
    const at = upTo(random, copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << upTo(random, 8));
  }
  return copy;
}

function inserted(random: Random, bytes: Buffer, piece: Buffer): Buffer {
  const at = upTo(random, bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

/** Text that is compressed as it should be, and is not what it should be. */
const TEXTS: Readonly<Record<string, (draw: Draw) => Uint8Array>> = {
  'text: bits flipped': ({ random, due }) => flipped(random, due),
  'text: cut off': ({ random, due }) => due.subarray(0, upTo(random, due.length)),
  'text: garbage behind it': ({ random, due }) =>
    Buffer.concat([due, randomBytes(random, 1 + upTo(random, 8))]),
  'text: twice': ({ due }) => Buffer.concat([due, due]),
  'text: no UTF-8': ({ random, due }) =>
    inserted(random, due, Buffer.of(0xc0 + upTo(random, 64), 0xff)),
  'text: a zero byte': ({ random, due }) => inserted(random, due, Buffer.of(0)),
  'text: a number for a word': ({ random, due }) =>
    Buffer.from(due.toString().replace(/"[a-z_]+"/g, (word) => (random() < 0.2 ? '7' : word))),
  'text: misshapen': ({ random, sequence }) => {
    const text = MISSHAPEN[upTo(random, MISSHAPEN.length)] ?? '';
    return Buffer.from(text.replace('SEQUENCE', String(sequence)));
  },
  'text: nested deeply': ({ random, sequence }) => {
    const depth = Math.ceil(DEPTH_MAX ** random());
    const open = random() < 0.5 ? '[' : '{"d":';
    const close = open === '[' ? ']' : '}';
    const left = random() < 0.5 ? depth : depth - 1;
    const data = `${open.repeat(depth)}1${close.repeat(left)}`;
    const head = random() < 0.5 ? '"op":10' : `"op":0,"t":"MESSAGE_CREATE","s":${sequence}`;
    return Buffer.from(`{${head},"d":${data}}`);
  },
  'text: a strange name': ({ random, sequence }) => {
    const name = randomBytes(random, upTo(random, 300));
    return Buffer.concat([
      Buffer.from('{"t":"'),
      name,
      Buffer.from(`","s":${sequence},"op":0,"d":{}}`),
    ]);
  },
  'text: random': ({ random }) => randomBytes(random, upTo(random, 200)),
  'text: none': () => Buffer.of(),
};

/** Wire bytes that are not those of the stream. */
const WIRES: Readonly<Record<string, (draw: Draw) => readonly Uint8Array[]>> = {
  'wire: bits flipped': ({ random, due, framing }) => [flipped(random, framing.next(due))],
  'wire: cut off': ({ random, due, framing }) => {
    const chunk = framing.next(due);
    return [chunk.subarray(0, upTo(random, chunk.length))];
  },
  'wire: something left out': ({ random, due, framing }) => {
    const chunk = framing.next(due);
    const at = upTo(random, chunk.length);
    return [chunk.subarray(0, at), chunk.subarray(at + 1 + upTo(random, 8))];
  },
  'wire: garbage behind it': ({ random, due, framing }) => [
    Buffer.concat([framing.next(due), randomBytes(random, 1 + upTo(random, 40))]),
  ],
  'wire: garbage before it': ({ random, due, framing }) => [
    Buffer.concat([randomBytes(random, 1 + upTo(random, 40)), framing.next(due)]),
  ],
  'wire: garbage after the end': ({ random, due, framing }) => [
    Buffer.concat([framing.next(due), framing.end]),
    randomBytes(random, upTo(random, 40)),
    framing.next(due),
  ],
  'wire: a second stream': ({ due, framing }) => [framing.end, framing.first(due)],
  'wire: not compressed': ({ due }) => [due],
  'wire: random': ({ random }) => [randomBytes(random, upTo(random, 400))],
};

const TEXT_KINDS = Object.keys(TEXTS);
const WIRE_KINDS = Object.keys(WIRES);

/** @param due the event that should come, with its number */
export function drawHostility(
  compression: Compression,
  random: Random,
  due: Buffer,
  sequence: number,
): Hostility {
  const framing = framingOf(compression);
  if (random() < BOMB_SHARE) return { kind: 'bomb', chunks: [framing.bomb()] };
  const draw = { random, due, sequence, framing };
  const isWire = compression !== 'none' && random() < 0.5;
  const kinds = isWire ? WIRE_KINDS : TEXT_KINDS;
  const kind = kinds[upTo(random, kinds.length)] ?? '';
  const text = TEXTS[kind]?.(draw);
  const chunks = text === undefined ? WIRES[kind]?.(draw) : [framing.next(text)];
  return { kind, chunks: chunks ?? [] };
}

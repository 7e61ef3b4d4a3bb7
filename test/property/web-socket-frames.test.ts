/** Messages found in what a WebSocket server sends, wherever reads cut it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WebSocketFrames } from '../../protocols/wire/web-socket-frames.ts';

const MESSAGE_MAX_BYTES = 80_000;

type Piece = { readonly kind: 'message' | 'other'; readonly bytes: Buffer };

/** A frame as a server writes it; `length` where it is to lie. */
function frame(first: number, payload: Buffer, mask = 0, length = payload.length): Buffer {
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  if (head.length === 2) head[1] = mask | length;
  else if (head.length === 4) {
    head[1] = mask | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

const size = fc.oneof(
  fc.nat(200),
  fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, MESSAGE_MAX_BYTES),
  fc.nat(MESSAGE_MAX_BYTES),
);
const message = fc
  .record({ first: fc.constantFrom(0x81, 0x82), size, fill: fc.nat(255) })
  .map(({ first, size: bytes, fill }) => {
    const payload = Buffer.alloc(bytes, fill);
    return { wire: frame(first, payload), said: { kind: 'message', bytes: payload } as Piece };
  });
const control = fc
  .record({ first: fc.constantFrom(0x89, 0x8a), payload: fc.uint8Array({ maxLength: 125 }) })
  .map(({ first, payload }) => {
    const wire = frame(first, Buffer.from(payload));
    return { wire, said: { kind: 'other', bytes: wire } as Piece };
  });
const ordinary = fc.array(fc.oneof({ weight: 4, arbitrary: message }, control), { maxLength: 12 });

/** The first frame that is somebody else's: closing, a fragment, reserved, masked, too long. */
const foreign = fc.oneof(
  fc
    .integer({ min: 0, max: 255 })
    .filter((first) => ![0x81, 0x82, 0x89, 0x8a].includes(first))
    .map((first) => frame(first, Buffer.from('abc'))),
  fc
    .constantFrom(0x81, 0x82, 0x89, 0x8a)
    .map((first) => frame(first, Buffer.from('1234abcd'), 0x80)),
  fc.constantFrom(0x89, 0x8a).map((first) => frame(first, Buffer.alloc(126))),
  fc
    .integer({ min: MESSAGE_MAX_BYTES + 11, max: 2 ** 40 })
    .map((length) => frame(0x82, Buffer.from('the beginning'), 0, length)),
);
const cuts = fc.array(fc.nat(), { maxLength: 30, size: 'max' });

/** Reads a stream in pieces, all of them in the same buffer, as the socket's reader does. */
function readInPieces(stream: Buffer, places: readonly number[]): Piece[] {
  const said: Piece[] = [];
  const frames = new WebSocketFrames(
    {
      message: (data) => said.push({ kind: 'message', bytes: Buffer.from(data) }),
      other: (bytes) => said.push({ kind: 'other', bytes: Buffer.from(bytes) }),
    },
    MESSAGE_MAX_BYTES,
  );
  const sorted = places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b);
  const buffer = new Uint8Array(stream.length + 3);
  let start = 0;
  for (const end of [...sorted, stream.length]) {
    buffer.fill(0xee);
    buffer.set(stream.subarray(start, end), 3);
    frames.read(buffer, 3, 3 + end - start);
    start = end;
  }
  return said;
}

/** What is passed on in pieces is the same as in one. */
function joined(pieces: readonly Piece[]): readonly (readonly [string, string])[] {
  const all: { kind: string; bytes: Buffer }[] = [];
  for (const { kind, bytes } of pieces) {
    const last = all.at(-1);
    if (kind === 'other' && last?.kind === 'other') last.bytes = Buffer.concat([last.bytes, bytes]);
    else all.push({ kind, bytes });
  }
  // Quicker to compare than the bytes.
  return all.map(({ kind, bytes }) => [kind, bytes.toString('latin1')]);
}

describe('the frames of a WebSocket server', () => {
  it('are messages and controls, each as it was sent and in order, wherever reads cut them', () => {
    fc.assert(
      fc.property(ordinary, cuts, (sent, places) => {
        const stream = Buffer.concat(sent.map(({ wire }) => wire));
        const found = readInPieces(stream, places);
        expect(joined(found)).toEqual(joined(sent.map(({ said }) => said)));
      }),
    );
  });

  it('are passed on from the first that is no such frame, with everything behind it', () => {
    fc.assert(
      fc.property(ordinary, foreign, ordinary, cuts, (before, first, after, places) => {
        const rest = Buffer.concat([first, ...after.map(({ wire }) => wire)]);
        const stream = Buffer.concat([...before.map(({ wire }) => wire), rest]);
        const found = readInPieces(stream, places);
        const all = [...before.map(({ said }) => said), { kind: 'other', bytes: rest } as const];
        expect(joined(found)).toEqual(joined(all));
      }),
    );
  });
});

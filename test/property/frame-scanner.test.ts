import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameScanner, NO_SEQUENCE } from '../../protocols/gateway/frame-scanner.ts';
import { gatewayFrame } from '../support/gateway-json.ts';

type Envelope = {
  readonly op: number;
  readonly s: number | null;
  readonly t: string | null;
  readonly d: unknown;
  readonly hasData: boolean;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What the scanner found, in the terms of JSON.parse; undefined when it refused. */
function scan(bytes: Uint8Array, start = 0, end = bytes.length): Envelope | undefined {
  const scanner = new FrameScanner();
  if (!scanner.scan(bytes, start, end)) return undefined;
  const { dataStart, dataEnd, eventStart, eventEnd } = scanner;
  const hasData = dataEnd > dataStart;
  const name = decoder.decode(bytes.subarray(eventStart, eventEnd));
  return {
    op: scanner.op,
    s: scanner.sequence === NO_SEQUENCE ? null : scanner.sequence,
    t: name === '' ? null : JSON.parse(`"${name}"`),
    d: hasData ? JSON.parse(decoder.decode(bytes.subarray(dataStart, dataEnd))) : undefined,
    hasData,
  };
}

function parse(text: string): Envelope {
  const frame = JSON.parse(text);
  const hasData = Object.hasOwn(frame, 'd');
  return { op: frame.op, s: frame.s ?? null, t: frame.t || null, d: frame.d, hasData };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Bytes that would mean something to a scanner that looked past the frame's ends. */
const surroundings = fc.constantFrom('', '"', '{"op":', '0,', '}', '9', '\\', '   ', '"d":1}');

describe('scanning a frame without parsing it', () => {
  it('GP-75: agrees with JSON.parse on every frame of the documented shape', () => {
    fc.assert(
      fc.property(gatewayFrame, (text) => {
        expect(scan(encoder.encode(text))).toEqual(parse(text));
      }),
      { numRuns: 3_000 },
    );
  });

  it('reads nothing outside of the range that it is given', () => {
    fc.assert(
      fc.property(surroundings, gatewayFrame, surroundings, (before, text, after) => {
        const head = encoder.encode(before);
        const frame = encoder.encode(text);
        const bytes = Buffer.concat([head, frame, encoder.encode(after)]);
        expect(scan(bytes, head.length, head.length + frame.length)).toEqual(parse(text));
      }),
    );
  });

  it('refuses a frame that is cut off at any byte', () => {
    fc.assert(
      fc.property(gatewayFrame, surroundings, (text, after) => {
        const bytes = encoder.encode(text.trim());
        const source = Buffer.concat([bytes, encoder.encode(after)]);
        const scanner = new FrameScanner();
        for (let end = 0; end < bytes.length; end++) {
          // What follows is another buffer's content: first the rest of the frame, then anything.
          expect(scanner.scan(source, 0, end)).toBe(false);
          expect(scanner.scan(bytes.slice(0, end), 0, end)).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('GP-75: says what JSON.parse says, or nothing, of a frame with bytes changed at random', () => {
    const change = fc.record({
      at: fc.nat(),
      removed: fc.nat({ max: 2 }),
      added: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc
          .constantFrom('"', '{', '}', '[', ']', ',', ':', '\\', '0', 'e', '-')
          .map((letter) => encoder.encode(letter)),
      ),
    });
    fc.assert(
      fc.property(
        gatewayFrame,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (text, changes) => {
          let bytes = Buffer.from(text);
          for (const { at, removed, added } of changes) {
            const start = at % (bytes.length + 1);
            bytes = Buffer.concat([
              bytes.subarray(0, start),
              added,
              bytes.subarray(start + removed),
            ]);
          }
          const changed = decoder.decode(bytes);
          if (!isJson(changed)) {
            expect(() => new FrameScanner().scan(bytes, 0, bytes.length)).not.toThrow();
            return;
          }
          const found = scan(bytes);
          if (found !== undefined) expect(found).toEqual(parse(changed));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('never throws, whatever the bytes', () => {
    const token = fc.constantFrom(
      ...['{', '}', '"op"', ':', '0', ',', '"d"', '"', '\\', 'null', '"s"', ' '],
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200, size: 'max' }),
      fc
        .array(token, { maxLength: 30, size: 'max' })
        .map((tokens) => encoder.encode(tokens.join(''))),
    );
    fc.assert(
      fc.property(bytes, (source) => {
        const scanner = new FrameScanner();
        const accepted = scanner.scan(source, 0, source.length);
        const text = decoder.decode(source);
        if (!accepted) return;
        const { op, dataStart, dataEnd, eventStart, eventEnd } = scanner;
        expect(Number.isSafeInteger(op) && op >= 0).toBe(true);
        for (const [start, end] of [
          [dataStart, dataEnd],
          [eventStart, eventEnd],
        ] as const) {
          expect(start <= end && end <= source.length).toBe(true);
        }
        if (isJson(text)) expect(scan(source)).toEqual(parse(text));
      }),
      { numRuns: 5_000 },
    );
  });
});

/**
 * Holds the scanner and the transcoder against JSON.parse and @msgpack/msgpack, frame by frame.
 *
 * Of every frame, generated or damaged, it is asked:
 * - does the scanner find what JSON.parse finds, and refuse nothing that has the documented shape;
 * - is `d` forwarded untouched in `json` and `raw`, whatever is inside of it;
 * - is `map` what the library makes of JSON.parse, and a string of the same bytes exactly where
 *   JSON.parse refuses them or the map would be one that decoders refuse.
 */
import { isUtf8 } from 'node:buffer';
import { decode, encode } from '@msgpack/msgpack';
import { FrameScanner, NO_SEQUENCE } from '../../protocols/gateway/frame-scanner.ts';
import { MESSAGE_PACK_DEPTH_MAX } from '../../protocols/limits.ts';
import { packJson } from '../../protocols/wire/json-to-message-pack.ts';
import { JsonTranscoder, NOT_PLAIN } from '../../protocols/wire/json-transcoder.ts';
import { type PayloadMode, payloadEncoder } from '../../protocols/wire/payload.ts';
import { createRandom } from '../../src/random.ts';
import { JsonTexts } from './json-texts.ts';

export type FuzzResult = {
  readonly problems: readonly string[];
  readonly frames: number;
  /** Frames that JSON.parse refuses. */
  readonly broken: number;
  /** Texts that were transcoded in one pass. */
  readonly plain: number;
};

const PROBLEMS_MAX = 5;
const FACTS = { event: 'MESSAGE_CREATE', shard: 1, sequence: 2 };
/** Bytes on both sides of what is written, which have to stay as they are. */
const MARGIN = Buffer.alloc(4, 0x7e);

const text = new TextDecoder('utf-8', { ignoreBOM: true });
const scanner = new FrameScanner();
const transcoder = new JsonTranscoder();

type Parsed = { readonly value: unknown };

function parse(source: string): Parsed | undefined {
  try {
    return { value: JSON.parse(source) };
  } catch {
    return undefined;
  }
}

function body(mode: PayloadMode, source: Uint8Array, start: number, end: number): Buffer {
  const encoder = payloadEncoder(mode);
  const room = encoder.maxBytes(end - start);
  const target = Buffer.alloc(room + 2 * MARGIN.length, 0x7e);
  const done = encoder.write(source, start, end, target, MARGIN.length, FACTS);
  const isOutside =
    done > MARGIN.length + room ||
    !target.subarray(0, MARGIN.length).equals(MARGIN) ||
    !target.subarray(MARGIN.length + room).equals(MARGIN);
  if (isOutside) throw new Error(`${mode} wrote outside of its room`);
  return target.subarray(MARGIN.length, done);
}

/** The library's encoding; undefined where it has none. */
function library({ value }: Parsed): Buffer | undefined {
  try {
    return Buffer.from(encode(value, { maxDepth: MESSAGE_PACK_DEPTH_MAX }));
  } catch {
    return undefined;
  }
}

/** Says what is wrong with how `source[start, end)` is published, if anything is. */
function checkBody(source: Uint8Array, start: number, end: number): string | undefined {
  const bytes = Buffer.from(source.subarray(start, end));
  if (!body('raw', source, start, end).equals(bytes)) return 'raw is not the same bytes';
  const json = body('json', source, start, end);
  const content = isUtf8(bytes) ? Buffer.from(String(decode(json))) : json.subarray(-bytes.length);
  if (!content.equals(bytes)) return 'json is not a string of the same bytes';
  const target = Buffer.alloc(payloadEncoder('map').maxBytes(end - start));
  const done = transcoder.write(source, start, end, target, 0);
  const parsed = parse(text.decode(bytes));
  const map = body('map', source, start, end);
  if (done !== NOT_PLAIN) {
    if (parsed === undefined) return 'the transcoder takes what JSON.parse refuses';
    if (!isUtf8(bytes)) return 'the transcoder takes what is no UTF-8';
    if (!target.subarray(0, done).equals(library(parsed) ?? Buffer.alloc(0))) {
      return 'the transcoder writes what the library does not';
    }
  }
  const careful = packJson(new TextDecoder().decode(bytes));
  if (parsed === undefined && careful !== undefined)
    return 'packJson takes what JSON.parse refuses';
  return map.equals(careful ?? json) ? undefined : 'map is neither what was packed nor the text';
}

/** Says what is wrong with what the scanner found, if anything is. */
function checkScan(frame: Uint8Array, isWhole: boolean): string | undefined {
  const parsed = isUtf8(frame) ? parse(text.decode(frame)) : undefined;
  if (!scanner.scan(frame, 0, frame.length)) {
    return isWhole ? 'the scanner refuses a frame of the documented shape' : undefined;
  }
  const { op, sequence, eventStart, eventEnd, dataStart, dataEnd } = scanner;
  const data = frame.subarray(dataStart, dataEnd);
  if (parsed !== undefined) {
    const expected = parsed.value as Record<string, unknown>;
    const found = {
      op,
      s: sequence === NO_SEQUENCE ? null : sequence,
      t: JSON.parse(`"${text.decode(frame.subarray(eventStart, eventEnd))}"`),
      d: data.length === 0 ? undefined : JSON.stringify(JSON.parse(text.decode(data))),
    };
    if (found.op !== expected.op) return `op is ${found.op}`;
    if (found.s !== (expected.s ?? null)) return `s is ${found.s}`;
    if (found.t !== (expected.t ?? '')) return `t is ${found.t}`;
    if (found.d !== JSON.stringify(expected.d)) return 'd is another';
  }
  return data.length === 0 ? undefined : checkBody(frame, dataStart, dataEnd);
}

/** Runs so many frames, every other one damaged. Stops at the fifth problem. */
export function fuzzWire(seed: number, frames: number): FuzzResult {
  const texts = new JsonTexts(createRandom(seed));
  const problems: string[] = [];
  let broken = 0;
  let plain = 0;
  let done = 0;
  for (; done < frames && problems.length < PROBLEMS_MAX; done++) {
    const data = texts.value();
    const whole = Buffer.from(texts.frame(data));
    const isWhole = done % 2 === 0;
    const frame = isWhole ? whole : texts.damage(whole);
    const bytes = Buffer.from(data);
    const room = Buffer.alloc(payloadEncoder('map').maxBytes(bytes.length));
    if (transcoder.write(bytes, 0, bytes.length, room, 0) !== NOT_PLAIN) plain++;
    if (parse(text.decode(frame)) === undefined) broken++;
    const damaged = isWhole ? bytes : texts.damage(bytes);
    const problem =
      checkScan(frame, isWhole) ??
      (damaged.length === 0 ? undefined : checkBody(damaged, 0, damaged.length));
    if (problem !== undefined) {
      const shown = JSON.stringify((isWhole ? frame : damaged).toString('latin1').slice(0, 2_000));
      problems.push(
        `seed ${seed}, frame ${done}: ${problem}: ${frame.toString('latin1').slice(0, 2_000)} / ${shown}`,
      );
    }
  }
  return { problems, frames: done, broken, plain };
}

/**
 * The body of a published dispatch, in the shapes that consumers expect.
 *
 * - `json`: a MessagePack string whose content is Discord's own JSON bytes of `d`. Nothing is
 *   parsed, so snowflakes and every other byte arrive as Discord sent them.
 * - `go`: the same; between two processes it is framed as the Go gateway does (`stdio.ts`).
 * - `raw`: those JSON bytes alone.
 * - `map`: a MessagePack map, for consumers that decode MessagePack and look no further.
 * - `discordjs`: `{ shardId, payload: { op, t, s, d } }`, as `@discordjs/brokers` expects.
 *
 * An encoder writes into a buffer that its caller owns and has sized by `maxBytes`; `json` and
 * `raw` allocate nothing, and `map` nearly nothing: it is transcoded from bytes to bytes, and only
 * what needs more care is parsed (`json-transcoder.ts`). What cannot be a map (`packJson` says
 * what) is written as in `json`, which every ladder of decoders reads: an event that Discord sent
 * is never dropped for its shape, and never published in one that a consumer's decoder would choke
 * on.
 */
import { writeAscii } from './ascii.ts';
import { packJson } from './json-to-message-pack.ts';
import { JsonTranscoder, NOT_PLAIN } from './json-transcoder.ts';
import { writeCount, writeNumber, writeTextHeader } from './message-pack-write.ts';
import { STRING_HEADER_MAX_BYTES, writeStringHeader } from './string-header.ts';

export const PAYLOAD_MODES = ['json', 'go', 'raw', 'map', 'discordjs'] as const;
export type PayloadMode = (typeof PAYLOAD_MODES)[number];

/** What an encoder may need to know of a dispatch beside its bytes. */
export type DispatchFacts = {
  readonly event: string;
  readonly shard: number;
  readonly sequence: number;
};

export interface PayloadEncoder {
  /** No body made of `length` bytes of JSON is longer than this. */
  maxBytes(length: number): number;
  /**
   * Writes the body of `source[start, end)` at `offset` of `target`; returns the offset after it.
   */
  write(
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    offset: number,
    facts: DispatchFacts,
  ): number;
}

/**
 * MessagePack of a JSON text is much longer than the text only where short numbers become 64 bits
 * wide: `[1.5,1.5]` spends four bytes a number, MessagePack nine.
 */
const MAP_GROWTH_FACTOR = 3;

/**
 * The field names and numbers around `d` in the `discordjs` shape, and the headers of empty values.
 */
const MAP_OVERHEAD_BYTES = 256;

const DISPATCH_OP = 0;

const textDecoder = new TextDecoder();

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, offset: number) {
  target.set(source.subarray(start, end), offset);
  return offset + (end - start);
}

const rawEncoder: PayloadEncoder = {
  maxBytes: (length) => length,
  write: copy,
};

const jsonEncoder: PayloadEncoder = {
  maxBytes: (length) => length + STRING_HEADER_MAX_BYTES,
  write(source, start, end, target, offset) {
    return copy(source, start, end, target, writeStringHeader(end - start, target, offset));
  },
};

const transcoder = new JsonTranscoder();

/** Writes what stands before `d`, which may be nothing, and `d` as a map. */
function mapEncoder(writeHead: WriteHead): PayloadEncoder {
  return {
    maxBytes: (length) => length * MAP_GROWTH_FACTOR + MAP_OVERHEAD_BYTES,
    write(source, start, end, target, offset, facts) {
      const at = writeHead(facts, target, offset);
      const done = transcoder.write(source, start, end, target, at);
      if (done !== NOT_PLAIN) return done;
      const d = packJson(textDecoder.decode(source.subarray(start, end)));
      if (d === undefined) return jsonEncoder.write(source, start, end, target, offset, facts);
      target.set(d, at);
      return at + d.length;
    },
  };
}

type WriteHead = (facts: DispatchFacts, target: Uint8Array, offset: number) => number;

function writeText(text: string, target: Uint8Array, offset: number): number {
  const at = writeTextHeader(text.length, target, offset);
  return writeAscii(text, target, at);
}

/** The shape up to its innermost and last value. */
function writeDiscordJsHead(facts: DispatchFacts, target: Uint8Array, offset: number): number {
  let at = writeCount(2, true, target, offset);
  at = writeNumber(facts.shard, target, writeText('shardId', target, at));
  at = writeCount(4, true, target, writeText('payload', target, at));
  at = writeNumber(DISPATCH_OP, target, writeText('op', target, at));
  at = writeText(facts.event, target, writeText('t', target, at));
  at = writeNumber(facts.sequence, target, writeText('s', target, at));
  return writeText('d', target, at);
}

const ENCODERS: Readonly<Record<PayloadMode, PayloadEncoder>> = {
  json: jsonEncoder,
  go: jsonEncoder,
  raw: rawEncoder,
  map: mapEncoder((_facts, _target, offset) => offset),
  discordjs: mapEncoder(writeDiscordJsHead),
};

export function payloadEncoder(mode: PayloadMode): PayloadEncoder {
  return ENCODERS[mode];
}

/** Reads what was written to an AMQP connection, by the decoder inside of amqplib. */
import { createRequire } from 'node:module';

type RawFrame = { readonly payload: Buffer; readonly rest: Buffer; readonly size: number };
type Frame = {
  readonly id?: number;
  readonly channel: number;
  readonly size?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly content?: Buffer;
};
type FrameModule = {
  parseFrame(bytes: Buffer, max: number): RawFrame | false;
  decodeFrame(frame: RawFrame): Frame;
};

const require = createRequire(import.meta.url);
const { parseFrame, decodeFrame } =
  require('../../node_modules/amqplib/lib/frame.js') as FrameModule;

export type ReadPublish = {
  readonly channel: number;
  readonly exchange: unknown;
  readonly routingKey: unknown;
  readonly mandatory: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** How long each body frame was, head and end included. */
  readonly frameBytes: readonly number[];
};

const FRAME_OVERHEAD_BYTES = 8;

/** Throws where there is anything but whole publishes. */
export function readPublishes(written: Buffer): readonly ReadPublish[] {
  let rest = written;
  const next = () => {
    const raw = parseFrame(rest, 0);
    if (raw === false) throw new Error(`${rest.length} bytes are no whole frame`);
    rest = raw.rest;
    return { frame: decodeFrame(raw), bytes: raw.size + FRAME_OVERHEAD_BYTES };
  };
  const publishes: ReadPublish[] = [];
  while (rest.length > 0) {
    const method = next().frame;
    const { exchange, routingKey, mandatory } = method.fields ?? {};
    const header = next().frame;
    const parts: Buffer[] = [];
    const frameBytes: number[] = [];
    let left = header.size ?? 0;
    while (left > 0) {
      const { frame, bytes } = next();
      if (frame.content === undefined) throw new Error('a body frame is missing');
      parts.push(frame.content);
      frameBytes.push(bytes);
      left -= frame.content.length;
    }
    publishes.push({
      channel: method.channel,
      exchange,
      routingKey,
      mandatory,
      properties: JSON.parse(JSON.stringify(header.fields)),
      body: Buffer.concat(parts),
      frameBytes,
    });
  }
  return publishes;
}

/** The data plane of an AMQP link over a channel that confirms as it likes. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { ConfirmChannel } from 'amqplib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChannelWriter } from '../../actors/channel/writer.ts';
import { payloadEncoder } from '../../protocols/wire/payload.ts';
import { AmqpSink } from '../../src/brokers/amqp-sink.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { readPublishes } from '../support/amqp-frames.ts';
import { RecordingOrigin } from '../support/broker-bench.ts';

/** As much of amqplib's channel as the sink knows of. */
class ScriptedChannel extends EventEmitter {
  readonly ch = 1;
  readonly #stream = new PassThrough({ objectMode: true });
  readonly connection = { frameMax: 4_096, channels: [null, { buffer: this.#stream }] };

  /** What has been published, once the turn is over. */
  async published() {
    await turn();
    const pieces: Buffer[] = [];
    for (let piece = this.#stream.read(); piece !== null; piece = this.#stream.read()) {
      pieces.push(piece);
    }
    return { publishes: readPublishes(Buffer.concat(pieces)), writes: pieces.length };
  }
}

function fail(error: unknown): never {
  throw error;
}

function bench(options: { persistent?: boolean; messageTimeoutMs?: number } = {}) {
  const channel = new ScriptedChannel();
  const lost: unknown[] = [];
  const writer = new ChannelWriter(fail);
  const sink = new AmqpSink({
    channel: channel as unknown as ConfirmChannel,
    exchange: 'group',
    persistent: options.persistent ?? true,
    messageTimeoutMs: options.messageTimeoutMs ?? 0,
    payload: 'json',
    encoder: payloadEncoder('json'),
    clock: new VirtualClock(),
    confirms: writer,
    lost: (reason) => lost.push(reason),
  });
  writer.open(sink);
  const origin = new RecordingOrigin(1, 'abc');
  const json = new TextEncoder().encode('{}');
  const write = (sequence: number) =>
    writer.write(writer.route('E'), json, 0, json.length, origin, sequence);
  return { channel, writer, lost, origin, write };
}

/** Some events, and an order in which the broker answers for them: alone, or for all up to one. */
const script = fc.integer({ min: 1, max: 60 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    answers: fc.shuffledSubarray(
      Array.from({ length: count }, (_, index) => index + 1),
      { minLength: count },
    ),
    verdicts: fc.array(fc.record({ ok: fc.boolean(), multiple: fc.boolean() }), {
      minLength: count,
      maxLength: count,
    }),
  }),
);

describe('the events of an AMQP link', () => {
  it('A15 have each the fate that the broker told, once, in whatever order it tells them', () => {
    fc.assert(
      fc.property(script, ({ count, answers, verdicts }) => {
        const { channel, writer, origin, write } = bench();
        for (let sequence = 1; sequence <= count; sequence++) expect(write(sequence)).toBe(true);
        const open = new Set(Array.from({ length: count }, (_, index) => index + 1));
        const confirmed: number[] = [];
        const refused: number[] = [];
        answers.forEach((deliveryTag, turn) => {
          const { ok, multiple } = verdicts[turn] as { ok: boolean; multiple: boolean };
          channel.emit(ok ? 'ack' : 'nack', { deliveryTag, multiple });
          for (const tag of [...open]) {
            if (tag !== deliveryTag && !(multiple && tag < deliveryTag)) continue;
            open.delete(tag);
            (ok ? confirmed : refused).push(tag);
          }
        });
        expect(origin.confirmedSequences).toEqual(confirmed);
        expect(origin.lostSequences).toEqual(refused);
        expect(writer.outstanding).toBe(0);
      }),
    );
  });

  it('A18 are refused on a channel that has closed, and the link is told', async () => {
    const { channel, lost, origin, write, writer } = bench();
    write(1);
    channel.emit('close');
    expect(write(2)).toBe(false);
    expect(lost).toHaveLength(1);
    // Nor does the first go out: the loss of the link settles it.
    expect((await channel.published()).publishes).toEqual([]);
    expect(writer.outstanding).toBe(1);
    expect(origin.settled).toBe(0);
  });

  it('leave in one write for each turn, in order', async () => {
    const { channel, write } = bench();
    for (let sequence = 1; sequence <= 50; sequence++) write(sequence);
    const { publishes, writes } = await channel.published();
    expect(writes).toBe(1);
    expect(publishes.map(({ properties }) => properties.messageId)).toEqual(
      Array.from({ length: 50 }, (_, index) => `abc:${index + 1}`),
    );
  });

  it('carry their name, their place, and how long and how safely they are to be kept', async () => {
    const kept = bench({ messageTimeoutMs: 120_000 });
    kept.write(7);
    const [publish] = (await kept.channel.published()).publishes;
    expect(publish).toMatchObject({ channel: 1, exchange: 'group', routingKey: 'E' });
    expect(publish?.properties).toEqual({
      contentType: 'application/vnd.msgpack',
      messageId: 'abc:7',
      deliveryMode: 2,
      expiration: '120000',
      headers: { shard: 1, seq: 7 },
    });
    const passing = bench({ persistent: false });
    passing.write(8);
    const [other] = (await passing.channel.published()).publishes;
    expect(other?.properties).toMatchObject({ deliveryMode: 1 });
    expect(other?.properties).not.toHaveProperty('expiration');
  });

  it('are not taken at all by an amqplib with another inside', () => {
    const channel = new EventEmitter();
    const options = {
      channel: channel as unknown as ConfirmChannel,
      exchange: 'group',
      persistent: true,
      messageTimeoutMs: 0,
      payload: 'json',
      encoder: payloadEncoder('json'),
      clock: new VirtualClock(),
      confirms: new ChannelWriter(fail),
      lost: fail,
    } as const;
    expect(() => new AmqpSink(options)).toThrow(/this version of amqplib/);
  });
});

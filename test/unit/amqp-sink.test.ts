/** The data plane of an AMQP link over a channel that confirms as it likes. */
import { EventEmitter } from 'node:events';
import type { ConfirmChannel, Options } from 'amqplib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChannelWriter } from '../../actors/channel/writer.ts';
import { payloadEncoder } from '../../protocols/wire/payload.ts';
import { AmqpSink } from '../../src/brokers/amqp-sink.ts';
import { RecordingOrigin } from '../support/broker-bench.ts';

class ScriptedChannel extends EventEmitter {
  readonly published: { event: string; properties: Options.Publish }[] = [];
  isClosed = false;

  publish(_exchange: string, event: string, _body: Buffer, properties: Options.Publish): boolean {
    if (this.isClosed) throw new Error('Channel closed');
    this.published.push({ event, properties: structuredClone(properties) });
    return false;
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

  it('A18 are refused on a channel that has closed, and the link is told', () => {
    const { channel, lost, origin, write, writer } = bench();
    write(1);
    channel.isClosed = true;
    expect(write(2)).toBe(false);
    expect(lost).toHaveLength(1);
    expect(writer.outstanding).toBe(1);
    expect(origin.settled).toBe(0);
  });

  it('carry their name, their place, and how long and how safely they are to be kept', () => {
    const kept = bench({ messageTimeoutMs: 120_000 });
    kept.write(7);
    expect(kept.channel.published[0]).toMatchObject({
      event: 'E',
      properties: {
        messageId: 'abc:7',
        persistent: true,
        expiration: '120000',
        headers: { shard: 1, seq: 7 },
      },
    });
    const passing = bench({ persistent: false });
    passing.write(8);
    expect(passing.channel.published[0]?.properties).toMatchObject({ persistent: false });
    expect(passing.channel.published[0]?.properties).not.toHaveProperty('expiration');
  });
});

/** The frames of a published event, as a reader of AMQP finds them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BasicPublish, type PublishFacts } from '../../protocols/wire/basic-publish.ts';
import { payloadEncoder } from '../../protocols/wire/payload.ts';
import { readPublishes } from '../support/amqp-frames.ts';

const encoder = payloadEncoder('raw');
const utf8 = new TextEncoder();

const FACTS: PublishFacts = {
  channel: 3,
  frameMaxBytes: 4_096,
  exchange: 'gatéway',
  routingKey: 'MESSAGE_CREATE',
  contentType: 'application/json',
  isPersistent: true,
  expiration: '120000',
};

type Event = { session: string; shard: number; sequence: number; body: Uint8Array };

/** All events behind each other in one buffer, with foreign bytes before and after. */
function written(facts: PublishFacts, events: readonly Event[]): Buffer {
  const publish = new BasicPublish(facts);
  const room = events.reduce((sum, { body }) => sum + publish.maxBytes(body.length), 0);
  const target = Buffer.alloc(room + 6, 0x7e);
  let at = 3;
  for (const { session, shard, sequence, body } of events) {
    const origin = { shard, session, confirmed: () => undefined, lost: () => undefined };
    const named = { event: facts.routingKey, shard, sequence };
    const end = publish.write(encoder, body, 0, body.length, origin, named, target, at);
    expect(end - at).toBeLessThanOrEqual(publish.maxBytes(body.length));
    at = end;
  }
  expect(target.subarray(0, 3).equals(Buffer.alloc(3, 0x7e))).toBe(true);
  expect(target.subarray(room + 3).equals(Buffer.alloc(3, 0x7e))).toBe(true);
  return target.subarray(3, at);
}

const event = fc.record({
  session: fc.stringMatching(/^[0-9a-f]{1,40}$/),
  shard: fc.nat({ max: 2 ** 31 - 1 }),
  sequence: fc.oneof(fc.nat(300), fc.maxSafeNat()),
  body: fc.uint8Array({ minLength: 1, maxLength: 300 }),
});

describe('the frames of basic.publish', () => {
  it('say what they were given, event for event', () => {
    const kinds = fc.record({
      frameMaxBytes: fc.constantFrom(16, 100, 4_096, 0xffffffff),
      isPersistent: fc.boolean(),
      expiration: fc.constantFrom(undefined, '1', '120000'),
    });
    fc.assert(
      fc.property(kinds, fc.array(event, { maxLength: 8 }), (kind, events) => {
        const read = readPublishes(written({ ...FACTS, ...kind }, events));
        expect(read).toHaveLength(events.length);
        read.forEach((publish, index) => {
          const { session, shard, sequence, body } = events[index] as Event;
          expect(publish).toMatchObject({
            channel: 3,
            exchange: 'gatéway',
            routingKey: 'MESSAGE_CREATE',
            mandatory: false,
          });
          expect(publish.properties).toEqual({
            contentType: 'application/json',
            headers: { shard, seq: sequence },
            deliveryMode: kind.isPersistent ? 2 : 1,
            messageId: `${session}:${sequence}`,
            ...(kind.expiration !== undefined && { expiration: kind.expiration }),
          });
          expect(publish.body.equals(body)).toBe(true);
          for (const bytes of publish.frameBytes) {
            expect(bytes).toBeLessThanOrEqual(kind.frameMaxBytes);
          }
        });
      }),
    );
  });

  it('cut a body that is longer than a frame into as few as possible', () => {
    const body = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251);
    const facts = { session: 'abc', shard: 0, sequence: 1 };
    const [publish] = readPublishes(written(FACTS, [{ ...facts, body }]));
    expect(publish?.body.equals(body)).toBe(true);
    expect(publish?.frameBytes).toEqual([4_096, 4_096, 10_000 - 2 * 4_088 + 8]);
    const [exact] = readPublishes(written(FACTS, [{ ...facts, body: body.subarray(0, 4_088) }]));
    expect(exact?.frameBytes).toEqual([4_096]);
  });

  it('keep within a name of 255 bytes, whatever they were given', () => {
    const body = utf8.encode('{}');
    const facts = { ...FACTS, routingKey: 'N'.repeat(300) };
    const [publish] = readPublishes(
      written(facts, [{ session: 's'.repeat(400), shard: 0, sequence: 12_345, body }]),
    );
    expect(publish?.routingKey).toBe('N'.repeat(255));
    expect(publish?.properties.messageId).toBe(`${'s'.repeat(249)}:12345`);
    expect(publish?.body.toString()).toBe('{}');
  });
});

/** Publishes, calls and answers of an AMQP link, over a channel that does what the test says. */
import { EventEmitter } from 'node:events';
import type { ConfirmChannel, Message, Options } from 'amqplib';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  BROKER_OPERATIONS_MAX,
  BROKER_OPERATIONS_MAX_BYTES,
  MESSAGE_EXPIRATION_MAX_MS,
  PUBLISH_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { AmqpControl } from '../../src/brokers/amqp-control.ts';
import type { AmqpCount } from '../../src/brokers/amqp-counts.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

type Publish = {
  readonly exchange: string;
  readonly key: string;
  readonly properties: Options.Publish;
  readonly settle: (error: Error | null) => void;
};

class ScriptedChannel extends EventEmitter {
  readonly published: Publish[] = [];

  publish(
    exchange: string,
    key: string,
    _body: Buffer,
    properties: Options.Publish,
    settle: (error: Error | null) => void,
  ): boolean {
    this.published.push({ exchange, key, properties, settle });
    return true;
  }
}

const BODY = Uint8Array.of(0xc0);
const NACKED = new Error('message nacked');
const CLOSED = new Error('channel closed');

let channel: ScriptedChannel;
let clock: VirtualClock;
let control: AmqpControl;
let counted: AmqpCount[];

beforeEach(() => {
  channel = new ScriptedChannel();
  clock = new VirtualClock();
  counted = [];
  control = new AmqpControl({
    channel: channel as unknown as ConfirmChannel,
    label: 'the broker',
    exchange: 'group',
    answerQueue: 'amq.gen-1',
    persistent: true,
    clock,
    counter: (what) => counted.push(what),
  });
});

function last(): Publish {
  const publish = channel.published.at(-1);
  if (publish === undefined) throw new Error('nothing was published');
  return publish;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );

describe('the control plane of an AMQP link', () => {
  it('tells a refusal from a channel that has closed', async () => {
    const fates = [1, 2, 3].map((id) => codeOf(control.publish('E', BODY, String(id), {})));
    const [first, second, third] = channel.published;
    second?.settle(NACKED);
    third?.settle(CLOSED);
    first?.settle(null);
    expect(await Promise.all(fates)).toEqual(['done', 'PUBLISH_REFUSED', 'BROKER_UNAVAILABLE']);
  });

  it('A14 believes a message that comes back, not the confirm that follows', async () => {
    const fate = codeOf(control.publish('E', BODY, 'one', { mandatory: true }));
    const other = codeOf(control.publish('E', BODY, 'two', { mandatory: true }));
    channel.emit('return', { properties: { messageId: 'one' } });
    for (const { settle } of channel.published) settle(null);
    expect(await Promise.all([fate, other])).toEqual(['UNROUTABLE', 'done']);
    expect(channel.published.every(({ properties }) => properties.mandatory)).toBe(true);
    void control.publish('E', BODY, 'three', {});
    expect(last().properties.mandatory).toBe(false);
  });

  it('A31 writes publishes to disk unless told not to, and calls never', () => {
    void control.publish('E', BODY, '1', {});
    expect(last().properties.persistent).toBe(true);
    void control.publish('E', BODY, '2', { persistent: false });
    expect(last().properties.persistent).toBe(false);
    void control.call('E', BODY, '3', { timeoutMs: 5_000 }, new AbortController().signal);
    expect(last().properties).toMatchObject({
      persistent: false,
      replyTo: 'amq.gen-1',
      correlationId: '3',
      expiration: '5000',
    });
  });

  it.each([
    [0.2, '0'],
    [-5, '0'],
    [1_500.4, '1500'],
    [Number.MAX_SAFE_INTEGER, String(MESSAGE_EXPIRATION_MAX_MS)],
  ])('A32 gives RabbitMQ an expiration that it can read: %s', (expirationMs, written) => {
    void control.publish('E', BODY, '1', { expirationMs });
    expect(last().properties.expiration).toBe(written);
  });

  it('A12 fails its calls with the link, and counts an answer that nobody waits for', async () => {
    const { signal } = new AbortController();
    const call = codeOf(control.call('E', BODY, '1', { timeoutMs: 5_000 }, signal));
    const answered = control.call('E', BODY, '2', { timeoutMs: 5_000 }, signal);
    const message = { properties: { correlationId: '2' }, content: Buffer.from([1]) };
    control.answered(message as unknown as Message);
    control.answered(message as unknown as Message);
    expect(Buffer.from(await answered)).toEqual(Buffer.from([1]));
    control.lose(Object.assign(new Error('gone'), { code: 'GONE' }));
    expect(await call).toBe('GONE');
    expect(counted).toEqual(['late-answers']);
  });

  it('holds a bounded number of answers, of bounded size, for a bounded time', async () => {
    const many = Array.from({ length: BROKER_OPERATIONS_MAX }, () =>
      codeOf(control.answer('E', 'amq.gen-2', 'id', BODY)),
    );
    expect(await codeOf(control.answer('E', 'amq.gen-2', 'id', BODY))).toBe('BROKER_UNAVAILABLE');
    await clock.advance(PUBLISH_TIMEOUT_MS);
    expect(new Set(await Promise.all(many))).toEqual(new Set(['PUBLISH_TIMEOUT']));
    // The broker has not taken them, so there is no more room than before.
    expect(await codeOf(control.answer('E', 'amq.gen-2', 'id', BODY))).toBe('BROKER_UNAVAILABLE');
    const idle = control.idle();
    for (const { settle } of channel.published) settle(null);
    await idle;
    const large = new Uint8Array(BROKER_OPERATIONS_MAX_BYTES + 1);
    const alone = codeOf(control.answer('E', 'amq.gen-2', 'id', large));
    expect(await codeOf(control.answer('E', 'amq.gen-2', 'id', BODY))).toBe('BROKER_UNAVAILABLE');
    expect(last()).toMatchObject({ exchange: '', key: 'amq.gen-2' });
    last().settle(null);
    expect(await alone).toBe('done');
    const next = codeOf(control.answer('E', 'amq.gen-2', 'id', BODY));
    last().settle(null);
    expect(await next).toBe('done');
  });

  it('answers a caller without a correlation id as it was asked: without one', () => {
    void control.answer('E', 'amq.gen-2', undefined, BODY);
    expect(last().properties).toEqual({});
  });
});

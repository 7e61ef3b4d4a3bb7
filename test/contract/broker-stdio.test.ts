/** The broker on standard input and output: the contract of all, and what its frames look like. */
import { PassThrough, Writable } from 'node:stream';
import { decodeMulti } from '@msgpack/msgpack';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import { Stdio } from '../../src/client/local.ts';
import {
  type Bench,
  body,
  createBench,
  Inbox,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { brokerContract } from './broker-contract.ts';

for (const payload of ['json', 'map'] as const) {
  const pipes = new Map<string, Pipes>();
  brokerContract({
    name: `stdio, ${payload}`,
    lacks: ['expiry', 'shard'],
    config(group) {
      const joined = pipes.get(group) ?? new Pipes();
      pipes.set(group, joined);
      return { type: 'stdio', payload, ids: true, ...joined.next() };
    },
  });
}

/**
 * Two processes joined by two pipes: in the one stands the first broker, in the other all the
 * others.
 */
class Pipes {
  readonly #there = new PassThrough();
  readonly #back = new PassThrough();
  #brokers = 0;

  next(): { readonly input: PassThrough; readonly output: PassThrough } {
    return this.#brokers++ === 0
      ? { input: this.#back, output: this.#there }
      : { input: this.#there, output: this.#back };
  }
}

let bench: Bench;
let input: PassThrough;
let output: PassThrough;
let written: Buffer[];

beforeEach(() => {
  bench = createBench();
  input = new PassThrough();
  output = new PassThrough();
  written = [];
});

afterEach(async () => {
  await bench.stop();
});

function open(payload: PayloadMode) {
  return bench.open({ type: 'stdio', input, output, payload });
}

function readOutput(): void {
  output.on('data', (chunk: Buffer) => written.push(chunk));
}

describe('the broker over stdio', () => {
  it.each(['json', 'raw'] as const)(
    'writes one line of JSON for each event: %s',
    async (payload) => {
      readOutput();
      const broker = await open(payload);
      const origin = new RecordingOrigin();
      writeEvent(broker, 'MESSAGE_CREATE', { id: '1', content: 'a\nb' }, origin, 1);
      writeEvent(broker, 'TYPING_START', null, origin, 2);
      await broker.publish('PLAIN', body({ a: 1 }));
      await until('all are confirmed', () => origin.settled === 2);
      expect(Buffer.concat(written).toString()).toBe(
        '{"event":"MESSAGE_CREATE","data":{"id":"1","content":"a\\nb"}}\n' +
          '{"event":"TYPING_START","data":null}\n' +
          '{"event":"PLAIN","data":{"a":1}}\n',
      );
      expect(origin.confirmedSequences).toEqual([1, 2]);
    },
  );

  it('writes MessagePack maps one after the other: map', async () => {
    readOutput();
    const broker = await open('map');
    const origin = new RecordingOrigin();
    for (let sequence = 1; sequence <= 300; sequence++) {
      writeEvent(broker, 'E', { sequence, text: 'x'.repeat(sequence) }, origin, sequence);
    }
    await until('all are confirmed', () => origin.settled === 300);
    const frames = [...decodeMulti(Buffer.concat(written))];
    expect(frames).toHaveLength(300);
    expect(frames[299]).toEqual({ event: 'E', data: { sequence: 300, text: 'x'.repeat(300) } });
  });

  it('S2 confirms nothing that its reader has not taken, and is bounded meanwhile', async () => {
    const broker = await open('json');
    const origin = new RecordingOrigin();
    const filler = 'x'.repeat(100_000);
    let taken = 0;
    while (writeEvent(broker, 'E', { filler }, origin, taken + 1)) taken++;
    expect(taken).toBeLessThan(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(origin.confirmedSequences.length).toBeLessThan(10);
    readOutput();
    await until('all are confirmed', () => origin.settled === taken);
    expect(origin.lostSequences).toEqual([]);
    expect(Buffer.concat(written).toString().trimEnd().split('\n')).toHaveLength(taken);
  });

  it('takes commands in either form and hands them back on retry', async () => {
    const broker = await open('json');
    const inbox = new Inbox((delivery) => {
      expect(delivery.wantsReply).toBe(false);
      if (inbox.deliveries.length === 1) delivery.retry();
      else delivery.ack();
    });
    await broker.subscribe('SEND', inbox.handler);
    input.write('{"event":"SEND","data":{"guild_id":"1"}}\n{"event":"OTHER","data":1}\n');
    await until('it came twice', () => inbox.deliveries.length === 2);
    input.write(Buffer.from(body({ name: 'SEND', data: { guild_id: '2' } })));
    await until('the third came', () => inbox.deliveries.length === 3);
    expect(inbox.values).toEqual([{ guild_id: '1' }, { guild_id: '1' }, { guild_id: '2' }]);
  });

  it('gives what nobody subscribed to, and what came before, to the handler that catches all', async () => {
    readOutput();
    input.write('{"event":"EARLY","data":1,"key":"a"}\n');
    const config = { type: 'stdio', input, output, payload: 'json', catchAll: 'SEND' } as const;
    const broker = await bench.open(config);
    const others = new Inbox();
    await broker.subscribe('OTHER', others.handler);
    await until('it was read', () => input.readableLength === 0);
    const inbox = new Inbox((delivery) => {
      void delivery.reply(body(delivery.event));
      // One that is handed back comes to the same handler again.
      if (inbox.deliveries.length === 1) delivery.retry();
      else delivery.ack();
    });
    await broker.subscribe('SEND', inbox.handler);
    input.write(
      '{"event":"OTHER","data":2}\n{"event":"LATE","data":3}\n{"event":"SEND","data":4}\n',
    );
    await until('all came', () => inbox.deliveries.length === 4 && others.deliveries.length === 1);
    expect(inbox.deliveries.map(({ event }) => event).toSorted()).toEqual([
      'EARLY',
      'EARLY',
      'LATE',
      'SEND',
    ]);
    expect(others.values).toEqual([2]);
    expect(Buffer.concat(written).toString()).toBe('{"event":"EARLY","data":"EARLY","key":"a"}\n');
  });

  it('answers a frame that has a key with a frame that has it too, and no other', async () => {
    readOutput();
    const broker = await open('json');
    const asked: boolean[] = [];
    await broker.subscribe('SEND', (delivery) => {
      asked.push(delivery.wantsReply);
      delivery.ack();
      void delivery.reply(body({ sent: true }));
    });
    input.write('{"event":"SEND","data":1}\n{"key":"01H","event":"SEND","data":2}\n');
    await until('it was answered', () => written.length > 0);
    expect(asked).toEqual([false, true]);
    expect(Buffer.concat(written).toString()).toBe(
      '{"event":"SEND","data":{"sent":true},"key":"01H"}\n',
    );
  });

  it('fails calls at once when no answer can come any more', async () => {
    readOutput();
    const broker = await open('json');
    const before = broker.call('E', body(1), { timeoutMs: 600_000 });
    void until('it was sent', () => written.length > 0).then(() => input.end());
    await expect(before).rejects.toMatchObject({ code: 'PEER_GONE' });
    await expect(broker.call('E', body(1), { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'PEER_GONE',
    });
  });

  it('S3 goes on without commands when its input ends', async () => {
    readOutput();
    const broker = await open('json');
    input.end('{"event":"SE');
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    await until('it is confirmed', () => origin.confirmedSequences.length === 1);
    expect(broker.state).toBe('open');
    expect(bench.log.at('warn')).toHaveLength(1);
  });

  it('S3 fails for good when its output breaks, and loses what was not taken', async () => {
    const broken = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => setImmediate(() => done(new Error('write EPIPE'))),
    });
    const broker = await bench.open({ type: 'stdio', input, output: broken, payload: 'json' });
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    await until('it was told', () => bench.failures.length === 1);
    expect(bench.failures[0]).toMatchObject({ code: 'FATAL' });
    expect(origin.lostSequences).toEqual([1]);
    await expect(broker.publish('E', body(1))).rejects.toMatchObject({ code: 'FATAL' });
  });

  it('is as light on its streams after many brokers as after one, and hears late errors', async () => {
    const heard = () => [input, output].map((stream) => stream.listenerCount('error'));
    const use = async () => {
      const bot = new Stdio({ input, output });
      await bot.connect();
      await bot.disconnect();
    };
    await use();
    const once = heard();
    for (let count = 0; count < 5; count++) await use();
    expect(heard()).toEqual(once);
    // What nobody listens to would be thrown here.
    output.emit('error', new Error('write EPIPE'));
    input.emit('error', new Error('read EIO'));
  });

  it('joins a gateway and a bot of the library by a pipe, in both directions', async () => {
    const commands = new PassThrough();
    const broker = await bench.open({ type: 'stdio', input: commands, output, payload: 'json' });
    const inbox = new Inbox();
    await broker.subscribe('SEND', inbox.handler);
    const bot = new Stdio({ input: output, output: commands });
    const received: unknown[] = [];
    bot.on('MESSAGE_CREATE', (message, { ack }) => {
      received.push(message.content);
      void ack();
    });
    await bot.subscribe('MESSAGE_CREATE');
    writeEvent(broker, 'MESSAGE_CREATE', { content: 'ping' }, new RecordingOrigin(), 1);
    await until('the bot has it', () => received.length === 1);
    await bot.publish('SEND', { guild_id: '1', packet: { op: 8, d: {} } });
    await until('the gateway has it', () => inbox.deliveries.length === 1);
    expect(received).toEqual(['ping']);
    expect(inbox.values).toEqual([{ guild_id: '1', packet: { op: 8, d: {} } }]);
    await bot.disconnect();
  });
});

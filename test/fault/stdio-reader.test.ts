/** The broker over stdio when the other end reads slowly, not at all, or is told to stop. */
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import type { SpectaclesError } from '../../protocols/errors.ts';
import {
  CONFIRM_STALL_MS,
  CONSUMER_PREFETCH,
  PUBLISH_TIMEOUT_MS,
  READER_STALL_MS,
  WRITER_MAX_BYTES,
} from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { StdioSink } from '../../src/brokers/stdio-sink.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { body, RecordingOrigin, until, writeEvent } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';

let clock: VirtualClock;
let log: RecordingLog;
let system: ActorSystem;
let input: PassThrough;
let output: PassThrough;
let broker: Broker;

beforeEach(async () => {
  clock = new VirtualClock();
  log = new RecordingLog();
  system = createActorSystem({ name: 'stdio', clock, random: createRandom(1), log });
  input = new PassThrough();
  output = new PassThrough();
  const config = { type: 'stdio', input, output, payload: 'json' } as const;
  broker = await createBroker(config, { system, clock, log });
});

afterEach(async () => {
  let isStopped = false;
  void system.stop().then(() => {
    isStopped = true;
  });
  // What is not read is waited for until a deadline, and time is ours.
  await until('the system has stopped', async () => {
    await turns();
    clock.advance(1_000);
    return isStopped;
  });
});

function wait(delayMs: number): Promise<void> {
  return clock.advanceSettled(delayMs, () => system.idle());
}

/** Lets what was written this turn be flushed, and what was read be handled. */
async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a reader of our frames', () => {
  it('S2 that stops holds the gateway back, for as long as it takes, and loses nothing', async () => {
    const states: string[] = [];
    broker.watch((state) => states.push(state));
    const origin = new RecordingOrigin();
    let sequence = 0;
    const write = () => writeEvent(broker, 'E', { filler: 'x'.repeat(50_000) }, origin, ++sequence);
    for (let count = 0; count < 20; count++) write();
    await turns();
    await wait(READER_STALL_MS + 1);
    expect(states).toEqual(['away']);
    expect(write()).toBe(false);
    const held = output.writableLength;
    // Far longer than a broker may take to confirm anything.
    await wait(20 * CONFIRM_STALL_MS);
    expect(output.writableLength).toBe(held);
    expect(origin.lostSequences).toEqual([]);
    output.resume();
    await until('all is confirmed', () => origin.settled === 20);
    await turns();
    await system.idle();
    expect(states).toEqual(['away', 'open']);
    expect(origin.lostSequences).toEqual([]);
    expect(write()).toBe(true);
    expect(log.at('warn')).toEqual([]);
  });

  it('S2 that is slow is waited for without a word', async () => {
    const states: string[] = [];
    broker.watch((state) => states.push(state));
    const origin = new RecordingOrigin();
    for (let sequence = 1; sequence <= 40; sequence++) {
      writeEvent(broker, 'E', { filler: 'x'.repeat(50_000) }, origin, sequence);
    }
    await turns();
    for (let count = 0; count < 60 && origin.settled < 40; count++) {
      await wait(READER_STALL_MS - 1);
      output.read();
      await turns();
    }
    expect(origin.confirmedSequences).toHaveLength(40);
    expect(states).toEqual([]);
  });

  it('S2 that is too slow makes publishes fail once a bound is reached', async () => {
    const large = body('x'.repeat(1_000_000));
    const failures: string[] = [];
    for (let round = 0; round < 8; round++) {
      for (let count = 0; count < 20; count++) {
        broker.publish('E', large).catch((error: SpectaclesError) => failures.push(error.code));
      }
      // It takes something now and then, and so never counts as one that has stopped.
      for (let waitedMs = 0; waitedMs < PUBLISH_TIMEOUT_MS; waitedMs += READER_STALL_MS - 1) {
        await turns();
        await wait(READER_STALL_MS - 1);
        output.read();
        await turns();
      }
    }
    expect(output.writableLength).toBeLessThan(WRITER_MAX_BYTES + 2_000_000);
    expect(failures).toContain('PUBLISH_REFUSED');
    expect(broker.state).toBe('open');
  });

  it('S5 gets whole frames only, however many shards and services write', async () => {
    const chunks: Buffer[] = [];
    output.on('data', (chunk: Buffer) => chunks.push(chunk));
    const origins = Array.from(
      { length: 8 },
      (_, shard) => new RecordingOrigin(shard, `s${shard}`),
    );
    let published = 0;
    for (let sequence = 1; sequence <= 100; sequence++) {
      for (const origin of origins) {
        const data = { shard: origin.shard, sequence, filler: 'ü'.repeat(sequence * 40) };
        expect(writeEvent(broker, `E${origin.shard % 3}`, data, origin, sequence)).toBe(true);
      }
      if (sequence % 10 === 0) {
        void broker.publish('NOTE', body({ sequence })).then(() => published++);
        await turns(1);
      }
    }
    await until('all is confirmed', () => origins.every((origin) => origin.settled === 100));
    await until('all is published', () => published === 10);
    const lines = Buffer.concat(chunks).toString().split('\n');
    expect(lines.pop()).toBe('');
    const frames = lines.map((line): { event: string; data: Record<string, number> } =>
      JSON.parse(line),
    );
    expect(frames).toHaveLength(810);
    const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
    for (const { shard } of origins) {
      const own = frames.filter(({ event, data }) => event !== 'NOTE' && data.shard === shard);
      expect(own.map(({ data }) => data.sequence)).toEqual(numbers);
    }
  });
});

describe('the sink of standard output', () => {
  it('S5 writes a frame after the events before it, though they wait for the end of the turn', async () => {
    const nothing = () => undefined;
    const confirms = { settleOldest: nothing, settle: nothing, settleThrough: nothing };
    const hooks = { confirms, lost: nothing, blocked: nothing, room: nothing, delivery: nothing };
    const sink = new StdioSink({ output, payload: 'json', ids: false, clock }, hooks);
    sink.prepare(0, 'E');
    const data = Buffer.from('[1]');
    sink.send(0, data, 0, data.length, new RecordingOrigin(), 1);
    void sink.sendFrame({ event: 'NOTE', body: body(2) });
    sink.send(0, data, 0, data.length, new RecordingOrigin(), 2);
    await turns();
    sink.stop();
    expect(String(output.read())).toBe(
      '{"event":"E","data":[1]}\n{"event":"NOTE","data":2}\n{"event":"E","data":[1]}\n',
    );
  });
});

describe('work that comes in over stdio', () => {
  const command = (number: number) => `{"event":"WORK","data":${number}}\n`;

  it('is read only as far as handlers and queues have room', async () => {
    const held: Delivery[] = [];
    await broker.subscribe('WORK', (delivery) => held.push(delivery));
    let written = 0;
    // The source writes for as long as it is told that it may.
    const source = (async () => {
      for (; written < 60_000; written++) {
        if (!input.write(command(written))) {
          await new Promise<void>((resolve) => input.once('drain', resolve));
        }
      }
    })();
    await until('it is held back', async () => {
      const before = written;
      await turns(20);
      return written === before && held.length === CONSUMER_PREFETCH;
    });
    expect(written).toBeLessThan(40_000);
    while (held.length < 60_000) {
      const before = held.length;
      for (const delivery of held) delivery.ack();
      await until('more has come', () => held.length > before);
    }
    await source;
    const numbers = held.map((delivery) => decodeBody(delivery.body));
    expect(numbers).toEqual(Array.from({ length: 60_000 }, (_, number) => number));
  });

  it('S8 is finished when the process is told to stop, and no more of it is taken', async () => {
    const held: Delivery[] = [];
    await broker.subscribe('WORK', (delivery) => held.push(delivery));
    input.write(command(1));
    await until('it is held', () => held.length === 1);
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    let isClosed = false;
    const closing = broker.close().then(() => {
      isClosed = true;
    });
    await turns();
    input.write(command(2));
    await turns();
    expect(held).toHaveLength(1);
    expect(isClosed).toBe(false);
    output.resume();
    held[0]?.ack();
    await closing;
    expect(origin.confirmedSequences).toEqual([1]);
    await turns();
    expect(held).toHaveLength(1);
    expect(input.readableLength).toBeGreaterThan(0);
  });

  it('S8 ends although a handler never does, after a deadline', async () => {
    await broker.subscribe('WORK', () => undefined);
    input.write(command(1));
    await turns();
    let isClosed = false;
    void broker.close().then(() => {
      isClosed = true;
    });
    for (let second = 0; second < 20 && !isClosed; second++) {
      await turns();
      await wait(1_000);
    }
    expect(isClosed).toBe(true);
  });
});

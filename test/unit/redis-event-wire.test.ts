/** The connection of events over a stream that answers as it likes. */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { REDIS_PULSE_MS, REDIS_PULSE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { RedisEventWire } from '../../src/brokers/redis-event-wire.ts';
import { RedisNode } from '../../src/brokers/redis-node.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

const DONE = '$3\r\n1-1\r\n';

/** As much of an ioredis client as the wire knows of. */
class ScriptedRedis extends EventEmitter {
  status = 'ready';
  readonly written: string[] = [];
  /** What ioredis itself was given to decode. */
  readonly decoded: string[] = [];
  readonly stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      this.written.push(chunk.toString());
      done();
    },
  });

  constructor(decoders = 1) {
    super();
    for (let count = 0; count < decoders; count++) {
      this.stream.prependListener('data', (chunk: Buffer) => this.decoded.push(chunk.toString()));
    }
    this.stream.resume();
  }

  answer(text: string): void {
    this.stream.emit('data', Buffer.from(text));
  }
}

function bench(redis = new ScriptedRedis()) {
  const told: string[] = [];
  const lost: unknown[] = [];
  const wire = new RedisEventWire(redis as unknown as Redis, (reason) => lost.push(reason));
  wire.tell({
    done: () => told.push('done'),
    refused: (error) => told.push(`${error.name}: ${error.message}`),
  });
  const write = (events: number) => wire.write(Buffer.from('XADD'), events, () => undefined);
  return { redis, wire, told, lost, write };
}

describe('the connection of events', () => {
  it.each([0, 2])('is refused where ioredis has %i listeners to its stream', (decoders) => {
    expect(() => bench(new ScriptedRedis(decoders))).toThrow(
      expect.objectContaining({ code: 'FATAL', message: expect.stringContaining('ioredis') }),
    );
  });

  it('tells of each event what was answered, in order, and ioredis of none', () => {
    const { redis, told, lost, write } = bench();
    write(3);
    redis.answer(`${DONE}-OOM no room\r\n${DONE}`);
    expect(told).toEqual(['done', 'ReplyError: OOM no room', 'done']);
    expect(redis.decoded).toEqual([]);
    expect(lost).toEqual([]);
  });

  it('takes an answer for a ping only where the ping was sent', async () => {
    const { redis, wire, told, write } = bench();
    const answered: string[] = [];
    write(1);
    const first = wire.ping().then(() => answered.push('first'));
    write(1);
    const second = wire.ping().then(() => answered.push('second'));
    expect(redis.written).toEqual(['XADD', '*1\r\n$4\r\nPING\r\n', 'XADD', '*1\r\n$4\r\nPING\r\n']);
    redis.answer(`${DONE}+PONG\r\n`);
    await first;
    expect([told, answered]).toEqual([['done'], ['first']]);
    // A user who may not PING is told so, and the server lives.
    redis.answer(`${DONE}-NOPERM no right to PING\r\n`);
    await second;
    expect([told, answered]).toEqual([
      ['done', 'done'],
      ['first', 'second'],
    ]);
  });

  it('fails its pings when it ends, and those after it', async () => {
    const { redis, wire } = bench();
    const ping = wire.ping();
    redis.status = 'end';
    redis.emit('end');
    const closed = { code: 'BROKER_UNAVAILABLE' };
    await expect(ping).rejects.toMatchObject(closed);
    await expect(wire.ping()).rejects.toMatchObject(closed);
    expect(wire.isOpen).toBe(false);
  });

  it.each([
    ['what it was not asked', `${DONE}${DONE}${DONE}`, ['done', 'done']],
    ['what is no answer to an event', `${DONE}*1\r\n${DONE}`, ['done']],
  ])('loses its link when the server answers %s, and hears no more', (_what, text, expected) => {
    const { redis, told, lost, write } = bench();
    write(2);
    redis.answer(text);
    redis.answer(DONE);
    expect(told).toEqual(expected);
    expect(lost).toMatchObject([{ code: 'BROKER_UNAVAILABLE' }]);
  });

  it('gives a sign of life of its own: silent, it loses a link whose commands are answered', async () => {
    const clock = new VirtualClock();
    const { redis, wire } = bench();
    const commands = { time: () => Promise.resolve(['1700000000', '0']) } as unknown as Redis;
    const lost: unknown[] = [];
    const node = new RedisNode('redis', commands, wire, clock, (reason) => lost.push(reason));
    const started = node.start();
    redis.answer('+PONG\r\n');
    await started;
    clock.advance(REDIS_PULSE_MS);
    expect(redis.written).toHaveLength(2);
    clock.advance(REDIS_PULSE_TIMEOUT_MS - 1);
    await turn();
    expect(lost).toEqual([]);
    clock.advance(1);
    await turn();
    expect(lost).toMatchObject([{ code: 'BROKER_UNAVAILABLE' }]);
  });
});

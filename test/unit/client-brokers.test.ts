/** The library's broker classes, over memory: what a bot sees of a message. */
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { Redis as IORedis } from 'ioredis';
import {
  afterEach,
  beforeEach,
  describe,
  expect,
  expectTypeOf,
  it,
  onTestFinished,
  vi,
} from 'vitest';
import { REPEATS_MAX } from '../../protocols/limits.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { DISCONNECTED } from '../../src/client/broker-client.ts';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Attached, Memory } from '../../src/client/local.ts';
import { Redis, type RedisClient } from '../../src/client/redis.ts';
import { Repeats } from '../../src/client/repeats.ts';
import { Rest } from '../../src/client/rest.ts';
import { listen } from '../../src/listen.ts';
import { systemClock } from '../../src/system-clock.ts';
import {
  type Bench,
  createBench,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { ANY_PORT } from '../support/raw-http.ts';
import { RecordingLog } from '../support/recording-log.ts';

let hub: MemoryHub;
let bench: Bench;
let clients: Memory[];

function fail(): never {
  throw new RangeError('no such thing');
}

function client(group = 'bots'): Memory {
  const made = new Memory(group, { hub });
  clients.push(made);
  return made;
}

beforeEach(() => {
  hub = new MemoryHub(systemClock);
  bench = createBench();
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((made) => made.disconnect()));
  await bench.stop();
});

describe('a broker of the library', () => {
  it.each(['json', 'raw', 'map'] as const)(
    'decodes what a gateway publishes: %s',
    async (payload) => {
      const bot = client();
      const received: unknown[] = [];
      bot.on('MESSAGE_CREATE', (message, { ack }) => {
        expectTypeOf(message.content).toEqualTypeOf<string>();
        received.push(message);
        void ack();
      });
      await bot.subscribe(['MESSAGE_CREATE']);
      const gateway = await bench.open({ type: 'memory', group: 'gateway', hub, payload });
      writeEvent(gateway, 'MESSAGE_CREATE', { content: 'ping' }, new RecordingOrigin(), 1);
      await until('it came', () => received.length === 1);
      expect(received).toEqual([{ content: 'ping' }]);
    },
  );

  it('GP-79: drops what it has handled before, and nothing that only looks like it', async () => {
    const bot = new Memory('bots', { hub, dropRepeats: true });
    clients.push(bot);
    const handled: (string | undefined)[] = [];
    bot.on('TYPING_START', (_data, { id, attempt, ack, retry }) => {
      handled.push(id);
      // The first time around it is handed back: that delivery was not handled.
      if (attempt === 1 && id === '9f2c4a:3') retry();
      else void ack();
    });
    await bot.subscribe('TYPING_START');
    const gateway = await bench.open({ type: 'memory', group: 'gateway', hub, payload: 'json' });
    const typing = { user_id: '1', channel_id: '2' };
    for (const sequence of [1, 2, 1, 3, 2]) {
      writeEvent(gateway, 'TYPING_START', typing, new RecordingOrigin(), sequence);
      await until('the hub is empty', () => hub.queue('TYPING_START', 'bots').length === 0);
    }
    await until('the last one came again', () => handled.length === 4);
    expect(handled).toEqual(['9f2c4a:1', '9f2c4a:2', '9f2c4a:3', '9f2c4a:3']);
    const other = new RecordingOrigin(3, 'another');
    writeEvent(gateway, 'TYPING_START', typing, other, 1);
    await until('the new one came', () => handled.length === 5);
    expect(handled.at(-1)).toBe('another:1');
  });

  it('forgets the oldest of what it has handled', () => {
    const repeats = new Repeats();
    for (let number = 0; number <= REPEATS_MAX; number++) repeats.add(`session:${number}`);
    expect(repeats.has('session:0')).toBe(false);
    expect(repeats.has('session:1')).toBe(true);
    repeats.add(undefined);
    expect(repeats.has(undefined)).toBe(false);
  });

  it('publishes, calls and answers', async () => {
    const service = client();
    service.on('ADD', async ([a, b]: [number, number], { ack, reply }) => {
      await ack();
      await reply(a + b);
    });
    await service.subscribe('ADD');
    await expect(client('others').call('ADD', [2, 3])).resolves.toBe(5);
    await expect(client('others').call('NOBODY', 1, { timeout: 200 })).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
  });

  it('answers in JSON who has asked in JSON, unless it has an encoding of its own', async () => {
    const own = new Memory('own', { hub, serialize: (data) => Buffer.from(`<${data}>`) });
    clients.push(own);
    const services = { ADD: client(), ADD_ITS_WAY: own };
    for (const [event, service] of Object.entries(services)) {
      service.on(event, async ([a, b]: [number, number], { ack, reply }) => {
        await ack();
        await reply(a + b);
      });
      await service.subscribe(event);
    }
    const broker = await bench.open({ type: 'memory', group: 'others', hub, payload: 'json' });
    const ask = async (event: string): Promise<string> =>
      Buffer.from(
        await broker.call(event, Buffer.from('[20,30]'), { timeoutMs: 1_000 }),
      ).toString();
    expect(await ask('ADD')).toBe('50');
    expect(await ask('ADD_ITS_WAY')).toBe('<50>');
  });

  it('gives a message to the same group once, and to each group', async () => {
    const seen: string[] = [];
    for (const [name, group] of [
      ['a', 'one'],
      ['b', 'one'],
      ['c', 'two'],
    ] as const) {
      const bot = client(group);
      bot.on('E', (_data: unknown, { ack }: MessageOptions) => {
        seen.push(name);
        void ack();
      });
      await bot.subscribe('E');
    }
    await client().publish('E', 1);
    await until('both groups have it', () => seen.length === 2);
    expect(seen).toContain('c');
  });

  it('delivers again what was handed back, and not what was refused', async () => {
    const bot = client();
    const seen: unknown[] = [];
    bot.on('E', (data: unknown, { nack, reject, ack }: MessageOptions) => {
      seen.push(data);
      if (data === 'refused') reject(false);
      else if (seen.filter((one) => one === data).length === 1) nack();
      else void ack();
    });
    await bot.subscribe('E');
    const other = client('others');
    await other.publish('E', 'refused');
    await other.publish('E', 'back');
    await until('it came again', () => seen.length === 3);
    expect(seen).toEqual(['refused', 'back', 'back']);
  });

  it('hands back what has come before its listener has', async () => {
    const bot = client();
    await bot.subscribe('E');
    await client('others').publish('E', 'early');
    await until('it was handed out', () => hub.queue('E', 'bots').length === 0);
    const attempts: number[] = [];
    bot.on('E', (_data: unknown, { attempt, ack }: MessageOptions) => {
      attempts.push(attempt);
      void ack();
    });
    await until('it came again', () => attempts.length === 1);
    expect(attempts[0]).toBeGreaterThan(1);
  });

  it('starts anew when it is used again after a start that has failed', async () => {
    let isBroken = true;
    class Fickle extends Memory {
      protected override open(signal: AbortSignal) {
        if (isBroken) return Promise.reject(new RangeError('not yet'));
        return super.open(signal);
      }
    }
    const bot = new Fickle('bots', { hub });
    clients.push(bot);
    await expect(bot.connect()).rejects.toThrow('not yet');
    isBroken = false;
    await bot.subscribe('E');
    await bot.publish('E', 1, { mandatory: true });
    expect(hub.isWanted('E')).toBe(true);
  });

  it('tells what cannot be decoded, and a listener that throws, as error, and goes on', async () => {
    const bot = client();
    const errors: unknown[] = [];
    const seen: unknown[] = [];
    bot.on('error', (error) => errors.push(error));
    bot.on('E', (data: unknown, { ack }: MessageOptions) => {
      if (data === 'boom') throw new Error('in the listener');
      seen.push(data);
      void ack();
    });
    await bot.subscribe('E');
    const raw = client('others');
    raw.serialize = () => Uint8Array.of(0xc1);
    await raw.publish('E', null);
    const other = client('others');
    await other.publish('E', 'boom');
    await other.publish('E', 'good');
    await until('the good one came', () => seen.length === 1);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatchObject({ code: 'UNDECODABLE_BODY' });
  });

  it.each([
    ['throws', () => fail()],
    ['rejects', async () => fail()],
  ])('says in one line of its log that a listener %s', async (_how, listener) => {
    const log = new RecordingLog();
    const bot = new Memory('bots', { hub, log });
    clients.push(bot);
    bot.on('E', listener);
    await bot.subscribe('E');
    await client('others').publish('E', 1);
    await until('it was told', () => log.at('error').length > 0);
    await until('it was refused', () => hub.queue('E', 'bots').length === 0);
    const told = log.lines.filter(({ level }) => level !== 'debug' && level !== 'info');
    expect(told.map(({ fields }) => fields.error)).toEqual([
      expect.objectContaining({ code: 'LISTENER', message: expect.stringMatching(/RangeError/) }),
    ]);
  });

  it('warns of an error that has neither a listener nor a log to go to', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => {
      process.off('warning', onWarning);
    });
    const bot = client();
    bot.on('E', fail);
    await bot.subscribe('E');
    await client('others').publish('E', 1);
    await until('it was told', () => warnings.length > 0);
    expect(warnings).toEqual([expect.objectContaining({ name: 'SpectaclesWarning' })]);
    expect(warnings[0]?.message).toBe('the listener of E failed with RangeError: no such thing');
  });

  it('stops what was unsubscribed, and everything when it disconnects', async () => {
    const bot = client();
    const seen: unknown[] = [];
    bot.on('E', (data: unknown, { ack }: MessageOptions) => {
      seen.push(data);
      void ack();
    });
    await bot.subscribe('E');
    const other = client('others');
    await other.publish('E', 1);
    await until('it came', () => seen.length === 1);
    await bot.unsubscribe('E');
    await other.publish('E', 2);
    await bot.disconnect();
    const successor = client();
    successor.on('E', (data: unknown, { ack }: MessageOptions) => {
      seen.push(data);
      void ack();
    });
    await successor.subscribe('E');
    await until('what waited came', () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
  });

  it('disconnects although a listener throws at that', async () => {
    const log = new RecordingLog();
    const bot = new Memory('bots', { hub, log });
    await bot.subscribe('E');
    expect(hub.queuesOf('E').map(({ hasConsumers }) => hasConsumers)).toEqual([true]);
    bot.on(DISCONNECTED, fail);
    await bot.disconnect();
    expect(hub.queuesOf('E').map(({ hasConsumers }) => hasConsumers)).toEqual([false]);
    expect(log.at('error')).toHaveLength(1);
  });

  it('says which message it is, and which attempt, so that repeats can be dropped', async () => {
    const broker = await bench.open({ type: 'memory', group: 'run', hub, payload: 'json' });
    const bot = new Attached(broker);
    const seen: { id: string | undefined; attempt: number }[] = [];
    bot.on('E', (_data: unknown, { id, attempt, ack, retry }: MessageOptions) => {
      seen.push({ id, attempt });
      if (attempt === 1) retry();
      else void ack();
    });
    await bot.subscribe('E');
    await bot.publish('E', { a: 1 });
    await until('it came twice', () => seen.length === 2);
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(seen[0]?.id).toBe(seen[1]?.id);
  });

  it('stands around a broker that somebody else has started, and leaves it running', async () => {
    const broker = await bench.open({ type: 'memory', group: 'run', hub, payload: 'json' });
    const bot = new Attached(broker);
    const seen: unknown[] = [];
    bot.on('E', (data: unknown, { ack }: MessageOptions) => {
      seen.push(data);
      void ack();
    });
    await bot.subscribe(['E']);
    await bot.publish('E', { a: 1 });
    await until('it came', () => seen.length === 1);
    await bot.disconnect();
    expect(broker.state).toBe('open');
  });
});

/** What `new Redis` takes of ioredis, for a server that answers everything in the same way. */
class GivenClient implements RedisClient {
  readonly sockets: Socket[] = [];
  readonly options = { host: '127.0.0.1', port: 0, password: 'wrong' };
  isConnected = true;

  async serve(answer: string | undefined): Promise<this> {
    const server = createTcpServer((socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => answer !== undefined && socket.write(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of this.sockets) socket.destroy();
      server.close();
    });
    this.options.port = (server.address() as AddressInfo).port;
    return this;
  }

  disconnect(): void {
    this.isConnected = false;
  }
}

describe('Redis of the library', () => {
  it('disconnects from a server that never answered, and says so to whoever connects', async () => {
    const given = await new GivenClient().serve(undefined);
    const broker = new Redis('group', given);
    const connecting = broker.connect().catch((error: unknown) => error);
    await until('it has called', () => given.sockets.length === 1);
    await broker.disconnect();
    expect(await connecting).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    expect(given.isConnected).toBe(false);
    await until('it has hung up', () => given.sockets.every(({ destroyed }) => destroyed));
  });

  it('disconnects the client it was given, also when it is refused meanwhile', async () => {
    const given = await new GivenClient().serve('-WRONGPASS invalid username-password pair\r\n');
    const broker = new Redis('group', given);
    const connecting = broker.connect().catch((error: unknown) => error);
    await broker.disconnect();
    expect(await connecting).toMatchObject({ code: 'FATAL' });
    expect(given.isConnected).toBe(false);
  });

  it.each([
    ['a cluster', { isCluster: true, options: {} }, /cluster/],
    ['a key prefix', { options: { port: 1, keyPrefix: 'bot:' } }, /keyPrefix bot:/],
    ['a client of another library', { options: { url: 'redis://there' } }, /one of ioredis/],
  ])('says what is wrong with %s', async (_name, given, message) => {
    const broker = new Redis('group', { disconnect: () => undefined, ...given });
    await expect(broker.connect()).rejects.toThrow(message);
  });

  it('keeps what goes wrong with the client it was given off the console', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    onTestFinished(() => printed.mockRestore());
    // Nobody listens on the port that a server has just given back.
    const server = createServer();
    const port = await listen(server, ANY_PORT);
    await new Promise((resolve) => server.close(resolve));
    const redis = new IORedis({ port, retryStrategy: null });
    const log = new RecordingLog();
    new Redis('group', redis, { log });
    await new Promise((resolve) => redis.once('end', resolve));
    expect(printed).not.toHaveBeenCalled();
    expect(log.at('debug')).toHaveLength(1);
  });
});

describe('Rest', () => {
  it('tells the proxy for how long it waits, and waits longer than that to be told', async () => {
    const calls: { readonly request: unknown; readonly waitMs: number }[] = [];
    const broker = {
      async call(_event: string, request: unknown, options?: { readonly timeout?: number }) {
        calls.push({ request, waitMs: options?.timeout ?? 0 });
        return { status: 8, body: 'late' };
      },
    };
    const rest = new Rest(broker, 'a.b');
    expect(await rest.get('/x', { timeoutMs: 1_500 })).toEqual({ status: 8, body: 'late' });
    expect(calls[0]?.request).toMatchObject({ timeout: { secs: 1, nanos: 500_000_000 } });
    expect(calls[0]?.waitMs).toBeGreaterThanOrEqual(1_500 + 1_000);
  });
});

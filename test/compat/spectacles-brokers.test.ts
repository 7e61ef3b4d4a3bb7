/** @spectacles/brokers 0.9.3 from npm, unmodified, in a process of its own, against our brokers. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis as Ioredis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeBody } from '../../protocols/wire/body.ts';
import { type BrokerConfig, redisPlace } from '../../src/brokers/create-broker.ts';
import { Amqp } from '../../src/client/amqp.ts';
import type { BrokerClient } from '../../src/client/broker-client.ts';
import { Redis } from '../../src/client/redis.ts';
import { parseAmqpUrl, parseRedisUrl } from '../../src/config/broker-urls.ts';
import {
  type Bench,
  body,
  createBench,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';

const PROGRAM = fileURLToPath(
  new URL('./fixtures/spectacles-brokers-program.cjs', import.meta.url),
);

class Program {
  readonly lines: Record<string, unknown>[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  #errors = '';

  constructor(kind: string, url: string, group: string, events: readonly string[]) {
    this.#child = spawn(process.execPath, [PROGRAM, kind, url, group, ...events]);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line));
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
  }

  async ready(): Promise<void> {
    await until('the program is ready', () => {
      if (this.#child.exitCode !== null) throw new Error(`the program ended: ${this.#errors}`);
      return this.lines.some((line) => line.ready === true);
    });
  }

  tell(command: unknown): void {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  get events(): unknown[] {
    return this.lines.filter((line) => 'event' in line || 'error' in line);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

type Peer = {
  readonly kind: 'redis' | 'amqp';
  url(): string;
  config(group: string): BrokerConfig;
  client(group: string): Promise<BrokerClient>;
};

const redisPeer: Peer = {
  kind: 'redis',
  url: redisUrl,
  config(group) {
    const parsed = parseRedisUrl(redisUrl());
    if ('problem' in parsed) throw new Error(parsed.problem);
    return {
      type: 'redis',
      group,
      place: redisPlace(parsed.value),
      retentionMs: 0,
      payload: 'map',
    };
  },
  client: async (group) => new Redis(group, new Ioredis(redisUrl())),
};

const amqpPeer: Peer = {
  kind: 'amqp',
  url: amqpUrl,
  config(group) {
    const parsed = parseAmqpUrl(amqpUrl());
    if ('problem' in parsed) throw new Error(parsed.problem);
    return {
      type: 'amqp',
      group,
      endpoint: parsed.value,
      messageTimeoutMs: 120_000,
      payload: 'map',
    };
  },
  async client(group) {
    const client = new Amqp(group);
    await client.connect(amqpUrl().replace('amqp://', ''));
    return client;
  },
};

describe.each([redisPeer, amqpPeer])('@spectacles/brokers 0.9.3 over $kind', (peer) => {
  const running: { stop(): void | Promise<void> }[] = [];
  const group = `group-${randomUUID()}`;
  const event = `MESSAGE_CREATE_${randomUUID()}`;

  function keep<Thing extends { stop(): void | Promise<void> }>(thing: Thing): Thing {
    running.push(thing);
    return thing;
  }

  afterEach(async () => {
    for (const thing of running.splice(0)) await thing.stop();
  });

  it('prints the events that our writer publishes, as objects in map mode', async () => {
    const bench: Bench = keep(createBench());
    const program = keep(new Program(peer.kind, peer.url(), group, [event]));
    await program.ready();
    const broker = await bench.open(peer.config(group));
    const origin = new RecordingOrigin();
    const value = {
      id: '1087654321098765432',
      content: 'ping',
      author: { bot: false },
      nonce: null,
    };
    writeEvent(broker, event, value, origin, 1);
    writeEvent(broker, event, { id: '2' }, origin, 2);
    await until('both were printed', () => program.events.length >= 2);
    expect(program.events).toEqual([
      { event, data: value },
      { event, data: { id: '2' } },
    ]);
    // A server may deliver a message before it confirms it.
    await until('both are confirmed', () => origin.confirmedSequences.length === 2);
    expect(origin.confirmedSequences).toEqual([1, 2]);
  });

  it('prints, in json mode, the JSON of Discord as the string that the Go gateway publishes', async () => {
    const bench = keep(createBench());
    const program = keep(new Program(peer.kind, peer.url(), group, [event]));
    await program.ready();
    const broker = await bench.open({ ...peer.config(group), payload: 'json' });
    writeEvent(broker, event, { id: '3' }, new RecordingOrigin(), 1);
    await until('it was printed', () => program.events.length >= 1);
    expect(program.events).toEqual([{ event, data: '{"id":"3"}' }]);
  });

  it('answers what our broker calls', async () => {
    const bench = keep(createBench());
    const program = keep(new Program(peer.kind, peer.url(), group, [event]));
    await program.ready();
    const broker = await bench.open(peer.config(group));
    const answer = await broker.call(event, body({ ask: 'who' }), { timeoutMs: 10_000 });
    expect(decodeBody(answer)).toEqual({ answer: 'who' });
  });

  it('publishes to and calls a handler of our library', async () => {
    const client = await peer.client(group);
    keep({ stop: () => client.disconnect() });
    const received: unknown[] = [];
    const asked = `ASKED_${randomUUID()}`;
    client.on(asked, async (data, { ack, reply }) => {
      received.push(data);
      await ack();
      if (data.question) await reply({ told: data.question });
    });
    await client.subscribe([asked]);
    const program = keep(new Program(peer.kind, peer.url(), group, [`UNUSED_${randomUUID()}`]));
    await program.ready();
    program.tell({ publish: asked, data: { a: [1, 'zwei', null] } });
    await until('it was received', () => received.length === 1);
    expect(received).toEqual([{ a: [1, 'zwei', null] }]);
    // The package subscribes to the answer only after it has asked; the handler takes its time.
    program.tell({ call: asked, data: { question: 'when' } });
    await until('the answer was printed', () => program.lines.some((line) => 'answer' in line));
    expect(program.lines.find((line) => 'answer' in line)).toEqual({ answer: { told: 'when' } });
  });
});

/**
 * What only an odd server says: a RabbitMQ that ends a connection as it opens, and programs that
 * are none.
 */
import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAmqp } from '../../src/brokers/amqp-connection.ts';
import { type Bench, createBench, until } from '../support/broker-bench.ts';
import { amqpConfig } from '../support/broker-peers.ts';

let bench: Bench;
let server: Server | undefined;
let sockets: Socket[];
/** What the client sent, in the packets it came in. */
let received: Buffer[];

beforeEach(() => {
  bench = createBench();
  sockets = [];
  received = [];
});

afterEach(async () => {
  await bench.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

const short = (value: number) => [value >> 8, value & 0xff];
const long = (value: number) => [...short(value >>> 16), ...short(value & 0xffff)];
const shortText = (text: string) => [text.length, ...Buffer.from(text)];
const longText = (text: string) => [...long(text.length), ...Buffer.from(text)];

/** A method frame on channel 0. */
function frame(method: number, fields: readonly number[]): Buffer {
  const payload = [...short(10), ...short(method), ...fields];
  return Buffer.from([1, 0, 0, ...long(payload.length), ...payload, 0xce]);
}

const START = frame(10, [0, 9, ...long(0), ...longText('PLAIN'), ...longText('en_US')]);
const tune = (frameMax: number) => frame(30, [...short(0), ...long(frameMax), ...short(0)]);
const OPEN_OK = frame(41, shortText(''));
const close = (code: number, text: string) =>
  frame(50, [...short(code), ...shortText(text), ...short(0), ...short(0)]);

/** Listens, and answers the first, second, … packet of each connection with these. */
async function listen(answers: readonly (readonly Buffer[])[]): Promise<string> {
  const listening = createServer((socket) => {
    sockets.push(socket);
    let turn = 0;
    socket.on('error', () => undefined);
    socket.on('data', async (chunk) => {
      received.push(chunk);
      for (const packet of answers[turn++] ?? []) {
        socket.write(packet);
        // Each packet is read on its own.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `amqp://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

function open(url: string) {
  return bench.open(amqpConfig(url, `group-${randomUUID()}`));
}

describe('a server that', () => {
  it.each([
    ['says nothing', []],
    ['stops in the middle', [[START], [tune(131_072)]]],
  ])('%s is let go at once by whoever gives it up', async (_name, answers) => {
    const { endpoint } = amqpConfig(await listen(answers), 'group');
    const givingUp = new AbortController();
    const opening = openAmqp(endpoint, 'a test', givingUp.signal, () => undefined);
    const failure = opening.catch((error: unknown) => error);
    await until('it has heard us', () => received.length > answers.length);
    givingUp.abort();
    expect(await failure).toMatchObject({ name: 'AbortError' });
    await until('it is rid of us', () => sockets.every(({ destroyed }) => destroyed));
  });

  it.each([
    ['an error', 541, 'INTERNAL_ERROR'],
    ['an operator', 320, 'CONNECTION_FORCED'],
  ])(
    'A18 ends every connection as it opens, by %s, crashes nothing and is tried again',
    async (_who, code, text) => {
      const url = await listen([[START], [tune(131_072)], [OPEN_OK, close(code, text)]]);
      const broker = await open(url);
      expect(broker.state).toBe('away');
      await until('it was tried again', () => sockets.length >= 3);
      expect(bench.failures).toEqual([]);
    },
  );

  it('A18 ends a connection in the very packet that opens it is tried again', async () => {
    const url = await listen([
      [START],
      [tune(131_072)],
      [Buffer.concat([OPEN_OK, close(320, 'CONNECTION_FORCED')])],
    ]);
    const broker = await open(url);
    await until('it was tried again', () => sockets.length >= 2);
    expect(broker.state).toBe('away');
  });

  it.each([
    ['speaks another version of AMQP', Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])],
    ['speaks HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
  ])('A21 %s is refused, for good and in one line', async (_name, answer) => {
    const error = await open(await listen([[answer]])).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'FATAL' });
    expect((error as Error).message).toMatch(/AMQP 0-9-1/);
    expect((error as Error).message).not.toContain('\n');
  });

  it('A21 tunes the connection is asked for frames that RabbitMQ 4.1 takes', async () => {
    await open(await listen([[START], [tune(131_072)], [close(320, 'CONNECTION_FORCED')]])).catch(
      () => undefined,
    );
    const sent = Buffer.concat(received);
    // Class and method of TuneOk; after them two bytes of channels, then four of the largest frame.
    const tuneOk = sent.indexOf(Buffer.from([0, 10, 0, 31]));
    expect(tuneOk).toBeGreaterThan(0);
    expect(sent.readUInt32BE(tuneOk + 6)).toBeGreaterThanOrEqual(8_192);
  });

  it('A21 takes no frames as small as ours must be is refused, with what to change', async () => {
    const url = await listen([[START], [tune(1_024)]]);
    const error = await open(url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'FATAL' });
    expect((error as Error).message).toMatch(/frame_max/);
  });
});

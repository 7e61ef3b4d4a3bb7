import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket as TcpSocket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Socket } from '../../actors/connection/ports.ts';
import {
  GATEWAY_MESSAGE_MAX_BYTES,
  READ_BUSY_MESSAGES,
  READ_SPACING_MS,
} from '../../protocols/limits.ts';
import { webSockets } from '../../src/gateway/web-socket.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';

/** What a socket said, in order. */
type Word =
  | { readonly kind: 'open' }
  | { readonly kind: 'message'; readonly data: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

const sockets = webSockets(systemClock);
const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

class Client {
  readonly words: Word[] = [];
  readonly socket: Socket;
  #wake: () => void = () => {};

  constructor(url: string) {
    const say = (word: Word): void => {
      this.words.push(word);
      this.#wake();
    };
    this.socket = sockets.open(url, {
      open: () => say({ kind: 'open' }),
      message: (data) => say({ kind: 'message', data: Buffer.from(data) }),
      close: (code, reason) => say({ kind: 'close', code, reason }),
      failed: (reason) => say({ kind: 'failed', reason }),
    });
    cleanups.push(() => this.socket.terminate());
  }

  /** Waits for as many words. */
  async heard(count: number): Promise<readonly Word[]> {
    while (this.words.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.words;
  }

  async message(index: number): Promise<Buffer> {
    const word = (await this.heard(index + 1))[index];
    if (word?.kind !== 'message') throw new Error(`word ${index} is ${word?.kind}`);
    return word.data;
  }
}

async function startServer(): Promise<{
  readonly server: WebSocketServer;
  readonly url: string;
  /** Connects, and gives both ends. */
  meet(): Promise<{ client: Client; peer: WebSocket }>;
}> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
  await once(server, 'listening');
  cleanups.push(() => {
    for (const peer of server.clients) peer.terminate();
    server.close();
  });
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/?v=10`;
  const meet = async (): Promise<{ client: Client; peer: WebSocket }> => {
    const connected = once(server, 'connection');
    const client = new Client(url);
    const [peer] = (await connected) as [WebSocket];
    await client.heard(1);
    return { client, peer };
  };
  return { server, url, meet };
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A frame of a server, of up to 125 bytes. */
function frame(first: number, text: string): Buffer {
  return Buffer.from([first, text.length, ...Buffer.from(text)]);
}

/**
 * Answers a handshake, with frames right behind it, in pieces that do not end where anything else
 * does.
 */
async function answer(peer: TcpSocket, request: Buffer, frames: Buffer, pieceBytes: number) {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(request.toString())?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept.digest('base64')}`,
  ];
  const bytes = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), frames]);
  peer.setNoDelay(true);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    peer.write(bytes.subarray(at, at + pieceBytes));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A certificate that nobody trusts. */
function selfSigned(): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  const made = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
  rmSync(folder, { recursive: true });
  return made;
}

/** Until the test is over certificates are not looked at. */
function trustAnyone(): void {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  cleanups.push(() => void vi.unstubAllEnvs());
}

/** Enough turns of the event loop for anything that might still be said. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a web socket', () => {
  it('opens, and carries text and bytes both ways as they are', async () => {
    const { client, peer } = await (await startServer()).meet();
    const received = once(peer, 'message');
    client.socket.send('{"op":1,"d":null,"text":"é🎉"}', () => {});
    const [data, isBinary] = (await received) as [Buffer, boolean];
    expect(data.toString()).toBe('{"op":1,"d":null,"text":"é🎉"}');
    expect(isBinary).toBe(false);
    peer.send('{"op":11}');
    peer.send(Buffer.of(0, 255, 1, 0xc3));
    expect((await client.message(1)).toString()).toBe('{"op":11}');
    expect(await client.message(2)).toEqual(Buffer.of(0, 255, 1, 0xc3));
  });

  it('puts a message together that comes in fragments, split inside a character', async () => {
    const { client, peer } = await (await startServer()).meet();
    const text = Buffer.from('{"d":"🎉🎉"}');
    peer.send(text.subarray(0, 8), { fin: false, binary: false });
    peer.send(text.subarray(8, 9), { fin: false, binary: false });
    peer.send(text.subarray(9), { fin: true, binary: false });
    expect((await client.message(1)).toString()).toBe(text.toString());
  });

  it('offers no compression of its own', async () => {
    const { client, peer } = await (await startServer()).meet();
    expect(peer.extensions).toBe('');
    client.socket.terminate();
  });

  it('takes messages of several MiB', async () => {
    const { client, peer } = await (await startServer()).meet();
    const large = Buffer.alloc(5 * 1024 * 1024, 'xyz');
    peer.send(large);
    expect((await client.message(1)).equals(large)).toBe(true);
  });

  it('reads what comes in one piece with the answer to the handshake, and that in any pieces', async () => {
    const frames = Buffer.concat([
      frame(0x81, 'first'),
      frame(0x89, 'ping'),
      frame(0x82, 'second'),
    ]);
    for (const pieceBytes of [1_000, 7, 1]) {
      const port = await listen(
        createTcpServer((peer) => {
          peer.once('data', (request) => void answer(peer, request, frames, pieceBytes));
        }),
      );
      const client = new Client(`ws://127.0.0.1:${port}`);
      expect((await client.message(1)).toString()).toBe('first');
      expect((await client.message(2)).toString()).toBe('second');
    }
  });

  it('reads over TLS in the same way', async () => {
    const https = createHttpsServer(selfSigned());
    const server = new WebSocketServer({ server: https });
    cleanups.push(() => server.close());
    const port = await listen(https);
    trustAnyone();
    const connected = once(server, 'connection');
    const client = new Client(`wss://127.0.0.1:${port}`);
    const [peer] = (await connected) as [WebSocket];
    const sent = [10, 200, 70_000, 3].map((bytes, index) => Buffer.alloc(bytes, index + 1));
    for (const data of sent) peer.send(data);
    const pong = once(peer, 'pong');
    peer.ping();
    await pong;
    await client.heard(1 + sent.length);
    for (const [index, data] of sent.entries()) {
      expect((await client.message(index + 1)).equals(data)).toBe(true);
    }
  });

  it('GP-57: closes with the code it is told, and says close once', async () => {
    const { client, peer } = await (await startServer()).meet();
    const closed = once(peer, 'close');
    client.socket.close(4000, '');
    expect((await closed)[0]).toBe(4000);
    expect((await client.heard(2))[1]).toEqual({ kind: 'close', code: 4000, reason: '' });
    client.socket.close(4000, '');
    client.socket.terminate();
    client.socket.send('too late', () => {});
    await quiet();
    expect(client.words.length).toBe(2);
  });

  it.each([
    [4004, 'Authentication failed.'],
    [1000, ''],
    [4999, 'é'],
  ])('says with what code the peer closed: %i', async (code, reason) => {
    const { client, peer } = await (await startServer()).meet();
    peer.close(code, reason);
    expect((await client.heard(2))[1]).toEqual({ kind: 'close', code, reason });
  });

  it('GP-05: says 1006, and only that, of a connection that breaks', async () => {
    const { client, peer } = await (await startServer()).meet();
    // A reset, not a polite end.
    const raw = (peer as unknown as { _socket: { resetAndDestroy(): void } })._socket;
    raw.resetAndDestroy();
    expect((await client.heard(2))[1]).toMatchObject({ kind: 'close', code: 1006 });
    await quiet();
    expect(client.words.length).toBe(2);
  });

  it('GP-08: is gone at once when it is cut off, though the peer says nothing', async () => {
    const { client, peer } = await (await startServer()).meet();
    peer.pause();
    const closed = once(peer, 'close');
    client.socket.terminate();
    expect((await client.heard(2))[1]).toMatchObject({ kind: 'close', code: 1006 });
    peer.resume();
    expect((await closed)[0]).toBe(1006);
  });

  it('ends on a breach of the protocol, with a code that keeps the session', async () => {
    const { client, peer } = await (await startServer()).meet();
    const closed = once(peer, 'close');
    // A reserved opcode.
    (peer as unknown as { _socket: { write(data: Buffer): void } })._socket.write(
      Buffer.of(0x83, 0),
    );
    expect((await client.heard(2))[1]?.kind).toBe('close');
    expect([1000, 1001]).not.toContain((await closed)[0]);
  });

  it('ends on a message that is too large, without reading it', async () => {
    const { client, peer } = await (await startServer()).meet();
    const head = Buffer.alloc(10);
    head[0] = 0x82;
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(GATEWAY_MESSAGE_MAX_BYTES + 1), 2);
    (peer as unknown as { _socket: { write(data: Buffer): void } })._socket.write(head);
    expect((await client.heard(2))[1]?.kind).toBe('close');
  });

  it('GP-77: takes nothing while it is paused, and everything, in order, afterwards', async () => {
    const { client, peer } = await (await startServer()).meet();
    client.socket.pause();
    for (let index = 0; index < 100; index++) peer.send(String(index));
    const pong = once(peer, 'pong');
    peer.ping();
    await Promise.race([pong, quiet()]);
    expect(client.words.length).toBe(1);
    client.socket.resume();
    const words = await client.heard(101);
    const texts = words.slice(1).map((word) => (word.kind === 'message' ? String(word.data) : ''));
    expect(texts).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
  });
});

describe('a busy web socket', () => {
  it('brings everything in order, and nothing while it is paused, though it rests between reads', async () => {
    const { client, peer } = await (await startServer()).meet();
    const texts: string[] = [];
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 3 * READ_BUSY_MESSAGES; index++) {
        texts.push(`${round}:${index}`);
        peer.send(`${round}:${index}`);
      }
      await client.heard(1 + texts.length);
      client.socket.pause();
      texts.push(`${round}:late`);
      peer.send(`${round}:late`);
      await new Promise((resolve) => setTimeout(resolve, 4 * READ_SPACING_MS));
      expect(client.words.length).toBe(texts.length);
      client.socket.resume();
    }
    const words = await client.heard(1 + texts.length);
    expect(words.slice(1).map((word) => 'data' in word && String(word.data))).toEqual(texts);
  });
});

describe('a web socket that does not come about', () => {
  it('GP-01: says failed, once, when nobody listens', async () => {
    const probe = createTcpServer();
    const port = await listen(probe);
    await new Promise((resolve) => probe.close(resolve));
    const client = new Client(`ws://127.0.0.1:${port}`);
    expect(await client.heard(1)).toEqual([
      { kind: 'failed', reason: expect.stringContaining('ECONNREFUSED') },
    ]);
    client.socket.send('nobody hears it', () => {});
    client.socket.close(4000, '');
    client.socket.terminate();
    await quiet();
    expect(client.words.length).toBe(1);
  });

  it('GP-01: says failed when the host answers 503', async () => {
    const server = createServer((_request, response) => response.writeHead(503).end('later'));
    const port = await listen(server);
    const client = new Client(`ws://127.0.0.1:${port}`);
    expect(await client.heard(1)).toEqual([
      { kind: 'failed', reason: expect.stringContaining('503') },
    ]);
    await quiet();
    expect(client.words.length).toBe(1);
  });

  it('says failed when the host speaks something else, or hangs up in the handshake', async () => {
    for (const answer of ['hello\r\n\r\n', '']) {
      const server = createTcpServer((socket) => void socket.on('error', () => {}).end(answer));
      const port = await listen(server);
      const client = new Client(`ws://127.0.0.1:${port}`);
      expect((await client.heard(1))[0]?.kind).toBe('failed');
    }
  });

  it.each(['', 'no address', 'ftp://127.0.0.1', 'ws://', 'ws://127.0.0.1/#part'])(
    'GP-01: says failed of an address that is none, after open has returned: %j',
    async (url) => {
      const client = new Client(url);
      expect(client.words).toEqual([]);
      expect((await client.heard(1))[0]?.kind).toBe('failed');
      client.socket.send('x', () => {});
      client.socket.close(4000, '');
      client.socket.terminate();
      client.socket.pause();
      client.socket.resume();
      await quiet();
      expect(client.words.length).toBe(1);
    },
  );

  it.each(['close', 'terminate'] as const)(
    'GP-17: says failed, once, when it is given up in the handshake by %s',
    async (how) => {
      let reached: () => void = () => {};
      const arrival = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const gone = new Promise<void>((resolve) => {
        const server = createTcpServer((socket) => {
          socket.on('error', () => {}).on('close', () => resolve());
          socket.once('data', () => reached());
        });
        void listen(server).then((port) => connectTo(port));
      });
      let client: Client | undefined;
      const connectTo = (port: number): void => {
        client = new Client(`ws://127.0.0.1:${port}`);
      };
      await arrival;
      client?.socket.send('too early', () => {});
      if (how === 'close') client?.socket.close(4000, '');
      else client?.socket.terminate();
      // Whoever closes wants to read the answer; there will be none.
      client?.socket.pause();
      client?.socket.resume();
      expect((await client?.heard(1))?.[0]?.kind).toBe('failed');
      await gone;
      await quiet();
      expect(client?.words.length).toBe(1);
    },
  );

  it('leaves no connection to the host behind', async () => {
    const server = createServer((_request, response) => response.writeHead(401).end());
    const port = await listen(server);
    await new Client(`ws://127.0.0.1:${port}`).heard(1);
    const connections = () =>
      new Promise<number>((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      });
    await until('none is there', async () => (await connections()) === 0);
  });
});

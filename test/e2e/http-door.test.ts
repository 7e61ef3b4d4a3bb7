/**
 * The HTTP door, byte by byte: what it takes, what it refuses, what it passes on, and what it
 * costs.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { listen } from '../../src/listen.ts';
import { BodyStore } from '../../src/proxy/body-store.ts';
import { httpDoor, type Patience } from '../../src/proxy/http-door.ts';
import { createUpstream } from '../../src/proxy/upstream.ts';
import { createRandom } from '../../src/random.ts';
import { systemClock } from '../../src/system-clock.ts';
import { startProxyTree } from '../../supervisors/proxy.ts';
import { until } from '../support/broker-bench.ts';
import { ANY_PORT, exchange, type RawServer, startRawServer } from '../support/raw-http.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { NO_METRICS } from '../support/simulated-upstream.ts';

const LONG = { headMs: 60_000, requestMs: 60_000, stallMs: 60_000 };

/** The door in front of whatever listens on that port. */
async function openDoor(upstreamPort: number, patience: Patience = LONG) {
  const log = new RecordingLog();
  const random = createRandom(1);
  const system = createActorSystem({ name: 'test', clock: systemClock, random, log });
  const upstream = createUpstream({ scheme: 'http', host: `127.0.0.1:${upstreamPort}` });
  const tree = startProxyTree({
    system,
    upstream,
    clock: systemClock,
    log,
    metrics: NO_METRICS,
    globalLimit: 50,
    familyLimits: new Map(),
  });
  const bodies = new BodyStore();
  const admission = { token: undefined, timeoutMs: undefined };
  const server = httpDoor({ tree, bodies, admission, log, patience });
  const port = await listen(server, ANY_PORT);
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await tree.stop();
    await upstream.close();
    await system.stop();
  });
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) => {
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  return { port, tree, bodies, log, connections };
}

async function rawUpstream(answer: string): Promise<RawServer> {
  const server = await startRawServer((received, socket) => {
    if (received.endsWith('\r\n\r\n') || received.endsWith('BODY')) {
      socket.write(answer, 'latin1');
    }
  });
  onTestFinished(() => server.close());
  return server;
}

async function httpUpstream(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(handle);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return listen(server, ANY_PORT);
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';
const GET = 'GET /api/v10/users/@me HTTP/1.1\r\nHost: x\r\n';
const POST = 'POST /api/v10/channels/1/messages HTTP/1.1\r\nHost: x\r\n';
const CLOSE = 'Connection: close\r\n';

function headersOf(text: string): [string, string][] {
  const [head = ''] = text.split('\r\n\r\n', 1);
  return head
    .split('\r\n')
    .slice(1)
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
}

const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);

function expectRefusal(text: string, status: number, why: string): void {
  expect(statusOf(text)).toBe(status);
  expect(Object.fromEntries(headersOf(text))['x-spectacles-proxy']).toBe(why);
  expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toHaveProperty('message');
}

describe('what goes through', () => {
  it('P82: nothing that concerns one connection, in either direction', async () => {
    const upstream = await rawUpstream(
      'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\n' +
        'Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: X-Sum\r\nX-Kept: 1\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 5\r\n\r\n',
    );
    const { port } = await openDoor(upstream.port);
    const got = await exchange(
      port,
      `${GET}Connection: close, X-Hop, TE\r\nX-Hop: 1\r\nTE: trailers\r\nTrailer: X-Sum\r\n` +
        'Keep-Alive: timeout=5\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\n' +
        'Expect: 100-continue\r\nX-Kept: 1\r\n\r\n',
    );
    const sent = headersOf(upstream.received[0] ?? '').map(([name]) => name);
    expect(sent).toContain('x-kept');
    const gone = ['x-hop', 'te', 'trailer', 'keep-alive', 'proxy-authorization', 'expect'];
    for (const name of [...gone, 'proxy-connection', 'transfer-encoding', 'upgrade']) {
      expect(sent).not.toContain(name);
    }
    const [, answer = ''] = got.split('HTTP/1.1 100 Continue\r\n\r\n');
    const names = headersOf(answer).map(([name]) => name);
    expect(names).toContain('x-kept');
    for (const name of ['x-hop', 'proxy-authenticate', 'upgrade', 'trailer']) {
      expect(names).not.toContain(name);
    }
    expect(answer).not.toContain('timeout=9');
    expect(answer).not.toContain('X-Sum');
    for (const lengths of [
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
      'Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n',
      'Transfer-Encoding: gzip, identity\r\n\r\nabc',
      'Content-Length: -1\r\n\r\n',
      'Content-Length : 3\r\n\r\nabc',
    ]) {
      expectRefusal(await exchange(port, POST + lengths), 400, 'http');
    }
    expect(upstream.received).toHaveLength(1);
  });

  it('P83: repeated headers, in their order and as they are, both ways', async () => {
    const upstream = await rawUpstream(
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Two: 1\r\nSet-Cookie: b=\xe9\r\nX-Two: 2\r\nContent-Length: 0\r\n\r\n',
    );
    const { port } = await openDoor(upstream.port);
    const got = await exchange(
      port,
      `${GET}${CLOSE}X-One: 1\r\nX-Audit-Log-Reason: 100%25 %E2%9C%93\r\nX-One: \xe9\r\n\r\n`,
    );
    const sent = headersOf(upstream.received[0] ?? '');
    expect(sent.filter(([name]) => name.startsWith('x-'))).toEqual([
      ['x-one', '1'],
      ['x-audit-log-reason', '100%25 %E2%9C%93'],
      ['x-one', '\xe9'],
    ]);
    expect(headersOf(got).slice(0, 4)).toEqual([
      ['set-cookie', 'a=1'],
      ['x-two', '1'],
      ['set-cookie', 'b=\xe9'],
      ['x-two', '2'],
    ]);
  });

  it('P84: answers without a body stay so, and a 202 is an answer like any other', async () => {
    const answers: Readonly<Record<string, string>> = {
      204: 'HTTP/1.1 204 No Content\r\n\r\n',
      304: 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
      202: 'HTTP/1.1 202 Accepted\r\nContent-Length: 34\r\n\r\n{"code":110000,"retry_after":0.25}',
      200: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
    };
    const server = await startRawServer((received, socket) => {
      const status = /\/guilds\/(\d+)/.exec(received)?.[1] ?? '';
      if (received.endsWith('\r\n\r\n')) socket.end(answers[status] ?? '');
    });
    onTestFinished(() => server.close());
    const { port } = await openDoor(server.port);
    const get = (method: string, status: number) =>
      exchange(port, `${method} /api/v10/guilds/${status} HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`);
    expect(await get('GET', 204)).toMatch(/^HTTP\/1\.1 204 [\s\S]*\r\n\r\n$/);
    expect(await get('GET', 304)).toMatch(/^HTTP\/1\.1 304 [\s\S]*etag: "1"[\s\S]*\r\n\r\n$/i);
    expect(await get('GET', 202)).toMatch(/^HTTP\/1\.1 202 [\s\S]*"retry_after":0\.25}$/);
    const head = await get('HEAD', 200);
    expect(head).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
    expect(Object.fromEntries(headersOf(head))['content-length']).toBe('5');
    // Nothing of it has shut the gate or a bucket.
    expect(await get('GET', 202)).toMatch(/^HTTP\/1\.1 202 /);
  });

  it('P88: path, query and body, byte for byte, in every version', async () => {
    const upstream = await rawUpstream(OK);
    const { port } = await openDoor(upstream.port);
    const targets = [
      '/api/v10/channels/1/messages?limit=5&limit=6&b&=c&a=%zz+%2B%20;x=[1]|"{}',
      '/api/v9/guilds/1/members/search?query=%E2%9C%93%c3%A9&&',
      '/api/channels/1/messages/2/reactions/%F0%9F%91%8D/@me?',
    ];
    for (const target of targets) {
      await exchange(port, `GET ${target} HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`);
    }
    const sent = upstream.received.flatMap((text) => [...text.matchAll(/^GET (.*) HTTP\/1\.1/gm)]);
    expect(sent.map(([, target]) => target)).toEqual(targets);
    const body = '\x00\xff\r\n--x--BODY';
    const chunked = `5\r\n${body.slice(0, 5)}\r\n8;ext=1\r\n${body.slice(5)}\r\n0\r\n\r\n`;
    await exchange(port, `${POST}${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunked}`);
    const posted = upstream.received.join('');
    expect(posted).toContain(`content-length: 13\r\n`);
    expect(posted.endsWith(body)).toBe(true);
  });
});

describe('a target that is a whole URL', () => {
  it('is served where it names the host that the request is for', async () => {
    const upstream = await rawUpstream(OK);
    const { port } = await openDoor(upstream.port);
    const target = 'HTTP://discord.com/api/v10/channels/1/messages?limit=5';
    const answer = await exchange(
      port,
      `GET ${target} HTTP/1.1\r\nHost: Discord.com\r\n${CLOSE}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.received.join('')).toMatch(
      /^GET \/api\/v10\/channels\/1\/messages\?limit=5 HTTP/,
    );
  });
});

describe('what is refused', () => {
  it('is told in the shape of Discord, and who refused it', async () => {
    const upstream = await rawUpstream(OK);
    const { port } = await openDoor(upstream.port);
    const line = (first: string, rest = '') => exchange(port, `${first}\r\nHost: x\r\n${rest}\r\n`);
    expectRefusal(await line('GET /other HTTP/1.1', CLOSE), 404, 'path');
    expectRefusal(await line('GET http://evil/api/v10/x HTTP/1.1', CLOSE), 404, 'path');
    expectRefusal(await line('GET /api/v10/a/../b HTTP/1.1', CLOSE), 400, 'path');
    expectRefusal(await line('GET /api/v10/a/%2e%2E/b HTTP/1.1', CLOSE), 400, 'path');
    expectRefusal(await line('OPTIONS /api/v10/users/@me HTTP/1.1', CLOSE), 405, 'method');
    expectRefusal(await line('TRACE /api/v10/users/@me HTTP/1.1', CLOSE), 405, 'method');
    expectRefusal(await line('CONNECT discord.com:443 HTTP/1.1'), 405, 'method');
    expectRefusal(await line('BREW /api/v10/users/@me HTTP/1.1'), 400, 'http');
    expectRefusal(await exchange(port, '\x16\x03\x01\x02'), 400, 'http');
    const hostless = `GET /api/v10/users/@me HTTP/1.1\r\n${CLOSE}\r\n`;
    expectRefusal(await exchange(port, hostless), 400, 'headers');
    const expects = `${POST}${CLOSE}Expect: a miracle\r\nContent-Length: 1\r\n\r\nx`;
    expectRefusal(await exchange(port, expects), 417, 'headers');
    const huge = `${GET}X-Long: ${'x'.repeat(100_000)}\r\n\r\n`;
    expectRefusal(await exchange(port, huge), 431, 'http');
    const many = `${GET}${'X-Many: 1\r\n'.repeat(5_000)}\r\n`;
    expectRefusal(await exchange(port, many), 431, 'http');
    expect(upstream.received).toEqual([]);
  });

  it('is refused before a client that asks is told to go on', async () => {
    const upstream = await rawUpstream(OK);
    const { port } = await openDoor(upstream.port);
    const large = `${POST}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n`;
    const got = await exchange(port, large);
    expectRefusal(got, 413, 'body');
    expect(got).not.toContain('100 Continue');
  });
});

describe('clients that take their time', () => {
  it('get 408 for a head or a body that does not come', async () => {
    const upstream = await rawUpstream(OK);
    const part = `${POST}Content-Length: 9\r\n\r\nabc`;
    // Each door is short of patience with one thing, so that nothing else can be late.
    const head = await openDoor(upstream.port, { ...LONG, headMs: 150 });
    expectRefusal(await exchange(head.port, 'GET /api/v10/users/@me HTT'), 408, 'http');
    const body = await openDoor(upstream.port, { ...LONG, stallMs: 150 });
    expectRefusal(await exchange(body.port, part), 408, 'body');
    const whole = await openDoor(upstream.port, { ...LONG, headMs: 150, requestMs: 300 });
    expectRefusal(await exchange(whole.port, part), 408, 'http');
    for (const { bodies } of [body, whole]) {
      await until('nothing is kept', () => bodies.usage.heldBytes === 0);
    }
    expect(upstream.received).toEqual([]);
  });

  it('P40: keep no slot of their bucket, and no connection to Discord, by reading slowly', async () => {
    const large = Buffer.alloc(8 * 1024 * 1024, 'x');
    let served = 0;
    const headers = {
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset-after': '0.1',
      'x-ratelimit-bucket': 'b',
    };
    const upstreamPort = await httpUpstream((_request, response) => {
      served += 1;
      response.writeHead(200, headers);
      response.end(served === 1 ? large : '{}');
    });
    const { port, tree } = await openDoor(upstreamPort);
    const slow = connect(port, '127.0.0.1', () => slow.write(`${GET}${CLOSE}\r\n`));
    onTestFinished(() => {
      slow.destroy();
    });
    // It reads the beginning, and then nothing.
    await new Promise<void>((resolve) => slow.once('data', () => resolve()));
    slow.pause();
    expect(tree.requests).toBe(0);
    for (let count = 0; count < 3; count++) {
      expect(await exchange(port, `${GET}${CLOSE}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
    }
    slow.resume();
    let rest = 0;
    slow.on('data', (chunk) => {
      rest += chunk.length;
    });
    await new Promise<void>((resolve) => slow.once('close', () => resolve()));
    expect(rest).toBeGreaterThan(large.length / 2);
  });

  it('are let go when they read nothing at all', async () => {
    const upstreamPort = await httpUpstream((_request, response) => {
      response.writeHead(200);
      response.end(Buffer.alloc(32 * 1024 * 1024));
    });
    const patience = { ...LONG, stallMs: 200 };
    const { port, connections } = await openDoor(upstreamPort, patience);
    const dead = connect(port, '127.0.0.1', () => dead.write(`${GET}\r\n`));
    dead.pause();
    dead.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => dead.once('close', () => resolve()));
    await until('it is there', async () => (await connections()) === 1);
    await until('it is let go', async () => (await connections()) === 0);
    dead.resume();
    await closed;
    expect(dead.bytesRead).toBeLessThan(32 * 1024 * 1024);
  });

  it('P68: cancel by going away, whether their request waits or is in the air', async () => {
    const asked: IncomingMessage[] = [];
    const upstreamPort = await httpUpstream((request) => asked.push(request));
    const { port, tree } = await openDoor(upstreamPort);
    const clients = [0, 1].map(() => {
      const client = connect(port, '127.0.0.1', () => client.write(`${GET}\r\n`));
      return client;
    });
    await until('one is in the air and one waits', () => tree.requests === 2 && asked.length === 1);
    for (const client of clients) client.destroy();
    await until('both are gone', () => tree.requests === 0);
    expect(asked).toHaveLength(1);
  });
});

describe('large uploads', () => {
  const MEBIBYTE = 1024 * 1024;

  /** Sends a body of so many bytes, never more than one part of it in memory. */
  async function upload(port: number, bytes: number): Promise<{ text: string; digest: string }> {
    const part = Buffer.alloc(MEBIBYTE);
    const hash = createHash('sha256');
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
    });
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(`${POST}${CLOSE}Content-Length: ${bytes}\r\n\r\n`);
    for (let sent = 0; sent < bytes; sent += part.length) {
      part.fill(sent / MEBIBYTE);
      hash.update(part);
      await new Promise((resolve) => socket.write(Buffer.from(part), resolve));
    }
    await closed;
    return { text, digest: hash.digest('hex') };
  }

  it('P51 P87: wait in a file, are sent again byte for byte, and leave nothing behind', async () => {
    const bytes = 128 * MEBIBYTE;
    const digests: string[] = [];
    let heldMax = 0;
    let filesMax = 0;
    const upstreamPort = await httpUpstream(async (request, response) => {
      const hash = createHash('sha256');
      for await (const chunk of request) {
        hash.update(chunk);
        look();
      }
      digests.push(hash.digest('hex'));
      const limited = digests.length < 3;
      response.writeHead(limited ? 429 : 200, {
        'content-type': 'application/json',
        ...(limited && { 'retry-after': '1', 'x-ratelimit-scope': 'user' }),
      });
      response.end(limited ? '{"retry_after":0.05,"global":false}' : '{}');
    });
    const { port, bodies, tree } = await openDoor(upstreamPort);
    const before = process.memoryUsage().arrayBuffers;
    let memoryMax = 0;
    const look = (): void => {
      heldMax = Math.max(heldMax, bodies.usage.heldBytes);
      filesMax = Math.max(filesMax, bodies.usage.files);
      memoryMax = Math.max(memoryMax, process.memoryUsage().arrayBuffers - before);
    };
    const { text, digest } = await upload(port, bytes);
    expect(statusOf(text)).toBe(200);
    expect(digests).toEqual([digest, digest, digest]);
    expect(filesMax).toBe(1);
    expect(heldMax).toBeLessThanOrEqual(MEBIBYTE);
    // Of three times 128 MiB there and back, what has not been collected yet.
    expect(memoryMax).toBeLessThan(bytes / 2);
    await until('all is given back', () => bodies.usage.files === 0 && tree.requests === 0);
    expect(bodies.usage).toEqual({ heldBytes: 0, files: 0, fileBytes: 0 });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('spectacles-body'))).toEqual([]);
  }, 120_000);

  it('are given up with their client', async () => {
    const upstreamPort = await httpUpstream(() => undefined);
    const { port, bodies, tree } = await openDoor(upstreamPort);
    const half = connect(port, '127.0.0.1');
    half.write(`${POST}Content-Length: ${9 * MEBIBYTE}\r\n\r\n`);
    half.write(Buffer.alloc(2 * MEBIBYTE));
    await until('it is in a file', () => bodies.usage.fileBytes >= MEBIBYTE);
    half.destroy();
    await until('it is gone', () => bodies.usage.files === 0);
    expect(bodies.usage).toEqual({ heldBytes: 0, files: 0, fileBytes: 0 });
    const whole = connect(port, '127.0.0.1');
    whole.write(`${POST}Content-Length: ${MEBIBYTE}\r\n\r\n`);
    whole.write(Buffer.alloc(MEBIBYTE));
    await until('it is submitted', () => tree.requests === 1);
    whole.destroy();
    await until('it is gone, too', () => bodies.usage.files === 0 && tree.requests === 0);
    expect(bodies.usage.fileBytes).toBe(0);
  });
});

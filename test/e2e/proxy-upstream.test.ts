/**
 * The way to Discord on real connections: HTTP/1.1 and HTTP/2, and which failures are certainly
 * unsent.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import {
  BODY_HELD_MAX_BYTES,
  UPSTREAM_CONNECTIONS_MAX,
  UPSTREAM_HTTP2_CONNECTIONS_MAX,
} from '../../protocols/limits.ts';
import type { RestRequest, UpstreamResult } from '../../protocols/proxy.ts';
import { BodyStore } from '../../src/proxy/body-store.ts';
import { createUpstream, type UpstreamOptions } from '../../src/proxy/upstream.ts';
import { until } from '../support/broker-bench.ts';

const GIVEN_UP_UPLOAD = fileURLToPath(new URL('./fixtures/given-up-upload.mjs', import.meta.url));
/** What takes a second ends long before; what never ends takes all memory in a minute. */
const ENDLESS_MS = 30_000;

const folder = mkdtempSync(join(tmpdir(), 'spectacles-'));
const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
let key = '';
let authority = '';

beforeAll(() => {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certificateFile],
    ],
    { stdio: 'ignore' },
  );
  key = readFileSync(keyFile, 'utf8');
  authority = readFileSync(certificateFile, 'utf8');
});
afterAll(() => rmSync(folder, { recursive: true }));

type Secure = {
  readonly host: string;
  readonly versions: string[];
  readonly bodies: number[];
  readonly connections: () => number;
};

/** Speaks both versions of HTTP, and answers with the target and what it was sent. */
async function startSecure(): Promise<Secure> {
  const versions: string[] = [];
  const bodies: number[] = [];
  let connections = 0;
  // Room for all that is under way at once on one connection.
  const options = {
    key,
    cert: authority,
    allowHTTP1: true,
    maxSessionMemory: 64,
  };
  const server: Http2SecureServer = createSecureServer(options, async (request, response) => {
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) bytes += chunk.length;
    versions.push(request.httpVersion);
    bodies.push(bytes);
    response.setHeader('x-target', request.url);
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.statusCode = request.method === 'DELETE' ? 204 : 200;
    response.end(request.method === 'DELETE' ? '' : 'x'.repeat(100_000));
  });
  server.on('secureConnection', (socket) => {
    connections += 1;
    onTestFinished(() => {
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, () => resolve()));
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { host: `localhost:${port}`, versions, bodies, connections: () => connections };
}

async function listening(server: Server): Promise<AddressInfo> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address() as AddressInfo;
}

function request(parts: Partial<RestRequest> = {}): RestRequest {
  const { method = 'GET', target = '/api/v10/users/@me?a=1&&a=%zz' } = parts;
  return {
    method,
    target,
    route: resolveRoute(method, target),
    headers: [['x-audit-log-reason', '100%25']],
    body: null,
    identity: 'anonymous',
    timeoutMs: null,
    sendWithinMs: null,
    priority: 'normal',
    repeatable: false,
    ...parts,
  };
}

function open(options: UpstreamOptions, written: () => void = () => {}) {
  const upstream = createUpstream(options);
  onTestFinished(() => upstream.close());
  return (parts?: Partial<RestRequest>): Promise<UpstreamResult> =>
    upstream.send(request(parts), written).result;
}

async function textOf(result: UpstreamResult): Promise<string> {
  if (result.kind === 'failure') throw result.failure.error;
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.answer.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe.each([
  ['1.1', false],
  ['2.0', true],
])('HTTP/%s', (version, http2) => {
  it('carries targets, repeated headers, answers without a body, and bodies of any size', async () => {
    const secure = await startSecure();
    const send = open({ scheme: 'https', host: secure.host, http2, authority });
    const got = await send();
    expect((await textOf(got)).length).toBe(100_000);
    if (got.kind === 'failure') return;
    const { headers, url } = got.answer;
    expect(headers).toContainEqual(['x-target', '/api/v10/users/@me?a=1&&a=%zz']);
    expect(headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value)).toEqual([
      'a=1',
      'b=2',
    ]);
    expect(headers.every(([name]) => !name.startsWith(':'))).toBe(true);
    expect(url).toBe(`https://${secure.host}/api/v10/users/@me?a=1&&a=%zz`);
    const gone = await send({ method: 'DELETE' });
    expect(await textOf(gone)).toBe('');
    expect(gone.kind === 'answer' && gone.answer.status).toBe(204);

    async function* large(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 20; count++) yield Buffer.alloc(BODY_HELD_MAX_BYTES, count);
    }
    const body = await new BodyStore().collect(large());
    for (let attempt = 0; attempt < 2; attempt++) {
      expect((await textOf(await send({ method: 'POST', body }))).length).toBe(100_000);
    }
    body?.dispose();
    expect(secure.bodies).toEqual([0, 0, 20 * BODY_HELD_MAX_BYTES, 20 * BODY_HELD_MAX_BYTES]);
    expect(new Set(secure.versions)).toEqual(new Set([version]));
  });

  it('tells when a request goes onto a connection, and not before there is one', async () => {
    const secure = await startSecure();
    const [, securePort = ''] = secure.host.split(':');
    const held: Socket[] = [];
    const way = createServer({ pauseOnConnect: true }, (socket) => void held.push(socket));
    onTestFinished(() => void way.close());
    const { port } = await listening(way);
    let written = 0;
    const host = `localhost:${port}`;
    const send = open({ scheme: 'https', host, http2, authority }, () => {
      written += 1;
    });
    const sent = send();
    await until('it connects', () => held.length === 1);
    expect(written).toBe(0);
    for (const socket of held) {
      const onward = connect(Number(securePort), '127.0.0.1');
      socket.on('error', () => onward.destroy()).pipe(onward);
      onward.on('error', () => socket.destroy()).pipe(socket);
    }
    expect((await textOf(await sent)).length).toBe(100_000);
    expect(written).toBe(1);
  });

  it('has many requests at once on a bounded number of connections', async () => {
    const secure = await startSecure();
    const send = open({ scheme: 'https', host: secure.host, http2, authority });
    await textOf(await send());
    const sent = Array.from({ length: 400 }, () => send().then(textOf));
    expect((await Promise.all(sent)).every((text) => text.length === 100_000)).toBe(true);
    expect(secure.connections()).toBeLessThanOrEqual(
      http2 ? UPSTREAM_HTTP2_CONNECTIONS_MAX : UPSTREAM_CONNECTIONS_MAX,
    );
  });
});

describe('a request that fails', () => {
  /** Whether it is said to be certainly unsent, why it failed, and how often it was written. */
  const unsent = async (options: UpstreamOptions): Promise<readonly [boolean, string, number]> => {
    let written = 0;
    const note = (): void => {
      written += 1;
    };
    const result = await open(options, note)({ method: 'POST' });
    if (result.kind === 'answer') throw new Error('it was answered');
    return [result.failure.unsent, result.failure.error.message, written];
  };

  it('has certainly not been sent when no connection could be opened', async () => {
    const secure = await startSecure();
    for (const options of [
      { scheme: 'http', host: '127.0.0.1:9' },
      { scheme: 'http', host: 'no-such-host.invalid' },
      // An authority that nobody knows.
      { scheme: 'https', host: secure.host },
      { scheme: 'https', host: secure.host.replace('localhost', '127.0.0.1'), authority },
    ] as const) {
      const [isUnsent, message, written] = await unsent(options);
      const why = expect.stringContaining('could not be reached');
      expect([isUnsent, message, written]).toEqual([true, why, 0]);
      expect(message).toMatch(/\([A-Z_]+\)$/);
    }
    const old = createHttpsServer({ key, cert: authority });
    await new Promise<void>((resolve) => old.listen(0, () => resolve()));
    onTestFinished(() => {
      old.close();
    });
    old.on('request', () => secure.versions.push('1.1'));
    const address = old.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const [isUnsent, message, written] = await unsent({
      scheme: 'https',
      host: `localhost:${port}`,
      authority,
      http2: true,
    });
    const why = expect.stringContaining('HTTP2_NOT_OFFERED');
    expect([isUnsent, message, written]).toEqual([true, why, 0]);
    expect(secure.versions).toEqual([]);
  });

  it('may have been sent when the connection ends afterwards', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const failure = await unsent({ scheme: 'http', host: `127.0.0.1:${port}` });
    expect(failure).toEqual([false, expect.stringContaining('did not answer'), 1]);
  });
});

describe('an answer over HTTP/2 that is given up', () => {
  it('ends an upload from a file that is still under way, and nothing else', async () => {
    // In a process of its own: one that writes without end does nothing else any more.
    const server = createSecureServer({ key, cert: authority });
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(3_000_000));
      stream.resume();
    });
    server.on('session', (session) => {
      onTestFinished(() => session.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, () => resolve()));
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const line = [GIVEN_UP_UPLOAD, `localhost:${port}`, certificateFile, '9000000'];
    const options = { timeout: ENDLESS_MS, killSignal: 'SIGKILL' } as const;
    const { stdout } = await promisify(execFile)(process.execPath, line, options);
    expect(stdout).toBe('20 were given up\n');
  });
});

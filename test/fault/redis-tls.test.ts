/**
 * Redis behind TLS: a private server with a certificate of its own, trusted, not trusted, or not
 * there.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeBody } from '../../protocols/wire/body.ts';
import type { RedisPlace } from '../../src/brokers/redis-connection.ts';
import { type Bench, body, createBench, until } from '../support/broker-bench.ts';
import { Counts, countedConfig, placeOf } from '../support/redis-bench.ts';
import { freePort } from '../support/redis-cluster.ts';
import { startServer, type TestServer } from '../support/servers.ts';

let folder: string;
let server: TestServer;
let tlsPort: number;
let authority: Buffer;
let bench: Bench;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spectacles-tls-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'ignore' },
  );
  authority = readFileSync(certificate);
  tlsPort = await freePort();
  server = await startServer('redis', {
    arguments: [
      ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
      ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate],
    ],
  });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  bench = createBench();
});

afterEach(async () => {
  await bench.stop();
});

const config = (place: RedisPlace) => ({
  ...countedConfig(server.url, `group-${randomUUID()}`, new Counts()),
  place,
});

/** `rediss://` as a configuration reads it, and what Node is told of the certificate. */
function tlsPlace(tls: object): RedisPlace {
  const place = placeOf(`rediss://127.0.0.1:${tlsPort}`);
  return { ...place, options: { ...place.options, tls: { ...place.options.tls, ...tls } } };
}

describe('Redis over TLS', () => {
  it('publishes, consumes and answers over connections that are all encrypted', async () => {
    const event = `EVENT_${randomUUID()}`;
    const shared = config(tlsPlace({ ca: authority }));
    const service = await bench.open(shared);
    await service.subscribe(event, (delivery) => {
      delivery.ack();
      void delivery.reply(delivery.body);
    });
    const caller = await bench.open(shared);
    const answer = await caller.call(event, body('safe'), { timeoutMs: 10_000 });
    expect(decodeBody(answer)).toBe('safe');
  });

  it.each([
    ['a certificate that nobody vouches for', () => tlsPlace({}), /NODE_EXTRA_CA_CERTS/],
    [
      'a certificate for another host',
      () => tlsPlace({ ca: authority, servername: 'elsewhere.example' }),
      /host name/,
    ],
  ])('A23 is fatal for %s, in one line that says what to do', async (_name, place, remedy) => {
    const error = await bench.open(config(place())).catch((reason: unknown) => reason);
    expect(error, JSON.stringify(bench.log.lines)).toMatchObject({ code: 'FATAL' });
    expect((error as Error).message).toMatch(remedy);
    expect((error as Error).message).not.toContain('\n');
  });

  it('is away, and says so, where TLS is spoken and not asked for', async () => {
    const broker = await bench.open(config(placeOf(`redis://127.0.0.1:${tlsPort}`)));
    await until('it was said', () => bench.log.at('warn').length > 0);
    expect(broker.state).toBe('away');
  });
});

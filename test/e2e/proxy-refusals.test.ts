/** What the proxy says in Discord's place, and how a client names its lane, on real sockets. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { encode } from '@msgpack/msgpack';
import { request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UPSTREAM_CONNECTIONS_MAX } from '../../protocols/limits.ts';
import type { RestRequest } from '../../protocols/proxy.ts';
import { decodeProxyAnswer } from '../../protocols/wire/proxy.ts';
import { Rest } from '../../src/client/rest.ts';
import { listen } from '../../src/listen.ts';
import { createUpstream } from '../../src/proxy/upstream.ts';
import { openCalledProxy } from '../support/opened-proxy.ts';
import { ANY_PORT } from '../support/raw-http.ts';
import { requestOf } from '../support/simulated-upstream.ts';

type Answer = { readonly status: number; readonly body?: unknown };

/** A Discord that answers as it is told, and remembers what came. */
async function createDiscord(answer: (path: string) => Answer) {
  const seen: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];
  const server = createServer((incoming, response) => {
    const path = incoming.url ?? '';
    seen.push({ path, headers: incoming.headers });
    incoming.resume();
    const { status, body = {} } = answer(path);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  const port = await listen(server, ANY_PORT);
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, port };
}

async function createStage(answer: (path: string) => Answer) {
  const discord = await createDiscord(answer);
  const { caller, log, url } = await openCalledProxy(`127.0.0.1:${discord.port}`, {
    limits: { global: 50, families: new Map([['invites', { count: 1, windowMs: 60_000 }]]) },
  });
  const send = async (method: 'GET' | 'POST', path: string, headers = {}) => {
    const answered = await request(`${url}/api/v10${path}`, { method, headers });
    const text = await answered.body.text();
    return { status: answered.statusCode, headers: answered.headers, body: JSON.parse(text) };
  };
  const call = async (sent: unknown) =>
    decodeProxyAnswer(await caller.call('REQUEST', encode(sent), { timeoutMs: 10_000 }));
  return { ...discord, log, send, call };
}

const BOT = { authorization: 'Bot a-token-that-was-reset' };

describe('what the proxy refuses by itself', () => {
  it('has the shape of a 401 after a 401, our header, and a time', async () => {
    const body = { message: '401: Unauthorized', code: 0 };
    const stage = await createStage(() => ({ status: 401, body }));
    const first = await stage.send('GET', '/users/@me', BOT);
    expect(first).toMatchObject({ status: 401, body });
    expect(first.headers).not.toHaveProperty('x-spectacles-proxy');
    const second = await stage.send('GET', '/channels/1', BOT);
    expect(second).toMatchObject({ status: 401, body });
    expect(second.headers).toMatchObject({
      'x-spectacles-proxy': 'unauthorized',
      'retry-after': '1',
    });
    const third = await stage.call({ method: 'GET', path: '/users/@me', headers: BOT });
    expect(third.status).toBe(7);
    expect(third.body).toMatch(/^Discord does not know the token: not sent, try again after/);
    expect(stage.seen).toHaveLength(1);
  });

  it('has the shape of an unknown webhook after one', async () => {
    const body = { message: 'Unknown Webhook', code: 10_015 };
    const stage = await createStage(() => ({ status: 404, body }));
    const secret = 's'.repeat(68);
    await stage.send('POST', `/webhooks/1/${secret}`);
    const again = await stage.send('POST', `/webhooks/1/${secret}/slack`);
    expect(again).toMatchObject({ status: 404, body });
    expect(again.headers).toMatchObject({ 'x-spectacles-proxy': 'unknown-webhook' });
    expect(stage.seen).toHaveLength(1);
    expect(JSON.stringify(stage.log.lines)).not.toContain(secret);
  });

  it('has the shape of a 429 where a family of routes has had its share', async () => {
    const stage = await createStage(() => ({ status: 200 }));
    expect((await stage.send('GET', '/invites/one', BOT)).status).toBe(200);
    const second = await stage.send('GET', '/invites/two', BOT);
    expect(second).toMatchObject({ status: 429, body: { global: false } });
    expect(second.headers['x-spectacles-proxy']).toBe('family-limit');
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(50);
    expect((await stage.send('GET', '/users/@me', BOT)).status).toBe(200);
  });
});

describe('the lane of a request', () => {
  it('is named by a header that Discord never sees', async () => {
    const stage = await createStage(() => ({ status: 200 }));
    const named = { ...BOT, 'X-Spectacles-Priority': 'Bulk', 'x-kept': 'yes' };
    expect((await stage.send('GET', '/users/@me', named)).status).toBe(200);
    expect(stage.seen[0]?.headers).toHaveProperty('x-kept');
    expect(stage.seen[0]?.headers).not.toHaveProperty('x-spectacles-priority');
    const odd = await stage.send('GET', '/users/@me', { 'x-spectacles-priority': 'urgent' });
    expect(odd).toMatchObject({
      status: 400,
      body: { message: 'the priority is "urgent"; allowed are high, normal, bulk' },
    });
  });

  it('has connections of its own if it is the high one, however many others hang', async () => {
    const server = createServer((incoming, response) => {
      if (incoming.url?.includes('/callback')) response.end('{}');
    });
    const port = await listen(server, ANY_PORT);
    onTestFinished(async () => {
      server.closeAllConnections();
      server.close();
    });
    const upstream = createUpstream({ scheme: 'http', host: `127.0.0.1:${port}` });
    onTestFinished(() => upstream.close());
    const send = (request: RestRequest) => upstream.send(request, () => {}).result;
    const hanging = Array.from({ length: UPSTREAM_CONNECTIONS_MAX + 10 }, () =>
      send(requestOf('GET', '/users/@me', {})),
    );
    const path = '/interactions/1/aW50ZXJhY3Rpb246MQ/callback';
    const quick = await send(requestOf('POST', path, { token: null }));
    expect(quick).toMatchObject({ kind: 'answer', answer: { status: 200 } });
    await upstream.close();
    for (const result of await Promise.all(hanging)) expect(result.kind).toBe('failure');
  });

  it('is named by a field over a broker, which the positional form does without', async () => {
    const stage = await createStage(() => ({ status: 200 }));
    const asked = { method: 'GET', path: '/users/@me', headers: BOT };
    const lanes: unknown[] = [];
    const broker = {
      call: async (_event: string, sent: unknown) => {
        lanes.push(Reflect.get(Object(sent), 'priority'));
        return stage.call(sent);
      },
    };
    const rest = new Rest(broker, 'some-token');
    expect((await rest.get('/users/@me', { priority: 'bulk' })).status).toBe(0);
    expect((await rest.get('/users/@me')).status).toBe(0);
    expect(lanes).toEqual(['bulk', undefined]);
    expect((await stage.call({ ...asked, priority: 'urgent' })).status).toBe(6);
    expect((await stage.call(['GET', '/users/@me', null, null, BOT, null])).status).toBe(0);
    expect(stage.seen).toHaveLength(3);
  });
});

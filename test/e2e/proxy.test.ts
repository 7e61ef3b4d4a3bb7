/** The whole proxy on real sockets, in front of the simulated Discord: both doors, and its end. */
import { createServer, request as httpRequest, type ServerResponse } from 'node:http';
import { Agent, request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Broker } from '../../protocols/broker.ts';
import { PortInUseError } from '../../protocols/errors.ts';
import {
  decodeProxyAnswer,
  encodeProxyRequest,
  type ProxyRequest,
} from '../../protocols/wire/proxy.ts';
import { Attached } from '../../src/client/local.ts';
import { Rest } from '../../src/client/rest.ts';
import { listen } from '../../src/listen.ts';
import { type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { until } from '../support/broker-bench.ts';
import { type OpenedProxy, openCalledProxy, openProxy } from '../support/opened-proxy.ts';
import { ANY_PORT, exchange } from '../support/raw-http.ts';

type Stage = OpenedProxy & {
  readonly simulator: Simulator;
  readonly caller: Broker;
  readonly channel: string;
  call(sent: ProxyRequest): Promise<ReturnType<typeof decodeProxyAnswer>>;
};

type Changes = { readonly token?: string; readonly timeoutMs?: number; readonly host?: string };

async function createStage({ host, ...changes }: Changes = {}): Promise<Stage> {
  const simulator = await startSimulator({ seed: 1, guildCount: 2, rest: { stubs: STUBS } });
  onTestFinished(() => simulator.close());
  const opened = await openCalledProxy(host ?? `127.0.0.1:${simulator.port}`, changes);
  const guild = simulator.discord.world.guildIds[0] ?? '';
  const channel =
    simulator.discord.world.guild(guild)?.channels.find(({ type }) => type === 0)?.id ?? '';
  return {
    ...opened,
    simulator,
    channel,
    call: async (sent) =>
      decodeProxyAnswer(
        await opened.caller.call('REQUEST', encodeProxyRequest(sent), { timeoutMs: 10_000 }),
      ),
  };
}

const STUBS = { 'GET /guilds/:guild/widget.json': { status: 200, body: { shown: true } } };
const AUTHORIZATION = { authorization: `Bot ${SIMULATED_TOKEN}` };
const JSON_BODY = { ...AUTHORIZATION, 'content-type': 'application/json' };

describe('the RPC door', () => {
  it('posts a message, whatever the path looks like', async () => {
    const { call, channel, simulator } = await createStage();
    const paths = ['', '/', '/api/v10/', 'api/v9/'].map(
      (start) => `${start}channels/${channel}/messages`,
    );
    for (const [index, path] of paths.entries()) {
      const body = new TextEncoder().encode(JSON.stringify({ content: `number ${index}` }));
      const answer = await call({ method: 'POST', path, headers: JSON_BODY, body });
      expect(answer).toMatchObject({ status: 0, body: { status: 200 } });
      if (answer.status !== 0) continue;
      expect(JSON.parse(Buffer.from(answer.body.body).toString())).toMatchObject({
        content: `number ${index}`,
        channel_id: channel,
      });
      expect(answer.body.headers['x-ratelimit-limit']).toBe('5');
      expect(answer.body.url).toContain('/api/v');
    }
    const posted = simulator.discord.rest.audit.posted;
    expect(posted.map(({ content }) => content)).toEqual([0, 1, 2, 3].map((n) => `number ${n}`));
  });

  it('P88: sends the query along, encoded, behind what the path already has', async () => {
    const { call, channel, simulator } = await createStage();
    const seen: string[] = [];
    const { rest } = simulator.discord;
    const handle = rest.handle.bind(rest);
    rest.handle = (sent) => {
      seen.push(sent.path);
      return handle(sent);
    };
    await call({
      method: 'GET',
      path: `/channels/${channel}/messages?limit=2`,
      query: { around: '1 2&3=é' },
      headers: AUTHORIZATION,
    });
    expect(seen).toEqual([`/api/v10/channels/${channel}/messages?limit=2&around=1+2%263%3D%C3%A9`]);
  });

  it('leaves a query as it is that its client has encoded, as the original asked for', async () => {
    const { call, simulator } = await createStage();
    const seen: string[] = [];
    const { rest } = simulator.discord;
    const handle = rest.handle.bind(rest);
    rest.handle = (sent) => {
      seen.push(sent.path);
      return handle(sent);
    };
    const query = { query: 'a%20b%26%c3%a9', limit: '5%' };
    await call({ method: 'GET', path: '/guilds/1/members/search', query, headers: AUTHORIZATION });
    expect(seen).toEqual(['/api/v10/guilds/1/members/search?query=a%20b%26%c3%a9&limit=5%25']);
  });

  it.each([
    ['no MessagePack', 2, new Uint8Array([0xc1])],
    ['a path that climbs', 3, encodeProxyRequest({ method: 'GET', path: '/users/../../x' })],
    ['an encoded path that climbs', 3, encodeProxyRequest({ method: 'GET', path: '/a/%2e%2e/b' })],
    ['an unknown method', 5, encodeProxyRequest({ method: 'BREW', path: '/users/@me' })],
    [
      'a header with a line break',
      6,
      encodeProxyRequest({ method: 'GET', path: '/users/@me', headers: { a: 'b\r\nc: d' } }),
    ],
  ])('answers %s with status %i and a sentence', async (_name, status, bytes) => {
    const { caller } = await createStage();
    const answer = decodeProxyAnswer(await caller.call('REQUEST', bytes, { timeoutMs: 10_000 }));
    expect(answer.status).toBe(status);
    expect(String(answer.body).length).toBeGreaterThan(10);
  });

  it('answers a query that is no map of strings with status 4', async () => {
    const { caller } = await createStage();
    const body = new TextEncoder().encode('{"method":"GET","path":"/users/@me","query":[1]}');
    const answer = decodeProxyAnswer(await caller.call('REQUEST', body, { timeoutMs: 10_000 }));
    expect(answer.status).toBe(4);
  });

  it('P67: answers status 7 when Discord is not there, and 8 when the time is up', async () => {
    const { call } = await createStage({ host: '127.0.0.1:9' });
    const down = await call({ method: 'POST', path: '/users/@me', headers: AUTHORIZATION });
    expect(down.status).toBe(7);
    expect(String(down.body)).toContain('ECONNREFUSED');
    const late = await call({
      method: 'GET',
      path: '/users/@me',
      headers: AUTHORIZATION,
      timeoutMs: 0,
    });
    expect(late.status).toBe(8);
  });

  it('adds its own token where the client brought none and Discord wants one', async () => {
    const { call } = await createStage({ token: SIMULATED_TOKEN });
    const own = await call({ method: 'GET', path: '/users/@me' });
    expect(own).toMatchObject({ status: 0, body: { status: 200 } });
    const other = await call({
      method: 'GET',
      path: '/users/@me',
      headers: { Authorization: 'Bot wrong' },
    });
    expect(other).toMatchObject({ status: 0, body: { status: 401 } });
  });

  it('serves `Rest`', async () => {
    const { caller, channel } = await createStage();
    const rest = new Rest(new Attached(caller), SIMULATED_TOKEN);
    const result = await rest.post<{ content: string }>(`/channels/${channel}/messages`, {
      content: 'hello',
    });
    expect(result.status === 0 && result.body.json().content).toBe('hello');
    const list = await rest.get<{ content: string }[]>(`/channels/${channel}/messages`, {
      query: { limit: '1' },
    });
    expect(list.status === 0 && list.body.json()).toMatchObject([{ content: 'hello' }]);
    const refused = await rest.get('/users/../x');
    expect(refused.status).toBe(3);
    expect(JSON.stringify(rest)).not.toContain(SIMULATED_TOKEN);
  });
});

describe('the HTTP door', () => {
  it('hands on the answer of Discord with its headers', async () => {
    const { url, channel } = await createStage();
    const answer = await request(`${url}/api/v10/channels/${channel}/messages`, {
      method: 'POST',
      headers: JSON_BODY,
      body: JSON.stringify({ content: 'over HTTP' }),
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['x-ratelimit-remaining']).toBe('4');
    expect(answer.headers['x-spectacles-proxy']).toBeUndefined();
    expect(await answer.body.json()).toMatchObject({ content: 'over HTTP' });
  });

  it("P84: HEAD and 204 have no body, and 404 is Discord's own", async () => {
    const { url, channel } = await createStage();
    const head = await request(`${url}/api/v10/users/@me`, {
      method: 'HEAD',
      headers: AUTHORIZATION,
    });
    expect([head.statusCode, await head.body.text()]).toEqual([200, '']);
    const typing = await request(`${url}/api/v10/channels/${channel}/typing`, {
      method: 'POST',
      headers: AUTHORIZATION,
    });
    expect([typing.statusCode, await typing.body.text()]).toEqual([204, '']);
    const missing = await request(`${url}/api/v10/channels/1/messages`, { headers: AUTHORIZATION });
    expect(missing.statusCode).toBe(404);
    expect(await missing.body.json()).toMatchObject({ code: 10003 });
  });

  it('P14: refuses a path that climbs or that is not of the API, and says who refuses', async () => {
    const { url } = await createStage();
    for (const [path, status] of [
      ['/api/v10/users/../x', 400],
      ['/api/v10/users/%2e%2e/x', 400],
      ['/other', 404],
      ['/apis/x', 404],
    ] as const) {
      const answer = await rawGet(url, path);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.headers['x-spectacles-proxy']).toBe('path');
      expect(JSON.parse(answer.body)).toHaveProperty('message');
    }
  });

  it('P82: refuses a request with both lengths, and passes on no header of the connection', async () => {
    const { url, simulator } = await createStage();
    const both =
      'POST /api/v10/users/@me HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await exchange(portOf(url), both)).toMatch(/^HTTP\/1\.1 400 /);
    const seen: string[] = [];
    const { rest } = simulator.discord;
    const handle = rest.handle.bind(rest);
    rest.handle = (sent) => {
      for (const [name] of sent.headers) seen.push(name);
      return handle(sent);
    };
    const hop = `GET /api/v10/users/@me HTTP/1.1\r\nHost: x\r\nAuthorization: Bot ${SIMULATED_TOKEN}\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n`;
    expect(await exchange(portOf(url), hop)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen).toContain('x-kept');
    expect(seen).not.toContain('x-hop');
    expect(seen).not.toContain('te');
  });

  it('P83: keeps repeated headers apart and in order', async () => {
    const { url, simulator } = await createStage();
    const { rest } = simulator.discord;
    const handle = rest.handle.bind(rest);
    rest.handle = (sent) => {
      const answer = handle(sent);
      const cookies = [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ] as const;
      return { ...answer, headers: [...answer.headers, ...cookies] };
    };
    const answer = await request(`${url}/api/v10/users/@me`, { headers: AUTHORIZATION });
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    await answer.body.dump();
  });

  it('P60 P85: strips the token where the path has one, and adds a user agent where there is none', async () => {
    const { url, simulator } = await createStage({ token: SIMULATED_TOKEN });
    const seen: (readonly (readonly [string, string])[])[] = [];
    const { rest } = simulator.discord;
    const handle = rest.handle.bind(rest);
    rest.handle = (sent) => {
      seen.push(sent.headers);
      return handle(sent);
    };
    const target = `/api/v10/interactions/1/aW50ZXJhY3Rpb246MQ/callback`;
    const sent = `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bot ${SIMULATED_TOKEN}\r\nContent-Length: 0\r\n\r\n`;
    await exchange(portOf(url), sent);
    const headers = Object.fromEntries(seen[0] ?? []);
    expect(headers.authorization).toBeUndefined();
    expect(headers['user-agent']).toMatch(/^DiscordBot \(https?:\/\/\S+, \S+\)$/);
  });

  it('P89: its own refusal for a long wait has the shape of a 429, and says who made it', async () => {
    const { url, simulator } = await createStage({ timeoutMs: 1_000 });
    simulator.discord.rest.inject({
      effect: { kind: 'limited', scope: 'user', retryAfterMs: 60_000 },
      times: 1,
    });
    const first = await request(`${url}/api/v10/users/@me`, { headers: AUTHORIZATION });
    expect(first.statusCode).toBe(429);
    expect(first.headers['x-spectacles-proxy']).toBeUndefined();
    await first.body.dump();
    const second = await request(`${url}/api/v10/users/@me`, { headers: AUTHORIZATION });
    expect(second.statusCode).toBe(429);
    expect(second.headers['x-spectacles-proxy']).toBe('long-wait');
    const body = (await second.body.json()) as { retry_after: number; global: boolean };
    expect(body.global).toBe(false);
    expect(body.retry_after).toBeGreaterThan(50);
    expect(Number(second.headers['retry-after'])).toBe(Math.ceil(body.retry_after));
  });

  it('answers 502 in its own name when Discord is not there', async () => {
    const { url } = await createStage({ host: '127.0.0.1:9' });
    const answer = await request(`${url}/api/v10/users/@me`, { method: 'POST' });
    expect(answer.statusCode).toBe(502);
    expect(answer.headers['x-spectacles-proxy']).toBe('upstream');
    await answer.body.dump();
  });

  it('refuses a body that is too large before it has read it', async () => {
    const { url } = await createStage();
    const announced = `POST /api/v10/users/@me HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n`;
    expect(await exchange(portOf(url), announced)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('P68: a client that goes away takes its waiting request along', async () => {
    const { url, proxy, simulator, channel } = await createStage();
    const agent = new Agent();
    onTestFinished(() => agent.destroy());
    const path = `${url}/api/v10/channels/${channel}/messages`;
    const limited = { kind: 'limited', scope: 'user', retryAfterMs: 30_000 } as const;
    simulator.discord.rest.inject({ effect: limited, times: 1 });
    const abort = new AbortController();
    const gone = request(path, { headers: AUTHORIZATION, dispatcher: agent, signal: abort.signal });
    await until('one is in the air', () => simulator.discord.rest.audit.requestCount === 1);
    expect(proxy.requests).toBe(1);
    abort.abort();
    await expect(gone).rejects.toThrow();
    await until('none is kept', () => proxy.requests === 0);
    expect(simulator.discord.rest.audit.requestCount).toBe(1);
  });

  it('says so when its port is taken', async () => {
    const { proxy } = await createStage();
    const address = { host: '127.0.0.1', port: proxy.http?.port ?? 0 };
    const starting = openProxy('127.0.0.1:9', { http: { address } });
    await expect(starting).rejects.toThrow(PortInUseError);
  });
});

describe('the end of the proxy', () => {
  it('lets what is in flight land and refuses what waits', async () => {
    const asked: ServerResponse[] = [];
    const discord = createServer((_request, response) => asked.push(response));
    const discordPort = await listen(discord, ANY_PORT);
    onTestFinished(() => {
      discord.closeAllConnections();
      discord.close();
    });
    const { url, proxy } = await createStage({ host: `127.0.0.1:${discordPort}` });
    // Of one bucket, and not the same: identical ones would be one request.
    const send = (number: number) =>
      request(`${url}/api/v10/users/@me?n=${number}`, { headers: AUTHORIZATION });
    const landing = send(0);
    await until('one is in the air', () => asked.length === 1);
    const waiting = send(1);
    await until('another waits', () => proxy.requests === 2);
    const stopping = proxy.stop();
    const refused = await waiting;
    expect(refused.statusCode).toBe(503);
    expect(refused.headers['x-spectacles-proxy']).toBe('stopping');
    await refused.body.dump();
    asked[0]?.end('{"id":"1"}');
    const landed = await landing;
    expect([landed.statusCode, await landed.body.json()]).toEqual([200, { id: '1' }]);
    await stopping;
    expect([asked.length, proxy.requests]).toEqual([1, 0]);
  });
});

const portOf = (url: string): number => Number(new URL(url).port);

type RawAnswer = {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
};

/** A GET whose path is sent as it is written. */
function rawGet(url: string, path: string): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sending = httpRequest({ host: hostname, port, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    sending.on('error', reject);
    sending.end();
  });
}

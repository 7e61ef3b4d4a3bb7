/** The simulated Discord on real sockets: REST, WebSockets, both compressions, and its own end. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInflate, type Inflate } from 'node:zlib';
import * as fzstd from 'fzstd';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { PortInUseError } from '../../protocols/errors.ts';
import { openSimulator } from '../../src/services/simulate.ts';
import { SILENT_LOG } from '../../src/silent-log.ts';
import {
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/index.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { type Frame, field, IDENTIFY } from '../support/simulated-client.ts';

const running: Simulator[] = [];

async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({ seed: 1, guildCount: 4, ...options });
  running.push(simulator);
  return simulator;
}

afterEach(async () => {
  for (const simulator of running.splice(0)) await simulator.close();
});

type Decode = (data: Buffer, isBinary: boolean) => void;

/** A client on a real socket; `frame` waits for a frame of that kind. */
class RealClient {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  messages = 0;
  /** Resolves with the close code; 1006 without a close frame. */
  readonly closed: Promise<number>;
  readonly #decode: Decode;
  #wake: () => void = () => undefined;

  constructor(url: string, compress?: 'zlib-stream' | 'zstd-stream') {
    const query = compress === undefined ? '' : `&compress=${compress}`;
    this.socket = new WebSocket(`${url}/?v=10&encoding=json${query}`);
    this.#decode = this.#decoder(compress);
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.messages++;
      this.#decode(data, isBinary);
    });
  }

  send(op: number, d: unknown): void {
    this.socket.send(JSON.stringify({ op, d }));
  }

  async frame(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  event(name: string): Promise<Frame> {
    return this.frame(({ t }) => t === name);
  }

  /** Starts a session and waits until all of its guilds are there; gives the session's id. */
  async identify(): Promise<string> {
    await this.frame(({ op }) => op === 10);
    this.send(2, IDENTIFY);
    const { d } = await this.event('READY');
    const guilds = field(d, 'guilds');
    const last = 1 + (Array.isArray(guilds) ? guilds.length : 0);
    await this.frame(({ s }) => s === last);
    return String(field(d, 'session_id'));
  }

  #decoder(compress: string | undefined): Decode {
    const take = (text: string): void => {
      this.frames.push(JSON.parse(text));
      this.#wake();
    };
    if (compress === 'zlib-stream') return inflateBySuffix(createInflate(), take);
    if (compress === 'zstd-stream') return zstdByMessage(take);
    return (data, isBinary) => {
      expect(isBinary).toBe(false);
      take(data.toString());
    };
  }
}

/** As Discord's documentation shows it: collect until the suffix, then inflate. */
function inflateBySuffix(inflater: Inflate, take: (text: string) => void): Decode {
  let pending: Buffer[] = [];
  let output: Buffer[] = [];
  inflater.on('data', (data: Buffer) => output.push(data));
  return (data) => {
    pending.push(data);
    if (data.subarray(-4).toString('hex') !== '0000ffff') return;
    inflater.write(Buffer.concat(pending), () => {
      const text = Buffer.concat(output).toString();
      output = [];
      take(text);
    });
    pending = [];
  };
}

function zstdByMessage(take: (text: string) => void): Decode {
  let output: Uint8Array[] = [];
  const decoder = new fzstd.Decompress((data) => output.push(data.slice()));
  return (data) => {
    output = [];
    decoder.push(data);
    take(Buffer.concat(output).toString());
  };
}

it.each([undefined, 'zlib-stream', 'zstd-stream'] as const)(
  'serves a session over real sockets, compression %s, with a GUILD_CREATE of 2 MiB',
  async (compress) => {
    const { gatewayUrl, discord, audit } = await start();
    const one = new RealClient(gatewayUrl, compress);
    await one.identify();
    for (const _guild of discord.world.guildIds) await one.event('GUILD_CREATE');
    discord.scenario.strike({ fault: 'huge-guild', bytes: 2 * 1024 * 1024 });
    discord.emit('MESSAGE_CREATE');
    await one.event('MESSAGE_CREATE');
    const sizes = one.frames.map((frame) => Buffer.byteLength(JSON.stringify(frame)));
    expect(Math.max(...sizes)).toBeGreaterThan(2 * 1024 * 1024);
    const numbers = one.frames.flatMap(({ s }) => s ?? []);
    expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
    one.send(1, numbers.length);
    await one.frame(({ op }) => op === 11);
    expect(audit.breaches).toEqual([]);
  },
);

it('cuts zlib messages over several WebSocket messages', async () => {
  const { gatewayUrl, discord } = await start();
  const one = new RealClient(gatewayUrl, 'zlib-stream');
  await one.identify();
  discord.scenario.strike({ fault: 'split', pieces: 7, messages: 1 });
  const before = one.messages;
  const decoded = one.frames.length;
  discord.emit('MESSAGE_CREATE');
  await one.event('MESSAGE_CREATE');
  const others = one.frames.length - decoded - 1;
  expect(one.messages - before - others).toBe(7);
});

it('cuts other messages into fragments, which a WebSocket client joins', async () => {
  for (const compress of [undefined, 'zstd-stream'] as const) {
    const { gatewayUrl, discord } = await start();
    const one = new RealClient(gatewayUrl, compress);
    await one.identify();
    discord.scenario.strike({ fault: 'split', pieces: 7 });
    discord.emit('MESSAGE_CREATE');
    await one.event('MESSAGE_CREATE');
  }
});

it.each(['path', 'port'] as const)('resumes on a %s of its own after a drop', async (place) => {
  const options = place === 'port' ? { resumePort: 0 } : {};
  const { gatewayUrl, discord, audit } = await start(options);
  const one = new RealClient(gatewayUrl, 'zlib-stream');
  const sessionId = await one.identify();
  const ready = await one.event('READY');
  const resumeUrl = String(field(ready.d, 'resume_gateway_url'));
  expect(resumeUrl).not.toBe(gatewayUrl);
  discord.scenario.strike({ fault: 'drop' });
  expect(await one.closed).toBe(1006);
  const missed = discord.emit('MESSAGE_CREATE');
  const other = new RealClient(resumeUrl, 'zlib-stream');
  await other.frame(({ op }) => op === 10);
  other.send(6, { token: SIMULATED_TOKEN, session_id: sessionId, seq: 1 });
  await other.event('RESUMED');
  const replayed = await other.event('MESSAGE_CREATE');
  expect(replayed.d).toEqual(JSON.parse(JSON.stringify(missed.d)));
  expect(audit.of('resume')).toMatchObject([{ host: 'resume', outcome: 'resumed' }]);
  expect(audit.breaches).toEqual([]);
});

it('closes with codes that a WebSocket client sees', async () => {
  const { gatewayUrl, audit } = await start();
  const late = new RealClient(gatewayUrl);
  await late.frame(({ op }) => op === 10);
  late.send(3, { since: null, activities: [], status: 'online', afk: false });
  expect(await late.closed).toBe(4003);
  const large = new RealClient(gatewayUrl);
  await large.frame(({ op }) => op === 10);
  large.socket.send('x'.repeat(4097));
  expect(await large.closed).toBe(4002);
  const torn = new RealClient(gatewayUrl);
  await torn.frame(({ op }) => op === 10);
  torn.socket.send(Buffer.from([0x7b, 0x22, 0xff, 0xfe]), { binary: false });
  expect(await torn.closed).toBe(4002);
  expect(audit.breachNames).toEqual(['not-authenticated', 'frame-too-large', 'undecodable-frame']);
});

it('hears the code of a client that closes, and kills its session only on 1000 and 1001', async () => {
  const { gatewayUrl, discord, audit } = await start();
  discord.gateway.limits.setMaxConcurrency(16);
  for (const [shard, code] of [4000, 1000].entries()) {
    const one = new RealClient(gatewayUrl);
    await one.frame(({ op }) => op === 10);
    one.send(2, { ...IDENTIFY, shard: [shard, 2] });
    await one.event('READY');
    one.socket.close(code);
    expect(await one.closed).toBe(code);
  }
  expect(audit.of('close')).toMatchObject([
    { by: 'client', code: 4000, shard: [0, 2] },
    { by: 'client', code: 1000, shard: [1, 2] },
  ]);
  expect(discord.gateway.sessions().map(({ shard }) => shard)).toEqual([[0, 2]]);
});

it('answers handshakes as the scenario says', async () => {
  const { gatewayUrl, discord, audit } = await start();
  discord.scenario.strike({ fault: 'kill-main-host', mode: 'unavailable', connections: 1 });
  const refused = new WebSocket(gatewayUrl);
  const [error]: [Error] = (await once(refused, 'error')) as [Error];
  expect(error.message).toContain('503');
  discord.scenario.strike({ fault: 'kill-main-host', mode: 'refuse', connections: 1 });
  const reset = new WebSocket(gatewayUrl);
  await once(reset, 'error');
  discord.scenario.strike({ fault: 'kill-main-host', mode: 'hang', connections: 1 });
  const hung = new WebSocket(gatewayUrl, { handshakeTimeout: 200 });
  const [timeout]: [Error] = (await once(hung, 'error')) as [Error];
  expect(timeout.message).toContain('timed out');
  const lost = new WebSocket(`${gatewayUrl}/nowhere?v=10`);
  const [missing]: [Error] = (await once(lost, 'error')) as [Error];
  expect(missing.message).toContain('404');
  expect(audit.breachNames).toEqual(['unknown-path']);
  const one = new RealClient(gatewayUrl);
  await one.frame(({ op }) => op === 10);
});

it('half-open: does not even answer a close frame', async () => {
  const { gatewayUrl, discord } = await start();
  const one = new RealClient(gatewayUrl);
  await one.identify();
  const pong = once(one.socket, 'pong');
  one.socket.ping();
  await pong;
  discord.scenario.strike({ fault: 'half-open' });
  let heard = 0;
  one.socket.on('pong', () => heard++);
  one.socket.ping();
  one.socket.close(4000);
  // A second connection answers meanwhile, so the first had time to.
  const other = new RealClient(gatewayUrl);
  await other.frame(({ op }) => op === 10);
  expect([heard, one.socket.readyState]).toEqual([0, WebSocket.CLOSING]);
  one.socket.terminate();
  expect(await one.closed).toBe(1006);
});

it('tells over REST where the gateway is and what is left of the budget', async () => {
  const { url, gatewayUrl } = await start({ gateway: { maxConcurrency: 2 } });
  const headers = { authorization: `Bot ${SIMULATED_TOKEN}`, 'user-agent': 'DiscordBot (test, 1)' };
  const bot = async (): Promise<unknown> => {
    const response = await fetch(`${url}/api/v10/gateway/bot`, { headers });
    expect(response.status).toBe(200);
    return response.json();
  };
  expect(await bot()).toEqual({
    url: gatewayUrl,
    shards: 1,
    session_start_limit: {
      total: 1000,
      remaining: 1000,
      reset_after: 86_400_000,
      max_concurrency: 2,
    },
  });
  await new RealClient(gatewayUrl).identify();
  expect(await bot()).toMatchObject({ session_start_limit: { remaining: 999 } });
});

it.each([
  [1, 1_000],
  [150, 1_000],
  [151, 2_000],
  [1_000, 5_000],
])('lets a bot of %i shards start %i sessions a day', async (shards, total) => {
  const simulator = await openSimulator(
    {
      host: '127.0.0.1',
      port: 0,
      shards,
      maxConcurrency: 16,
      eventsPerSecond: 1,
      seed: 1,
      scenarioFile: undefined,
    },
    { log: SILENT_LOG },
  );
  running.push(simulator);
  const headers = { authorization: `Bot ${SIMULATED_TOKEN}`, 'user-agent': 'DiscordBot (test, 1)' };
  const response = await fetch(`${simulator.url}/api/v10/gateway/bot`, { headers });
  expect(await response.json()).toMatchObject({
    shards,
    session_start_limit: { total, remaining: total, max_concurrency: 16 },
  });
});

it('shows a message that is posted over REST to the gateway', async () => {
  const { url, gatewayUrl, discord } = await start();
  const one = new RealClient(gatewayUrl);
  await one.identify();
  const channel = discord.world
    .guildCreate(discord.world.guildIds[0] ?? '', IDENTIFY.intents)
    .channels.find(({ type }) => type === 0);
  const response = await fetch(`${url}/api/v10/channels/${channel?.id}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bot ${SIMULATED_TOKEN}`,
      'content-type': 'application/json',
      'user-agent': 'DiscordBot (test, 1)',
    },
    body: JSON.stringify({ content: 'pong' }),
  });
  expect(response.status).toBe(200);
  expect((await one.event('MESSAGE_CREATE')).d).toMatchObject({
    content: 'pong',
    channel_id: channel?.id,
    author: { id: discord.world.bot.id },
  });
});

it('names the host and the port when another program has it, and leaves nothing running', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await expect(startSimulator({ port })).rejects.toThrow(PortInUseError);
  await expect(startSimulator({ port })).rejects.toThrow(`port ${port} of 127.0.0.1 is in use`);
  await expect(startSimulator({ resumePort: port })).rejects.toThrow(PortInUseError);
  other.close();
  await once(other, 'close');
});

it('ends every connection when it is closed, hung and half-open ones too', async () => {
  const simulator = await start({ rate: 50 });
  const { gatewayUrl, discord } = simulator;
  const one = new RealClient(gatewayUrl);
  await one.identify();
  discord.scenario.strike({ fault: 'half-open' });
  const other = new RealClient(gatewayUrl);
  await other.frame(({ op }) => op === 10);
  discord.scenario.strike({ fault: 'kill-main-host', mode: 'hang' });
  const hung = new WebSocket(gatewayUrl);
  const ended = new Promise((resolve) => hung.on('error', resolve));
  await fetch(simulator.url);
  await simulator.close();
  expect(await other.closed).toBe(1006);
  await ended;
  one.socket.terminate();
  await expect(fetch(simulator.url)).rejects.toThrow();
});

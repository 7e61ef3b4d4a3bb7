/**
 * The simulated Discord on real sockets: one HTTP server for REST and the gateway, and a second one
 * for resuming if that is to be on a port of its own.
 *
 * Everything that decides is in the core; this file listens, reads bodies, writes answers, and ends
 * what it started. A port that is taken is a PortInUseError. A client that breaks off costs nothing
 * but its own connection.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SIMULATOR_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import { type ListenOptions, listen } from '../listen.ts';
import { drawSeed } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import type { Audit } from './audit.ts';
import { loadZstd } from './compression.ts';
import { SimulatedDiscord, type SimulatedDiscordOptions } from './discord.ts';
import type { GatewayAddresses } from './gateway/ports.ts';
import { GatewayServer } from './gateway-server.ts';
import type { RestResponse } from './rest/http.ts';
import type { Scenario } from './scenario.ts';

export type SimulatorOptions = Omit<Partial<SimulatedDiscordOptions>, 'addresses'> & {
  /** Where to listen. */
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port?: number;
  /** A port of its own for resuming; without it resuming has a path of its own. */
  readonly resumePort?: number;
  /** The host name that clients are told, if it is not the one that is listened on. */
  readonly publicHost?: string;
  /** What a person changes to have another port or host; the options here unless given. */
  readonly settings?: Pick<ListenOptions, 'setting' | 'hostSetting'>;
  /** Events a second. */
  readonly rate?: number;
  readonly scenario?: Scenario;
};

export type Simulator = {
  /** `http://HOST:PORT`; the API is under `/api/v10`. */
  readonly url: string;
  /** What `/gateway` names. */
  readonly gatewayUrl: string;
  readonly port: number;
  readonly discord: SimulatedDiscord;
  readonly audit: Audit;
  /** Ends every connection and frees the ports. */
  close(): Promise<void>;
};

const LOOPBACK = '127.0.0.1';
const RESUME_PATH = '/resume';
const OWN_SETTINGS = { setting: 'the option port', hostSetting: 'the option host' };

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = LOOPBACK, settings = OWN_SETTINGS } = options;
  const zstd = await loadZstd();
  const discord = new SimulatedDiscord({
    ...options,
    clock: options.clock ?? systemClock,
    seed: options.seed ?? drawSeed(),
  });
  const gateway = new GatewayServer(discord, zstd);
  const main = new Listener(discord, gateway);
  const resume = options.resumePort === undefined ? undefined : new Listener(discord, gateway);
  const close = async (): Promise<void> => {
    discord.stop();
    gateway.close();
    await Promise.all([main.close(), resume?.close()]);
  };
  try {
    await main.listen({ host, port: options.port ?? 0, ...settings });
    await resume?.listen({ host, port: options.resumePort ?? 0, setting: 'the option resumePort' });
  } catch (error) {
    await close();
    throw error;
  }
  const publicHost = options.publicHost ?? host;
  main.setAddress(publicHost);
  resume?.setAddress(publicHost);
  const addresses: GatewayAddresses = {
    main: main.address,
    resume: resume?.address ?? `${main.address}${RESUME_PATH}`,
  };
  discord.gateway.setAddresses(addresses);
  discord.setRate(options.rate ?? 0);
  discord.scenario.run(options.scenario ?? []);
  return {
    url: main.address.replace(/^ws/, 'http'),
    gatewayUrl: addresses.main,
    port: main.port,
    discord,
    audit: discord.audit,
    close,
  };
}

/** One listening HTTP server. */
class Listener {
  readonly #discord: SimulatedDiscord;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** `ws://HOST:PORT`, as clients see it. */
  address = '';

  constructor(discord: SimulatedDiscord, gateway: GatewayServer) {
    this.#discord = discord;
    this.#server = createServer((request, response) => {
      this.#serve(request, response);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      gateway.upgrade(request, socket, head, this.address);
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    const address = this.#server.address();
    return isAddressInfo(address) ? address.port : 0;
  }

  setAddress(publicHost: string): void {
    const name = publicHost.includes(':') ? `[${publicHost}]` : publicHost;
    this.address = `ws://${name}:${this.port}`;
  }

  async listen(options: ListenOptions): Promise<void> {
    await listen(this.#server, options);
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      // The only error is that the server never listened, and then there is nothing to close.
      this.#server.close(() => resolve());
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= SIMULATOR_BODY_MAX_BYTES) chunks.push(chunk);
      else request.destroy();
    });
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    request.on('end', () => {
      const answer = this.#discord.rest.handle({
        method: request.method ?? 'GET',
        path: request.url ?? '/',
        headers: headersOf(request),
        body: Buffer.concat(chunks),
        remoteAddress: request.socket.remoteAddress ?? '',
      });
      if (answer.delayMs === 0) send(request, response, answer);
      else this.#discord.clock.setTimer(answer.delayMs, () => send(request, response, answer));
    });
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: RestResponse): void {
  if (answer.delivery === 'destroy') {
    request.socket.destroy();
    return;
  }
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) response.appendHeader(name, value);
  response.end(answer.body);
}

function headersOf(request: IncomingMessage): readonly (readonly [string, string])[] {
  const list: (readonly [string, string])[] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    list.push([(raw[index] ?? '').toLowerCase(), raw[index + 1] ?? '']);
  }
  return list;
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

/** A client of the simulated gateway that does exactly what a test says, on virtual time. */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { createRandom } from '../../src/random.ts';
import { storedZstdStream, type ZstdFactory } from '../../src/simulator/compression.ts';
import {
  SimulatedDiscord,
  type SimulatedDiscordOptions,
  VIRTUAL_ADDRESSES,
} from '../../src/simulator/discord.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { VirtualNetwork, type VirtualSocket } from '../../src/simulator/virtual-link.ts';

export type Frame = {
  readonly op: number;
  readonly d: unknown;
  readonly s: number | null;
  readonly t: string | null;
};

/** Longer than any message takes, both ways. */
export const ROUND_TRIP_MS = 200;

export type Stage = {
  readonly clock: VirtualClock;
  readonly discord: SimulatedDiscord;
  readonly network: VirtualNetwork;
  client(options?: ClientOptions): SimulatedClient;
};

export type StageOptions = Omit<Partial<SimulatedDiscordOptions>, 'clock'> & {
  readonly zstd?: ZstdFactory;
};

/** A simulated Discord on virtual time, with a network in front of it. */
export function stage(options: StageOptions = {}): Stage {
  const clock = new VirtualClock();
  const discord = new SimulatedDiscord({ seed: 1, guildCount: 4, ...options, clock });
  const network = new VirtualNetwork({
    clock,
    random: createRandom(7),
    gateway: discord.gateway,
    zstd: options.zstd ?? storedZstdStream,
  });
  const client = (clientOptions: ClientOptions = {}): SimulatedClient =>
    new SimulatedClient(clock, network, clientOptions);
  return { clock, discord, network, client };
}

export type ClientOptions = {
  readonly url?: string;
  readonly query?: string;
  /** Whether it heartbeats as it should; tests of heartbeats do it themselves. */
  readonly heartbeats?: boolean;
};

/** What IDENTIFY carries unless a test says otherwise. */
export const IDENTIFY = {
  token: SIMULATED_TOKEN,
  intents: ALL_INTENTS,
  properties: { os: 'linux', browser: 'test', device: 'test' },
  shard: [0, 1],
};

export class SimulatedClient {
  readonly frames: Frame[] = [];
  /** WebSocket messages, as they came. */
  readonly chunks: Uint8Array[] = [];
  /** What no JSON could be made of. */
  readonly unreadable: Uint8Array[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  failed: string | undefined;
  opened = false;
  sequence: number | null = null;
  readonly socket: VirtualSocket;
  readonly #clock: VirtualClock;
  readonly #heartbeats: boolean;

  constructor(clock: VirtualClock, network: VirtualNetwork, options: ClientOptions) {
    this.#clock = clock;
    this.#heartbeats = options.heartbeats ?? true;
    const url = `${options.url ?? VIRTUAL_ADDRESSES.main}/?${options.query ?? 'v=10&encoding=json'}`;
    this.socket = network.open(url, {
      open: () => {
        this.opened = true;
      },
      message: (data) => this.#take(data),
      close: (code, reason) => {
        this.closed = { code, reason };
      },
      failed: (reason) => {
        this.failed = reason;
      },
    });
  }

  send(op: number, d: unknown): void {
    this.sendText(JSON.stringify({ op, d }));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  /** Waits long enough for an answer. */
  settle(ms = ROUND_TRIP_MS): this {
    this.#clock.advance(ms);
    return this;
  }

  identify(changes: Record<string, unknown> = {}): this {
    this.settle();
    this.send(GatewayOpcodes.Identify, { ...IDENTIFY, ...changes });
    return this.settle();
  }

  resume(sessionId: string, seq: number, changes: Record<string, unknown> = {}): this {
    this.settle();
    const d = { token: SIMULATED_TOKEN, session_id: sessionId, seq, ...changes };
    this.send(GatewayOpcodes.Resume, d);
    return this.settle();
  }

  /** The `t` of the dispatches, in order. */
  get events(): readonly string[] {
    return this.frames.flatMap(({ t }) => (t === null ? [] : [t]));
  }

  ofOp(op: number): readonly Frame[] {
    return this.frames.filter((frame) => frame.op === op);
  }

  dataOf(event: string): readonly unknown[] {
    return this.frames.filter((frame) => frame.t === event).map((frame) => frame.d);
  }

  /** The id in READY; a test that needs one has to have one. */
  get sessionId(): string {
    const id = field(this.dataOf('READY')[0], 'session_id');
    if (typeof id !== 'string') throw new Error(`no READY; closed with ${this.closed?.code}`);
    return id;
  }

  #take(data: Uint8Array): void {
    this.chunks.push(data);
    const frame = parse(data);
    if (frame === undefined) {
      this.unreadable.push(data);
      return;
    }
    this.frames.push(frame);
    if (frame.s !== null) this.sequence = frame.s;
    if (!this.#heartbeats) return;
    if (frame.op === GatewayOpcodes.Hello) this.#beat(Number(field(frame.d, 'heartbeat_interval')));
    if (frame.op === GatewayOpcodes.Heartbeat) this.send(GatewayOpcodes.Heartbeat, this.sequence);
  }

  #beat(intervalMs: number): void {
    this.#clock.setTimer(intervalMs, () => {
      if (this.closed !== undefined) return;
      this.send(GatewayOpcodes.Heartbeat, this.sequence);
      this.#beat(intervalMs);
    });
  }
}

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function parse(data: Uint8Array): Frame | undefined {
  try {
    const frame: Frame = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
    return frame;
  } catch {
    return undefined;
  }
}

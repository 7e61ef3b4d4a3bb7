/**
 * A network in memory between clients and the simulated gateway, on any clock: handshakes, latency
 * with jitter from a seed, order kept in each direction, and every way in which a connection can
 * fail.
 *
 * It implements the socket port of the gateway's connection actors, so that they run against the
 * simulator without a socket and without waiting. A message arrives as the bytes of one WebSocket
 * message, compressed if the URL asked for it; the bytes are never used again.
 *
 * After `close` or `failed` a socket says nothing more, whatever is still on its way.
 */
import type { Socket, SocketEvents, SocketFactory } from '../../actors/connection/ports.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import { WireEncoder, type ZstdFactory } from './compression.ts';
import { hostOfUrl } from './gateway/addresses.ts';
import { type Connection, NO_CLOSE_FRAME } from './gateway/connection.ts';
import type { Handshake, SimulatedGateway } from './gateway/gateway.ts';
import { type Framing, type Link, readParameters } from './gateway/link.ts';
import { VirtualPipe } from './virtual-pipe.ts';

export type VirtualNetworkOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly gateway: SimulatedGateway;
  readonly zstd: ZstdFactory;
  /** Each message takes between these, one way. */
  readonly minLatencyMs?: number;
  readonly maxLatencyMs?: number;
};

const MIN_LATENCY_MS = 5;
const MAX_LATENCY_MS = 50;
/** What a WebSocket frame weighs beyond its data, about. */
const FRAME_BYTES = 8;
/** RFC 6455: a close frame without a code. */
const NO_STATUS = 1005;

export class VirtualNetwork implements SocketFactory {
  readonly #options: VirtualNetworkOptions;

  constructor(options: VirtualNetworkOptions) {
    this.#options = options;
  }

  open(url: string, events: SocketEvents): VirtualSocket {
    return new VirtualSocket(this.#options, url, events);
  }
}

type State = 'connecting' | 'open' | 'closing' | 'closed';

export class VirtualSocket implements Socket {
  readonly #options: VirtualNetworkOptions;
  readonly #events: SocketEvents;
  readonly #up: VirtualPipe;
  readonly #down: VirtualPipe;
  #state: State = 'connecting';
  /** The gateway's end, once the handshake has been accepted there. */
  #connection: Connection | undefined;
  /** Whether the gateway's end still takes anything. */
  #isServed = true;
  #isGone = false;

  constructor(options: VirtualNetworkOptions, url: string, events: SocketEvents) {
    this.#options = options;
    this.#events = events;
    const minMs = options.minLatencyMs ?? MIN_LATENCY_MS;
    const maxMs = options.maxLatencyMs ?? MAX_LATENCY_MS;
    const latencyMs = (): number => minMs + options.random() * (maxMs - minMs);
    this.#up = new VirtualPipe(options.clock, latencyMs);
    this.#down = new VirtualPipe(options.clock, latencyMs);
    this.#connect(url);
  }

  send(text: string, written: (isWritten: boolean) => void = () => {}): void {
    const isOpen = this.#state === 'open';
    if (isOpen) {
      this.#up.send(text.length + FRAME_BYTES, () => this.#connection?.receive(text));
    }
    written(isOpen);
  }

  close(code: number, reason: string): void {
    if (this.#state === 'connecting') this.terminate();
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#up.send(FRAME_BYTES, () => this.#peerCloses(code, reason));
  }

  terminate(): void {
    if (this.#state === 'closed') return;
    this.#isGone = true;
    this.#down.cut();
    this.#up.send(0, () => this.#peerLost());
    // Never from inside the call: the caller is in the middle of something.
    const wasConnecting = this.#state === 'connecting';
    this.#options.clock.setTimer(0, () => {
      if (wasConnecting) this.#fail('the connection was given up during the handshake');
      else this.#closed(NO_CLOSE_FRAME, '');
    });
  }

  pause(): void {
    this.#down.pause();
  }

  resume(): void {
    this.#down.resume();
  }

  #connect(text: string): void {
    const { gateway } = this.#options;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const host = url === undefined ? undefined : hostOfUrl(url, gateway.addresses);
    if (url === undefined || host === undefined) {
      this.#down.send(0, () => this.#fail('no such host'));
      return;
    }
    this.#up.send(0, () => {
      if (this.#isGone) return;
      const handshake = gateway.handshake(host);
      if (handshake.answer === 'accept') this.#accept(handshake, url);
      else if (handshake.answer === 'unavailable') {
        this.#down.send(0, () => this.#fail('the handshake was answered with status 503'));
      } else if (handshake.answer === 'refuse') {
        this.#down.send(0, () => this.#fail('the connection was refused'));
      }
    });
  }

  #accept(handshake: Handshake, url: URL): void {
    this.#down.send(0, () => {
      if (this.#state !== 'connecting' || this.#isGone) return;
      this.#state = 'open';
      this.#events.open();
    });
    const parameters = readParameters(url);
    const encoder = new WireEncoder(parameters.compress, this.#options.zstd);
    const link = this.#link(encoder);
    this.#connection = this.#options.gateway.accept(link, handshake, parameters);
  }

  #link(encoder: WireEncoder): Link {
    return {
      send: (text: string, framing?: Framing) => {
        for (const { data } of encoder.encode(text, framing)) this.#deliver(data);
      },
      sendRaw: (bytes) => this.#deliver(bytes),
      close: (code, reason) => {
        this.#isServed = false;
        this.#down.send(FRAME_BYTES, () => this.#closed(code, reason));
      },
      destroy: () => this.#serverDestroys(),
      freeze: () => {
        this.#up.cut();
        this.#down.cut();
      },
      backlogBytes: () => this.#down.pendingBytes,
    };
  }

  #deliver(data: Uint8Array): void {
    this.#down.send(data.length + FRAME_BYTES, () => {
      if (this.#state === 'open' || this.#state === 'closing') this.#events.message(data);
    });
  }

  /** A reset may overtake what was sent before it, or not. */
  #serverDestroys(): void {
    this.#isServed = false;
    if (this.#options.random() < 0.5 && this.#state !== 'connecting') this.#down.lose();
    this.#down.send(0, () => this.#closed(NO_CLOSE_FRAME, ''));
  }

  /** The client's close frame has arrived: the gateway answers with the same code. */
  #peerCloses(code: number, reason: string): void {
    if (!this.#isServed) return;
    this.#isServed = false;
    this.#connection?.closed(code);
    const answer = code === NO_STATUS ? '' : reason;
    this.#down.send(FRAME_BYTES, () => this.#closed(code, answer));
  }

  #peerLost(): void {
    if (!this.#isServed) return;
    this.#isServed = false;
    this.#connection?.closed(NO_CLOSE_FRAME);
  }

  #closed(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting') {
      this.#fail('the connection was lost during the handshake');
      return;
    }
    this.#finish();
    this.#events.close(code, reason);
  }

  #fail(reason: string): void {
    if (this.#state === 'closed') return;
    this.#finish();
    this.#events.failed(reason);
  }

  #finish(): void {
    this.#state = 'closed';
    this.#down.cut();
  }
}

/**
 * Puts the simulated gateway behind WebSocket upgrades: reads the door from the path, lets the core
 * answer the handshake, and gives each accepted socket a link.
 *
 * A handshake that is to hang keeps its socket until the server closes. Errors of a socket end in
 * its close, which is all the core needs to know.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { cut, WireEncoder, type WireMessage, type ZstdFactory } from './compression.ts';
import type { SimulatedDiscord } from './discord.ts';
import { hostOfUrl } from './gateway/addresses.ts';
import type { Handshake } from './gateway/gateway.ts';
import { type Link, readParameters } from './gateway/link.ts';

/** The core judges what is too large; this only keeps a hostile client from filling the memory. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

export class GatewayServer {
  readonly #discord: SimulatedDiscord;
  readonly #zstd: ZstdFactory;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // The core decides about bad text, with Discord's close code instead of WebSocket's.
    skipUTF8Validation: true,
  });

  constructor(discord: SimulatedDiscord, zstd: ZstdFactory) {
    this.#discord = discord;
    this.#zstd = zstd;
  }

  /** @param address of the server that got the request, as clients see it */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): void {
    const { gateway, audit } = this.#discord;
    const url = urlOf(request, address);
    const host = url === undefined ? undefined : hostOfUrl(url, gateway.addresses);
    if (url === undefined || host === undefined) {
      audit.record('handshake-refused', { host: null, how: 'unknown-path' });
      const detail = `a WebSocket handshake at ${url?.pathname ?? 'no path'}`;
      audit.record('breach', { name: 'unknown-path', detail, connection: null, shard: null });
      answer(socket, 404, 'Not Found');
      return;
    }
    const handshake = gateway.handshake(host);
    if (handshake.answer === 'unavailable') answer(socket, 503, 'Service Unavailable');
    else if (handshake.answer === 'refuse') socket.destroy();
    else if (handshake.answer === 'accept') {
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#accept(webSocket, handshake, url);
      });
    }
  }

  /** Destroys every socket. */
  close(): void {
    for (const webSocket of this.#sockets.clients) webSocket.terminate();
    this.#sockets.close();
  }

  #accept(webSocket: WebSocket, handshake: Handshake, url: URL): void {
    const parameters = readParameters(url);
    const link = webSocketLink(webSocket, new WireEncoder(parameters.compress, this.#zstd));
    // What goes wrong with a socket ends it; the close says the rest.
    webSocket.on('error', () => undefined);
    const connection = this.#discord.gateway.accept(link, handshake, parameters);
    webSocket.on('message', (data) => {
      if (data instanceof Uint8Array) connection.receive(data);
    });
    webSocket.on('close', (code) => connection.closed(code));
  }
}

function webSocketLink(webSocket: WebSocket, encoder: WireEncoder): Link {
  return {
    send(text, framing) {
      for (const message of encoder.encode(text, framing)) sendMessage(webSocket, message);
    },
    sendRaw: (bytes) => webSocket.send(bytes, { binary: true }),
    close: (code, reason) => webSocket.close(code, reason),
    destroy: () => webSocket.terminate(),
    freeze: () => webSocket.pause(),
    backlogBytes: () => webSocket.bufferedAmount,
  };
}

function sendMessage(webSocket: WebSocket, message: WireMessage): void {
  const { data, binary, fragments } = message;
  if (fragments <= 1) {
    webSocket.send(data, { binary });
    return;
  }
  const parts = cut(data, fragments);
  parts.forEach((part, index) => {
    webSocket.send(part, { binary, fin: index === parts.length - 1 });
  });
}

function urlOf(request: IncomingMessage, address: string): URL | undefined {
  const text = request.url ?? '/';
  return URL.canParse(text, address) ? new URL(text, address) : undefined;
}

function answer(socket: Duplex, status: number, text: string): void {
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

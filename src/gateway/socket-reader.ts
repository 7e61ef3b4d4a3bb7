/**
 * Reads what comes on the socket of a WebSocket, before ws does.
 *
 * Purpose: Discord sends each event in a segment of its own. For each, Node makes a buffer of 64
 * KiB, and ws queues what was read in a stream, takes it apart and emits it twice. Here everything
 * is read into one buffer, which all sockets share since each is done with it when it returns, and
 * messages are taken where they stand in it.
 *
 * Inner workings: `onread`, by which Node reads into a buffer of ours, for TLS as well. What is not
 * a message is pushed into the socket, as Node itself would, and ws takes it from there: the answer
 * to the handshake, which ends with an empty line, pings, and everything from a close frame on. If
 * ws has not opened by that line, all that follows is for ws too.
 *
 * Failure: ends and errors of the socket are told to ws by the socket, as ever.
 */
import { connect as connectTcp, isIP, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  GATEWAY_MESSAGE_MAX_BYTES,
  HELLO_TIMEOUT_MS,
  READ_BUFFER_BYTES,
} from '../../protocols/limits.ts';
import { WebSocketFrames } from '../../protocols/wire/web-socket-frames.ts';
import type { ReadPace } from './read-pace.ts';

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** Ends the head of an HTTP message: the end of its last line, and an empty line. */
const HEAD_END = Buffer.from('\r\n\r\n');

export type SocketReaderOptions = {
  readonly url: URL;
  readonly pace: ReadPace;
  /** Whether ws has taken the answer to the handshake. */
  readonly isOpen: () => boolean;
  /** One message; its bytes are valid until this returns. */
  readonly message: (data: Uint8Array) => void;
};

/** The one that all sockets read into. */
const buffer = new Uint8Array(READ_BUFFER_BYTES);

export class SocketReader {
  readonly socket: TcpSocket;
  readonly #isOpen: () => boolean;
  readonly #pace: ReadPace;
  readonly #frames: WebSocketFrames;
  #stage: 'handshake' | 'messages' | 'passing' = 'handshake';
  /** How much of `HEAD_END` has come, in a row. */
  #headEnd = 0;
  /** Messages of the present read. */
  #messages = 0;

  /** Starts connecting. */
  constructor({ url, pace, isOpen, message }: SocketReaderOptions) {
    this.#isOpen = isOpen;
    this.#frames = new WebSocketFrames(
      {
        message: (data) => {
          this.#messages++;
          message(data);
        },
        other: (bytes) => this.#pass(bytes),
      },
      GATEWAY_MESSAGE_MAX_BYTES,
    );
    this.#pace = pace;
    this.socket = connect(url, (length) => this.#read(length));
  }

  #read(length: number): void {
    switch (this.#stage) {
      case 'handshake':
        this.#greet(length);
        return;
      case 'messages':
        this.#messages = 0;
        this.#frames.read(buffer, 0, length);
        this.#pace.noteRead(this.#messages, length === buffer.length);
        return;
      case 'passing':
        this.#pass(buffer.subarray(0, length));
        return;
    }
  }

  #greet(length: number): void {
    let at = 0;
    while (at < length && this.#headEnd < HEAD_END.length) {
      const isNext = buffer[at++] === HEAD_END[this.#headEnd];
      this.#headEnd = isNext ? this.#headEnd + 1 : 0;
    }
    this.#pass(buffer.subarray(0, at));
    if (this.#headEnd < HEAD_END.length) return;
    this.#stage = this.#isOpen() ? 'messages' : 'passing';
    if (this.#stage === 'messages') this.#frames.read(buffer, at, length);
    else this.#pass(buffer.subarray(at, length));
  }

  /** For ws, which keeps it. */
  #pass(bytes: Uint8Array): void {
    if (bytes.length > 0 && !this.socket.destroyed) this.socket.push(Buffer.from(bytes));
  }
}

/** As ws itself connects; and whatever comes is read into `buffer`. */
function connect(url: URL, read: (length: number) => void): TcpSocket {
  const isSecure = url.protocol === 'wss:' || url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const options = {
    host,
    port: url.port === '' ? (isSecure ? HTTPS_PORT : HTTP_PORT) : Number(url.port),
    timeout: HELLO_TIMEOUT_MS,
    onread: {
      buffer,
      callback: (length: number) => {
        read(length);
        return true;
      },
    },
  };
  return isSecure
    ? connectTls({ ...options, servername: isIP(host) === 0 ? host : '' })
    : connectTcp(options);
}

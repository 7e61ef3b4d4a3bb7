/** Sockets that a test plays the other end of: for tests of the connection and shard actors. */
import type { Socket, SocketEvents, SocketFactory } from '../../actors/connection/ports.ts';

type SentFrame = { readonly op: number; readonly d: unknown };

export class PlayedSocket implements Socket {
  readonly url: string;
  readonly sent: SentFrame[] = [];
  /** The code that the client closed with, 1006 if it cut the socket off. */
  closedWith: number | undefined;
  over = false;
  /** Whether the client reads what comes. */
  isRead = true;
  /** Whether what the client sends is written. */
  writes = true;
  readonly #events: SocketEvents;

  constructor(url: string, events: SocketEvents) {
    this.url = url;
    this.#events = events;
  }

  send(text: string, written: (isWritten: boolean) => void): void {
    const isOpen = this.closedWith === undefined && !this.over && this.writes;
    if (isOpen) this.sent.push(JSON.parse(text));
    written(isOpen);
  }

  close(code: number): void {
    this.closedWith ??= code;
  }

  terminate(): void {
    this.closedWith ??= 1006;
    this.hangUp(1006);
  }

  pause(): void {
    this.isRead = false;
  }

  resume(): void {
    this.isRead = true;
  }

  // What the peer does.

  accept(): this {
    this.#events.open();
    return this;
  }

  /** Says a frame; also after the socket is over, as a driver with a backlog might. */
  say(frame: object | string): this {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
    this.#events.message(new TextEncoder().encode(text));
    return this;
  }

  greet(): this {
    return this.accept().say({ op: 10, d: { heartbeat_interval: 40_000 } });
  }

  hangUp(code: number): void {
    if (this.over) return;
    this.over = true;
    this.#events.close(code, '');
  }

  refuse(): void {
    if (this.over) return;
    this.over = true;
    this.#events.failed('connect ECONNREFUSED');
  }

  get ops(): readonly number[] {
    return this.sent.map(({ op }) => op);
  }
}

export class PlayedSockets implements SocketFactory {
  readonly all: PlayedSocket[] = [];
  /** The most that were open at once. */
  mostOpen = 0;

  open(url: string, events: SocketEvents): PlayedSocket {
    const socket = new PlayedSocket(url, events);
    this.all.push(socket);
    this.mostOpen = Math.max(this.mostOpen, this.all.filter(({ over }) => !over).length);
    return socket;
  }

  get last(): PlayedSocket {
    const socket = this.all.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }
}

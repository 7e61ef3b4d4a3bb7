/**
 * Two ends of one IPC channel in one process: everything goes through a real child process, over
 * Node's own channel, and comes back to the other end.
 */
import { type ChildProcess, fork, type SerializationType } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { IpcPort } from '../../src/brokers/ipc-port.ts';

const ECHO = fileURLToPath(new URL('./fixtures/echo.cjs', import.meta.url));

type Events = { message(message: unknown): void; gone(): void };
type Envelope = { readonly to: number; readonly message: unknown };

export class IpcRelay {
  readonly #child: ChildProcess;
  readonly #ends = new Map<number, RelayPort>();
  #next = 0;

  constructor(serialization: SerializationType) {
    this.#child = fork(ECHO, { serialization });
    this.#child.on('message', ({ to, message }: Envelope) => this.#ends.get(to)?.receive(message));
  }

  /** Two ports: what is sent into one comes out of the other. */
  pair(): readonly [IpcPort, IpcPort] {
    const numbers = [this.#next++, this.#next++] as const;
    const ends = numbers.map((number, index) => {
      const send = (message: object, done: (error: Error | null) => void) =>
        this.#child.send({ to: numbers[1 - index], message }, done);
      const end = new RelayPort(send, () => this.#close(numbers));
      this.#ends.set(number, end);
      return end;
    });
    return ends as unknown as readonly [IpcPort, IpcPort];
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #close(numbers: readonly number[]): void {
    const ends = numbers.map((number) => this.#ends.get(number));
    for (const number of numbers) this.#ends.delete(number);
    for (const end of ends) end?.lose();
  }
}

class RelayPort implements IpcPort {
  isConnected = true;
  readonly #send: (message: object, done: (error: Error | null) => void) => void;
  readonly #close: () => void;
  readonly #listeners = new Set<Events>();

  constructor(send: (message: object, done: (e: Error | null) => void) => void, close: () => void) {
    this.#send = send;
    this.#close = close;
  }

  send(message: object, done: (error: Error | null) => void): void {
    if (this.isConnected) this.#send(message, done);
    else setImmediate(() => done(new Error('the channel is closed')));
  }

  listen(events: Events): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  disconnect(): void {
    this.#close();
  }

  receive(message: unknown): void {
    for (const listener of [...this.#listeners]) listener.message(message);
  }

  lose(): void {
    this.isConnected = false;
    for (const listener of [...this.#listeners]) listener.gone();
  }
}

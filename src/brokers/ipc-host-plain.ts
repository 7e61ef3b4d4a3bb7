/**
 * A child that speaks plainly, at its parent's hub: it takes its turn at every event and acks none.
 *
 * What it was sent counts as handled once the channel has taken it; what it has not taken when the
 * child goes is put back.
 */
import { IPC_UNSENT_MAX_BYTES } from '../../protocols/limits.ts';
import { writePlainMessage } from '../../protocols/wire/ipc.ts';
import type { IpcPort } from './ipc-port.ts';
import type { MemoryHub, MemoryMessage } from './memory.ts';

export class PlainSession {
  readonly #port: IpcPort;
  readonly #hub: MemoryHub;
  readonly #unsent = new Set<MemoryMessage>();
  readonly #consumer = {
    hasRoom: () => this.#unsentBytes < IPC_UNSENT_MAX_BYTES,
    take: (message: MemoryMessage) => this.#take(message),
  };
  #unsentBytes = 0;
  #isOver = false;

  constructor(port: IpcPort, hub: MemoryHub) {
    this.#port = port;
    this.#hub = hub;
    hub.everything().join(this.#consumer);
  }

  end(): void {
    this.#isOver = true;
    const queue = this.#hub.everything();
    queue.leave(this.#consumer);
    for (const message of [...this.#unsent].reverse()) queue.putBack(message);
    this.#unsent.clear();
  }

  #take(message: MemoryMessage): void {
    const { event, body } = message;
    this.#unsent.add(message);
    this.#unsentBytes += body.length;
    this.#port.send(writePlainMessage({ event, body }), (error) => {
      this.#unsentBytes -= body.length;
      if (this.#isOver) return;
      const queue = this.#hub.everything();
      this.#unsent.delete(message);
      if (error) queue.putBack(message);
      else queue.dispatchSoon();
    });
  }
}

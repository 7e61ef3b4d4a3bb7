/**
 * A proxy between a client and a server on this machine, for the faults of a network.
 *
 * Bytes are passed on in order, each chunk at the earliest `delay` after it came. While it is
 * paused both ends stay connected and nothing arrives, as when a cable is pulled; what was sent
 * arrives on `resume`. What is dropped never arrives.
 */
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** `requests` go to the server, `replies` to the client. */
export type Direction = 'requests' | 'replies';

export type TcpProxy = {
  readonly port: number;
  /** Connections that are open through it now. */
  readonly connections: number;
  /**
   * Nothing arrives any more, in either direction, also on connections that are opened meanwhile.
   */
  pause(): void;
  /** Ends `pause` and `drop`. */
  resume(): void;
  /** Resets every connection, as a router that has forgotten them would; new ones are accepted. */
  reset(): void;
  /** Ends the direction from the server to the client of every connection, and only that one. */
  halfClose(): void;
  /** Every chunk arrives this much later, in both directions. */
  delay(delayMs: number): void;
  /** Swallows what goes in this direction from now on. */
  drop(direction: Direction): void;
  /** Ends it, with all connections. */
  close(): Promise<void>;
};

type Pair = { readonly client: Socket; readonly server: Socket };

class Faults {
  delayMs = 0;
  readonly dropped = new Set<Direction>();
  #paused: Promise<void> | undefined;
  #release: () => void = () => undefined;

  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  resume(): void {
    this.dropped.clear();
    this.#paused = undefined;
    this.#release();
  }

  /** Resolves when a chunk that came at `atMs` may arrive. */
  async passage(atMs: number): Promise<void> {
    const leftMs = atMs + this.delayMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
    while (this.#paused) await this.#paused;
  }
}

function forward(from: Socket, to: Socket, direction: Direction, faults: Faults): void {
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (arrive: () => void) => {
    const atMs = performance.now();
    turn = turn.then(() => faults.passage(atMs)).then(arrive);
  };
  from.on('data', (chunk: Buffer) =>
    inTurn(() => {
      if (!faults.dropped.has(direction) && to.writable) to.write(chunk);
    }),
  );
  from.on('end', () =>
    inTurn(() => {
      if (to.writable) to.end();
    }),
  );
  from.on('close', () => inTurn(() => to.destroy()));
  from.on('error', () => undefined);
}

/** Node cannot reset what has sent its end already: it would stay, and never say that it closed. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const faults = new Faults();
  const pairs = new Set<Pair>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = createConnection({
      host: '127.0.0.1',
      port: targetPort,
      allowHalfOpen: true,
      noDelay: true,
    });
    const pair = { client, server };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    forward(client, server, 'requests', faults);
    forward(server, client, 'replies', faults);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', resolve);
  });
  const resetAll = () => {
    for (const { client, server } of pairs) {
      reset(client);
      reset(server);
    }
  };
  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    pause: () => faults.pause(),
    resume: () => faults.resume(),
    reset: resetAll,
    halfClose() {
      for (const { client } of pairs) client.end();
    },
    delay(delayMs) {
      faults.delayMs = delayMs;
    },
    drop(direction) {
      faults.dropped.add(direction);
    },
    async close() {
      faults.resume();
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      resetAll();
      await closed;
    },
  };
}

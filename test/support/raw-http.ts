/**
 * HTTP as bytes: for what no client of HTTP would send, and for what no server of HTTP would
 * answer.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where a server of a test listens: on a free port, for this machine alone. */
export const ANY_PORT = { host: '127.0.0.1', port: 0, setting: 'the port of a test' };

/** Writes `text` on a connection of its own and gives what came back until it closed. */
export function exchange(port: number, text: string | readonly string[]): Promise<string> {
  const parts = typeof text === 'string' ? [text] : text;
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const part of parts) socket.write(part, 'latin1');
    });
    let received = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      received += chunk;
    });
    socket.on('close', () => resolve(received));
    socket.on('error', () => undefined);
  });
}

/** A server that hands over every connection's bytes as they come. */
export type RawServer = {
  readonly port: number;
  /** What came in, one text for each connection. */
  readonly received: string[];
  close(): Promise<void>;
};

/** Calls `answer` with all that a connection has sent so far, each time more comes. */
export async function startRawServer(
  answer: (received: string, socket: Socket) => void,
): Promise<RawServer> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const index = received.push('') - 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (chunk) => {
      received[index] += String(chunk);
      answer(received[index] ?? '', socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    received,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

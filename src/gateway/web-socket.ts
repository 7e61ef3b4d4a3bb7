/**
 * The socket port over ws.
 *
 * ws opens and closes the connection, answers pings and sends; the messages themselves are read
 * past it (`socket-reader.ts`), and by ws only where they come in an unusual form.
 *
 * ws reports a failed handshake as `error` and then `close`; here that is one word, `failed`. An
 * error after the handshake is followed by `close`, which says all there is to say (GP-05). After
 * `close` or `failed` nothing more is reported, and every listener of ours is total. An address
 * that ws does not take makes it throw; that too becomes `failed`, after `open` has returned.
 */
import { WebSocket } from 'ws';
import type { Socket, SocketEvents, SocketFactory } from '../../actors/connection/ports.ts';
import { GATEWAY_MESSAGE_MAX_BYTES, HELLO_TIMEOUT_MS } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Clock } from '../../protocols/ports.ts';
import { blockThread } from '../block-thread.ts';
import { ReadPace } from './read-pace.ts';
import { SocketReader } from './socket-reader.ts';

/** Stands for a connection that could not even be attempted. */
const DEAD_SOCKET: Socket = {
  send: (_text, written) => written(false),
  close: () => {},
  terminate: () => {},
  pause: () => {},
  resume: () => {},
};

/** Makes the sockets of one process. @param sleep what its thread does between reads when busy */
export function webSockets(clock: Clock, sleep = blockThread): SocketFactory {
  const pace = new ReadPace(clock, sleep);
  return {
    open(url, events) {
      try {
        return listen(connect(url, events, pace), events);
      } catch (error) {
        const reason = messageOf(error);
        queueMicrotask(() => events.failed(reason));
        return DEAD_SOCKET;
      }
    },
  };
}

function connect(url: string, events: SocketEvents, pace: ReadPace): WebSocket {
  const socket: WebSocket = new WebSocket(url, {
    // Discord compresses inside the messages; the extension on top would only cost memory.
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: GATEWAY_MESSAGE_MAX_BYTES,
    handshakeTimeout: HELLO_TIMEOUT_MS,
    createConnection: () => {
      const reader = new SocketReader({
        url: new URL(url),
        pace,
        isOpen: () => socket.readyState === WebSocket.OPEN,
        message: (data) => events.message(data),
      });
      return reader.socket;
    },
  });
  return socket;
}

function listen(socket: WebSocket, events: SocketEvents): Socket {
  socket.binaryType = 'nodebuffer';
  let opened = false;
  let failure = 'the handshake failed';
  socket.on('open', () => {
    opened = true;
    events.open();
  });
  socket.on('message', (data) => {
    if (data instanceof Uint8Array) events.message(data);
  });
  socket.on('error', (error) => {
    failure = error.message;
  });
  socket.on('close', (code, reason) => {
    if (opened) events.close(code, reason.toString());
    else events.failed(failure);
  });
  return {
    send: (text, written) => {
      if (socket.readyState !== WebSocket.OPEN) written(false);
      else socket.send(text, (error) => written(!error));
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    // ws throws at both when a handshake has been given up.
    pause: () => {
      if (opened) socket.pause();
    },
    resume: () => {
      if (opened) socket.resume();
    },
  };
}

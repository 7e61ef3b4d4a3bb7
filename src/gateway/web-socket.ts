/**
 * The socket port over ws.
 *
 * ws reports a failed handshake as `error` and then `close`; here that is one word, `failed`. An error
 * after the handshake is followed by `close`, which says all there is to say (GP-05). After `close` or
 * `failed` nothing more is reported, and every listener of ours is total. An address that ws does not
 * take makes it throw; that too becomes `failed`, after `open` has returned.
 */
import { WebSocket } from 'ws';
import type { Socket, SocketEvents, SocketFactory } from '../../actors/connection/ports.ts';
import { GATEWAY_MESSAGE_MAX_BYTES, HELLO_TIMEOUT_MS } from '../../protocols/limits.ts';

/** Stands for a connection that could not even be attempted. */
const DEAD_SOCKET: Socket = {
  send: (_text, written) => written(false),
  close: () => {},
  terminate: () => {},
  pause: () => {},
  resume: () => {},
};

export const webSockets: SocketFactory = {
  open(url: string, events: SocketEvents): Socket {
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, {
        // Discord compresses inside the messages; the extension on top would only cost memory.
        perMessageDeflate: false,
        skipUTF8Validation: true,
        maxPayload: GATEWAY_MESSAGE_MAX_BYTES,
        handshakeTimeout: HELLO_TIMEOUT_MS,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      queueMicrotask(() => events.failed(reason));
      return DEAD_SOCKET;
    }
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
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  },
};

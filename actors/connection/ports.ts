/**
 * What a connection needs of the world: a socket, a decompressor, and the plane its events go to.
 */
import type { ControlFrame } from '../../protocols/gateway/frames.ts';

/** What a socket says. After `close` or `failed` it says nothing more. */
export type SocketEvents = {
  open(): void;
  /** One WebSocket message; its bytes are valid until this returns. */
  message(data: Uint8Array): void;
  /** 1006 stands for a connection that ended without a close frame. */
  close(code: number, reason: string): void;
  /** The handshake failed: refused, timed out, or answered with another status. */
  failed(reason: string): void;
};

export interface Socket {
  /**
   * Sends one text message. `written` is called once, perhaps at once: true when it has been handed
   * to the network, false when it never will be, as on a socket that is not open.
   */
  send(text: string, written: (isWritten: boolean) => void): void;
  /** Begins the closing handshake; `close` follows. */
  close(code: number, reason: string): void;
  /** Destroys the socket at once; `close` follows with 1006. */
  terminate(): void;
  /** Stops and starts reading, so that TCP holds the peer back. */
  pause(): void;
  resume(): void;
}

export interface SocketFactory {
  /** Starts connecting; never throws, since failures arrive as `failed`. */
  open(url: string, events: SocketEvents): Socket;
}

/** One compression context, for one connection. */
export interface Decompressor {
  /**
   * Takes one WebSocket message and returns the gateway message it completes, or undefined when
   * more is needed. The bytes are valid until the next call, to whichever decompressor of the
   * process.
   * @throws GarbledStreamError when the stream cannot be continued
   */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** Frees the context; nothing is pushed afterwards. May be called again. */
  close(): void;
}

/** The transport compressions, by the value that Discord's `compress` parameter takes. */
export type Compression = 'zstd-stream' | 'zlib-stream' | 'none';

/** What became of a frame on the data plane. */
export type Taken =
  /** It was an event: published, filtered out, or not ours. */
  | 'event'
  /** The broker has no room for it: nothing after it may be taken before it is. */
  | 'refused'
  | { readonly frame: ControlFrame }
  | { readonly garbled: string };

/** One shard's data plane, seen from its connection. */
export interface DispatchPlane {
  /** Handles one whole gateway message, synchronously. What is refused may be offered again. */
  take(message: Uint8Array): Taken;
  /** Calls `listener` once when what was refused may be offered again. */
  onceRoom(listener: () => void): void;
  /** The last sequence received in the present session, or null when there is none. */
  readonly sequence: number | null;
  /** Frames received since the start, of any kind: a sign of life. */
  readonly frames: number;
  /** Those of them that were dispatches: a sign of progress, which an ACK is not. */
  readonly dispatches: number;
}

/**
 * The gateway's side of one socket, as the core sees it: whole messages out, nothing of
 * compression, WebSocket frames or time. The real server and the virtual network each implement it.
 */

/** How one message is to be put on the wire, where the encoding leaves a choice. */
export type Framing = {
  /** Deflate this message by itself: the payload compression a client may ask for in IDENTIFY. */
  readonly deflated?: boolean;
  /** Cut the message into this many WebSocket messages (zlib-stream) or fragments (the others). */
  readonly pieces?: number;
  /** Send the first half only; what follows is up to the caller. */
  readonly halved?: boolean;
};

export interface Link {
  send(text: string, framing?: Framing): void;
  /** Puts bytes on the wire as one binary message, past any compression. */
  sendRaw(bytes: Uint8Array): void;
  /** Starts the closing handshake. The core counts the connection as ended from here on. */
  close(code: number, reason: string): void;
  /** Ends the connection without a close frame, as a dead network or process does. */
  destroy(): void;
  /** From now on nothing passes in either direction, and neither side is told. */
  freeze(): void;
  /** Bytes that were sent and that the client has not taken yet. */
  backlogBytes(): number;
}

/** What the client asked for in its URL; null where it said nothing. */
export type ConnectParameters = {
  readonly version: string | null;
  readonly encoding: string | null;
  readonly compress: string | null;
};

export function readParameters(url: URL): ConnectParameters {
  return {
    version: url.searchParams.get('v'),
    encoding: url.searchParams.get('encoding'),
    compress: url.searchParams.get('compress'),
  };
}

/**
 * A client of HTTP that sees every byte: one kept connection, one request at a time.
 *
 * An answer is read by its own lengths and by nothing else, so bytes that come after its end, or
 * when nothing was asked, are seen as what they are: an answer too many.
 */
import { connect, type Socket } from 'node:net';

export type RawAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: ReadonlyMap<string, string>;
      readonly body: string;
    }
  /** The connection ended; `begun` says whether after the head of an answer. */
  | { readonly kind: 'ended'; readonly begun: boolean };

type Head = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: number;
};

export class RawClient {
  readonly #port: number;
  #socket: Socket | null = null;
  #received = '';
  #settle: ((answer: RawAnswer) => void) | null = null;
  /** What came that nobody had asked for. */
  surplus = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request, or as much of it as is given, and waits for the answer. */
  ask(head: string, body: Uint8Array = new Uint8Array()): Promise<RawAnswer> {
    const socket = this.#open();
    return new Promise((resolve) => {
      this.#settle = resolve;
      socket.write(head, 'latin1');
      if (body.length > 0) socket.write(body);
    });
  }

  /** Goes away, whatever is under way: as a program that is closed, or as one that is killed. */
  hangUp(how: 'close' | 'reset' = 'close'): void {
    if (how === 'reset') this.#socket?.resetAndDestroy();
    else this.#socket?.destroy();
    this.#ended();
  }

  #open(): Socket {
    if (this.#socket !== null) return this.#socket;
    const socket = connect(this.#port, '127.0.0.1');
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => {
      if (this.#socket === socket) this.#take(String(text));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) this.#ended();
    });
    return socket;
  }

  #take(text: string): void {
    this.#received += text;
    const settle = this.#settle;
    if (settle === null) {
      this.surplus += text;
      return;
    }
    const head = headOf(this.#received);
    const end = head && endOf(this.#received, head);
    if (head === undefined || end === undefined) return;
    this.surplus += this.#received.slice(end.bytes);
    this.#received = '';
    this.#settle = null;
    if (head.headers.get('connection') === 'close') this.#leave();
    settle({ kind: 'answer', status: head.status, headers: head.headers, body: end.body });
  }

  #ended(): void {
    const settle = this.#settle;
    const begun = headOf(this.#received) !== undefined;
    this.#leave();
    this.#settle = null;
    settle?.({ kind: 'ended', begun });
  }

  #leave(): void {
    this.#socket?.destroy();
    this.#socket = null;
    this.#received = '';
  }
}

const HEAD_END = '\r\n\r\n';

function headOf(text: string): Head | undefined {
  const end = text.indexOf(HEAD_END);
  if (end === -1) return undefined;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
  return { status, headers: new Map(headers), bytes: end + HEAD_END.length };
}

type End = { readonly bytes: number; readonly body: string };

/** Where the answer ends, once it is all there. */
function endOf(text: string, { status, headers, bytes }: Head): End | undefined {
  if (headers.get('transfer-encoding') === 'chunked') return endOfChunks(text, bytes);
  const length = status === 204 ? 0 : Number(headers.get('content-length'));
  const end = bytes + length;
  return text.length < end ? undefined : { bytes: end, body: text.slice(bytes, end) };
}

function endOfChunks(text: string, start: number): End | undefined {
  let body = '';
  for (let at = start; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = Number.parseInt(text.slice(at, line), 16);
    const end = line + 2 + size + 2;
    if (text.length < end) return undefined;
    if (size === 0) return { bytes: end, body };
    body += text.slice(line + 2, end - 2);
    at = end;
  }
}

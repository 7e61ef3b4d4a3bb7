/**
 * The broker on standard input and output: events go out as frames, commands come in as frames.
 *
 * `stdio-sink.ts` writes, `peer-inbox.ts` keeps what was read, `peer-link.ts` is the broker around
 * them. The end of the input ends the commands and nothing else. An output that is closed (EPIPE)
 * cannot come back: it is fatal, and says so. Nothing but frames is ever written to the output.
 */
import type { Readable, Writable } from 'node:stream';
import type { LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import { StdioDecoder } from '../../protocols/wire/stdio-decoder.ts';
import { type FrameReader, type FrameReaderEvents, inboxOf, PeerInbox } from './peer-inbox.ts';
import { type FrameWriter, PeerLink } from './peer-link.ts';
import { StdioSink } from './stdio-sink.ts';

export type StdioDriverOptions = {
  readonly input: Readable;
  readonly output: Writable;
  readonly payload: PayloadMode;
  readonly ids: boolean;
  readonly prefetch: number;
  /** The event whose handler gets what is of no event that was ever subscribed to. */
  readonly catchAll?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
};

/** Streams that outlive their links, as standard input and output do, and are used again. */
const guarded = new WeakSet<Readable | Writable>();

/** From now on a late error of the stream, which nobody else hears, does not end the process. */
function guard(stream: Readable | Writable): void {
  if (guarded.has(stream)) return;
  guarded.add(stream);
  stream.on('error', () => undefined);
}

class StdioReader implements FrameReader {
  readonly label = 'standard input';
  readonly canWait = true;
  readonly #input: Readable;
  readonly #decoder: StdioDecoder;
  #events: FrameReaderEvents | undefined;

  constructor(input: Readable) {
    guard(input);
    this.#input = input;
    this.#decoder = new StdioDecoder({
      frame: (frame) => this.#events?.frame(frame),
      garbage: (reason) => this.#events?.garbage(reason),
    });
  }

  read(events: FrameReaderEvents): () => void {
    this.#events = events;
    const input = this.#input;
    const data = (chunk: Buffer | string) =>
      this.#decoder.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    const end = () => {
      this.#decoder.end();
      events.ended();
    };
    input.on('data', data).on('end', end).on('error', end);
    // One that was paused before does not begin again by being listened to.
    input.resume();
    return () => {
      // A paused input no longer keeps the process alive.
      input.off('data', data).off('end', end).off('error', end).pause();
    };
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }
}

class StdioWriter implements FrameWriter {
  readonly sink: StdioSink;
  readonly #output: Writable;
  #lost: ((reason: Error) => void) | undefined;

  constructor(options: StdioDriverOptions, hooks: LinkHooks) {
    this.#output = options.output;
    this.sink = new StdioSink(options, hooks);
    guard(this.#output);
    this.#output.on('error', this.#failed);
    this.#output.on('close', this.#closed);
  }

  watch(lost: (reason: Error) => void): void {
    this.#lost = lost;
  }

  send(frame: Frame): Promise<void> {
    return this.sink.sendFrame(frame);
  }

  flush(): void {
    this.sink.flush();
  }

  stop(): void {
    this.#lost = undefined;
    this.sink.stop();
    this.#output.off('error', this.#failed);
    this.#output.off('close', this.#closed);
  }

  readonly #failed = ({ message }: Error): void => this.#lose(message);

  readonly #closed = (): void => this.#lose('it was closed');

  #lose(reason: string): void {
    this.#lost?.(
      new FatalError(
        `whoever read the frames is gone (${reason}): keep the reader of standard output running`,
      ),
    );
  }
}

export function stdioDriver(options: StdioDriverOptions): LinkDriver {
  const { input, output, prefetch, catchAll, clock, log } = options;
  const inbox = inboxOf(
    input,
    () => new PeerInbox({ reader: new StdioReader(input), catchAll, clock, log }),
  );
  return {
    label: 'stdio',
    async open(hooks, signal) {
      if (!output.writable) {
        throw new FatalError('standard output is closed: run the gateway with a reader on it');
      }
      if (signal.aborted) throw new BrokerUnavailableError('stdio was given up while it opened');
      return new PeerLink(
        new StdioWriter(options, hooks),
        { inbox, prefetch, ids: options.ids, clock, log },
        hooks,
      );
    },
  };
}

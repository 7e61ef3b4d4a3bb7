/**
 * The broker on standard input and output: events go out as frames, commands come in as frames.
 *
 * Events are collected in one buffer and written once a turn; an event counts as confirmed when the
 * write that carried it has been handed to the operating system. A reader that stops reading thus holds the
 * confirms back, the writer's bounds fill, and the gateway stops taking more. There are no answers
 * on this transport: `call` is refused, and nobody who sends a command waits for one.
 *
 * The end of the input ends the commands and nothing else. An output that is closed (EPIPE) cannot
 * come back: it is fatal, and says so. Nothing but frames is ever written to the output.
 */
import type { Readable, Writable } from 'node:stream';
import type { EventSink, Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  FatalError,
  UnsupportedByBrokerError,
} from '../../protocols/errors.ts';
import { LOCAL_RETRIES_MAX, RETRY_DELAY_MS, STDIO_BATCH_BYTES } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import { type DispatchFramer, dispatchFramer, encodeFrame } from '../../protocols/wire/stdio.ts';
import { StdioDecoder, type StdioFrame } from '../../protocols/wire/stdio-decoder.ts';
import { InFlight } from './in-flight.ts';

export type StdioDriverOptions = {
  readonly input: Readable;
  readonly output: Writable;
  readonly payload: PayloadMode;
  readonly clock: Clock;
  readonly log: Log;
};

class StdioSink implements EventSink {
  readonly #output: Writable;
  readonly #hooks: LinkHooks;
  readonly #framer: DispatchFramer;
  readonly #heads: Uint8Array[] = [];
  #batch: Buffer = Buffer.allocUnsafeSlow(STDIO_BATCH_BYTES);
  #length = 0;
  #count = 0;
  #isFlushDue = false;

  constructor(options: StdioDriverOptions, hooks: LinkHooks) {
    this.#output = options.output;
    this.#hooks = hooks;
    this.#framer = dispatchFramer(options.payload);
  }

  prepare(route: number, event: string): void {
    this.#heads[route] = this.#framer.head(event);
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    _origin: EventOrigin,
    _sequence: number,
  ): boolean {
    const head = this.#heads[route];
    if (head === undefined || !this.#output.writable) return false;
    const bytes = this.#framer.maxBytes(head, end - start);
    if (this.#length + bytes > this.#batch.length) this.flush();
    if (bytes > this.#batch.length) this.#batch = Buffer.allocUnsafeSlow(bytes);
    this.#length = this.#framer.write(head, source, start, end, this.#batch, this.#length);
    this.#count++;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(() => {
        this.#isFlushDue = false;
        this.flush();
      });
    }
    return true;
  }

  /** Writes what is collected; before any other frame, so that frames keep their order. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    const batch = this.#batch.subarray(0, this.#length);
    this.#batch = Buffer.allocUnsafeSlow(STDIO_BATCH_BYTES);
    this.#length = 0;
    this.#count = 0;
    this.#output.write(batch, (error) => {
      for (let index = 0; index < count; index++) this.#hooks.confirms.settleOldest(!error);
    });
  }
}

class StdioLink implements Link {
  readonly sink: StdioSink;
  readonly #options: StdioDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #events = new Set<string>();
  readonly #inFlight = new InFlight();
  readonly #decoder: StdioDecoder;
  #isOver = false;

  constructor(options: StdioDriverOptions, hooks: LinkHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.sink = new StdioSink(options, hooks);
    const { input, output, log } = options;
    this.#decoder = new StdioDecoder({
      frame: (frame) => this.#receive(frame, 0),
      garbage: (reason) => log.warn({ reason }, 'something on standard input is no command'),
    });
    output.on('error', this.#outputFailed);
    output.on('close', this.#outputClosed);
    input.on('data', this.#inputData);
    input.on('end', this.#inputEnd);
    input.on('error', this.#inputEnd);
  }

  async consume(event: string): Promise<void> {
    this.#events.add(event);
  }

  async cancel(event: string): Promise<void> {
    this.#events.delete(event);
  }

  publish(event: string, body: Uint8Array): Promise<void> {
    this.sink.flush();
    const { output, payload } = this.#options;
    return new Promise((resolve, reject) => {
      output.write(encodeFrame(payload, event, body), (error) => {
        if (error) reject(new BrokerUnavailableError(`standard output: ${error.message}`));
        else resolve();
      });
    });
  }

  async call(event: string): Promise<Uint8Array> {
    throw new UnsupportedByBrokerError(
      `${event} cannot be called over stdio, which carries no answers; use redis, amqp or memory`,
    );
  }

  async close(): Promise<void> {
    this.sink.flush();
    this.#events.clear();
    await this.#inFlight.idle();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { input, output } = this.#options;
    output.off('close', this.#outputClosed);
    input.off('data', this.#inputData);
    input.off('end', this.#inputEnd);
    // A paused input no longer keeps the process alive. The error listeners stay: without them a late
    // EPIPE would crash the process.
    input.pause();
  }

  readonly #outputFailed = (error: Error): void => {
    this.#loseOutput(error.message);
  };

  readonly #outputClosed = (): void => {
    this.#loseOutput('it was closed');
  };

  readonly #inputData = (chunk: Buffer | string): void => {
    this.#decoder.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  };

  readonly #inputEnd = (): void => {
    this.#decoder.end();
    this.#options.log.debug({}, 'standard input has ended; no more commands will come');
  };

  #loseOutput(reason: string): void {
    if (this.#isOver) return;
    this.#hooks.lost(
      new FatalError(
        `whoever read the frames is gone (${reason}): keep the reader of standard output running`,
      ),
    );
  }

  #receive(frame: StdioFrame, retries: number): void {
    const { log, clock } = this.#options;
    const { event, body } = frame;
    if (!this.#events.has(event)) {
      log.debug({ event }, 'a command on standard input has no handler');
      return;
    }
    this.#hooks.delivery(
      this.#inFlight.enter({
        event,
        body,
        wantsReply: false,
        ack: () => undefined,
        retry: () => {
          if (retries < LOCAL_RETRIES_MAX) {
            clock.setTimer(RETRY_DELAY_MS, () => this.#receive(frame, retries + 1));
          } else log.warn({ event }, `a message was handed back ${retries} times; it is dropped`);
        },
        reject: (reason) => log.warn({ event, reason }, 'a message was rejected'),
        reply: async () => undefined,
      }),
    );
  }
}

export function stdioDriver(options: StdioDriverOptions): LinkDriver {
  return {
    label: 'stdio',
    async open(hooks, signal) {
      if (!options.output.writable) {
        throw new FatalError('standard output is closed: run the gateway with a reader on it');
      }
      if (signal.aborted) throw new BrokerUnavailableError('stdio was given up while it opened');
      return new StdioLink(options, hooks);
    },
  };
}

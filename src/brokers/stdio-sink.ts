/**
 * Writing frames to standard output, or to any other stream.
 *
 * Events are collected in one buffer and written once a turn; an event counts as confirmed when the
 * write that carried it has been handed to the operating system. A reader that stops reading thus
 * holds the confirms back and the writer's bounds fill; when nothing moves for READER_STALL_MS the
 * writer is told to hold back altogether, until the reader goes on. All frames go through here, so
 * none is ever written into another.
 */
import type { Writable } from 'node:stream';
import type { EventSink, LinkHooks } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import { BrokerUnavailableError, PublishRefusedError } from '../../protocols/errors.ts';
import { READER_STALL_MS, STDIO_BATCH_BYTES, WRITER_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import { type DispatchFramer, dispatchFramer, encodeFrame } from '../../protocols/wire/stdio.ts';

export type StdioSinkOptions = {
  readonly output: Writable;
  readonly payload: PayloadMode;
  /** Whether frames carry the id of their message. */
  readonly ids: boolean;
  readonly clock: Clock;
};

export class StdioSink implements EventSink {
  readonly #options: StdioSinkOptions;
  readonly #output: Writable;
  readonly #hooks: LinkHooks;
  readonly #framer: DispatchFramer;
  readonly #heads: Uint8Array[] = [];
  #batch: Buffer = Buffer.allocUnsafeSlow(STDIO_BATCH_BYTES);
  #length = 0;
  #count = 0;
  #isFlushDue = false;
  /** Writes that the operating system has not taken. */
  #unread = 0;
  #stall: Timer | undefined;
  #isStalled = false;
  #isStopped = false;

  constructor(options: StdioSinkOptions, hooks: LinkHooks) {
    this.#options = options;
    this.#output = options.output;
    this.#hooks = hooks;
    this.#framer = dispatchFramer(options.payload, { withIds: options.ids });
  }

  prepare(route: number, event: string): void {
    this.#heads[route] = this.#framer.head(event);
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const head = this.#heads[route];
    if (head === undefined || !this.#output.writable) return false;
    const tail = this.#framer.tail(this.#options.ids ? `${origin.session}:${sequence}` : '');
    const bytes = this.#framer.maxBytes(head, end - start, tail);
    if (this.#length + bytes > this.#batch.length) this.flush();
    if (bytes > this.#batch.length) this.#batch = Buffer.allocUnsafeSlow(bytes);
    this.#length = this.#framer.write(head, source, start, end, tail, this.#batch, this.#length);
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
    this.#write(batch, (error) => {
      for (let index = 0; index < count; index++) this.#hooks.confirms.settleOldest(!error);
    });
  }

  sendFrame(frame: Frame): Promise<void> {
    this.flush();
    const { event } = frame;
    // Events are bounded by the writer; what nobody reads of the rest must be bounded too.
    if (this.#output.writableLength > WRITER_MAX_BYTES) {
      const message = `nobody reads standard output; ${event} was not taken`;
      return Promise.reject(new PublishRefusedError(message));
    }
    return new Promise((resolve, reject) => {
      this.#write(encodeFrame(this.#options.payload, frame), (error) => {
        if (error) reject(new BrokerUnavailableError(`standard output: ${error.message}`));
        else resolve();
      });
    });
  }

  stop(): void {
    this.#stall?.cancel();
    this.#isStopped = true;
  }

  #write(bytes: Uint8Array, done: (error: Error | null | undefined) => void): void {
    this.#unread++;
    if (this.#unread === 1) this.#watchReader();
    this.#output.write(bytes, (error) => {
      this.#unread--;
      this.#watchReader();
      done(error);
    });
  }

  /** Something was taken, or waits to be: from now on nothing may stand still for too long. */
  #watchReader(): void {
    this.#stall?.cancel();
    if (this.#isStopped) return;
    if (this.#isStalled) {
      this.#isStalled = false;
      this.#hooks.blocked(false);
    }
    if (this.#unread === 0) return;
    this.#stall = this.#options.clock.setTimer(READER_STALL_MS, () => {
      this.#isStalled = true;
      this.#hooks.blocked(true);
    });
  }
}

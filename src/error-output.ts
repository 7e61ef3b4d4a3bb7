/**
 * Standard error, written so that whoever reads it can never hold the process up.
 *
 * A pipe whose reader has stopped takes nothing more, and a process that waits for it beats no
 * heart and answers no request. So lines wait in memory, up to LOG_BACKLOG_MAX_BYTES; above that
 * they are dropped, and a line says how many as soon as there is room. Files and terminals take
 * every line at once.
 *
 * Failure modes: a reader that has gone takes nothing for good, and nothing is said of that, since
 * there is nobody to say it to. `flush` gives up after its time, with what is left unwritten.
 */
import type { Writable } from 'node:stream';
import { LOG_BACKLOG_MAX_BYTES } from '../protocols/limits.ts';

export class ErrorOutput {
  readonly #stream: Writable;
  #dropped = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', () => {});
    stream.on('drain', () => this.#confess());
  }

  /** Writes whole lines. */
  write(text: string): void {
    if (this.#stream.writableLength > LOG_BACKLOG_MAX_BYTES) this.#dropped++;
    else this.#stream.write(text);
  }

  /** Resolves when everything has been written, or after `withinMs`. */
  async flush(withinMs: number): Promise<void> {
    if (this.#stream.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#stream.write('', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #confess(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    const msg = `${dropped} lines of the log were dropped: whoever reads it was too slow`;
    this.#stream.write(
      `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg })}\n`,
    );
  }
}

/** A writer that remembers the events it took, for tests of the gateway's data plane. */
import type { EventOrigin, EventWriter } from '../../protocols/broker.ts';

export type WrittenEvent = {
  readonly event: string;
  readonly body: string;
  readonly sequence: number;
  readonly origin: EventOrigin;
};

export class RecordingWriter implements EventWriter {
  readonly written: WrittenEvent[] = [];
  /** The buffer of the last event that was offered. */
  source: Uint8Array | undefined;
  refusing = false;
  readonly #routes: string[] = [];
  readonly #roomListeners = new Set<() => void>();

  route(event: string): number {
    return this.#routes.push(event) - 1;
  }

  write(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    this.source = source;
    if (this.refusing) return false;
    const event = this.#routes[route] ?? `no route ${route}`;
    const body = new TextDecoder().decode(source.subarray(start, end));
    this.written.push({ event, body, sequence, origin });
    return true;
  }

  onceRoom(listener: () => void): void {
    this.#roomListeners.add(listener);
  }

  /** Takes events again, and says so to whoever was refused. */
  makeRoom(): void {
    this.refusing = false;
    const listeners = [...this.#roomListeners];
    this.#roomListeners.clear();
    for (const listener of listeners) listener();
  }

  /** What was written, as `session:sequence event`. */
  get ids(): readonly string[] {
    return this.written.map(
      ({ event, sequence, origin }) => `${origin.session}:${sequence} ${event}`,
    );
  }
}

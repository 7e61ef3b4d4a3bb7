/**
 * The data plane of one shard: from a whole gateway message to the broker's writer, in one pass.
 *
 * Purpose: a dispatch costs a scan, one look-up and the writer's copy. There is no object for an
 * event, no mailbox hop and no JSON parse. What carries a decision (every op but 0, READY, RESUMED
 * and the rare RATE_LIMITED) is read whole and handed back as a `ControlFrame`, which its
 * connection turns into a message.
 *
 * Inner workings: it lives as long as the shard's actor, so that a session's cursor outlives each
 * connection. READY opens the session here and now, since the events behind it may already be in
 * the same read; the actors hear of it a moment later.
 *
 * An event whose number has been received before is dropped: it is done, or on its way.
 *
 * Failure: what cannot be read is `garbled`, and so is a gap in the numbers; what the writer
 * refuses is `refused`. Both end the connection, and the session goes on from `cursor.done`.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import type { EventWriter } from '../../protocols/broker.ts';
import { type EventEntry, type EventTable, FILTERED } from '../../protocols/gateway/event-table.ts';
import { FrameScanner, NO_SEQUENCE } from '../../protocols/gateway/frame-scanner.ts';
import { type ControlFrame, readControlFrame } from '../../protocols/gateway/frames.ts';
import type { DispatchPlane, Taken } from '../connection/ports.ts';
import { SessionCursor } from './session-cursor.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** What the plane counts; shared by the shards of a process, indexed by event. */
export interface FrameCounter {
  /** An event of the table, by its index. */
  dispatch(shard: number, entry: EventEntry): void;
  /** A frame that is no dispatch. */
  control(shard: number, op: number): void;
}

export class ShardPlane implements DispatchPlane {
  readonly #shard: number;
  readonly #writer: EventWriter;
  readonly #table: EventTable;
  readonly #counter: FrameCounter;
  readonly #onLost: () => void;
  readonly #scanner = new FrameScanner();
  #cursor: SessionCursor | undefined;
  #frames = 0;
  /** The number that was missing when a resume was last asked for because of a gap. */
  #missing = 0;
  /**
   * Whether a resume did not fill a gap: in this session numbers are left out, and that means
   * nothing.
   */
  #gapsAreNormal = false;
  #dispatches = 0;

  /** @param onLost called when the broker gives up an event of the present session */
  constructor(
    shard: number,
    writer: EventWriter,
    table: EventTable,
    counter: FrameCounter,
    onLost: () => void,
  ) {
    this.#shard = shard;
    this.#writer = writer;
    this.#table = table;
    this.#counter = counter;
    this.#onLost = onLost;
  }

  get cursor(): SessionCursor | undefined {
    return this.#cursor;
  }

  get sequence(): number | null {
    const received = this.#cursor?.received ?? 0;
    return received === 0 ? null : received;
  }

  get frames(): number {
    return this.#frames;
  }

  get dispatches(): number {
    return this.#dispatches;
  }

  /** Continues a session, or forgets the present one. */
  restore(session: { sessionId: string; sequence: number } | undefined): void {
    this.#cursor = session && this.#open(session.sessionId, session.sequence);
  }

  take(message: Uint8Array): Taken {
    this.#frames++;
    const scanner = this.#scanner;
    if (!scanner.scan(message, 0, message.length))
      return { garbled: 'a frame is no gateway payload' };
    if (scanner.op !== GatewayOpcodes.Dispatch) {
      this.#counter.control(this.#shard, scanner.op);
      return this.#control(message, '');
    }
    return this.#dispatch(message);
  }

  onceRoom(listener: () => void): void {
    this.#writer.onceRoom(listener);
  }

  #dispatch(message: Uint8Array): Taken {
    this.#dispatches++;
    const scanner = this.#scanner;
    const entry = this.#table.find(message, scanner.eventStart, scanner.eventEnd);
    const { sequence, dataStart, dataEnd } = scanner;
    if (sequence === NO_SEQUENCE) return { garbled: `${entry.name} has no sequence number` };
    if (dataStart === dataEnd) return { garbled: `${entry.name} has no data` };
    let control: Taken = 'event';
    if (entry.name === 'READY' || entry.name === 'RESUMED' || entry.name === 'RATE_LIMITED') {
      control = this.#control(message, entry.name);
      if (typeof control === 'object' && 'garbled' in control) return control;
    }
    const cursor = this.#cursor;
    if (cursor === undefined) return { garbled: `${entry.name} came before READY` };
    const expected = cursor.received + 1;
    if (sequence > expected && this.#mustFill(expected)) {
      return { garbled: `events from ${expected} to ${sequence - 1} did not come` };
    }
    if (sequence >= expected && !this.#publish(cursor, entry, message, sequence)) return 'refused';
    this.#counter.dispatch(this.#shard, entry);
    return control;
  }

  /**
   * Discord numbers the events of a session one by one, but does not promise to: a gap is answered
   * by a resume, which brings what is missing, and if one brings nothing, gaps are let pass from
   * then on.
   */
  #mustFill(missing: number): boolean {
    if (this.#gapsAreNormal) return false;
    this.#gapsAreNormal = this.#missing === missing;
    this.#missing = missing;
    return !this.#gapsAreNormal;
  }

  #publish(
    cursor: SessionCursor,
    entry: EventEntry,
    message: Uint8Array,
    sequence: number,
  ): boolean {
    if (entry.route === FILTERED) {
      cursor.skip(sequence);
      return true;
    }
    const previous = cursor.received;
    if (!cursor.take(sequence)) return false;
    const { dataStart, dataEnd } = this.#scanner;
    if (this.#writer.write(entry.route, message, dataStart, dataEnd, cursor, sequence)) return true;
    cursor.untake(previous);
    return false;
  }

  #control(message: Uint8Array, event: string): Taken {
    const frame = this.#read(message, event);
    if (frame === undefined)
      return { garbled: `op ${this.#scanner.op} ${event} has another shape` };
    if (frame.kind === 'ready') {
      // One that the writer refused is offered again: then its session is there already.
      this.#cursor ??= this.#open(frame.sessionId, this.#scanner.sequence - 1);
      if (this.#cursor.session !== frame.sessionId) {
        return { garbled: 'a session starts in the middle of another' };
      }
    }
    return { frame };
  }

  #read(message: Uint8Array, event: string): ControlFrame | undefined {
    const { op, dataStart, dataEnd } = this.#scanner;
    try {
      const text = decoder.decode(message.subarray(dataStart, dataEnd));
      return readControlFrame(op, event, text === '' ? null : JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  #open(session: string, sequence: number): SessionCursor {
    this.#missing = 0;
    this.#gapsAreNormal = false;
    const cursor = new SessionCursor(this.#shard, session, sequence, () => {
      if (this.#cursor === cursor) this.#onLost();
    });
    return cursor;
  }
}

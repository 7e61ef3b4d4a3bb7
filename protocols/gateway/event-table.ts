/**
 * Resolves the bytes of an event's name to a small number, without making a string.
 *
 * Each known name has one entry, made before the first frame: where its events go (or that they are
 * filtered out) and an index under which they are counted. Names are found by an open-addressed
 * hash over their bytes and compared byte by byte. A name that Discord adds later is entered when
 * it is first seen, up to `UNKNOWN_EVENTS_MAX` of them; the rest share one entry, and so do names
 * that are too long or no text, so that a hostile peer cannot grow the table, nor give a broker
 * what it would choke on.
 */
import { EVENT_NAME_MAX_BYTES, UNKNOWN_EVENTS_MAX } from '../limits.ts';
import { resolveEscapes } from './frame-scanner.ts';

/** The route of an event that is not published. */
export const FILTERED = -1;

export type EventEntry = {
  readonly name: string;
  /** What `EventWriter.route` returned for it, or FILTERED. */
  readonly route: number;
  /** Its place in the table, for counters. */
  readonly index: number;
};

/** The name under which events beyond the table's bound are counted. */
const OTHER_NAME = 'OTHER';
const BACKSLASH = 0x5c;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class EventTable {
  readonly entries: EventEntry[] = [];
  readonly #slots: Int32Array;
  readonly #names: Uint8Array[] = [];
  readonly #route: (event: string) => number;
  readonly #other: EventEntry;
  #unknown = 0;

  /**
   * @param known the documented names
   * @param route gives the route of a published name and FILTERED of any other; asked once a name
   */
  constructor(known: readonly string[], route: (event: string) => number) {
    this.#route = route;
    const names = new Set(known);
    const size = 2 ** Math.ceil(Math.log2((names.size + UNKNOWN_EVENTS_MAX + 1) * 4));
    this.#slots = new Int32Array(size).fill(-1);
    this.#other = this.#add(OTHER_NAME, FILTERED);
    for (const name of names) this.#add(name, route(name));
  }

  /** The entry of the name in `source[start, end)`. */
  find(source: Uint8Array, start: number, end: number): EventEntry {
    let slot = hash(source, start, end) & (this.#slots.length - 1);
    for (;;) {
      const index = this.#slots[slot] ?? -1;
      if (index === -1) return this.#unknownName(source, start, end);
      const name = this.#names[index];
      const entry = this.entries[index];
      if (name !== undefined && entry !== undefined && equal(name, source, start, end))
        return entry;
      slot = (slot + 1) & (this.#slots.length - 1);
    }
  }

  #unknownName(source: Uint8Array, start: number, end: number): EventEntry {
    if (end - start > EVENT_NAME_MAX_BYTES) return this.#other;
    const bytes = source.subarray(start, end);
    if (bytes.includes(BACKSLASH)) return this.#escaped(source, start, end);
    // An event without a name can be routed nowhere.
    if (bytes.length === 0 || this.#unknown >= UNKNOWN_EVENTS_MAX) return this.#other;
    const name = decodeName(bytes);
    if (name === undefined) return this.#other;
    this.#unknown++;
    return this.#add(name, this.#route(name));
  }

  #escaped(source: Uint8Array, start: number, end: number): EventEntry {
    const name = resolveEscapes(source, start, end);
    if (name === undefined || name.includes('\\')) return this.#other;
    const bytes = new TextEncoder().encode(name);
    return this.find(bytes, 0, bytes.length);
  }

  #add(name: string, route: number): EventEntry {
    const bytes = new TextEncoder().encode(name);
    const entry: EventEntry = { name, route, index: this.entries.length };
    let slot = hash(bytes, 0, bytes.length) & (this.#slots.length - 1);
    while (this.#slots[slot] !== -1) slot = (slot + 1) & (this.#slots.length - 1);
    this.#slots[slot] = entry.index;
    this.entries.push(entry);
    this.#names.push(bytes);
    return entry;
  }
}

function decodeName(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** FNV-1a, 32 bits. */
function hash(source: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < end; at++) {
    value = Math.imul(value ^ (source[at] ?? 0), 0x01000193);
  }
  return value >>> 0;
}

function equal(name: Uint8Array, source: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) {
    if (name[at] !== source[start + at]) return false;
  }
  return true;
}

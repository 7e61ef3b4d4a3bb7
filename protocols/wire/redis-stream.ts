/**
 * What Redis answers about streams, read into types, whatever the version of the server.
 *
 * Purpose: no reply of any shape throws in here, so that no reply can end a read loop.
 *
 * Inner workings: replies come as nested lists of buffers, strings, numbers and nulls. XREADGROUP
 * answers a list of pairs, or one flat list in the newer protocol. XAUTOCLAIM has two elements on
 * Redis 6.2 and a third, the ids of entries that are gone, from 7 on; 6.2 puts a null where such an
 * entry would be, and no server says which. XINFO answers flat lists of names and values.
 *
 * Failure modes: what cannot be read as an entry is left out; a body that is missing is undefined.
 */

export type StreamEntry = {
  readonly event: string;
  readonly id: string;
  /** The message, unless the entry is somebody else's and has no field `data`. */
  readonly data: Uint8Array | undefined;
  /** The sender's own name for the message, from the field `id`; of events `session:seq`. */
  readonly messageId: string | undefined;
  /** The shard of an event, from the field `shard`. */
  readonly shard: number | undefined;
  /**
   * After this, in milliseconds since the epoch, nobody waits for it; from the field `timeout_at`.
   */
  readonly timeoutAtMs: number | undefined;
};

export type EntryList = {
  readonly entries: readonly StreamEntry[];
  /** Entries that are pending and gone, of which the server does not say the id. */
  readonly ghosts: number;
};

export type ClaimReply = EntryList & {
  /** Where to go on; `0-0` when everything was looked at. */
  readonly cursor: string;
  /** Entries that were pending and are gone; the server has forgotten them. */
  readonly goneIds: readonly string[];
};

export type PendingEntry = { readonly id: string; readonly deliveries: number };
export type GroupFacts = { readonly name: string; readonly lastDeliveredId: string };

/** The first id that any entry can have, and the cursor of a finished scan. */
export const FIRST_ID = '0-0';

const SHARD = /^\d{1,9}$/;
const ENTRY_ID = /^(\d{1,20})(?:-(\d{1,20}))?$/;
/** Both halves of an id are 64 bits wide. */
const SEQUENCE_MAX = 2n ** 64n - 1n;
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
const utf8 = new TextDecoder();
const utf8Encoder = new TextEncoder();
const FIELD_DATA = 'data';
const FIELD_ID = 'id';
const FIELD_SHARD = 'shard';
const FIELD_TIMEOUT_AT = 'timeout_at';

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (value instanceof Uint8Array) return utf8.decode(value);
  return undefined;
}

function asBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? utf8Encoder.encode(value) : undefined;
}

function asId(value: unknown): string | undefined {
  const text = asText(value);
  return text !== undefined && ENTRY_ID.test(text) ? text : undefined;
}

/** The value of a field in a flat list of names and values. */
function field(list: readonly unknown[], name: string): unknown {
  for (let index = 0; index + 1 < list.length; index += 2) {
    if (asText(list[index]) === name) return list[index + 1];
  }
  return undefined;
}

/** Nanoseconds in decimal digits, as the Rust client writes them; anything else is no deadline. */
function timeoutAtMs(fields: readonly unknown[]): number | undefined {
  const text = asText(field(fields, FIELD_TIMEOUT_AT));
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined;
  return Number(BigInt(text) / NANOSECONDS_PER_MILLISECOND);
}

/** The field that tells consumers until when somebody waits. */
export function timeoutAtField(epochMs: number): readonly [name: string, value: string] {
  const nanoseconds = BigInt(Math.round(epochMs)) * NANOSECONDS_PER_MILLISECOND;
  return [FIELD_TIMEOUT_AT, String(nanoseconds)];
}

function shardOf(fields: readonly unknown[]): number | undefined {
  const text = asText(field(fields, FIELD_SHARD));
  return text !== undefined && SHARD.test(text) ? Number(text) : undefined;
}

function readEntry(event: string, value: unknown): StreamEntry | undefined {
  const [first, second] = asList(value);
  const id = asId(first);
  if (id === undefined) return undefined;
  const fields = asList(second);
  return {
    event,
    id,
    data: asBytes(field(fields, FIELD_DATA)),
    messageId: asText(field(fields, FIELD_ID)),
    shard: shardOf(fields),
    timeoutAtMs: timeoutAtMs(fields),
  };
}

/**
 * `[[id, [field, value, …]], …]`, as XCLAIM answers. A null, or an entry without fields, is a
 * ghost.
 */
export function readEntries(event: string, reply: unknown): EntryList {
  const entries: StreamEntry[] = [];
  let ghosts = 0;
  for (const value of asList(reply)) {
    const entry = readEntry(event, value);
    if (entry === undefined || !Array.isArray(asList(value)[1])) ghosts++;
    else entries.push(entry);
  }
  return { entries, ghosts };
}

/** What XREADGROUP answers: nothing, `[[event, entries], …]`, or `[event, entries, …]`. */
export function readStreams(reply: unknown): readonly StreamEntry[] {
  const list = asList(reply);
  const streams = Array.isArray(list[0])
    ? list.map(asList)
    : list.flatMap((value, index) => (index % 2 === 0 ? [[value, list[index + 1]]] : []));
  return streams.flatMap(([name, entries]) => {
    const event = asText(name);
    return event === undefined ? [] : readEntries(event, entries).entries;
  });
}

/** What XAUTOCLAIM answers. */
export function readClaim(event: string, reply: unknown): ClaimReply {
  const [cursor, entries, gone] = asList(reply);
  return {
    ...readEntries(event, entries),
    cursor: asId(cursor) ?? FIRST_ID,
    goneIds: asList(gone).flatMap((value) => asId(value) ?? []),
  };
}

/** What the long form of XPENDING answers: `[[id, consumer, idle, deliveries], …]`. */
export function readPending(reply: unknown): readonly PendingEntry[] {
  return asList(reply).flatMap((value) => {
    const [first, , , count] = asList(value);
    const id = asId(first);
    const deliveries = Number(count);
    return id === undefined || !Number.isSafeInteger(deliveries) ? [] : [{ id, deliveries }];
  });
}

/** What XINFO GROUPS answers. */
export function readGroups(reply: unknown): readonly GroupFacts[] {
  return asList(reply).flatMap((value) => {
    const facts = asList(value);
    const name = asText(field(facts, 'name'));
    const lastDeliveredId = asId(field(facts, 'last-delivered-id'));
    return name === undefined || lastDeliveredId === undefined ? [] : [{ name, lastDeliveredId }];
  });
}

/** The highest id that a stream has ever had, from what XINFO STREAM answers. */
export function readLastId(reply: unknown): string {
  return asId(field(asList(reply), 'last-generated-id')) ?? FIRST_ID;
}

function parts(id: string): readonly [milliseconds: bigint, sequence: bigint] {
  const match = ENTRY_ID.exec(id);
  return [BigInt(match?.[1] ?? 0), BigInt(match?.[2] ?? 0)];
}

/**
 * Below zero, zero or above it, as entry `a` is older than, the same as, or younger than entry `b`.
 */
export function compareIds(a: string, b: string): number {
  const [aMs, aSequence] = parts(a);
  const [bMs, bSequence] = parts(b);
  if (aMs !== bMs) return aMs < bMs ? -1 : 1;
  if (aSequence === bSequence) return 0;
  return aSequence < bSequence ? -1 : 1;
}

/** The lowest id above `id`. */
export function idAfter(id: string): string {
  const [milliseconds, sequence] = parts(id);
  return sequence < SEQUENCE_MAX ? `${milliseconds}-${sequence + 1n}` : `${milliseconds + 1n}-0`;
}

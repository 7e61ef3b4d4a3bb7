/**
 * Replies about streams, of every version and of none: read, or read as nothing, and never thrown
 * at.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareIds,
  idAfter,
  readClaim,
  readEntries,
  readGroups,
  readLastId,
  readPending,
  readStreams,
  timeoutAtField,
} from '../../protocols/wire/redis-stream.ts';

/** What servers, modules and proxies might ever answer: lists of anything in anything. */
const { anything } = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.constant(undefined),
    fc.integer(),
    fc.string(),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(
      'data',
      'timeout_at',
      'id',
      '0-0',
      '1700000000000-0',
      'name',
      'last-delivered-id',
    ),
  ),
  anything: fc.oneof({ maxDepth: 5 }, tie('leaf'), fc.array(tie('anything'), { maxLength: 6 })),
}));

const id = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 48n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }))
  .map(([milliseconds, sequence]) => `${milliseconds}-${sequence}`);

const field = fc.tuple(
  fc.string().filter((name) => name !== 'data'),
  fc.uint8Array({ maxLength: 8 }),
);

/** An entry as it comes: fields before and after the message, or no message at all. */
const entry = fc.record({
  id,
  before: fc.array(field, { maxLength: 2 }),
  data: fc.option(fc.uint8Array({ maxLength: 30 }), { nil: undefined }),
  after: fc.array(field, { maxLength: 2 }),
});

type Made = {
  id: string;
  before: [string, Uint8Array][];
  data: Uint8Array | undefined;
  after: [string, Uint8Array][];
};

function wire({ id, before, data, after }: Made): unknown {
  const fields = [...before, ...(data ? [['data', data] as const] : []), ...after];
  return [
    Buffer.from(id),
    fields.flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]),
  ];
}

function expectRead(read: readonly { id: string; data: Uint8Array | undefined }[], made: Made[]) {
  expect(read.map(({ id }) => id)).toEqual(made.map(({ id }) => id));
  expect(read.map(({ data }) => data && [...data])).toEqual(
    made.map(({ data }) => data && [...data]),
  );
}

describe('replies about streams', () => {
  it('R16 throw nothing, whatever they are', () => {
    fc.assert(
      fc.property(anything, (reply) => {
        for (const { event, id } of readStreams(reply)) {
          expect([typeof event, typeof id]).toEqual(['string', 'string']);
        }
        for (const { deliveries } of readPending(reply))
          expect(deliveries).toBe(Number(deliveries));
        const { cursor, goneIds } = readClaim('E', reply);
        for (const known of [cursor, ...goneIds, readLastId(reply)]) {
          expect(known).toMatch(/^\d+(-\d+)?$/);
        }
        readGroups(reply);
      }),
    );
  });

  it('R16 of XAUTOCLAIM are read with two elements and with three, with nulls and without', () => {
    const shape = fc.record({
      cursor: id,
      entries: fc.array(fc.option(entry, { nil: null }), { maxLength: 6 }),
      gone: fc.option(fc.array(id, { maxLength: 4 }), { nil: undefined }),
      bodiless: fc.array(id, { maxLength: 2 }),
    });
    fc.assert(
      fc.property(shape, ({ cursor, entries, gone, bodiless }) => {
        const made = entries.filter((value) => value !== null);
        const list = [
          ...entries.map((value) => (value === null ? null : wire(value))),
          ...bodiless.map((value) => [value, null]),
        ];
        const reply = [Buffer.from(cursor), list, ...(gone ? [gone.map(Buffer.from)] : [])];
        const read = readClaim(
          'E',
          gone ? [reply[0], list, gone.map((g) => Buffer.from(g))] : reply,
        );
        expect(read.cursor).toBe(cursor);
        expectRead(read.entries, made);
        expect(read.ghosts).toBe(entries.length - made.length + bodiless.length);
        expect(read.goneIds).toEqual(gone ?? []);
      }),
    );
  });

  it('R16 R38 of XREADGROUP are read as pairs and as one flat list', () => {
    const streams = fc.array(fc.tuple(fc.string(), fc.array(entry, { maxLength: 4 })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(streams, (made) => {
        const pairs = made.map(([event, entries]) => [Buffer.from(event), entries.map(wire)]);
        for (const reply of [pairs, pairs.flat(1)]) {
          const read = readStreams(made.length === 0 ? null : reply);
          expectRead(
            read,
            made.flatMap(([, entries]) => entries),
          );
          expect(read.map(({ event }) => event)).toEqual(
            made.flatMap(([event, entries]) => entries.map(() => event)),
          );
        }
      }),
    );
  });

  it('R36 carry a deadline through its field and back, and none that is unreadable', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.string(), (atMs, junk) => {
        const read = (value: string) =>
          readEntries('E', [['1-0', ['timeout_at', value, 'data', '']]]).entries[0]?.timeoutAtMs;
        const [, value] = timeoutAtField(atMs);
        expect(read(value)).toBe(atMs);
        if (!/^\d{1,20}$/.test(junk)) expect(read(junk)).toBeUndefined();
      }),
    );
  });
});

describe('ids of entries', () => {
  it('R13 R15 are ordered as numbers, and each is followed by the next', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(Math.sign(compareIds(a, b))).toBe(-Math.sign(compareIds(b, a)) || 0);
        expect(compareIds(a, a)).toBe(0);
        expect(compareIds(a, idAfter(a))).toBeLessThan(0);
        // Nothing fits between an id and the one after it.
        if (compareIds(b, a) > 0) expect(compareIds(b, idAfter(a))).toBeGreaterThanOrEqual(0);
      }),
    );
    expect(idAfter('7-18446744073709551615')).toBe('8-0');
  });
});

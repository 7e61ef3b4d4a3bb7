/** Which counter a request is charged to, and what brings counters together or keeps them apart. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type Heard, noteHeard } from '../../actors/bucket/answers.ts';
import { valueAt } from '../../actors/bucket/keyed.ts';
import * as ledgers from '../../actors/bucket/ledger.ts';
import type { Reading } from '../../actors/bucket/reading.ts';
import type { LimitedBy } from '../../protocols/proxy.ts';

const read = (
  limit: number,
  remaining: number,
  resetAfterMs: number,
  hash: string | null = 'abc',
): Reading => ({ limit, remaining, resetAfterMs, hash });

/** Accounts whose time is set by hand. */
class Bench {
  ledger = ledgers.EMPTY_LEDGER;
  nowMs = 0;
  readonly flights = new Map<number, ledgers.Charged>();
  #id = 0;

  at(nowMs: number): this {
    this.nowMs = nowMs;
    this.ledger = ledgers.roll(this.ledger, nowMs);
    return this;
  }

  room(key: string): number {
    this.ledger = ledgers.open(this.ledger, routeOf(key), key, this.nowMs);
    const load = ledgers.loadOf(this.ledger, [...this.flights.values()]);
    return ledgers.room(this.ledger, key, load, this.nowMs);
  }

  send(...keys: readonly string[]): number {
    for (const key of keys) this.room(key);
    const id = ++this.#id;
    const [ledger, charges] = ledgers.charge(this.ledger, keys, id, this.nowMs);
    this.ledger = ledger;
    this.flights.set(id, { id, sentMs: this.nowMs, charges });
    return id;
  }

  answer(id: number, reading: Reading | null, status = 200, landedMs = this.nowMs): void {
    this.#hear(id, { status, reading, limited: null, landedMs });
  }

  refuse(id: number, waitMs: number, reading: Reading | null, by: LimitedBy = 'user'): void {
    this.#hear(id, { status: 429, reading, limited: { by, waitMs }, landedMs: this.nowMs });
  }

  /** Everything that is known and counted; a name that is none counts for nothing. */
  windowsOf(...keys: readonly string[]): readonly (number | undefined)[] {
    return keys.map((key) => valueAt(this.ledger.accounts, key)?.window);
  }

  #hear(id: number, heard: Heard): void {
    const flight = this.flights.get(id);
    if (flight === undefined) throw new Error(`${id} is not in flight`);
    this.flights.delete(id);
    this.ledger = noteHeard(this.ledger, flight, heard, true, this.nowMs);
  }
}

const routeOf = (key: string): string => key.slice(0, key.lastIndexOf(' '));
const GET = 'GET /a plain';
const PUT = 'PUT /a plain';
const RENAME = 'PUT /a renaming';

describe('a ledger', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });

  /** Both routes know their limits, and have seen a window from its beginning. */
  function warmUp(...keys: readonly string[]): void {
    for (let turn = 0; turn < 2; turn++) {
      for (const key of keys) bench.answer(bench.send(key), read(5, 4, 1_000));
      bench.at(bench.nowMs + 2_000);
    }
  }

  it('P07: an error renames nothing, and a new name counts after two successes in a row', () => {
    bench.answer(bench.send(GET), read(5, 4, 5_000));
    const [first] = bench.windowsOf(GET);
    bench.answer(bench.send(GET), read(1, 0, 60_000, 'other'), 404);
    bench.answer(bench.send(GET), read(9, 8, 9_000, 'other'));
    expect(bench.windowsOf(GET)).toEqual([first]);
    bench.at(6_000).answer(bench.send(GET), read(5, 4, 5_000));
    bench.answer(bench.send(GET), read(9, 8, 9_000, 'other'));
    bench.refuse(bench.send(GET), 10, read(9, 0, 10, 'third'));
    expect(valueAt(bench.ledger.accounts, GET)?.hash).toBe('abc');
    expect(bench.windowsOf(GET)).toEqual([first]);
    bench.at(20_000).answer(bench.send(GET), read(9, 7, 8_000, 'other'));
    expect(valueAt(bench.ledger.accounts, GET)?.hash).toBe('other');
    expect(bench.windowsOf(GET)).not.toEqual([first]);
  });

  it('P06: a name that changes while others are in flight leaves one owner to each counter', () => {
    warmUp(GET, PUT);
    // One more is used than this route has sent: it shares its counter with the other.
    const ids = [bench.send(GET), bench.send(PUT)];
    bench.at(bench.nowMs + 10);
    bench.answer(ids[0] ?? 0, read(5, 4, 990));
    bench.answer(ids[1] ?? 0, read(5, 3, 990));
    expect(new Set(bench.windowsOf(GET, PUT)).size).toBe(1);
    const [joint] = bench.windowsOf(GET);
    const late = [bench.send(GET), bench.send(PUT)];
    bench.answer(bench.send(PUT), read(7, 6, 3_000, 'new'));
    bench.answer(bench.send(PUT), read(7, 5, 3_000, 'new'));
    const [get, put] = bench.windowsOf(GET, PUT);
    expect(get).toBe(joint);
    expect(put).not.toBe(joint);
    for (const id of late) bench.answer(id, read(5, 0, 900));
    // What was charged to the old window counts there and nowhere else, and ends there.
    bench.at(bench.nowMs + 20_000);
    expect([bench.room(GET), bench.room(PUT)]).toEqual([5, 7]);
  });

  it('an answer that tells of a window which is over as it arrives leaves room at once', () => {
    const id = bench.send(GET);
    bench.at(5_000);
    bench.answer(id, read(1, 0, 1_000), 200, 20);
    expect(bench.room(GET)).toBe(1);
  });

  it('an account that met a limit which is not shown stays careful, whatever refuses it next', () => {
    bench.answer(bench.send(GET), read(5, 4, 5_000));
    bench.refuse(bench.send(GET), 100, read(5, 3, 4_900));
    bench.at(1_000).refuse(bench.send(GET), 100, null, 'edge');
    bench.at(20_000);
    expect(bench.room(GET)).toBe(1);
    bench.send(GET);
    expect(bench.room(GET)).toBe(0);
  });

  it('what is in flight when two windows become one counts and lands in that one', () => {
    warmUp(GET, PUT);
    const flying = [bench.send(GET), bench.send(PUT)];
    const told = bench.send(PUT);
    bench.at(bench.nowMs + 10).answer(told, read(5, 2, 990));
    expect(new Set(bench.windowsOf(GET, PUT)).size).toBe(1);
    // Two that remain may be the two in flight.
    expect(bench.room(GET)).toBe(0);
    for (const id of flying) bench.answer(id, read(5, 2, 990));
    expect(bench.room(GET)).toBe(2);
    bench.at(bench.nowMs + 5_000);
    expect([bench.room(GET), bench.room(PUT)]).toEqual([5, 5]);
  });

  it('what answers with errors only is known by their name, and by that of its refusals', () => {
    const [error, refusal] = [read(1, 0, 1_000, 'unknown'), read(1, 0, 400, 'known')];
    bench.answer(bench.send(PUT), error, 404);
    bench.answer(bench.send(RENAME), error, 404);
    expect(new Set(bench.windowsOf(PUT, RENAME)).size).toBe(2);
    bench.at(5_000);
    const [one, other] = [bench.send(PUT), bench.send(RENAME)];
    bench.refuse(other, 1_000, refusal);
    bench.answer(one, error, 404);
    expect(new Set(bench.windowsOf(PUT, RENAME)).size).toBe(1);
    bench.at(10_000).send(PUT);
    expect(bench.room(RENAME)).toBeLessThanOrEqual(0);
  });

  it('P31: a larger window that successes show hides no tighter one that a 429 has shown', () => {
    const large = (remaining: number) => read(50_000, remaining, 102_737_000, 'large');
    bench.answer(bench.send(GET), large(49_999));
    const ids = Array.from({ length: 6 }, () => bench.send(GET));
    bench.at(20);
    for (const [index, id] of ids.slice(0, 4).entries()) bench.answer(id, large(49_998 - index));
    bench.refuse(ids[4] ?? 0, 4_990, read(5, 0, 4_990, 'tight'));
    bench.answer(ids[5] ?? 0, large(49_990));
    expect(bench.room(GET)).toBe(0);
    for (let turn = 0; turn < 4; turn++) {
      bench.at(bench.nowMs + 5_200);
      const sent: number[] = [];
      while (bench.room(GET) >= 1) sent.push(bench.send(GET));
      expect(sent.length).toBeGreaterThan(0);
      expect(sent.length).toBeLessThanOrEqual(5);
      bench.at(bench.nowMs + 20);
      for (const id of sent) bench.answer(id, large(49_900));
      expect(bench.room(GET)).toBe(0);
    }
  });

  it('P31: nor does it where the tighter one was shown first', () => {
    bench.refuse(bench.send(GET), 5_000, read(5, 0, 5_000, 'tight'));
    bench.at(5_100).answer(bench.send(GET), read(50_000, 49_999, 102_737_000, 'large'));
    const sent: number[] = [];
    while (bench.room(GET) >= 1) sent.push(bench.send(GET));
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.length).toBeLessThanOrEqual(5);
  });

  it('P16: a limit that is lowered and raised again is followed both ways', () => {
    warmUp(GET);
    bench.answer(bench.send(GET), read(3, 2, 1_000));
    expect(bench.room(GET)).toBeLessThanOrEqual(2);
    bench.at(bench.nowMs + 2_000).answer(bench.send(GET), read(5, 4, 1_000));
    bench.at(bench.nowMs + 2_000);
    expect(bench.room(GET)).toBe(5);
  });

  it('P46: a 429 that shows room stops its own class, which is careful from then on', () => {
    bench.answer(bench.send(PUT), read(5, 4, 15_000));
    bench.answer(bench.send(RENAME), read(5, 3, 15_000));
    expect(new Set(bench.windowsOf(PUT, RENAME)).size).toBe(1);
    bench.refuse(bench.send(RENAME), 600_000, read(5, 3, 15_000));
    expect(bench.room(RENAME)).toBe(0);
    expect(bench.room(PUT)).toBeGreaterThan(0);
    expect(bench.at(600_000).room(RENAME)).toBe(0);
    expect(bench.at(600_051).room(RENAME)).toBe(1);
    bench.send(RENAME);
    expect(bench.room(RENAME)).toBe(0);
    expect(bench.room(PUT)).toBe(4);
  });

  it('routes of one name stay apart while nothing shows that they are not', () => {
    warmUp(GET, PUT);
    for (let turn = 0; turn < 5; turn++) {
      for (const key of [GET, PUT]) bench.answer(bench.send(key), read(5, 4 - turn, 900));
      bench.at(bench.nowMs + 10);
    }
    expect(new Set(bench.windowsOf(GET, PUT)).size).toBe(2);
  });

  it('a counter that strangers use is not taken to be shared with a route that is still', () => {
    warmUp(GET, PUT);
    bench.answer(bench.send(GET), read(5, 1, 900));
    expect(bench.room(GET)).toBe(1);
    expect(new Set(bench.windowsOf(GET, PUT)).size).toBe(2);
  });

  it('P12: one that may be counted in either of two classes is charged to both until it is known', () => {
    const [fresh, recent] = ['DELETE /m fresh', 'DELETE /m recent'];
    bench.answer(bench.send(fresh), null);
    bench.answer(bench.send(recent), read(5, 4, 1_000));
    bench.at(2_000);
    const either = [bench.send(fresh, recent), bench.send(fresh, recent)];
    expect(bench.room(recent)).toBe(3);
    bench.at(2_010).answer(either[0] ?? 0, null);
    expect(bench.room(recent)).toBe(4);
    bench.answer(either[1] ?? 0, read(5, 4, 990));
    expect(bench.room(recent)).toBe(4);
  });

  it('is plain data: what comes back from JSON goes on as before', () => {
    warmUp(GET, PUT);
    const id = bench.send(GET);
    bench.ledger = JSON.parse(JSON.stringify(bench.ledger));
    bench.answer(id, read(5, 2, 900));
    expect(bench.room(GET)).toBe(2);
  });
});

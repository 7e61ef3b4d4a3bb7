/**
 * The parts of shared limits that are plain values: shares, the store's time, and what is written
 * of a bucket.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readKnowledge, writeKnowledge } from '../../actors/bucket/knowledge.ts';
import * as ledgers from '../../actors/bucket/ledger.ts';
import { unite } from '../../actors/bucket/unite.ts';
import { SHARED_HEARTBEAT_MS, SHARED_MISSED_MS, SHARED_SEEN_MS } from '../../protocols/limits.ts';
import { shareAlone, shareTogether } from '../../src/proxy/limits/fleet.ts';
import { StoreClock } from '../../src/proxy/limits/store-clock.ts';
import { readinessOf } from '../../src/proxy/readiness.ts';
import { startFleet } from '../support/proxy-fleet.ts';
import { fate } from '../support/simulated-upstream.ts';

describe('a share', () => {
  const others = new Map([
    ['a', 9_000],
    ['b', 9_500],
  ]);

  it('is all of it while everybody is there, and leaves theirs to those who are not', () => {
    expect(shareTogether(new Map(), 0, 10_000)).toBe(1);
    expect(shareTogether(others, 0, 10_000)).toBe(1);
    // Since the store was reached only one of the two has been heard of.
    expect(shareTogether(others, 9_400, 10_000)).toBeCloseTo(2 / 3);
    expect(shareTogether(others, 0, 9_400 + SHARED_MISSED_MS)).toBeCloseTo(2 / 3);
    expect(shareTogether(others, 0, 9_500 + SHARED_SEEN_MS)).toBe(1);
  });

  it('is one of those seen of late, or of those there are at least', () => {
    expect(shareAlone(others, 1, 10_000)).toBeCloseTo(1 / 3);
    expect(shareAlone(others, 5, 10_000)).toBe(1 / 5);
    expect(shareAlone(others, 1, 9_500 + SHARED_SEEN_MS)).toBe(1);
  });

  it('is what /readyz says while the store is away', () => {
    const standing = { level: 'well', invalidRequests: 0, stoppedForMs: 0 } as const;
    const away = readinessOf(standing, { together: false, share: 1 / 3 });
    expect(away).toEqual({ ready: true, detail: expect.stringContaining('within 33 %') });
    const back = readinessOf(standing, { together: true, share: 1 });
    expect(back.detail).toBe('taking requests');
  });
});

describe("the store's time", () => {
  it('is never further off than is said, however answers travel', () => {
    const ways = fc.record({
      there: fc.double({ min: 0, max: 100, noNaN: true }),
      back: fc.double({ min: 0, max: 100, noNaN: true }),
      pauseMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
    });
    const offsets = fc.integer({ min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(offsets, fc.array(ways, { minLength: 1 }), (offsetMs, answers) => {
        const clock = new StoreClock();
        let nowMs = 0;
        for (const { there, back, pauseMs } of answers) {
          const askedMs = nowMs;
          nowMs += there + back;
          expect(clock.note(askedMs, nowMs, askedMs + there + offsetMs)).toBe(false);
          nowMs += pauseMs;
          const offMs = Math.abs(clock.offsetMs - offsetMs);
          expect(offMs).toBeLessThanOrEqual(clock.errorMs(nowMs) + 0.01);
        }
      }),
    );
  });

  it('tells that it was set', () => {
    const clock = new StoreClock();
    expect(clock.note(0, 2, 1_001)).toBe(false);
    expect(clock.note(100, 102, 1_101)).toBe(false);
    expect(clock.note(200, 202, 3_600_000)).toBe(true);
    expect(clock.offsetMs).toBe(3_600_000 - 201);
  });
});

describe('a store whose clock was set', () => {
  it('is found out, whatever is asked of it first', async () => {
    const fleet = await startFleet({ proxies: 1 });
    const [proxy] = fleet.proxies;
    const offer = { expected: '', next: null, waitsFor: null, hadTurn: false };
    fleet.host.setAheadMs = -60_000;
    const answer = proxy?.limits.exchange('anywhere', offer) ?? Promise.resolve();
    await fleet.until(answer);
    // What it says is of times that are untrue.
    expect(await answer).toBeNull();
    await fleet.pass(5_000);
    expect(proxy?.limits.standing.forgotten).toBe(1);
  });

  it('or that has forgotten, answers nothing that was asked of what it had before', async () => {
    const fleet = await startFleet({ proxies: 1 });
    const [proxy] = fleet.proxies;
    const offer = { expected: '', next: null, waitsFor: null, hadTurn: false };
    fleet.host.slowMs = 100;
    fleet.host.store.lose();
    const crossed: unknown[] = [];
    for (let count = 0; count < 100; count++) {
      const before = proxy?.limits.standing.forgotten;
      void proxy?.limits.exchange(`place ${count}`, offer).then((answer) => {
        if (proxy.limits.standing.forgotten !== before) crossed.push(answer);
      });
      await fleet.pass(20);
    }
    await fleet.pass(1_000);
    expect(crossed.length).toBeGreaterThan(2);
    expect(new Set(crossed)).toEqual(new Set([null]));
  });

  const GET = 'GET /channels/:channel/messages';
  const window = { kind: 'fixed', limit: 2, windowMs: 5_000 } as const;
  const bucket = { name: 'b', window, scope: 'user', shown: true, counter: 'split' } as const;
  const options = {
    proxies: 2,
    buckets: { [GET]: [bucket] },
    stubs: { [GET]: { status: 200, body: {} } },
  };

  it.each([-3_600_000, -2_000, 2_000, 3_600_000])(
    'by %i ms holds nobody up, and breaks no limit',
    async (byMs) => {
      const fleet = await startFleet(options);
      for (let index = 0; index < 8; index++) fleet.send(index % 2, 'GET', '/channels/1/messages');
      await fleet.pass(1_000);
      fleet.host.setAheadMs += byMs;
      for (let index = 0; index < 8; index++) fleet.send(index % 2, 'GET', '/channels/1/messages');
      await fleet.pass(90_000);
      expect(fleet.sent.map(fate)).toEqual(Array(16).fill(200));
      expect(fleet.sends.filter(({ status }) => status === 429)).toEqual([]);
    },
  );

  it('ahead leaves its share to one that cannot reach the store', async () => {
    const fleet = await startFleet({ proxies: 2 });
    await fleet.pass(2 * SHARED_HEARTBEAT_MS);
    fleet.proxies[0]?.way.cut('silent');
    await fleet.pass(10_000);
    const shares = () => fleet.proxies.map(({ limits }) => limits.standing.share);
    expect(shares()).toEqual([0.5, 0.5]);
    fleet.host.setAheadMs += 3_600_000;
    await fleet.pass(10_000);
    expect(shares()).toEqual([0.5, 0.5]);
  });

  it('back while nobody was there holds nobody up who comes', async () => {
    const fleet = await startFleet(options);
    for (let index = 0; index < 8; index++) fleet.send(index % 2, 'GET', '/channels/1/messages');
    await fleet.pass(1_000);
    fleet.kill(0);
    fleet.kill(1);
    fleet.host.setAheadMs -= 3_600_000;
    await fleet.pass(10_000);
    await fleet.until(fleet.join());
    const late = fleet.send(2, 'GET', '/channels/1/messages');
    await fleet.pass(10_000);
    expect(fate(late)).toBe(200);
  });
});

describe('a slow store', () => {
  it('does not keep a proxy sending that an edge has turned away', async () => {
    const POST = 'POST /webhooks/:webhook/:token';
    const fleet = await startFleet({ proxies: 2, stubs: { [POST]: { status: 200, body: {} } } });
    fleet.host.slowMs = 200;
    fleet.rest.inject({ effect: { kind: 'page-1015', retryAfterMs: 5_000 }, times: 1 });
    fleet.send(0, 'GET', '/users/@me');
    const post = (webhook: number) => fleet.send(0, 'POST', `/webhooks/${webhook}/token`);
    while (fleet.sends.length === 0) await fleet.pass(1);
    // The gate is asked for these before the refusal; the permits come after it.
    for (const webhook of [1, 2]) post(webhook);
    while (typeof fleet.sends[0]?.endedMs !== 'number') await fleet.pass(1);
    const [refused] = fleet.sends;
    expect(refused?.status).toBe(429);
    const untilMs = (refused?.endedMs ?? 0) + 5_000;
    for (const webhook of [3, 4]) post(webhook);
    await fleet.pass(20_000);
    expect(fleet.sent.map(fate)).toEqual(Array(5).fill(200));
    expect(fleet.sends.slice(1).every(({ atMs }) => atMs >= untilMs)).toBe(true);
  });
});

describe('what is written of a bucket', () => {
  const GET = 'GET /channels/:channel/messages';
  const window = { kind: 'sliding', limit: 5, windowMs: 3_000 } as const;
  const bucket = { name: 'b', window, scope: 'user', shown: true, counter: 'split' } as const;

  /** To whole milliseconds: far from zero there are no such fine steps. */
  const rounded = (text: string): unknown =>
    JSON.parse(text, (_key, value) => (typeof value === 'number' ? Math.round(value) : value));

  /** What is stored of a bucket that has been busy. */
  async function storedText(): Promise<string> {
    const stubs = { [GET]: { status: 200, body: {} } };
    const fleet = await startFleet({ proxies: 2, buckets: { [GET]: [bucket] }, stubs });
    for (let index = 0; index < 30; index++) fleet.send(index % 2, 'GET', '/channels/1/messages');
    await fleet.pass(7_000);
    expect(fleet.sent.filter((one) => fate(one) === 200).length).toBeGreaterThan(5);
    const [text] = [...fleet.host.store.texts]
      .filter(([place]) => place.includes('bucket:'))
      .map(([, stored]) => stored);
    return text ?? '';
  }

  it('is the same on any clock, and decides the same', async () => {
    const text = await storedText();
    for (const offsetMs of [0, 5_000, -123_456, 1_700_000_000_000]) {
      const read = readKnowledge(text, offsetMs);
      if (read === null) throw new Error('it cannot be read');
      expect(rounded(writeKnowledge(read, offsetMs))).toEqual(rounded(text));
      const [key = ''] = Object.keys(read.ledger.accounts);
      const load = ledgers.loadOf(read.ledger, read.flights);
      const rooms = [0, 5_000, 8_000, 12_000].map((nowMs) =>
        ledgers.room(ledgers.roll(read.ledger, nowMs - offsetMs), key, load, nowMs - offsetMs),
      );
      const zero = readKnowledge(text, 0);
      const expected = [0, 5_000, 8_000, 12_000].map((nowMs) =>
        ledgers.room(ledgers.roll(zero?.ledger ?? ledgers.EMPTY_LEDGER, nowMs), key, load, nowMs),
      );
      expect(rooms).toEqual(expected);
    }
  });

  it('is left alone when it cannot be understood', async () => {
    const text = await storedText();
    expect(readKnowledge('', 0)).toBeNull();
    expect(readKnowledge('{"ledger":{}}', 0)).toBeNull();
    expect(
      readKnowledge(text.replace(/"windows":\{.*?\},"joined"/, '"windows":{},"joined"'), 0),
    ).toBeNull();
  });

  it('gives no more room when it is united with what it came from', async () => {
    const read = readKnowledge(await storedText(), 0);
    if (read === null) throw new Error('it cannot be read');
    const { ledger, flights } = read;
    const united = unite(ledger, ledger, flights);
    const [key = ''] = Object.keys(ledger.accounts);
    for (const nowMs of [7_000, 8_000, 9_000, 15_000]) {
      const room = (one: ledgers.Ledger) =>
        ledgers.room(ledgers.roll(one, nowMs), key, ledgers.loadOf(one, []), nowMs);
      expect(room(united.ledger)).toBe(room(ledger));
    }
    expect(Object.keys(united.ledger.accounts)).toEqual(Object.keys(ledger.accounts));
  });
});

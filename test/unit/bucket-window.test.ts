/** What is learned of a bucket from answers that come late, crossed, changed or not at all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noteAnswer, noteRefused } from '../../actors/bucket/learning.ts';
import type { Reading } from '../../actors/bucket/reading.ts';
import {
  block,
  busyUntilMs,
  capacity,
  earliestMs,
  merge,
  newWindow,
  newWindowAfter,
  nextChangeMs,
  noteLost,
  noteSent,
  roll,
  type Window,
} from '../../actors/bucket/window.ts';
import { ARRIVAL_MAX_MS, RESET_MARGIN_MS } from '../../protocols/limits.ts';

const read = (
  limit: number,
  remaining: number,
  resetAfterMs: number,
  hash: string | null = 'abc',
): Reading => ({ limit, remaining, resetAfterMs, hash });

/** A bucket whose time is set by hand. */
class Bench {
  window: Window = newWindow();
  nowMs = 0;
  #flights = new Map<number, { id: number; sentMs: number; epoch: number }>();
  #id = 0;

  get capacity(): number {
    this.window = roll(this.window, this.nowMs);
    return capacity(this.window, this.#flights.size, this.nowMs);
  }

  at(nowMs: number): this {
    this.nowMs = nowMs;
    this.window = roll(this.window, nowMs);
    return this;
  }

  send(): number {
    const id = ++this.#id;
    this.#flights.set(id, { id, sentMs: this.nowMs, epoch: this.window.epoch });
    this.window = noteSent(this.window, id, this.nowMs);
    return id;
  }

  #land(id: number): { id: number; sentMs: number; epoch: number } {
    const flight = this.#flights.get(id);
    if (flight === undefined) throw new Error(`${id} is not in flight`);
    this.#flights.delete(id);
    return flight;
  }

  answer(id: number, reading: Reading | null, status = 200, landedMs = this.nowMs): void {
    this.window = noteAnswer(this.window, this.#land(id), status, reading, landedMs);
  }

  lose(id: number): void {
    this.window = noteLost(this.window, this.#land(id), this.nowMs);
  }

  limit(id: number, waitMs: number, reading: Reading): void {
    const refused = noteRefused(this.window, this.#land(id), reading, false, this.nowMs);
    this.window = block(refused, this.nowMs + waitMs);
  }
}

function learned(limit: number, remaining: number, resetAfterMs: number): Bench {
  const bench = new Bench();
  const id = bench.send();
  bench.at(10).answer(id, read(limit, remaining, resetAfterMs));
  return bench;
}

describe('a window', () => {
  it('P01: lets one pioneer go while nothing is known', () => {
    const bench = new Bench();
    expect(bench.capacity).toBe(1);
    bench.send();
    expect(bench.capacity).toBe(0);
  });

  it('P32: of answers that crossed, the lower remaining counts, until all have landed', () => {
    const bench = learned(5, 4, 5_000);
    const [first, second] = [bench.send(), bench.send()];
    bench.at(50).answer(second, read(5, 2, 4_960));
    expect(bench.capacity).toBe(1);
    bench.at(60).answer(first, read(5, 3, 4_970));
    expect(bench.capacity).toBe(2);
  });

  it('P33: what another client has used is taken off at once', () => {
    const bench = learned(5, 4, 5_000);
    const id = bench.at(1_000).send();
    bench.at(1_020).answer(id, read(5, 0, 4_000));
    expect(bench.capacity).toBe(0);
    expect(bench.at(5_000).capacity).toBe(0);
    expect(bench.at(5_100).capacity).toBeGreaterThan(0);
  });

  it('P16: a limit that changes leaves no more in flight than the lower one', () => {
    const bench = learned(5, 4, 5_000);
    const ids = [bench.send(), bench.send()];
    bench.at(20).answer(ids[0] ?? 0, read(3, 1, 4_990));
    expect(bench.capacity).toBe(0);
    bench.at(30).answer(ids[1] ?? 0, read(3, 0, 4_980));
    expect(bench.capacity).toBe(0);
    bench.at(6_000);
    expect(bench.capacity).toBeLessThanOrEqual(3);
    const id = bench.send();
    bench.at(6_010).answer(id, read(5, 4, 5_000));
    expect(bench.capacity).toBeLessThanOrEqual(4);
  });

  it('P25: a window first seen in the middle is not taken for a short one', () => {
    const bench = learned(5, 1, 700);
    expect(bench.window.lengthMs).toBe(700);
    bench.at(800);
    const id = bench.send();
    bench.at(810).answer(id, read(5, 4, 5_000));
    expect(bench.window.lengthMs).toBe(5_000);
  });

  it('P28: an answer of the window before changes nothing in this one', () => {
    const bench = learned(2, 1, 1_000);
    const slow = bench.at(900).send();
    bench.at(1_100);
    const quick = bench.send();
    bench.at(1_110).answer(quick, read(2, 1, 1_000));
    const before = bench.window;
    bench.at(1_120).answer(slow, read(2, 0, 100));
    expect(bench.window.remaining).toBe(before.remaining);
    expect(bench.window.wholeAtMs).toBe(before.wholeAtMs);
  });

  it('P28: an answer to a request that was sent before the reset and counted after it is of this window', () => {
    const bench = learned(2, 1, 1_000);
    const slow = bench.at(1_000).send();
    expect(bench.at(1_060).capacity).toBe(1);
    bench.at(1_200).answer(slow, read(2, 1, 1_000));
    expect(bench.capacity).toBe(1);
    expect(bench.window.wholeAtMs).toBe(2_250);
  });

  it('P28: an answer that may be of either window takes one permit from both', () => {
    // So large a limit is followed by Discord's word alone.
    const bench = learned(300, 299, 1_000);
    const slow = bench.at(1_000).send();
    bench.at(1_060);
    bench.at(1_200).answer(slow, read(300, 0, 50));
    expect(bench.capacity).toBe(299);
    expect(bench.window.wholeAtMs).toBeNull();
    expect(bench.at(2_300).capacity).toBe(300);
  });

  it('P17: is not open before the reset and the margin have passed', () => {
    const bench = learned(1, 0, 5_000);
    expect(nextChangeMs(bench.window, 10)).toBe(5_060);
    expect(bench.at(5_059.9).capacity).toBe(0);
    expect(bench.at(5_060).capacity).toBe(1);
  });

  it('P34: what was lost stays spent for one window, or until a later answer includes it', () => {
    const bench = learned(5, 4, 5_000);
    const lost = bench.send();
    bench.at(300).lose(lost);
    expect(bench.capacity).toBe(3);
    const later = bench.at(400).send();
    bench.at(410).answer(later, read(5, 2, 4_600));
    expect(bench.capacity).toBe(2);
  });

  it('P25 P34: a bucket that may leak is not taken to be whole after what one request adds', () => {
    const bench = learned(2, 1, 2_000);
    bench.at(3_000).answer(bench.send(), read(2, 1, 2_000));
    const lost = [bench.at(6_000).send(), bench.send()];
    for (const id of lost) bench.at(6_300).lose(id);
    expect(bench.at(8_400).capacity).toBe(0);
    expect(bench.at(10_400).capacity).toBe(2);
    const fixed = learned(2, 1, 2_000);
    fixed.at(20).answer(fixed.send(), read(2, 0, 1_990));
    const ids = [fixed.at(3_000).send(), fixed.send()];
    for (const id of ids) fixed.at(3_300).lose(id);
    expect(fixed.at(5_400).capacity).toBe(2);
  });

  it('P32: an answer that was made early and arrives late does not make another one the latest', () => {
    const bench = learned(5, 4, 5_000);
    const slow = bench.at(100).send();
    const [first, second] = [bench.at(150).send(), bench.send()];
    bench.at(250).answer(first, read(5, 1, 4_900), 200, 240);
    bench.at(260).answer(slow, read(5, 3, 4_950), 200, 120);
    bench.at(270).answer(second, read(5, 2, 4_920), 200, 200);
    expect(bench.window.remaining).toBe(1);
  });

  it('of two windows that answers out of order tell of, the later reset counts', () => {
    const bench = learned(2, 1, 1_000);
    bench.window = { ...bench.window, excluded: ['leaky', 'sliding'] };
    const [slow, quick] = [bench.at(500).send(), bench.send()];
    bench.at(1_020).answer(quick, read(2, 1, 1_000));
    bench.at(1_030).answer(slow, read(2, 0, 480), 200, 540);
    expect(bench.window.wholeAtMs).toBe(2_020 + RESET_MARGIN_MS);
  });

  it('within one fixed window the reset is as early as the answer that is known best says', () => {
    const bench = learned(3, 2, 1_000);
    bench.window = { ...bench.window, excluded: ['leaky', 'sliding'] };
    const quick = bench.at(5).send();
    bench.at(15).answer(quick, read(3, 1, 990));
    expect(bench.window.wholeAtMs).toBe(1_005 + RESET_MARGIN_MS);
    const slow = bench.at(20).send();
    bench.at(110).answer(slow, read(3, 0, 950));
    expect(bench.window.wholeAtMs).toBe(1_005 + RESET_MARGIN_MS);
  });

  it('the rounding of many shares does not show that a bucket cannot leak', () => {
    // Three in a quarter of a second: each adds 83.3 ms, which is told as 84.
    const bench = learned(3, 2, 84);
    const ids = [bench.send(), bench.send()];
    bench.at(12).answer(ids[0] ?? 0, read(3, 1, 166));
    bench.at(13).answer(ids[1] ?? 0, read(3, 0, 167));
    expect(bench.window.excluded).not.toContain('leaky');
    bench.at(400).answer(bench.send(), read(3, 0, 160));
    expect(bench.window.excluded).toContain('leaky');
  });

  it('P33: what strangers have used of a sliding window is taken off until its reset', () => {
    const bench = learned(5, 4, 1_000);
    bench.at(3_000);
    bench.window = { ...bench.window, epoch: 2, excluded: ['fixed', 'leaky'] };
    const [first, second] = [bench.send(), bench.send()];
    bench.at(3_010).answer(first, read(5, 1, 1_000));
    expect(bench.capacity).toBe(1);
    // Of two answers that crossed, the one that shows more of them counts.
    bench.at(3_020).answer(second, read(5, 3, 1_000));
    expect(bench.capacity).toBe(1);
  });

  it('P34: a request that is lost at once may still be on its way to its counter', () => {
    const bench = learned(5, 4, 1_000);
    bench.lose(bench.at(100).send());
    expect(bench.window.spent[0]?.countedByMs).toBe(100 + ARRIVAL_MAX_MS);
  });

  it('is shut until the later of two times', () => {
    expect(block(block(newWindow(), 100), 50).blockedUntilMs).toBe(100);
  });

  it('what is under way as a new window is made counts there as late as it can be counted', () => {
    const bench = learned(5, 4, 1_000);
    bench.at(100).send();
    const [, flying] = newWindowAfter(bench.window).log;
    expect(flying?.countedByMs).toBe(100 + ARRIVAL_MAX_MS);
  });

  it('two windows that are one keep of each fact the stricter', () => {
    const one: Window = { ...learned(5, 4, 1_000).window, excluded: ['leaky', 'sliding'] };
    const other: Window = { ...learned(5, 2, 800).window, excluded: ['sliding'] };
    for (const merged of [merge(one, other), merge(other, one)]) {
      expect(merged).toMatchObject({ remaining: 2, lengthMs: 1_000, excluded: ['sliding'] });
      expect(merged.wholeAtMs).toBe(one.wholeAtMs);
    }
  });

  it('a reset that moves shows something only as long as the one before has not passed', () => {
    const bench = learned(5, 4, 1_000);
    const late = bench.at(1_020).send();
    bench.at(1_040).answer(late, read(5, 3, 1_000));
    expect(bench.window.excluded).not.toContain('fixed');
    const moved = learned(5, 4, 1_000);
    const early = moved.at(900).send();
    moved.at(940).answer(early, read(5, 3, 1_000));
    expect(moved.window.excluded).toContain('fixed');
  });

  it('what no kind of counter can say, and a 429 that should not have come, exclude none', () => {
    const bench = learned(3, 2, 1_000);
    bench.window = { ...bench.window, excluded: ['fixed', 'sliding'] };
    bench.at(500).answer(bench.send(), read(3, 0, 500));
    expect(bench.window.excluded).toEqual([]);
    bench.window = { ...bench.window, excluded: ['fixed'] };
    bench.limit(bench.at(600).send(), 100, read(3, 0, 400));
    bench.at(3_000).answer(bench.send(), read(3, 0, 100));
    expect(bench.window).toMatchObject({ distrusted: true, excluded: [] });
  });

  it('P70: the wait of those behind others counts the windows that these will use up', () => {
    const bench = learned(5, 0, 5_000);
    expect(earliestMs(bench.window, 0, 0, 10)).toBe(5_060);
    expect(earliestMs(bench.window, 0, 4, 10)).toBe(5_060);
    expect(earliestMs(bench.window, 0, 5, 10)).toBe(10_060);
    expect(earliestMs(bench.window, 0, 12, 10)).toBe(15_060);
  });

  it('P26 P29: whatever it is told, capacity stays between nothing and the limit, and times are times', () => {
    const steps = fc.array(
      fc.record({
        do: fc.constantFrom('send', 'answer', 'bare', 'error', 'lose', 'limit', 'wait'),
        ms: fc.integer({ min: 0, max: 8_000 }),
        limit: fc.integer({ min: 1, max: 6 }),
        remaining: fc.integer({ min: 0, max: 9 }),
        hash: fc.constantFrom('abc', 'abd', null),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const bench = new Bench();
        const flying: number[] = [];
        for (const step of list) {
          const { limit, ms, hash } = step;
          const reading = read(limit, Math.min(limit, step.remaining), ms, hash);
          if (step.do === 'send' && bench.capacity >= 1) flying.push(bench.send());
          else if (step.do === 'wait') bench.at(bench.nowMs + ms);
          else {
            const id = flying.shift();
            if (id === undefined) continue;
            if (step.do === 'answer') bench.answer(id, reading);
            else if (step.do === 'bare') bench.answer(id, null);
            else if (step.do === 'error') bench.answer(id, reading, 500);
            else if (step.do === 'lose') bench.lose(id);
            else bench.limit(id, ms, reading);
          }
          const { window } = bench;
          const free = bench.capacity;
          expect(free).toBeGreaterThanOrEqual(0);
          if (window.kind === 'limited') expect(free).toBeLessThanOrEqual(window.limit);
          expect(nextChangeMs(window, bench.nowMs)).toBeGreaterThan(bench.nowMs);
          expect(Number.isFinite(busyUntilMs(window))).toBe(true);
          // It never closes for good: without anything in flight there is a time when it opens.
          if (flying.length === 0 && free === 0) {
            expect(nextChangeMs(window, bench.nowMs)).not.toBe(Number.POSITIVE_INFINITY);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

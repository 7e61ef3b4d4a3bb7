/** When a socket of the gateway rests, and for how long. */
import { describe, expect, it } from 'vitest';
import { READ_BUSY_MESSAGES, READ_SPACING_MS } from '../../protocols/limits.ts';
import { ReadPace } from '../../src/gateway/read-pace.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

function bench() {
  const clock = new VirtualClock();
  const pace = new ReadPace(clock);
  const woken: string[] = [];
  const socket = (name: string) => pace.socket(() => woken.push(name));
  return { clock, woken, socket };
}

describe('the pace of reads', () => {
  it('lets a socket be read at once as long as it brings little', () => {
    const { clock, socket } = bench();
    const quiet = socket('quiet');
    for (let read = 0; read < 100; read++) {
      expect(quiet.mayGoOn(READ_BUSY_MESSAGES - 1, false)).toBe(true);
      clock.advance(READ_SPACING_MS);
    }
  });

  it('has a busy one rest until its time is over, counted from the first read', () => {
    const { clock, woken, socket } = bench();
    const busy = socket('busy');
    for (let read = 1; read < READ_BUSY_MESSAGES; read++) {
      expect(busy.mayGoOn(1, false)).toBe(true);
    }
    clock.advance(READ_SPACING_MS / 2);
    expect(busy.mayGoOn(1, false)).toBe(false);
    clock.advance(READ_SPACING_MS / 2 - 0.01);
    expect(woken).toEqual([]);
    clock.advance(0.01);
    expect(woken).toEqual(['busy']);
    // What came meanwhile is read at once, and shows that it is still busy.
    expect(busy.mayGoOn(READ_BUSY_MESSAGES, false)).toBe(false);
    clock.advance(READ_SPACING_MS);
    expect(woken).toEqual(['busy', 'busy']);
    expect(busy.mayGoOn(1, false)).toBe(true);
  });

  it('wakes all that rest together, each once', () => {
    const { clock, woken, socket } = bench();
    const [one, other] = [socket('one'), socket('other')];
    expect(one.mayGoOn(READ_BUSY_MESSAGES, false)).toBe(false);
    clock.advance(READ_SPACING_MS / 2);
    expect(other.mayGoOn(READ_BUSY_MESSAGES, false)).toBe(false);
    clock.advance(READ_SPACING_MS / 2);
    expect(woken).toEqual(['one', 'other']);
    clock.advance(10 * READ_SPACING_MS);
    expect(woken.length).toBe(2);
  });

  it('lets what does not fit a read be read on', () => {
    const busy = bench().socket('busy');
    for (let read = 0; read < 100; read++) expect(busy.mayGoOn(60, true)).toBe(true);
    expect(busy.mayGoOn(1, false)).toBe(false);
  });
});

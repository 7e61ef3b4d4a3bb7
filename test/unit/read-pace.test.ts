/** When a process sleeps between its reads, and for how long. */
import { describe, expect, it } from 'vitest';
import { READ_BUSY_MESSAGES, READ_SPACING_MS } from '../../protocols/limits.ts';
import { ReadPace } from '../../src/gateway/read-pace.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

function bench() {
  const clock = new VirtualClock();
  const sleptMs: number[] = [];
  const pace = new ReadPace(clock, (durationMs) => {
    sleptMs.push(durationMs);
    clock.advance(durationMs);
  });
  /** One turn of the event loop, in which sockets brought so many messages each. */
  const turn = async (brought: readonly number[], isFull = false) => {
    for (const messages of brought) pace.noteRead(messages, isFull);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, pace, sleptMs, turn };
}

describe('the pace of reads', () => {
  it('leaves a process awake as long as it gets little', async () => {
    const { clock, sleptMs, turn } = bench();
    for (let count = 0; count < 100; count++) {
      await turn([READ_BUSY_MESSAGES - 1]);
      clock.advance(READ_SPACING_MS);
    }
    expect(sleptMs).toEqual([]);
  });

  it('has a busy one sleep until its time is over, whichever sockets it was', async () => {
    const { clock, sleptMs, turn } = bench();
    await turn([1]);
    clock.advance(READ_SPACING_MS / 2);
    await turn(Array(READ_BUSY_MESSAGES - 1).fill(1));
    expect(sleptMs).toEqual([]);
    await turn([1]);
    expect(sleptMs).toEqual([READ_SPACING_MS / 2]);
    // What came meanwhile is read at once, and shows that it is still busy.
    clock.advance(READ_SPACING_MS / 10);
    await turn([READ_BUSY_MESSAGES, 1]);
    expect(sleptMs).toEqual([READ_SPACING_MS / 2, READ_SPACING_MS * 0.9]);
    await turn([1]);
    expect(sleptMs.length).toBe(2);
  });

  it('sleeps when all that came is on its way, whichever socket was first', async () => {
    const { clock, pace, sleptMs, turn } = bench();
    await turn([1]);
    const cameMs = clock.nowMs();
    let writtenMs = Number.NaN;
    // What the first one brings is for nobody, so that only the second has something written.
    pace.noteRead(1, false);
    setImmediate(() => {
      writtenMs = clock.nowMs();
    });
    await turn([READ_BUSY_MESSAGES]);
    expect(sleptMs).toEqual([READ_SPACING_MS]);
    expect(writtenMs).toBe(cameMs);
  });

  it('never sleeps where turns take longer than the time itself', async () => {
    const { clock, sleptMs, turn } = bench();
    for (let count = 0; count < 100; count++) {
      await turn([1_000]);
      clock.advance(READ_SPACING_MS);
    }
    expect(sleptMs).toEqual([]);
  });

  it('does not sleep before what did not fit a read, but after it', async () => {
    const { sleptMs, turn } = bench();
    await turn([60]);
    for (let count = 0; count < 100; count++) await turn([60], true);
    expect(sleptMs).toEqual([]);
    await turn([60]);
    expect(sleptMs).toEqual([READ_SPACING_MS]);
  });
});

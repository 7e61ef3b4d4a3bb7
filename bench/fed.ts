/**
 * Works through events that come from the source: asks for them, and waits until a row says they
 * are done.
 *
 * They are asked for in waves, so that what is on its way stays below every bound of what is
 * measured. Waiting costs a timer a millisecond, the same for every row.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place, Work } from './row.ts';
import { FRAME_BYTES } from './source/messages.ts';

const WAVE_EVENTS = 16_384;
const WAVE_BYTES = WAVE_EVENTS * FRAME_BYTES;
const POLL_MS = 1;
const STALL_MS = 20_000;

/**
 * @param done how many events are done, since the connection began
 * @param check throws when something went wrong that counting does not show
 */
export function fed(
  place: Place,
  done: () => number,
  check: () => void,
  frameBytes = FRAME_BYTES,
): Work['run'] {
  const waveEvents = Math.min(WAVE_EVENTS, Math.floor(WAVE_BYTES / frameBytes));
  let target = 0;
  return async (events, perSecond) => {
    for (let left = events; left > 0; ) {
      const wave = perSecond === undefined ? Math.min(left, waveEvents) : left;
      left -= wave;
      target += wave;
      // What counts is when the events are done; that they were sent is no news.
      void place.play(wave, perSecond);
      // A steady run takes as long as it takes: no polling in the meantime.
      if (perSecond !== undefined) await sleep((wave * 1_000) / perSecond);
      await untilDone(done, target, check);
    }
  };
}

async function untilDone(done: () => number, target: number, check: () => void): Promise<void> {
  let before = done();
  let stalledMs = performance.now() + STALL_MS;
  while (done() < target) {
    check();
    await sleep(POLL_MS);
    const now = done();
    if (now !== before) stalledMs = performance.now() + STALL_MS;
    else if (performance.now() > stalledMs)
      throw new Error(`${now} of ${target} events are done, and no more come`);
    before = now;
  }
  check();
  if (done() > target) throw new Error(`${done()} events are done; ${target} were sent`);
}

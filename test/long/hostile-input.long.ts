/** The cases of test/property/hostile-input.test.ts, as many as one likes, by every decoder. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { loadDecoders } from '../../src/gateway/decompression/decoders.ts';
import { runHostileCases } from '../support/hostile-run.ts';

const FRAMES = Number(process.env.FRAMES);
/**
 * Contexts of native decoders are freed between turns of the event loop: at once, all of them would
 * take 50 KB a case.
 */
const STEP = 1_000;
const FIRST_SEED = Number(process.env.FIRST_SEED);

describe.each(['none', 'zlib-stream', 'zstd-stream'] as const)('hostile input, %s', (name) => {
  it('ends in a resumable close or is ignored', async () => {
    for (const decoder of await loadDecoders(name)) {
      for (let done = 0; done < FRAMES; done += STEP) {
        const frames = Math.min(STEP, FRAMES - done);
        const tally = runHostileCases(name, decoder, frames, FIRST_SEED + done);
        expect(tally.size).toBeGreaterThan(0);
        await nextTurn();
      }
    }
  });
});

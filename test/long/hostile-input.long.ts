/** The cases of test/property/hostile-input.test.ts, as many as one likes, by every decoder. */
import { describe, expect, it } from 'vitest';
import { loadDecoders } from '../../src/gateway/decompression/decoders.ts';
import { runHostileCases } from '../support/hostile-run.ts';

const FRAMES = Number(process.env.FRAMES);
const FIRST_SEED = Number(process.env.FIRST_SEED);

describe.each(['none', 'zlib-stream', 'zstd-stream'] as const)('hostile input, %s', (name) => {
  it('ends in a resumable close or is ignored', async () => {
    for (const decoder of await loadDecoders(name)) {
      const tally = runHostileCases(name, decoder, FRAMES, FIRST_SEED);
      expect(tally.size).toBeGreaterThan(0);
    }
  });
});

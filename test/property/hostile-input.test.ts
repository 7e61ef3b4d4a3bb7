/**
 * A hundred thousand connections that are sent something hostile: mutated frames, mutated streams,
 * bombs. The process lives, every connection goes on or is closed so that its session lives, what
 * is published is what was sent, and the next connection of the shard has everything.
 *
 * `node test/long/run.mjs hostile --frames N --seed S` does the same for longer.
 */
import { describe, expect, it } from 'vitest';
import { loadDecoders } from '../../src/gateway/decompression/decoders.ts';
import { runHostileCases } from '../support/hostile-run.ts';

const SEED = 20_261_121;
/** A stored block of 32 KiB instead of none, which fflate believes. */
const SEED_OF_A_WRONG_LENGTH = 20_316;

/**
 * A hundred thousand in all. A context of zstd-napi is freed by the collector alone, which takes
 * longer.
 */
const FRAMES: Readonly<Record<string, number>> = {
  'zstd-napi': 10_000,
  fzstd: 3_000,
  'node:zlib': 42_000,
  fflate: 3_000,
  none: 42_000,
};

const COMPRESSIONS = ['zstd-stream', 'zlib-stream', 'none'] as const;

const DECODERS = await Promise.all(
  COMPRESSIONS.map(async (compression) => {
    const decoders = await loadDecoders(compression);
    return decoders.map((decoder) => ({ compression, decoder, library: decoder.library }));
  }),
);

describe('hostile input', () => {
  it.each(DECODERS.flat())(
    'GP-73: ends in a resumable close or is ignored, with $compression by $library',
    { timeout: 300_000 },
    ({ compression, decoder, library }) => {
      const frames = FRAMES[library] ?? 0;
      const tally = runHostileCases(compression, decoder, frames, SEED);
      const count = (outcome: string): number =>
        [...tally].reduce((sum, [name, cases]) => sum + (name.endsWith(outcome) ? cases : 0), 0);
      // Neither is rare, or the cases would show little.
      expect(count(': garbled')).toBeGreaterThan(frames / 4);
      expect(count(': goes on')).toBeGreaterThan(frames / 50);
    },
  );

  it('ends by the next message where a decoder waits for what a wrong length promises', async () => {
    for (const decoder of await loadDecoders('zlib-stream')) {
      const tally = runHostileCases('zlib-stream', decoder, 1, SEED_OF_A_WRONG_LENGTH);
      expect([...tally]).toEqual([['wire: bits flipped: garbled', 1]]);
    }
  });
});

/** As many generated and damaged frames as `npm run test:wire` was asked for. */
import { expect, it } from 'vitest';
import { fuzzWire } from '../support/wire-fuzz.ts';

const PART_FRAMES = 50_000;
const frames = Number(process.env.FRAMES);
const firstSeed = Number(process.env.FIRST_SEED);

it(`${frames} frames from seed ${firstSeed}`, async () => {
  const problems: string[] = [];
  let broken = 0;
  let plain = 0;
  let done = 0;
  for (let seed = firstSeed; done < frames && problems.length === 0; seed++) {
    const result = fuzzWire(seed, Math.min(PART_FRAMES, frames - done));
    problems.push(...result.problems);
    done += result.frames;
    broken += result.broken;
    plain += result.plain;
    // The runner has to hear from its worker now and then.
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.stderr.write(
    `${done} frames: ${broken} that are no JSON, ${plain} transcoded in one pass\n`,
  );
  expect(problems).toEqual([]);
});

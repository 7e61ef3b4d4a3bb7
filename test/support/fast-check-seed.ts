/**
 * Makes every run of the tests draw the same cases, so that a change fails for what it changes.
 *
 * `FAST_CHECK_SEED=random` draws new ones, `FAST_CHECK_SEED=N` those of a run that printed N.
 */
import fc from 'fast-check';

const USUAL_SEED = 20_250_107;

const { FAST_CHECK_SEED: wanted } = process.env;

if (wanted !== 'random') fc.configureGlobal({ seed: Number(wanted ?? USUAL_SEED) });

/**
 * Sixty-four callers of a proxy over HTTP and sixteen over Redis, or as many as `node
 * test/long/run.mjs callers` was asked for, in trouble for a minute.
 */
import { expect, it } from 'vitest';
import { runProxyEndurance } from '../support/proxy-endurance.ts';

const seed = Number(process.env.SEED);
const seconds = Number(process.env.SECONDS);
const callers = Number(process.env.CALLERS);
/** One in five comes over Redis. */
const RPC_SHARE = 0.2;

it(`${callers} callers in trouble for ${seconds} s, with seed ${seed}`, async () => {
  const rpcCallers = Math.ceil(callers * RPC_SHARE);
  const { problems, ...figures } = await runProxyEndurance({
    seed,
    troubleMs: seconds * 1_000,
    httpCallers: callers - rpcCallers,
    rpcCallers,
  });
  process.stderr.write(`${JSON.stringify(figures, null, 1)}\n`);
  expect(problems).toEqual([]);
});

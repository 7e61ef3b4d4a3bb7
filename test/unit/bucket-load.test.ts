/** Buckets in numbers: more than they take, and requests that come as they are forgotten. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  BUCKET_IDLE_MS,
  BUCKET_REQUESTS_MAX,
  IDENTITY_REQUESTS_MAX,
} from '../../protocols/limits.ts';
import { createRandom } from '../../src/random.ts';
import { createProxyWorld, fate, QUIET_NETWORK, requestOf } from '../support/simulated-upstream.ts';

const LIST = 'GET /channels/:channel/messages';
const HOOK = 'PATCH /webhooks/:webhook/:interaction_token/messages/@original';
const OK = { status: 200, body: [] };
const INTERACTION = Buffer.from('interaction:').toString('base64');
const MEGABYTE = 1024 * 1024;

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

/** Lets the actors handle what one turn of the event loop allows. */
const handleSome = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('buckets in numbers', () => {
  it('P71: of a million requests those beyond the bounds are refused with a time, and memory stays flat', async () => {
    const world = createProxyWorld({ buckets: { [LIST]: [] }, stubs: { [LIST]: OK } });
    const reasons = new Map<string, number>();
    let early = 0;
    let held = 0;
    const offer = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const path = `/channels/${index % 7}/messages`;
        const { outcome } = world.tree.submit(requestOf('GET', path, {}));
        void outcome.then((one) => {
          const kind = one.kind === 'refused' ? one.reason : one.kind;
          reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
          if (one.kind === 'refused' && !(one.retryAfterMs > 0)) early += 1;
          if (one.kind === 'answered') one.answer.discard();
        });
        held = Math.max(held, world.tree.requests);
        if (index % 1_000 === 0) await world.pass(1);
      }
    };
    await offer(100_000);
    const before = heapBytes();
    await offer(900_000);
    const grown = heapBytes() - before;
    await world.pass(600_000);
    expect(world.tree.requests).toBe(0);
    expect([...reasons.keys()].sort()).toEqual(['answered', 'full']);
    expect([...reasons.values()].reduce((sum, one) => sum + one, 0)).toBe(1_000_000);
    expect(early).toBe(0);
    expect(held).toBeLessThanOrEqual(IDENTITY_REQUESTS_MAX);
    expect(world.tree.buckets).toBeLessThanOrEqual(7);
    expect(grown).toBeLessThan(20 * MEGABYTE);
  }, 120_000);

  it('P71: a route that is full leaves room for the others of its channel, and says when there is some', async () => {
    const spec = { name: 'a', scope: 'user', shown: true, counter: 'joint' } as const;
    const window = { kind: 'fixed', limit: 150, windowMs: 60_000 } as const;
    const other = 'GET /channels/:channel';
    const world = createProxyWorld({
      buckets: { [LIST]: [{ ...spec, window }], [other]: [] },
      stubs: { [LIST]: OK, [other]: OK },
    });
    for (let index = 0; index < 150; index++) world.send('GET', '/channels/1/messages');
    await world.pass(5_000);
    for (let index = 0; index < BUCKET_REQUESTS_MAX + 10; index++) {
      world.send('GET', '/channels/1/messages', { priority: 'high' });
    }
    const free = world.send('GET', '/channels/1', { priority: 'high' });
    await world.pass(100);
    expect(fate(free)).toBe(200);
    const full = world.sent.filter(
      ({ outcome }) => outcome?.kind === 'refused' && outcome.reason === 'full',
    );
    expect(full).toHaveLength(10);
    for (const { outcome } of full) {
      expect((outcome as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(54_000);
    }
  });

  it('P37: a hundred thousand requests that come in the moment in which their bucket is forgotten', async () => {
    const world = createProxyWorld({ buckets: { [HOOK]: [] }, stubs: { [HOOK]: OK } });
    const draw = createRandom(37);
    const buckets = 100;
    let answered = 0;
    const seen = { kept: 0, forgotten: 0 };
    const submit = (index: number): void => {
      const path = `/webhooks/1/${INTERACTION}${index}/messages/@original`;
      const request = requestOf('PATCH', path, { token: null, priority: 'high' });
      void world.tree.submit(request).outcome.then((outcome) => {
        if (outcome.kind !== 'answered') return;
        outcome.answer.discard();
        answered += 1;
      });
    };
    // All are on the same way at the same time: there is no need to look after each of them.
    const travel = async (): Promise<void> => {
      for (let legs = 0; legs < 2; legs++) {
        await world.system.idle();
        world.clock.advance(QUIET_NETWORK.maxMs);
      }
      await world.system.idle();
      world.upstream.sends.length = 0;
    };
    for (let index = 0; index < buckets; index++) submit(index);
    await travel();
    for (let round = 1; round <= 1_000; round++) {
      // The timers of all buckets put their words into the mailboxes; who asks before they are
      // read?
      world.clock.advance(BUCKET_IDLE_MS + Math.floor(draw() * 50));
      if (draw() < 0.1) await handleSome();
      const left = world.tree.buckets;
      seen[left === buckets ? 'kept' : 'forgotten'] += 1;
      for (let index = 0; index < buckets; index++) {
        submit(index);
        if (draw() < 0.0005) await handleSome();
      }
      await travel();
    }
    expect(answered).toBe(1_001 * buckets);
    expect(world.tree.requests).toBe(0);
    expect(Math.min(seen.kept, seen.forgotten)).toBeGreaterThan(2);
  }, 120_000);
});

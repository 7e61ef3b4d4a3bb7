/** Requests of one route that Discord limits differently: how they are told apart, and when. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClassRule,
  classChangeMs,
  classesBetween,
  classRuleOf,
  MESSAGE_FRESH_MS,
  MESSAGE_OLD_MS,
} from '../../protocols/discord/request-class.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { ARRIVAL_MAX_MS, CLASS_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import { bodyOfBytes } from '../../protocols/proxy.ts';
import { createRandom } from '../../src/random.ts';
import type { BucketSpec, BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import { makeSnowflake } from '../../src/simulator/snowflake.ts';
import { createProxyWorld, fate, type ProxyWorld } from '../support/simulated-upstream.ts';

const DELETE = 'DELETE /channels/:channel/messages/:message';
const EDIT = 'PATCH /channels/:channel';
const stubs = { [DELETE]: { status: 204 }, [EDIT]: { status: 200, body: {} } };

const spec = (
  name: string,
  limit: number,
  windowMs: number,
  changes: Partial<BucketSpec>,
): BucketSpec => ({
  name,
  window: { kind: 'fixed', limit, windowMs },
  scope: 'user',
  shown: true,
  counter: 'joint',
  ...changes,
});

const DELETES: BucketTable = {
  [DELETE]: [
    spec('delete', 3, 4_000, { class: 'recent' }),
    spec('delete-old', 2, 9_000, { class: 'old' }),
  ],
};

const text = (content: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(content));

/** Deletes a message of this age. */
function remove(world: ProxyWorld, ageMs: number, low = 0) {
  const id = makeSnowflake(world.clock.epochMs() - ageMs, low);
  return world.send('DELETE', `/channels/1/messages/${id}`);
}

describe("a request's class", () => {
  const rule: ClassRule = { by: 'age', bornMs: 1_000 };
  const at = (ageMs: number) => classesBetween(rule, 1_000 + ageMs, 1_000 + ageMs);

  it('P12: of a deleted message turns at 10 s and at 14 days, to the millisecond', () => {
    expect(at(MESSAGE_FRESH_MS - 1)).toEqual(['fresh']);
    expect(at(MESSAGE_FRESH_MS)).toEqual(['recent']);
    expect(at(MESSAGE_FRESH_MS + 1)).toEqual(['recent']);
    expect(at(MESSAGE_OLD_MS - 1)).toEqual(['recent']);
    expect(at(MESSAGE_OLD_MS)).toEqual(['recent']);
    expect(at(MESSAGE_OLD_MS + 1)).toEqual(['old']);
    expect(classesBetween(rule, 1_000, 1_000 + MESSAGE_FRESH_MS - 1)).toEqual(['fresh']);
    expect(classesBetween(rule, 1_000, 1_000 + MESSAGE_FRESH_MS)).toEqual(['fresh', 'recent']);
  });

  it('is looked at again no later than it changes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * MESSAGE_OLD_MS }), (nowMs) => {
        const changeMs = classChangeMs(rule, nowMs, ARRIVAL_MAX_MS);
        const classes = (time: number) => classesBetween(rule, time, time + ARRIVAL_MAX_MS);
        expect(changeMs).toBeGreaterThan(nowMs);
        if (!Number.isFinite(changeMs)) expect(classes(nowMs)).toEqual(['old']);
        else expect(classes(changeMs - 1)).toEqual(classes(nowMs));
      }),
    );
  });

  it('is known by the id of the message, for deletes of messages only', () => {
    const epochMs = 1_700_000_000_000;
    const id = makeSnowflake(epochMs - 250, 7);
    const ruleFor = (method: string, path: string) =>
      classRuleOf(resolveRoute(method, path), null, 5_000, epochMs);
    expect(ruleFor('DELETE', `/channels/1/messages/${id}`)).toEqual({ by: 'age', bornMs: 4_750 });
    for (const [method, path] of [
      ['GET', `/channels/1/messages/${id}`],
      ['DELETE', `/channels/1/messages/${id}/reactions`],
      ['DELETE', '/channels/1/messages/pins'],
      ['DELETE', `/channels/${id}`],
      ['DELETE', `/webhooks/1/token/messages/${id}`],
    ] as const) {
      expect(ruleFor(method, path)).toEqual({ by: 'route' });
    }
  });

  it.each([
    ['{"name":"a"}', 'renaming'],
    ['{"topic":null}', 'renaming'],
    ['{"nsfw":true,"position":3}', 'plain'],
    ['{"permission_overwrites":[{"name":"a"}]}', 'plain'],
    ['', 'plain'],
    ['{"name', 'renaming'],
    ['null', 'renaming'],
    ['7', 'renaming'],
    [`{"icon":"${'x'.repeat(CLASS_BODY_MAX_BYTES)}"}`, 'renaming'],
  ] as const)('of a channel edit is told by the body (%#)', (content, expected) => {
    const body = bodyOfBytes(new TextEncoder().encode(content));
    const found = classRuleOf(resolveRoute('PATCH', '/channels/1'), body, 0, 0);
    expect(found).toEqual({ by: 'body', class: expected });
  });

  it('of a body that is still on its way is the tighter one', () => {
    const body = { bytes: 10, heldBytes: 0, read: async function* () {} };
    const found = classRuleOf(resolveRoute('PATCH', '/channels/1'), body, 0, 0);
    expect(found).toEqual({ by: 'body', class: 'renaming' });
  });
});

describe('classes of one route', () => {
  it.each([-ARRIVAL_MAX_MS - 1, -1, 0, 1])(
    'P12: a message %i ms from the line is counted as Discord counts it when it arrives',
    async (offsetMs) => {
      for (const lineMs of [MESSAGE_FRESH_MS, MESSAGE_OLD_MS]) {
        const world = createProxyWorld({ buckets: DELETES, stubs });
        // What is known of each class, so that nothing but the counting decides.
        for (const ageMs of [0, 60_000, 2 * MESSAGE_OLD_MS]) remove(world, ageMs);
        await world.pass(20_000);
        for (let index = 0; index < 12; index++) remove(world, lineMs + offsetMs, index);
        await world.pass(120_000);
        expect(world.sent.every((one) => fate(one) === 204)).toBe(true);
        expect(world.rest.audit.breaches).toEqual([]);
      }
    },
  );

  it('P12 P42: a request that grows over a line while it waits goes on in its new class, in order', async () => {
    const world = createProxyWorld({ buckets: DELETES, stubs });
    for (const ageMs of [60_000, 2 * MESSAGE_OLD_MS]) remove(world, ageMs);
    await world.pass(20_000);
    const before = world.upstream.sends.length;
    // The class of what is nearly old is used up; the class it grows into is free.
    for (let index = 0; index < 3; index++) remove(world, 60_000, index);
    const growing = [0, 1].map((index) => remove(world, MESSAGE_OLD_MS - 1_500, index));
    const behind = remove(world, 60_000, 9);
    await world.pass(1_000);
    expect(growing.map(fate)).toEqual([null, null]);
    await world.pass(600);
    expect(growing.map(fate)).toEqual([204, 204]);
    expect(fate(behind)).toBeNull();
    await world.pass(4_000);
    expect(fate(behind)).toBe(204);
    const order = world.upstream.sends.slice(before).map(({ target }) => target.split('?n=')[1]);
    expect(order).toEqual(['2', '3', '4', '5', '6', '7']);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('P12: whatever the ages, no class is overdrawn and each keeps its order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const network = { minMs: 5, maxMs: 200, answerLoss: 0 };
        const world = createProxyWorld({ buckets: DELETES, stubs, seed, network });
        const draw = createRandom(seed);
        const lines = [0, MESSAGE_FRESH_MS, MESSAGE_OLD_MS, 2 * MESSAGE_OLD_MS];
        for (const lineMs of lines) remove(world, lineMs + 20_000);
        await world.pass(30_000);
        for (let index = 0; index < 40; index++) {
          const lineMs = lines[Math.floor(draw() * lines.length)] ?? 0;
          remove(world, Math.max(0, lineMs + Math.floor(draw() * 4_000) - 3_000), index);
          await world.pass(Math.floor(draw() * 400));
        }
        await world.pass(10 * 60_000);
        expect(world.sent.every((one) => fate(one) === 204)).toBe(true);
        expect(world.rest.audit.breaches).toEqual([]);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('P46: a renaming that is refused waits alone, other edits go on', async () => {
    const buckets = {
      [EDIT]: [
        spec('edit', 5, 15_000, {}),
        spec('rename', 2, 600_000, { class: 'name-or-topic', shown: false }),
      ],
    };
    const world = createProxyWorld({ buckets, stubs });
    const edit = (content: unknown) => world.send('PATCH', '/channels/1', { body: text(content) });
    const names = Array.from({ length: 5 }, (_, index) => edit({ name: `name ${index}` }));
    await world.pass(30_000);
    expect(names.map(fate)).toEqual([200, 200, null, null, null]);
    const refused = world.rest.audit.breaches.length;
    const others = Array.from({ length: 8 }, () => edit({ nsfw: true }));
    await world.pass(16_000);
    expect(others.map(fate)).toEqual(Array(8).fill(200));
    await world.pass(540_000);
    expect(names.map(fate)).toEqual([200, 200, null, null, null]);
    await world.pass(1_200_000);
    expect(names.map(fate)).toEqual(Array(5).fill(200));
    // Nobody can know that limit before it refuses; each time that it does, one request finds out.
    expect(world.rest.audit.breaches.length - refused).toBeLessThanOrEqual(2);
    const order = world.upstream.sends.filter(({ status }) => status === 200);
    const named = order.map(({ target }) => Number(target.split('?n=')[1])).filter((n) => n < 5);
    expect(named).toEqual([0, 1, 2, 3, 4]);
  });
});

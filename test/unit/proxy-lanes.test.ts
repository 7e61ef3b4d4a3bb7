/** Who goes first when not all can go at once; the simulated API shows in what order they came. */
import { describe, expect, it } from 'vitest';
import { bodyOfBytes } from '../../protocols/proxy.ts';
import { admit } from '../../src/proxy/admission.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import {
  createProxyWorld,
  fate,
  type ProxyWorld,
  type Sent,
  TOKENS,
} from '../support/simulated-upstream.ts';

const ME = 'GET /users/@me';
const LIST = 'GET /channels/:channel/messages';
const POST = 'POST /channels/:channel/messages';
const HOOK = 'POST /webhooks/:webhook/:token';
const CALLBACK = 'POST /interactions/:interaction/:interaction_token/callback';
const OK = { status: 200, body: {} };
const stubs = { [ME]: OK, [LIST]: OK, [POST]: OK, [HOOK]: OK, [CALLBACK]: { status: 204 } };
const NONE = { [ME]: [], [LIST]: [], [POST]: [], [HOOK]: [], [CALLBACK]: [] };

const callback = (id: number): string => `/interactions/${id}/aW50ZXJhY3Rpb246MQ/callback`;

function perRoute(route: string, limit: number, windowMs: number): BucketTable {
  const window = { kind: 'sliding', limit, windowMs } as const;
  const spec = { name: route, window, scope: 'user', shown: true, counter: 'split' } as const;
  return { ...NONE, [route]: [spec] };
}

/** From when they came in until they were answered, the longest but for one in a hundred. */
function p99(sent: readonly Sent[]): number {
  const waits = sent.map((one) => (one.settledMs ?? Number.POSITIVE_INFINITY) - one.submittedMs);
  waits.sort((one, other) => one - other);
  return waits[Math.ceil(waits.length * 0.99) - 1] ?? Number.NaN;
}

/** Keeps so many waiting in the bulk lane, over some channels. */
class BulkJob {
  readonly sent: Sent[] = [];
  readonly #world: ProxyWorld;
  readonly #channels: number;
  readonly #waiting: number;

  constructor(world: ProxyWorld, channels: number, waiting: number) {
    this.#world = world;
    this.#channels = channels;
    this.#waiting = waiting;
  }

  fill(): void {
    const open = this.sent.filter((one) => one.outcome === null).length;
    for (let index = open; index < this.#waiting; index++) {
      const channel = this.sent.length % this.#channels;
      const path = `/channels/${channel}/messages`;
      this.sent.push(this.#world.send('POST', path, { priority: 'bulk' }));
    }
  }

  get answered(): number {
    return this.sent.filter((one) => fate(one) === 200).length;
  }
}

describe('the lanes of the proxy', () => {
  it('P72: interactions wait for nothing under a full bulk load, ordinary requests little, bulk for its share', async () => {
    const network = { minMs: 10, maxMs: 90, answerLoss: 0 };
    const world = createProxyWorld({ buckets: NONE, stubs, network });
    const bulk = new BulkJob(world, 50, 1_500);
    const interactions: Sent[] = [];
    const ordinary: Sent[] = [];
    for (let step = 0; step < 600; step++) {
      bulk.fill();
      interactions.push(world.send('POST', callback(step), { token: null }));
      // Twenty a second, of fifty.
      for (const id of [1, 2])
        ordinary.push(world.send('GET', `/channels/${step % 9}${id}/messages`));
      await world.pass(100);
    }
    await world.pass(5_000);
    expect(interactions.every((one) => fate(one) === 204)).toBe(true);
    // Both ways through the network, and nothing else.
    expect(p99(interactions)).toBeLessThanOrEqual(180);
    expect(ordinary.every((one) => fate(one) === 200)).toBe(true);
    // Bulk leaves a few permits free for them; without, one in a hundred would wait for a second.
    expect(p99(ordinary)).toBeLessThan(700);
    // Bulk gets nearly all that the others leave: fifty a second less twenty, less the network's
    // share.
    expect(bulk.answered).toBeGreaterThan(60 * 22);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('bulk is not starved by more ordinary requests than can be sent', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const bulk = new BulkJob(world, 10, 100);
    const ordinary: Sent[] = [];
    for (let step = 0; step < 60; step++) {
      bulk.fill();
      while (ordinary.filter((one) => one.outcome === null).length < 300) {
        ordinary.push(world.send('GET', `/channels/${ordinary.length % 30}/messages`));
      }
      await world.pass(1_000);
    }
    const answered = ordinary.filter((one) => fate(one) === 200).length;
    const share = bulk.answered / (bulk.answered + answered);
    expect(answered + bulk.answered).toBeGreaterThan(60 * 45);
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('within one bucket the lanes share its window, and each is in order', async () => {
    const world = createProxyWorld({ buckets: perRoute(POST, 5, 1_000), stubs });
    const lanes = ['bulk', 'normal', 'high'] as const;
    const path = '/channels/1/messages';
    world.send('POST', path);
    await world.pass(2_000);
    const sent = lanes.map((priority) =>
      Array.from({ length: 40 }, () => world.send('POST', path, { priority })),
    );
    await world.pass(4_000);
    const done = sent.map((list) => list.filter((one) => fate(one) === 200).length);
    const [bulk = 0, normal = 0, high = 0] = done;
    expect(high).toBeGreaterThan(3 * (normal + bulk));
    expect(Math.min(normal, bulk)).toBeGreaterThanOrEqual(1);
    await world.pass(40_000);
    const order = world.upstream.sends.map(({ target }) => Number(target.split('?n=')[1]));
    for (const list of sent) {
      const ids = list.map(({ id }) => id);
      expect(order.filter((id) => ids.includes(id))).toEqual(ids);
    }
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('a request does not wait behind what the bulk lane of its own bucket has asked for', async () => {
    const world = createProxyWorld({ buckets: perRoute(POST, 40, 1_000), stubs });
    const bulk = new BulkJob(world, 8, 1_200);
    const ordinary: Sent[] = [];
    for (let step = 0; step < 100; step++) {
      bulk.fill();
      ordinary.push(world.send('POST', `/channels/${step % 8}/messages`));
      await world.pass(217);
    }
    await world.pass(2_000);
    expect(ordinary.every((one) => fate(one) === 200)).toBe(true);
    expect(p99(ordinary)).toBeLessThan(1_100);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('keep room for the higher ones when the lower ones have filled what they may', async () => {
    const world = createProxyWorld({ buckets: perRoute(POST, 1, 3_600_000), stubs });
    for (let index = 0; index < 3_000; index++) {
      world.send('POST', `/channels/${index % 40}/messages`, { priority: 'bulk' });
    }
    await world.pass(1);
    const full = world.sent.filter(({ outcome }) => outcome?.kind === 'refused');
    expect(full.length).toBeGreaterThan(900);
    const ordinary = world.send('GET', '/users/@me');
    await world.pass(1_500);
    expect(fate(ordinary)).toBe(200);
  });

  it('an interaction is not answered when Discord would not take the answer any more', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const effect = { kind: 'limited', scope: 'user', retryAfterMs: 2_500 } as const;
    world.rest.inject({ effect, times: 1, route: CALLBACK });
    const first = world.send('POST', callback(1), { token: null });
    await world.pass(3_100);
    const second = world.send('POST', callback(2), { token: null });
    world.rest.inject({ effect: { ...effect, retryAfterMs: 3_500 }, times: 1, route: CALLBACK });
    await world.pass(50);
    const third = world.send('POST', callback(3), { token: null });
    await world.pass(10);
    // What would come too late is told so at once, and what was refused gets Discord's own word.
    expect([first, second, third].map(fate)).toEqual([204, 429, 'timed-out']);
    // One that is under way is waited for: Discord may have taken it in time.
    await world.pass(5_000);
    world.upstream.network = { minMs: 2_000, maxMs: 2_000, answerLoss: 0 };
    const slow = world.send('POST', callback(4), { token: null });
    await world.pass(4_100);
    expect(fate(slow)).toBe(204);
  });
});

describe('the gate', () => {
  it('P58: after a lock all buckets get their turns at an even pace', async () => {
    const network = { minMs: 20, maxMs: 20, answerLoss: 0 };
    const world = createProxyWorld({ buckets: NONE, stubs, network });
    for (let channel = 0; channel < 25; channel++) {
      world.send('GET', `/channels/${channel}/messages`);
    }
    await world.pass(2_000);
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 5_000 } as const;
    world.rest.inject({ effect, times: 1 });
    world.send('GET', '/users/@me');
    await world.pass(100);
    const before = world.upstream.sends.length;
    // The first channel has the most by far, and came first.
    for (let index = 0; index < 60; index++) world.send('GET', '/channels/0/messages');
    for (let index = 0; index < 96; index++) {
      world.send('GET', `/channels/${1 + (index % 24)}/messages`);
    }
    await world.pass(4_800);
    expect(world.upstream.sends).toHaveLength(before);
    await world.pass(10_000);
    const released = world.upstream.sends.slice(before);
    expect(released).toHaveLength(157);
    for (const [index, { atMs }] of released.entries()) {
      const sixth = released[index + 5];
      // Fifty a second, one after the other, for the first second: no six within a tenth.
      if (sixth !== undefined && index + 5 < 45)
        expect(sixth.atMs - atMs).toBeGreaterThanOrEqual(99);
    }
    const round = released.slice(1, 27).map(({ target }) => target.split('?')[0]);
    expect(new Set(round).size).toBeGreaterThanOrEqual(25);
    expect(world.rest.audit.breaches.slice(1)).toEqual([]);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
  });

  it('P60: callbacks flow while it is shut, without the Authorization that would count them', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const lock = { kind: 'limited', scope: 'global', retryAfterMs: 60_000 } as const;
    world.rest.inject({ effect: lock, times: 1, route: ME });
    const shut = world.send('GET', '/users/@me');
    await world.pass(100);
    const outcomes: unknown[] = [];
    for (let id = 0; id < 80; id++) {
      const admitted = admit(
        {
          method: 'POST',
          target: `/api/v10${callback(id)}`,
          headers: [
            ['Authorization', `Bot ${TOKENS[0]}`],
            ['User-Agent', 'DiscordBot (https://example.org, 1)'],
            ['X-Spectacles-Priority', 'bulk'],
          ],
          timeoutMs: undefined,
        },
        { token: TOKENS[0], timeoutMs: undefined },
      );
      expect(admitted).toMatchObject({ priority: 'high', sendWithinMs: 3_000 });
      expect(JSON.stringify(admitted.headers)).not.toMatch(/authorization|priority|token-of-bot/i);
      const body = bodyOfBytes(new TextEncoder().encode('{"type":1}'));
      const { outcome } = world.tree.submit({ ...admitted, body });
      void outcome.then((one) => {
        outcomes.push(one.kind === 'answered' ? one.answer.status : one.kind);
        if (one.kind === 'answered') one.answer.discard();
      });
    }
    await world.pass(1_000);
    expect(outcomes).toEqual(Array.from({ length: 80 }, () => 204));
    expect(fate(shut)).toBeNull();
    // Eighty in a second would have been too many, had the API counted them.
    expect(world.rest.audit.breaches.filter(({ name }) => name === 'global')).toEqual([]);
  });

  it('P61: what carries no credentials has the limit of an address, however much a bot may send', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs, globalLimit: 500 });
    for (let index = 0; index < 150; index++) {
      world.send('POST', `/webhooks/${index}/${'t'.repeat(68)}`, { token: null });
    }
    await world.pass(900);
    expect(world.upstream.sends).toHaveLength(50);
    await world.pass(5_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('P63: nothing is sent to find out the limit, which is 50 unless it is configured', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const first = world.send('GET', '/users/@me');
    await world.pass(20);
    expect(fate(first)).toBe(200);
    for (let index = 0; index < 200; index++) world.send('GET', `/channels/${index}/messages`);
    await world.pass(900);
    expect(world.upstream.sends).toHaveLength(50);
    await world.pass(10_000);
    expect(world.upstream.sends).toHaveLength(world.sent.length);
  });
});

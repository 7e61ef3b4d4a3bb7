/** What the proxy's cache gives, to whom, and for how long: one case at a time. */
import { describe, expect, it } from 'vitest';
import { CACHE_EVENTS, changedByEvent } from '../../protocols/discord/cache-events.ts';
import { cacheableRead, changedByWrite } from '../../protocols/discord/cached-routes.ts';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { CACHE_CHANGING_MS, CACHE_TOLD_MS, COLLECTING_MAX_BYTES } from '../../protocols/limits.ts';
import type { CacheRules } from '../../src/proxy/cache/rest-cache.ts';
import { type Asked, CacheWorld, LONG_BODY_BYTES } from '../support/cache-world.ts';
import { TOKENS } from '../support/simulated-upstream.ts';

const CHANNEL = '/channels/11';
const MESSAGES = '/channels/11/messages?limit=2';
const KEEPING: CacheRules = { coalesce: 'waiting', keep: true };
const TOLD: CacheRules = {
  ...KEEPING,
  told: { identity: TOKENS[0], events: new Set(CACHE_EVENTS) },
};

function start(
  rules: CacheRules,
  options: Partial<ConstructorParameters<typeof CacheWorld>[0]> = {},
) {
  return new CacheWorld({ seed: 3, rules, ...options });
}

const got = ({ fates, status, lookup }: Asked): unknown => [fates[0], status, lookup];
const HIT = ['answered', 200, 'hit'];
const MISS = ['answered', 200, 'miss'];
const JOINED = ['answered', 200, 'joined'];
const PLAIN = ['answered', 200, undefined];

describe('kept answers', () => {
  it('are given for as long as nobody is sure to tell of changes, and no longer', async () => {
    const world = start(KEEPING);
    const first = world.ask('GET', CHANNEL);
    await world.pass(CACHE_CHANGING_MS - 200);
    const second = world.ask('GET', CHANNEL);
    await world.pass(200);
    const third = world.ask('GET', CHANNEL);
    await world.pass(1_000);
    expect([first, second, third].map(got)).toEqual([MISS, HIT, MISS]);
    expect(second.settledMs).toBe(second.askedMs);
    expect(world.sends).toHaveLength(2);
    expect(world.cache.standing.entries).toBe(1);
  });

  it('are of no use to anybody else, nor under another target or with other headers', async () => {
    const world = start(KEEPING);
    world.ask('GET', CHANNEL);
    await world.pass(200);
    const others = [
      world.ask('GET', CHANNEL, { token: TOKENS[1] }),
      world.ask('GET', `${CHANNEL}?x=1`),
      world.ask('GET', CHANNEL, { headers: [['accept-language', 'de']] }),
    ];
    const same = world.ask('GET', CHANNEL, { headers: [['x-request-id', '7']] });
    await world.pass(200);
    for (const other of others) expect(other.lookup).toBe('miss');
    expect(got(same)).toEqual(HIT);
    expect(world.faults).toEqual([]);
  });

  it("are not made of what has no token, a person's token, an error or no line in the table", async () => {
    const world = start(KEEPING);
    const ask = () => [
      world.ask('GET', '/gateway', { token: null }),
      world.ask('GET', CHANNEL, { authorization: 'Bearer abc' }),
      world.ask('GET', '/channels/13'),
      world.ask('GET', MESSAGES),
      world.ask('GET', '/channels/011'),
    ];
    ask();
    await world.pass(200);
    const again = ask();
    await world.pass(200);
    expect(again.map(({ lookup }) => lookup)).not.toContain('hit');
    expect(world.cache.standing.entries).toBe(0);
  });

  it('are passed by with no-cache, which makes a new one, and with no-store, which makes none', async () => {
    const world = start(KEEPING);
    world.ask('GET', CHANNEL);
    await world.pass(200);
    world.changeElsewhere(0, null);
    const stored = world.ask('GET', CHANNEL, { headers: [['cache-control', 'no-store']] });
    await world.pass(200);
    const old = world.ask('GET', CHANNEL);
    const fresh = world.ask('GET', CHANNEL, { headers: [['cache-control', 'no-cache']] });
    await world.pass(200);
    const last = world.ask('GET', CHANNEL);
    await world.pass(200);
    expect([stored, old, fresh, last].map(({ body }) => body?.versions.c11)).toEqual([1, 0, 1, 1]);
    expect([stored, fresh].map(got)).toEqual([PLAIN, MISS]);
    expect(got(last)).toEqual(HIT);
  });

  it('are gone from the moment that a write of theirs is sent, whatever becomes of its answer', async () => {
    const world = start(KEEPING, { waitMs: 100 });
    world.ask('GET', CHANNEL);
    await world.pass(500);
    const write = world.ask('PATCH', CHANNEL);
    // Discord has done it, and nobody knows yet.
    while (world.state.get('c11') === undefined) world.clock.runNext();
    const after = world.ask('GET', CHANNEL);
    expect(write.fates).toEqual([]);
    await world.pass(500);
    expect([got(after), after.body?.versions]).toEqual([MISS, { c11: 1 }]);
    world.ask('GET', CHANNEL);
    await world.pass(500);
    world.ask('POST', '/channels/11/typing');
    await world.pass(100);
    const still = world.ask('GET', CHANNEL);
    await world.pass(0);
    expect(got(still)).toEqual(HIT);
  });

  it('hold no answer that was read while it changed', async () => {
    const world = start(TOLD);
    world.cache.tell(true);
    const before = world.ask('GET', CHANNEL);
    await world.pass(1);
    world.cache.change(changedByEvent('CHANNEL_UPDATE', { id: '11', guild_id: '1' }));
    const after = world.ask('GET', CHANNEL);
    await world.pass(500);
    expect([before, after].map(got)).toEqual([MISS, MISS]);
    expect(world.sends).toHaveLength(2);
  });
});

describe('events', () => {
  it('let answers live longer, those of their own bot and as they are', async () => {
    const world = start(TOLD);
    world.cache.tell(true);
    const ask = () => [
      world.ask('GET', CHANNEL),
      world.ask('GET', CHANNEL, { token: TOKENS[1] }),
      world.ask('GET', '/guilds/1'),
      world.ask('GET', '/guilds/1?with_counts=true'),
    ];
    ask();
    await world.pass(CACHE_TOLD_MS - 1_000);
    const later = ask();
    await world.pass(1_000);
    expect(later.map(({ lookup }) => lookup)).toEqual(['hit', 'miss', 'hit', 'miss']);
    const last = world.ask('GET', CHANNEL);
    await world.pass(500);
    expect(got(last)).toEqual(MISS);
  });

  it('must all be there that a line needs', async () => {
    const events = new Set<string>(CACHE_EVENTS.filter((event) => event !== 'GUILD_ROLE_DELETE'));
    const world = start({ ...KEEPING, told: { identity: TOKENS[0], events } });
    world.cache.tell(true);
    const ask = () => [world.ask('GET', '/guilds/1/roles'), world.ask('GET', '/users/@me')];
    ask();
    await world.pass(60_000);
    const later = ask();
    await world.pass(500);
    expect(later.map(({ lookup }) => lookup)).toEqual(['miss', 'hit']);
  });

  it('that stop coming take with them what lived by them, and what was on its way', async () => {
    for (const lose of [
      (world: CacheWorld) => world.cache.tell(false),
      (world: CacheWorld) => world.cache.missed(),
    ]) {
      const world = start(TOLD);
      world.cache.tell(true);
      world.ask('GET', CHANNEL);
      await world.pass(200);
      world.ask('GET', '/guilds/1/roles');
      await world.pass(1);
      lose(world);
      await world.pass(200);
      expect(world.cache.standing.entries).toBe(0);
      const after = world.ask('GET', CHANNEL);
      await world.pass(200);
      expect(got(after)).toEqual(MISS);
    }
  });

  it('that come again vouch for nothing that was sent before', async () => {
    const world = start(TOLD);
    world.ask('GET', CHANNEL);
    await world.pass(1);
    world.cache.tell(true);
    await world.pass(200);
    expect(world.cache.standing.entries).toBe(0);
  });
});

describe('one request for many', () => {
  it('is joined until it is sent, by those of its lane', async () => {
    const world = start({ coalesce: 'waiting', keep: false }, { waitMs: 100 });
    const first = world.ask('GET', MESSAGES);
    const second = world.ask('GET', MESSAGES);
    const bulk = world.ask('GET', MESSAGES, { priority: 'bulk' });
    await world.pass(1_000);
    expect([first, second, bulk].map(got)).toEqual([PLAIN, JOINED, PLAIN]);
    expect(world.sends).toHaveLength(2);
    const third = world.ask('GET', MESSAGES);
    while (world.sends.length < 3) world.clock.runNext();
    const late = world.ask('GET', MESSAGES);
    await world.pass(1_000);
    expect([third, late].map(got)).toEqual([PLAIN, PLAIN]);
  });

  it('is joined on its way, too, with `flying`, and by nobody with `off`', async () => {
    for (const [coalesce, sends] of [['flying', 1] as const, ['off', 2] as const]) {
      const world = start({ coalesce, keep: false });
      world.ask('GET', MESSAGES);
      await world.pass(1);
      world.ask('GET', MESSAGES);
      await world.pass(1_000);
      expect(world.sends).toHaveLength(sends);
    }
  });

  it('does not end with the one who asked first', async () => {
    const world = start({ coalesce: 'waiting', keep: false }, { waitMs: 200, seed: 9 });
    const cancelled = world.ask('GET', MESSAGES, { cancelAfterMs: 1 });
    const stays = world.ask('GET', MESSAGES);
    await world.pass(1_000);
    expect([cancelled, stays].map(({ fates }) => fates)).toEqual([['cancelled'], ['answered']]);
    expect(world.sends).toHaveLength(1);
    const hurried = world.ask('GET', CHANNEL, { timeoutMs: 1 });
    const patient = world.ask('GET', CHANNEL, { timeoutMs: 2_000 });
    await world.pass(3_000);
    expect([hurried, patient].map(({ fates }) => fates)).toEqual([['timed-out'], ['answered']]);
    expect(world.cache.standing.guests).toBe(0);
  });

  it('ends with the last who waits for it', async () => {
    const world = start({ coalesce: 'waiting', keep: false }, { waitMs: 200, seed: 9 });
    world.ask('GET', MESSAGES, { cancelAfterMs: 1 });
    world.ask('GET', MESSAGES, { cancelAfterMs: 2 });
    await world.pass(1_000);
    expect(world.sends).toEqual([]);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('gives an answer that is too large to one, and lets the others ask on their own', async () => {
    const bounds = {
      ...{ entries: 10, bytes: 100_000, entryBytes: 1_000 },
      ...{ sharedBytes: LONG_BODY_BYTES / 2, collectingBytes: COLLECTING_MAX_BYTES, joined: 10 },
    };
    const world = start({ coalesce: 'waiting', keep: true }, { long: 1, bounds });
    const all = [1, 2, 3].map(() => world.ask('GET', CHANNEL));
    await world.pass(1_000);
    expect(all.map(({ body }) => body?.versions)).toEqual([{ c11: 0 }, { c11: 0 }, { c11: 0 }]);
    expect(world.sends).toHaveLength(3);
    expect(world.cache.standing).toMatchObject({ entries: 0, guests: 0, collectingBytes: 0 });
    expect(world.open).toBe(0);
  });

  it('serves a fast reader while a slow one has not begun', async () => {
    const world = start({ coalesce: 'waiting', keep: false });
    const slow = world.cache.submit({ ...world.ask('GET', CHANNEL).request });
    const fast = world.ask('GET', CHANNEL);
    await world.pass(1_000);
    expect(fast.body?.versions).toEqual({ c11: 0 });
    const outcome = await slow.outcome;
    if (outcome.kind !== 'answered') throw new Error('it was not answered');
    const chunks: Uint8Array[] = [];
    for await (const chunk of outcome.answer.body) chunks.push(chunk);
    expect(JSON.parse(Buffer.concat(chunks).toString()).versions).toEqual({ c11: 0 });
  });
});

describe('the tables', () => {
  const templates = new Set(DOCUMENTED_ROUTES.map((route) => route.split(' ').at(-1) ?? ''));
  const targetOf = (template: string): string => `/api/v10${template.replaceAll(/:[a-z_]+/g, '7')}`;
  const reads = [...templates].flatMap((template) => {
    const route = resolveRoute('GET', targetOf(template));
    const read = cacheableRead(route, targetOf(template));
    return read === undefined ? [] : [{ template, read }];
  });

  it('have lines of documented routes only, each of them a GET', () => {
    expect(reads.length).toBeGreaterThan(30);
    for (const { template } of reads) {
      expect(resolveRoute('GET', targetOf(template)).methods).toContain('GET');
    }
  });

  it('name no event that leaves an answer which it is said to change', () => {
    const data = {
      ...{ id: '7', guild_id: '7', channel_id: '7', parent_id: '7' },
      user: { id: '7' },
      role: { id: '7' },
    };
    for (const { template, read } of reads) {
      for (const event of read.line.toldBy) {
        const changed = changedByEvent(event, data);
        const isTouched = read.shows.some((thing) => changed.includes(thing));
        expect(isTouched, `${event} on ${template}`).toBe(true);
      }
    }
  });

  it('take it that a write under an answer changes it', () => {
    for (const { template, read } of reads) {
      for (const method of ['PATCH', 'DELETE', 'PUT']) {
        const route = resolveRoute(method, targetOf(template));
        if (!route.methods.includes(method)) continue;
        const changed = changedByWrite(route, targetOf(template));
        const isTouched =
          changed === 'everything' || read.shows.some((one) => changed.includes(one));
        expect(isTouched, `${method} ${template}`).toBe(true);
      }
    }
  });

  it('take a write with an id that Discord would not write, or of no documented route, to change all', () => {
    for (const path of ['/api/v10/channels/007', '/api/v10/guilds/7/novelty']) {
      expect(changedByWrite(resolveRoute('PATCH', path), path)).toBe('everything');
    }
  });

  it('take an event without its ids to change all', () => {
    expect(changedByEvent('CHANNEL_UPDATE', { id: 7, guild_id: '7' })).toBe('everything');
    expect(changedByEvent('TYPING_START', null)).toEqual([]);
  });
});

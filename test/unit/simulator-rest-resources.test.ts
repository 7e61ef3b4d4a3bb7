/**
 * The things of guilds that are listed, shown, made, changed and deleted over the simulated REST
 * API: every kind passes the same examination, and a cache that only hears the events always has
 * what a read shows.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intentsFor, isDispatchEvent } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { type Got, RestBench, START_EPOCH_MS } from '../support/rest-bench.ts';

/** Tests look into things of every shape. */
type Thing = Got['json'];

type Kind = {
  readonly base: (bench: RestBench) => string;
  /** The name of the id in the thing. */
  readonly id?: string;
  readonly body: (bench: RestBench) => Thing;
  readonly change: Thing;
  readonly created: 200 | 201;
  readonly unknown: number;
  /** A wrong body and the path of what is wrong in it. */
  readonly wrong: readonly [body: Thing, path: readonly string[]];
  /** What a cache makes of an event about the kind, from what it had before. */
  readonly hears: (event: { readonly t: string; readonly d: Thing }, had: Things) => Things;
  readonly listed?: (answer: Thing) => readonly Thing[];
};

type Things = ReadonlyMap<string, Thing>;

const guildOf = (bench: RestBench): string => bench.world.guildIds[0] ?? '';
const under =
  (name: string) =>
  (bench: RestBench): string =>
    `/guilds/${guildOf(bench)}/${name}`;

/** Events that tell of one thing each. */
const oneByOne =
  (prefix: string, key: string, inside?: string, gone = key): Kind['hears'] =>
  ({ t, d }, had) => {
    const things = new Map(had);
    const thing = inside === undefined ? d : d[inside];
    if (t === `${prefix}_DELETE`) things.delete(d[gone]);
    else if (t === `${prefix}_CREATE` || t === `${prefix}_UPDATE`) things.set(thing[key], thing);
    return things;
  };

/** Events that tell of all of them. */
const allAtOnce =
  (name: string, key: string): Kind['hears'] =>
  ({ t, d }, had) =>
    t === name ? new Map(d[key].map((thing: Thing) => [thing.id, thing])) : had;

const IMAGE = 'data:image/png;base64,iVBORw0KGgo=';

const KINDS: Readonly<Record<string, Kind>> = {
  roles: {
    base: under('roles'),
    body: () => ({ name: 'moderator', color: 0xff_00_00, hoist: true, permissions: '8' }),
    change: { name: 'keeper', mentionable: true },
    created: 200,
    unknown: 10011,
    wrong: [{ color: -1 }, ['color']],
    hears: oneByOne('GUILD_ROLE', 'id', 'role', 'role_id'),
  },
  emojis: {
    base: under('emojis'),
    body: () => ({ name: 'party', image: IMAGE }),
    change: { name: 'sleepy' },
    created: 201,
    unknown: 10014,
    wrong: [{ name: 'no spaces', image: IMAGE }, ['name']],
    hears: allAtOnce('GUILD_EMOJIS_UPDATE', 'emojis'),
  },
  sounds: {
    base: under('soundboard-sounds'),
    id: 'sound_id',
    body: () => ({ name: 'honk', sound: 'data:audio/mpeg;base64,SUQz', volume: 0.5 }),
    change: { volume: 1, emoji_name: '📯' },
    created: 201,
    unknown: 10097,
    wrong: [{ name: 'honk', sound: 'data:audio/mpeg;base64,SUQz', volume: 2 }, ['volume']],
    hears: oneByOne('GUILD_SOUNDBOARD_SOUND', 'sound_id'),
    listed: (answer) => answer.items,
  },
  'scheduled events': {
    base: under('scheduled-events'),
    body: () => ({
      name: 'meeting',
      privacy_level: 2,
      entity_type: 3,
      entity_metadata: { location: 'the park' },
      scheduled_start_time: new Date(START_EPOCH_MS + 3_600_000_000).toISOString(),
      scheduled_end_time: new Date(START_EPOCH_MS + 3_700_000_000).toISOString(),
    }),
    change: { description: 'with cake', status: 2 },
    created: 200,
    unknown: 10070,
    wrong: [{ name: 'meeting', privacy_level: 2, entity_type: 9 }, ['entity_type']],
    hears: (event, had) => {
      const heard = oneByOne('GUILD_SCHEDULED_EVENT', 'id')(event, had);
      const shown = ({ user_count: _, ...rest }: Thing) => rest;
      return new Map([...heard].map(([id, thing]) => [id, shown(thing)]));
    },
  },
  rules: {
    base: under('auto-moderation/rules'),
    body: () => ({
      name: 'no spam',
      event_type: 1,
      trigger_type: 1,
      trigger_metadata: { keyword_filter: ['spam'] },
      actions: [{ type: 1 }],
    }),
    change: { enabled: true, exempt_roles: ['1'] },
    created: 200,
    unknown: 0,
    wrong: [
      { name: 'x', event_type: 1, trigger_type: 1, actions: [{ type: 9 }] },
      ['actions', '0', 'type'],
    ],
    hears: oneByOne('AUTO_MODERATION_RULE', 'id'),
  },
  'channels of a guild': {
    base: under('channels'),
    body: () => ({ name: 'lobby', topic: 'talk', nsfw: true }),
    change: { name: 'hall', topic: null },
    created: 201,
    unknown: 10003,
    wrong: [{ name: '' }, ['name']],
    hears: oneByOne('CHANNEL', 'id'),
  },
};

/** Channels are listed under their guild and stand by themselves. */
const placeOf = (kind: Kind, bench: RestBench, id: string): string =>
  kind === KINDS['channels of a guild'] ? `/channels/${id}` : `${kind.base(bench)}/${id}`;

function listOf(kind: Kind, bench: RestBench): readonly Thing[] {
  const got = bench.send('GET', kind.base(bench));
  expect(got.status).toBe(200);
  return kind.listed === undefined ? got.json : kind.listed(got.json);
}

/** A new id, with what limits the requests out of the way. */
function send(bench: RestBench, method: string, path: string, json?: Thing) {
  bench.clock.advance(60_000);
  return bench.send(method, path, json === undefined ? {} : { json });
}

const withoutAudit = (bench: RestBench) =>
  bench.events.filter(({ t }) => t !== 'GUILD_AUDIT_LOG_ENTRY_CREATE');

describe.each(Object.entries(KINDS))('%s', (_, kind) => {
  const idOf = (thing: Thing): string => thing[kind.id ?? 'id'];

  it('are made, shown, changed and deleted, and sessions hear of each', () => {
    const bench = new RestBench();
    let heard: Things = new Map(listOf(kind, bench).map((thing) => [idOf(thing), thing]));
    const made = send(bench, 'POST', kind.base(bench), kind.body(bench));
    expect(made.status).toBe(kind.created);
    const path = placeOf(kind, bench, idOf(made.json));
    expect(send(bench, 'GET', path).json).toEqual(made.json);
    const changed = send(bench, 'PATCH', path, kind.change);
    expect([changed.status, changed.json]).toMatchObject([200, kind.change]);
    expect(send(bench, 'GET', path).json).toEqual(changed.json);
    for (const event of bench.events) heard = kind.hears(event, heard);
    expect([...heard.values()]).toEqual(listOf(kind, bench));
    expect([200, 204]).toContain(send(bench, 'DELETE', path).status);
    expect(send(bench, 'GET', path)).toMatchObject({ status: 404, json: { code: kind.unknown } });
    expect(send(bench, 'DELETE', path)).toMatchObject({ status: 404 });
    for (const event of bench.events) heard = kind.hears(event, heard);
    expect([...heard.values()]).toEqual(listOf(kind, bench));
    expect(withoutAudit(bench)).toHaveLength(3);
    for (const { t, guildId, intents } of bench.events) {
      expect(guildId).toBe(guildOf(bench));
      expect(isDispatchEvent(t) && intents === intentsFor(t, true), t).toBe(true);
    }
  });

  it('stand in the audit log with who, what and why', () => {
    const bench = new RestBench();
    const headers = { 'x-audit-log-reason': 'because%20of%20it' };
    const made = bench.send('POST', kind.base(bench), { json: kind.body(bench), headers }).json;
    const path = placeOf(kind, bench, idOf(made));
    send(bench, 'PATCH', path, kind.change);
    send(bench, 'DELETE', path);
    const log = send(bench, 'GET', under('audit-logs')(bench)).json;
    const entries = log.audit_log_entries;
    expect(entries).toHaveLength(3);
    expect(entries[2]).toMatchObject({
      target_id: idOf(made),
      user_id: bench.world.bot.id,
      reason: 'because of it',
    });
    const keys = entries[1].changes.map(({ key }: Thing) => key);
    expect(keys).toEqual(expect.arrayContaining(Object.keys(kind.change)));
    const told = bench.events.filter(({ t }) => t === 'GUILD_AUDIT_LOG_ENTRY_CREATE');
    expect(told.map(({ d }) => d)).toMatchObject(entries.toReversed());
  });

  it('are refused with the path of what is wrong, and then nothing has changed', () => {
    const bench = new RestBench();
    const before = listOf(kind, bench);
    const [body, path] = kind.wrong;
    const got = send(bench, 'POST', kind.base(bench), body);
    expect([got.status, got.json.code]).toEqual([400, 50035]);
    const at = path.reduce((errors: Thing, key) => errors?.[key], got.json.errors);
    expect(at._errors).toMatchObject([{ code: expect.any(String), message: expect.any(String) }]);
    expect(send(bench, 'POST', kind.base(bench), [])).toMatchObject({ status: 400 });
    expect(listOf(kind, bench)).toEqual(before);
    expect(bench.events).toEqual([]);
  });

  it('of a guild that does not exist are 10004', () => {
    const bench = new RestBench();
    const path = kind.base(bench).replace(guildOf(bench), '1');
    expect(bench.send('GET', path)).toMatchObject({ status: 404, json: { code: 10004 } });
  });
});

/** One request of a sequence; `at` chooses among what is there. */
const STEP = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS)),
  act: fc.constantFrom('make', 'make', 'change', 'delete'),
  at: fc.nat(1_000),
});

describe('any sequence of requests', () => {
  it('leaves reads, events and the next GUILD_CREATE in agreement', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 30 }), (steps) => {
        const bench = new RestBench();
        const kinds = Object.entries(KINDS);
        const caches = new Map(
          kinds.map(([name, kind]) => [
            name,
            new Map(listOf(kind, bench).map((thing) => [thing[kind.id ?? 'id'], thing])) as Things,
          ]),
        );
        for (const { kind: name, act, at } of steps) {
          const kind = KINDS[name];
          if (kind === undefined) throw new Error(name);
          const things = listOf(kind, bench);
          const id = things[at % Math.max(1, things.length)]?.[kind.id ?? 'id'];
          if (act === 'make') send(bench, 'POST', kind.base(bench), kind.body(bench));
          else if (id !== undefined && act === 'change') {
            send(bench, 'PATCH', placeOf(kind, bench, id), kind.change);
          } else if (id !== undefined) send(bench, 'DELETE', placeOf(kind, bench, id));
          for (const event of bench.events.splice(0)) {
            for (const [other, { hears }] of kinds) {
              caches.set(other, hears(event, caches.get(other) ?? new Map()));
            }
          }
        }
        for (const [name, kind] of kinds) {
          const cached = [...(caches.get(name)?.values() ?? [])];
          expect(cached, name).toEqual(listOf(kind, bench));
        }
        const created = bench.world.guildCreate(guildOf(bench), ALL_INTENTS);
        const idsOf = (things: readonly Thing[], key = 'id') => things.map((thing) => thing[key]);
        const cachedIds = (name: string) => [...(caches.get(name)?.keys() ?? [])];
        expect(idsOf(created.roles)).toEqual(cachedIds('roles'));
        expect(idsOf(created.emojis)).toEqual(cachedIds('emojis'));
        expect(idsOf(created.channels)).toEqual(cachedIds('channels of a guild'));
        expect(idsOf(created.guild_scheduled_events)).toEqual(cachedIds('scheduled events'));
        expect(idsOf(created.soundboard_sounds, 'sound_id')).toEqual(cachedIds('sounds'));
      }),
      { numRuns: 40 },
    );
  });
});

/**
 * The traffic over many seeds: every event as documented, the same bytes from the same seed, and
 * the proportions of a busy bot.
 */
import type { APIMessage, ChannelType } from 'discord-api-types/v10';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  intentsFor,
} from '../../protocols/discord/dispatch-events.ts';
import { INTENTS } from '../../protocols/discord/intents.ts';
import { createRandom } from '../../src/random.ts';
import type { SimulatedEvent } from '../../src/simulator/events/event.ts';
import { createTraffic, type Traffic } from '../../src/simulator/events/traffic.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import { DESCRIBED_EVENTS, eventDifferences } from '../support/discord-events.ts';

const START = 1_700_000_000_000;

/** What Discord sends only as an answer to something. */
const ANSWERS: readonly DispatchEventName[] = [
  'READY',
  'RESUMED',
  'RATE_LIMITED',
  'GUILD_MEMBERS_CHUNK',
  'CHANNEL_INFO',
  'SOUNDBOARD_SOUNDS',
];

type Simulation = { readonly world: World; readonly traffic: Traffic };

function simulate(seed: number, guildCount = 8, pingShare?: number): Simulation {
  const world = createWorld({ seed, guildCount, startEpochMs: START });
  const options = pingShare === undefined ? {} : { pingShare };
  return { world, traffic: createTraffic(world, createRandom(seed + 1), options) };
}

function take({ traffic }: Simulation, count: number): SimulatedEvent[] {
  return Array.from({ length: count }, (_, index) => traffic.next(START + index * 40));
}

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('every documented event', () => {
  it('is described by the tables of this test', () => {
    expect([...DESCRIBED_EVENTS].sort()).toEqual([...DISPATCH_EVENTS].sort());
  });

  it.each(DISPATCH_EVENTS)('%s can be made, with exactly the documented fields', (name) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { traffic } = simulate(seed, 3);
        for (let count = 0; count < 5; count += 1) {
          const event = traffic.make(name, START + count);
          expect(event.t).toBe(name);
          expect(eventDifferences(name, event.d)).toEqual([]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('is refused when it is not documented, with the nearest name', () => {
    const { traffic } = simulate(1);
    expect(() => traffic.make('MESSAGE_CRAETE', START)).toThrow('did you mean MESSAGE_CREATE?');
    expect(() => traffic.make('BANANAS', START)).toThrow(RangeError);
  });
});

describe('the tables', () => {
  const { traffic } = simulate(3);
  const event = traffic.make('PRESENCE_UPDATE', START).d;

  it('find a field that is missing, null, wrong or invented', () => {
    const { status: _, ...missing } = event as { status: string };
    expect(eventDifferences('PRESENCE_UPDATE', missing)).toEqual(['d.status is missing']);
    const found = eventDifferences('PRESENCE_UPDATE', {
      ...event,
      guild_id: null,
      activities: [{ name: 5 }],
      extra: 1,
    });
    expect(found).toEqual([
      'd.activities[0].name is no string: 5',
      'd.activities[0].type is missing',
      'd.activities[0].created_at is missing',
      'd.guild_id must not be null',
      'd.extra is not documented',
    ]);
    expect(eventDifferences('NO_EVENT', {})).toEqual(['NO_EVENT is not described']);
  });
});

describe('traffic', () => {
  it('is the same, byte for byte, from the same seed, and other from another', () => {
    const bytes = (seed: number): string => JSON.stringify(take(simulate(seed), 150));
    fc.assert(
      fc.property(seeds, (seed) => {
        const first = bytes(seed);
        expect(bytes(seed)).toBe(first);
        expect(bytes(seed ^ 1)).not.toBe(first);
      }),
      { numRuns: 15 },
    );
  });

  it('has documented fields, survives JSON, and is routed by what it says', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const simulation = simulate(seed);
        for (const event of take(simulation, 300)) {
          expect(eventDifferences(event.t, event.d)).toEqual([]);
          expect(JSON.parse(JSON.stringify(event))).toEqual(event);
          const said = event.d as { guild_id?: string; id: string };
          const ofGuild = event.t === 'GUILD_CREATE' || event.t.startsWith('GUILD_');
          const named = said.guild_id ?? (ofGuild ? said.id : null);
          const shardZero = /^(ENTITLEMENT|SUBSCRIPTION)_/.test(event.t);
          expect(event.guildId).toBe(shardZero ? null : named);
          const removed = event.t === 'GUILD_DELETE' && !('unavailable' in event.d);
          if (event.guildId !== null && !removed) {
            expect(simulation.world.guildIds).toContain(event.guildId);
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  it('needs the intents of its name, but for the two that depend on whom they are about', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { world, traffic } = simulate(seed);
        for (const event of take({ world, traffic }, 200)) {
          if (event.t === 'GUILD_MEMBER_UPDATE' || event.t === 'THREAD_MEMBERS_UPDATE') continue;
          const name = event.t as DispatchEventName;
          expect(event.intents).toBe(intentsFor(name, event.guildId !== null));
        }
        for (let count = 0; count < 60; count += 1) {
          const update = traffic.make('GUILD_MEMBER_UPDATE', START);
          const isBot = (update.d as { user: { id: string } }).user.id === world.bot.id;
          expect(update.intents).toBe(isBot ? 0 : INTENTS.GUILD_MEMBERS);
          const thread = traffic.make('THREAD_MEMBERS_UPDATE', START);
          const aboutBot = JSON.stringify(thread.d).includes(world.bot.id);
          expect(thread.intents).toBe(
            aboutBot ? INTENTS.GUILDS | INTENTS.GUILD_MEMBERS : INTENTS.GUILD_MEMBERS,
          );
        }
      }),
      { numRuns: 20 },
    );
  });

  it('has the proportions of a busy bot, rare events among them, answers never', () => {
    const counts = new Map<string, number>();
    for (const { t } of take(simulate(11, 50), 60_000)) counts.set(t, (counts.get(t) ?? 0) + 1);
    const share = (name: string): number => (counts.get(name) ?? 0) / 60_000;
    expect(share('PRESENCE_UPDATE')).toBeCloseTo(0.4, 1);
    expect(share('MESSAGE_CREATE')).toBeCloseTo(0.22, 1);
    expect(share('TYPING_START')).toBeCloseTo(0.12, 1);
    expect(share('MESSAGE_CREATE')).toBeGreaterThan(share('GUILD_MEMBER_UPDATE'));
    expect(share('VOICE_STATE_UPDATE')).toBeGreaterThan(share('MESSAGE_DELETE'));
    const expected = DISPATCH_EVENTS.filter((name) => !ANSWERS.includes(name));
    expect([...counts.keys()].sort()).toEqual([...expected].sort());
  });

  it('says ping as often as it is told to, and by default now and then', () => {
    const pings = (pingShare?: number): number => {
      const { traffic } = simulate(4, 8, pingShare);
      let found = 0;
      for (let count = 0; count < 2_000; count += 1) {
        const { content } = traffic.make('MESSAGE_CREATE', START + count).d as APIMessage;
        if (content === 'ping') found += 1;
      }
      return found;
    };
    expect(pings(1)).toBe(2_000);
    expect(pings(0)).toBe(0);
    // Four standard deviations of a binomial with n = 2,000 and p = 0.02 are 25.
    expect(Math.abs(pings() - 40)).toBeLessThan(25);
  });

  it('writes messages of about a kilobyte, of every sort', () => {
    const { traffic } = simulate(9, 20);
    const messages = Array.from(
      { length: 3_000 },
      (_, index) => traffic.make('MESSAGE_CREATE', START + index * 100).d as APIMessage,
    );
    const bytes = messages.map((message) => Buffer.byteLength(JSON.stringify(message)));
    const mean = bytes.reduce((sum, size) => sum + size, 0) / bytes.length;
    expect(mean).toBeGreaterThan(800);
    expect(mean).toBeLessThan(1_600);
    const has = (suits: (message: APIMessage) => boolean): boolean => messages.some(suits);
    expect(has(({ embeds }) => embeds.length > 0)).toBe(true);
    expect(has(({ attachments }) => attachments.length > 0)).toBe(true);
    expect(has(({ mentions }) => mentions.length > 0)).toBe(true);
    expect(has(({ mention_roles }) => mention_roles.length > 0)).toBe(true);
    expect(has(({ components }) => (components?.length ?? 0) > 0)).toBe(true);
    expect(has(({ poll }) => poll !== undefined)).toBe(true);
    expect(has(({ referenced_message }) => (referenced_message ?? null) !== null)).toBe(true);
    expect(has(({ referenced_message }) => referenced_message === null)).toBe(true);
    expect(has(({ message_snapshots }) => message_snapshots !== undefined)).toBe(true);
    expect(has(({ sticker_items }) => sticker_items !== undefined)).toBe(true);
    expect(has(({ content }) => /\p{Script=Han}|\p{Script=Hiragana}/u.test(content))).toBe(true);
    expect(has(({ content }) => content.includes('"op":7'))).toBe(true);
    expect(has((message) => !('guild_id' in message))).toBe(true);
  });

  it('talks of messages and channels that the world knows', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { world, traffic } = simulate(seed);
        const message = traffic.make('MESSAGE_CREATE', START).d as APIMessage;
        expect(world.message(message.channel_id, message.id)).toBeDefined();
        const channel = traffic.make('CHANNEL_CREATE', START).d as { id: string };
        expect(world.channel(channel.id)).toMatchObject({ id: channel.id });
        const thread = traffic.make('THREAD_CREATE', START).d as { id: string; type: ChannelType };
        expect(world.channel(thread.id)?.type).toBe(thread.type);
        const deleted = traffic.make('MESSAGE_DELETE', START).d as { id: string };
        expect(world.message(message.channel_id, deleted.id)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  it('is quiet in a guild that is away, until its GUILD_CREATE', () => {
    const simulation = simulate(17, 30);
    const away = new Set<string>();
    let outages = 0;
    for (const event of take(simulation, 40_000)) {
      if (event.t === 'GUILD_CREATE' && event.guildId !== null) away.delete(event.guildId);
      // Deletions and edits may still reach messages written before the outage.
      if (event.guildId !== null && !event.t.startsWith('MESSAGE_')) {
        expect(away.has(event.guildId)).toBe(false);
      }
      if (event.t === 'GUILD_DELETE' && event.guildId !== null && 'unavailable' in event.d) {
        expect(event.d).toEqual({ id: event.guildId, unavailable: true });
        away.add(event.guildId);
        outages += 1;
      }
    }
    expect(outages).toBeGreaterThan(3);
  });

  it('takes no guild away for ever, and the first never', () => {
    for (const guildCount of [1, 2]) {
      const { world, traffic } = simulate(2, guildCount);
      for (let count = 0; count < 30; count += 1) {
        const { d, guildId } = traffic.make('GUILD_DELETE', START + count);
        expect(guildId).not.toBe(world.guildIds[0]);
        if (!('unavailable' in d)) expect(world.guildIds).not.toContain(guildId);
      }
    }
  });
});

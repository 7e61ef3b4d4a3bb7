import { ChannelType, MessageType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import {
  SIMULATOR_CHANNEL_MESSAGES_MAX,
  SIMULATOR_GUILD_THINGS_MAX,
  SIMULATOR_MESSAGE_CHANNELS_MAX,
  SIMULATOR_NEW_CHANNELS_MAX,
} from '../../protocols/limits.ts';
import type { SimulatedEvent } from '../../src/simulator/events/event.ts';
import { redactContent } from '../../src/simulator/events/redact.ts';
import { makeSnowflake, readSnowflake, shardOfGuild } from '../../src/simulator/snowflake.ts';
import type { GuildModel } from '../../src/simulator/world/guild.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import { eventDifferences } from '../support/discord-events.ts';
import { channel as channelShape, message as messageShape } from '../support/discord-objects.ts';
import { differences } from '../support/shape.ts';

const START = 1_700_000_000_000;
const NOW = START + 60_000;

function worldOf(guildCount = 12, seed = 5): World {
  return createWorld({ seed, guildCount, startEpochMs: START });
}

function firstGuild(world: World): GuildModel {
  const guild = world.guild(world.guildIds[0] ?? '');
  if (guild === undefined) throw new Error('the world has no first guild');
  return guild;
}

function textChannel(world: World): string {
  const channel = firstGuild(world).channels.find(({ type }) => type === ChannelType.GuildText);
  return channel?.id ?? '';
}

function memberCounts(world: World): number[] {
  return world.guildIds.map((id) => world.guild(id)?.memberCount ?? 0);
}

describe('snowflakes', () => {
  it('hold their time above 22 bits', () => {
    const id = makeSnowflake(START, 12_345);
    expect(BigInt(id) >> 22n).toBe(BigInt(START - 1_420_070_400_000));
    expect(readSnowflake(id)).toEqual({ epochMs: START, low: 12_345 });
  });

  it('are told from what is none', () => {
    for (const text of ['', '-1', '1.5', 'abc', '18446744073709551616', '0x10']) {
      expect(readSnowflake(text)).toBeUndefined();
    }
    expect(() => makeSnowflake(0, 1)).toThrow(RangeError);
  });

  it('route by 64-bit arithmetic, where doubles would be wrong', () => {
    // Its double ends in …104; the shard must come from …105.
    expect(shardOfGuild('4611686018427387905', 1_000)).toBe(
      Number((4_611_686_018_427_387_905n >> 22n) % 1_000n),
    );
    const id = String((1_000_003n << 22n) | 4_194_303n);
    expect(shardOfGuild(id, 16)).toBe(1_000_003 % 16);
  });
});

describe('the simulated world', () => {
  it('is the same for the same seed, and another for another', () => {
    const describeWorld = (world: World): string =>
      JSON.stringify(world.guildIds.map((id) => world.guildCreate(id, ALL_INTENTS)));
    expect(describeWorld(worldOf(4, 5))).toBe(describeWorld(worldOf(4, 5)));
    expect(describeWorld(worldOf(4, 6))).not.toBe(describeWorld(worldOf(4, 5)));
  });

  it('is the same in whatever order it is looked at, and when forgotten in between', () => {
    const forward = worldOf(1_200);
    const backward = worldOf(1_200);
    const wanted = [3, 700, 1_100].map((index) => forward.guildIds[index] ?? '');
    const first = wanted.map((id) => JSON.stringify(forward.guild(id)?.guild));
    for (const id of backward.guildIds.toReversed()) backward.guild(id);
    expect(wanted.map((id) => JSON.stringify(backward.guild(id)?.guild))).toEqual(first);
    expect(backward.guild(wanted[0] ?? '')).not.toBeUndefined();
  });

  it('gives each guild to exactly one shard, the right one', () => {
    const world = worldOf(500);
    for (const count of [1, 2, 3, 16, 17]) {
      const shards = Array.from({ length: count }, (_, shard) => world.guildsOfShard(shard, count));
      expect(shards.flat().sort()).toEqual([...world.guildIds].sort());
      for (const [shard, ids] of shards.entries()) {
        for (const id of ids) expect(Number((BigInt(id) >> 22n) % BigInt(count))).toBe(shard);
      }
    }
  });

  it('leaves no shard of a small world empty', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const world = worldOf(16, seed);
      for (let shard = 0; shard < 16; shard += 1) {
        expect(world.guildsOfShard(shard, 16)).toHaveLength(1);
      }
    }
  });

  it('has many small guilds and a few large ones', () => {
    const counts = memberCounts(worldOf(5_000)).slice(1);
    const share = (suits: (count: number) => boolean): number =>
      counts.filter(suits).length / counts.length;
    expect(share((count) => count < 50)).toBeGreaterThan(0.5);
    expect(share((count) => count > 2_500)).toBeGreaterThan(0.003);
    expect(share((count) => count > 2_500)).toBeLessThan(0.03);
    expect(Math.max(...counts)).toBeGreaterThan(20_000);
  });

  it('refuses a number of guilds that it cannot have', () => {
    for (const guildCount of [0, -1, 2.5, Number.NaN, 10_000_000]) {
      expect(() => worldOf(guildCount)).toThrow(ConfigurationError);
    }
  });

  it('knows its channels, threads and users by their ids, and no others', () => {
    const world = worldOf(300);
    const guild = firstGuild(world);
    for (const channel of [...guild.channels, ...guild.threads, ...world.directChannels]) {
      expect(world.channel(channel.id)?.id).toBe(channel.id);
      expect(differences(channelShape, world.channel(channel.id))).toEqual([]);
    }
    expect(world.user(guild.ownerId)?.id).toBe(guild.ownerId);
    expect(world.user(world.bot.id)).toBe(world.bot);
    const near = String(BigInt(guild.channels[0]?.id ?? 0) + 1n);
    for (const id of [near, '1', 'abc', '', guild.id, world.newId(NOW)]) {
      expect(world.channel(id)).toBeUndefined();
    }
    expect(world.user(worldOf(300, 6).bot.id === world.bot.id ? '1' : '2')).toBeUndefined();
  });

  it('forgets what came longest ago when a guild has too many things of one kind', () => {
    const world = worldOf(1);
    const guild = firstGuild(world);
    const [template] = guild.voiceStates;
    if (template === undefined) throw new Error('nobody is in voice');
    const came = Array.from({ length: SIMULATOR_GUILD_THINGS_MAX }, (_, index) => `${index}`);
    for (const user_id of came) guild.shelves.voiceStates.put({ ...template, user_id });
    const states = world.guildCreate(guild.id, ALL_INTENTS).voice_states;
    expect(states.map(({ user_id }) => user_id)).toEqual(came);
  });

  it('has channels of every kind', () => {
    const guild = firstGuild(worldOf());
    const kinds = new Set([...guild.channels, ...guild.threads].map(({ type }) => type));
    expect(kinds).toContain(ChannelType.GuildText);
    expect(kinds).toContain(ChannelType.GuildVoice);
    expect(kinds).toContain(ChannelType.GuildCategory);
    expect(kinds).toContain(ChannelType.GuildAnnouncement);
    expect(kinds).toContain(ChannelType.GuildForum);
    expect(kinds).toContain(ChannelType.GuildMedia);
    expect(kinds).toContain(ChannelType.GuildStageVoice);
    expect(kinds).toContain(ChannelType.PublicThread);
  });

  it('says READY with the guilds of the shard, all of them unavailable', () => {
    const world = worldOf(100);
    const ready = world.readyPayload(1, 4, 'session', 'wss://resume.example');
    expect(ready.guilds.map(({ id }) => id)).toEqual(world.guildsOfShard(1, 4));
    expect(ready.guilds.every(({ unavailable }) => unavailable)).toBe(true);
    expect(ready).toMatchObject({
      v: 10,
      session_id: 'session',
      resume_gateway_url: 'wss://resume.example',
      shard: [1, 4],
      application: { id: world.application.id },
    });
    expect(eventDifferences('READY', ready)).toEqual([]);
  });

  it('never hands out an id twice, whatever times it is asked for', () => {
    const world = worldOf();
    const times = [NOW, NOW, NOW + 1, NOW, NOW + 1, NOW - 5, NOW + 2];
    const ids = times.map((time) => world.newId(time));
    expect(new Set(ids).size).toBe(times.length);
  });
});

describe('GUILD_CREATE', () => {
  it('has the documented fields, in guilds of every size', () => {
    const world = worldOf(40);
    for (const id of world.guildIds) {
      const guild = world.guildCreate(id, ALL_INTENTS);
      expect(eventDifferences('GUILD_CREATE', guild)).toEqual([]);
    }
  });

  it('names only the bot and those in voice without GUILD_PRESENCES, and no presences', () => {
    const world = worldOf();
    const guild = world.guildCreate(world.guildIds[0] ?? '', INTENTS.GUILDS);
    const expected = [world.bot.id, ...guild.voice_states.map(({ user_id }) => user_id)];
    expect(guild.members.map(({ user }) => user.id).sort()).toEqual(expected.sort());
    expect(guild.voice_states.length).toBeGreaterThan(0);
    expect(guild.presences).toEqual([]);
  });

  it('names all members of a guild below the large threshold, with their presences', () => {
    const world = worldOf(200);
    const small = world.guildIds.find((id) => (world.guild(id)?.memberCount ?? 0) < 50) ?? '';
    const guild = world.guildCreate(small, ALL_INTENTS);
    expect(guild.large).toBe(false);
    expect(guild.members).toHaveLength(guild.member_count);
    expect(guild.presences).toHaveLength(guild.member_count);
    expect(guild.members[0]?.user.id).toBe(world.bot.id);
  });

  it('names the noticeable members of a large guild, and presences that are not offline', () => {
    const world = worldOf();
    const guild = world.guildCreate(world.guildIds[0] ?? '', ALL_INTENTS, 250);
    expect(guild.large).toBe(true);
    expect(guild.members.length).toBeLessThan(guild.member_count);
    expect(guild.members.length).toBeGreaterThan(guild.member_count / 2);
    expect(guild.presences.length).toBeGreaterThan(100);
    expect(guild.presences.some(({ status }) => status === 'offline')).toBe(false);
    const named = new Set(guild.members.map(({ user }) => user.id));
    expect(guild.presences.every(({ user }) => named.has(user.id))).toBe(true);
  });

  it('lists members and presences of no guild above 75,000 members', () => {
    const world = worldOf(20_000);
    const index = world.guildIds.findIndex((id) => (world.guild(id)?.memberCount ?? 0) > 75_000);
    expect(index).toBeGreaterThan(0);
    const guild = world.guildCreate(world.guildIds[index] ?? '', ALL_INTENTS);
    expect(guild.members).toHaveLength(1 + guild.voice_states.length);
    expect(guild.presences).toEqual([]);
  });

  it('leaves the guild out of its channels, and shows each channel’s newest message', () => {
    const world = worldOf();
    const channelId = textChannel(world);
    const posted = world.postMessage(channelId, world.bot, { content: 'hello' }, NOW);
    const guild = world.guildCreate(world.guildIds[0] ?? '', ALL_INTENTS);
    expect(guild.channels.every((channel) => !('guild_id' in channel))).toBe(true);
    const channel = guild.channels.find(({ id }) => id === channelId);
    expect(channel).toMatchObject({ last_message_id: posted?.message.id });
  });

  it('throws on a guild that does not exist', () => {
    expect(() => worldOf().guildCreate('1', ALL_INTENTS)).toThrow(RangeError);
  });

  it('can be several MiB of multi-byte text, and still a valid guild', () => {
    const world = worldOf();
    const minBytes = 4 * 1024 * 1024;
    const guild = world.hugeGuildCreate(world.guildIds[1] ?? '', minBytes);
    const json = JSON.stringify(guild);
    expect(Buffer.byteLength(json)).toBeGreaterThanOrEqual(minBytes);
    expect(Buffer.byteLength(json)).toBeLessThan(minBytes * 1.1);
    expect(JSON.parse(json)).toEqual(guild);
    expect(Buffer.from(json).toString()).toBe(json);
    expect(eventDifferences('GUILD_CREATE', guild)).toEqual([]);
    expect(guild.member_count).toBeGreaterThanOrEqual(guild.members.length);
    expect(new Set(guild.members.map(({ user }) => user.id)).size).toBe(guild.members.length);
    // Characters of two, three and four bytes, and ones that combine.
    expect(json).toMatch(/[\u0080-\u07ff]/u);
    expect(json).toMatch(/[\u0800-\uffff]/u);
    expect(json).toMatch(/[\u{10000}-\u{10ffff}]/u);
    expect(json).toMatch(/\p{M}/u);
    const bytes = Buffer.from(json);
    expect(bytes.filter((byte) => byte >= 0x80).length / bytes.length).toBeGreaterThan(0.15);
  });
});

describe('member chunks', () => {
  function chunksOf(world: World, request: object, intents = ALL_INTENTS) {
    const guildId = world.guildIds[0] ?? '';
    return [...world.memberChunks(guildId, { guild_id: guildId, ...request }, intents)];
  }

  it('list all members, each once, a thousand a chunk', () => {
    const world = worldOf();
    const chunks = chunksOf(world, { query: '', limit: 0, nonce: 'abc' });
    const total = firstGuild(world).memberCount;
    expect(chunks.map(({ members }) => members.length)).toEqual([1_000, 1_000, total - 2_000]);
    expect(chunks.map(({ chunk_index }) => chunk_index)).toEqual([0, 1, 2]);
    expect(chunks.every(({ chunk_count, nonce }) => chunk_count === 3 && nonce === 'abc')).toBe(
      true,
    );
    const ids = chunks.flatMap(({ members }) => members.map(({ user }) => user.id));
    expect(new Set(ids).size).toBe(total);
    for (const chunk of chunks) {
      expect(eventDifferences('GUILD_MEMBERS_CHUNK', chunk)).toEqual([]);
      expect(chunk).not.toHaveProperty('presences');
      expect(chunk).not.toHaveProperty('not_found');
    }
  });

  it('need GUILD_MEMBERS for the whole list only', () => {
    const world = worldOf();
    expect(chunksOf(world, { query: '', limit: 0 }, INTENTS.GUILDS)).toEqual([]);
    expect(chunksOf(world, { query: 'a', limit: 5 }, INTENTS.GUILDS)).toHaveLength(1);
    expect(chunksOf(world, { user_ids: world.bot.id }, INTENTS.GUILDS)).toHaveLength(1);
  });

  it('find members by the start of their name, at most a hundred', () => {
    const world = worldOf();
    const [chunk] = chunksOf(world, { query: 'VE', limit: 7 });
    expect(chunk?.members).toHaveLength(7);
    for (const { user, nick } of chunk?.members ?? []) {
      expect([user.username, nick ?? ''].some((name) => name.toLowerCase().startsWith('ve'))).toBe(
        true,
      );
    }
    expect(chunksOf(world, { query: 'a', limit: 5_000 })[0]?.members).toHaveLength(100);
    const none = chunksOf(world, { query: 'nobody-is-called-so', limit: 1 });
    expect(none).toMatchObject([{ members: [], chunk_index: 0, chunk_count: 1 }]);
  });

  it('find members by id, and say which ids are none', () => {
    const world = worldOf();
    const owner = firstGuild(world).ownerId;
    const stranger = world.guild(world.guildIds[1] ?? '')?.ownerId ?? '';
    const [chunk] = chunksOf(world, { user_ids: [owner, '1', world.bot.id, stranger, owner] });
    expect(chunk?.members.map(({ user }) => user.id)).toEqual([owner, world.bot.id]);
    expect(chunk?.not_found).toEqual(['1', stranger]);
  });

  it('carry presences when asked to, with GUILD_PRESENCES', () => {
    const world = worldOf();
    const request = { query: '', limit: 0, presences: true };
    const [first] = chunksOf(world, request);
    expect(first?.presences?.length).toBeGreaterThan(100);
    expect(first?.presences?.some(({ status }) => status === 'offline')).toBe(false);
    expect(chunksOf(world, request, INTENTS.GUILD_MEMBERS)[0]).not.toHaveProperty('presences');
  });

  it('leave out a nonce of more than 32 bytes', () => {
    const world = worldOf();
    const asked = (nonce: string) => chunksOf(world, { user_ids: world.bot.id, nonce })[0]?.nonce;
    expect(asked('n'.repeat(32))).toBe('n'.repeat(32));
    expect(asked('n'.repeat(33))).toBeUndefined();
    expect(asked('é'.repeat(17))).toBeUndefined();
  });

  it('are none for a guild that does not exist, and for a request without a question', () => {
    const world = worldOf();
    expect([...world.memberChunks('1', { guild_id: '1', query: '' }, ALL_INTENTS)]).toEqual([]);
    expect(chunksOf(world, {})).toEqual([]);
  });
});

describe('messages of the world', () => {
  it('are what was posted, for REST and for the gateway', () => {
    const world = worldOf();
    const channelId = textChannel(world);
    const posted = world.postMessage(channelId, world.bot, { content: 'pong', nonce: 7 }, NOW);
    expect(posted?.message).toMatchObject({
      channel_id: channelId,
      content: 'pong',
      nonce: 7,
      author: { id: world.bot.id },
      type: MessageType.Default,
      edited_timestamp: null,
    });
    expect(differences(messageShape, posted?.message)).toEqual([]);
    expect(posted?.event).toMatchObject({
      t: 'MESSAGE_CREATE',
      guildId: world.guildIds[0],
      intents: INTENTS.GUILD_MESSAGES,
      d: { id: posted?.message.id, guild_id: world.guildIds[0], member: { nick: null } },
    });
    expect(eventDifferences('MESSAGE_CREATE', posted?.event.d)).toEqual([]);
    expect(world.message(channelId, posted?.message.id ?? '')).toBe(posted?.message);
    expect(readSnowflake(posted?.message.id ?? '')?.epochMs).toBe(NOW);
    expect(world.channel(channelId)).toMatchObject({ last_message_id: posted?.message.id });
  });

  it('of a direct channel go to shard 0 under DIRECT_MESSAGES, without guild and member', () => {
    const world = worldOf();
    const channelId = world.directChannels[0]?.id ?? '';
    const event = world.postMessage(channelId, world.bot, { content: 'hi' }, NOW)?.event;
    expect(event).toMatchObject({ guildId: null, intents: INTENTS.DIRECT_MESSAGES });
    expect(event?.d).not.toHaveProperty('guild_id');
    expect(event?.d).not.toHaveProperty('member');
  });

  it('cannot be posted where there is no channel, or none for messages', () => {
    const world = worldOf();
    const category = firstGuild(world).channels.find(
      ({ type }) => type === ChannelType.GuildCategory,
    );
    for (const channelId of ['1', category?.id ?? '']) {
      expect(world.postMessage(channelId, world.bot, { content: 'x' }, NOW)).toBeUndefined();
    }
  });

  it('mention whom they name, unless that is not allowed', () => {
    const world = worldOf();
    const { ownerId, memberRoleIds } = firstGuild(world);
    const content = `<@${ownerId}> <@&${memberRoleIds[0]}> <@1> @everyone`;
    const post = (body: object) =>
      world.postMessage(textChannel(world), world.bot, { content, ...body }, NOW);
    const free = post({});
    expect(free?.message.mentions.map(({ id }) => id)).toEqual([ownerId]);
    expect(free?.message.mention_roles).toEqual([memberRoleIds[0]]);
    expect(free?.message.mention_everyone).toBe(true);
    expect(free?.event.d).toMatchObject({ mentions: [{ id: ownerId, member: {} }] });
    const bound = post({ allowed_mentions: { parse: [] } })?.message;
    expect(bound).toMatchObject({ mentions: [], mention_roles: [], mention_everyone: false });
    const listed = post({ allowed_mentions: { parse: [], users: [ownerId] } })?.message;
    expect(listed?.mentions.map(({ id }) => id)).toEqual([ownerId]);
  });

  it('reply with what they answer, one level deep, or null when that is gone', () => {
    const world = worldOf();
    const channelId = textChannel(world);
    const post = (messageId?: string) =>
      world.postMessage(
        channelId,
        world.bot,
        {
          content: 'x',
          ...(messageId === undefined ? {} : { message_reference: { message_id: messageId } }),
        },
        NOW,
      )?.message;
    const first = post();
    const second = post(first?.id);
    const third = post(second?.id);
    expect(second).toMatchObject({
      type: MessageType.Reply,
      referenced_message: { id: first?.id },
    });
    expect(third?.referenced_message?.id).toBe(second?.id);
    expect(third?.referenced_message).not.toHaveProperty('referenced_message');
    expect(post('1')?.referenced_message).toBeNull();
  });

  it('make of a poll what Discord makes of it', () => {
    const world = worldOf();
    const poll = {
      question: { text: 'tea?' },
      answers: [{ poll_media: { text: 'yes' } }, { poll_media: { text: 'no' } }],
      duration: 2,
    };
    const message = world.postMessage(textChannel(world), world.bot, { poll }, NOW)?.message;
    expect(message?.poll?.answers.map(({ answer_id }) => answer_id)).toEqual([1, 2]);
    expect(Date.parse(message?.poll?.expiry ?? '')).toBe(NOW + 7_200_000);
    expect(differences(messageShape, message)).toEqual([]);
  });

  it('can be edited and deleted', () => {
    const world = worldOf();
    const channelId = textChannel(world);
    const id = world.postMessage(channelId, world.bot, { content: 'old' }, NOW)?.message.id ?? '';
    const edited = world.editMessage(channelId, id, { content: 'new' }, NOW + 5);
    expect(edited?.message).toMatchObject({ id, content: 'new' });
    expect(Date.parse(edited?.message.edited_timestamp ?? '')).toBe(NOW + 5);
    expect(edited?.event).toMatchObject({ t: 'MESSAGE_UPDATE', d: { id, content: 'new' } });
    expect(world.message(channelId, id)?.content).toBe('new');
    expect(world.deleteMessage(channelId, id)).toMatchObject({
      t: 'MESSAGE_DELETE',
      d: { id, channel_id: channelId, guild_id: world.guildIds[0] },
      intents: INTENTS.GUILD_MESSAGES,
    });
    expect(world.message(channelId, id)).toBeUndefined();
    expect(world.deleteMessage(channelId, id)).toBeUndefined();
    expect(world.editMessage(channelId, id, { content: 'x' }, NOW)).toBeUndefined();
  });

  it('are kept up to a bound, the newest first', () => {
    const world = worldOf();
    const channelId = textChannel(world);
    const ids: string[] = [];
    for (let count = 0; count < SIMULATOR_CHANNEL_MESSAGES_MAX + 10; count += 1) {
      const posted = world.postMessage(channelId, world.bot, { content: `${count}` }, NOW + count);
      ids.unshift(posted?.message.id ?? '');
    }
    expect(world.messages(channelId).map(({ id }) => id)).toEqual(
      ids.slice(0, SIMULATOR_CHANNEL_MESSAGES_MAX),
    );
  });

  it('are forgotten in the channels written to longest ago', () => {
    const world = worldOf(200);
    const rooms = world.guildIds.flatMap((id) => {
      const guild = world.guild(id);
      return (guild?.channels ?? []).filter(({ type }) => type === ChannelType.GuildText);
    });
    const used = rooms.slice(0, SIMULATOR_MESSAGE_CHANNELS_MAX + 1);
    expect(used).toHaveLength(SIMULATOR_MESSAGE_CHANNELS_MAX + 1);
    for (const { id } of used) world.postMessage(id, world.bot, { content: 'x' }, NOW);
    expect(world.messages(used[0]?.id ?? '')).toEqual([]);
    expect(world.messages(used[1]?.id ?? '')).toHaveLength(1);
    expect(world.messages(used.at(-1)?.id ?? '')).toHaveLength(1);
  });

  it('can be posted to a channel that an event has created, of which a bounded number is kept', () => {
    const world = worldOf();
    const [template] = firstGuild(world).channels.filter(
      ({ type }) => type === ChannelType.GuildText,
    );
    if (template === undefined) throw new Error('no text channel');
    const ids = Array.from({ length: SIMULATOR_NEW_CHANNELS_MAX + 1 }, () => world.newId(NOW));
    for (const id of ids) world.addChannel({ ...template, id });
    expect(world.channel(ids[0] ?? '')).toBeUndefined();
    const channelId = ids.at(-1) ?? '';
    const posted = world.postMessage(channelId, world.bot, { content: 'new' }, NOW);
    expect(posted?.event.guildId).toBe(world.guildIds[0]);
  });
});

describe('redaction', () => {
  const world = worldOf();
  const owner = world.user(firstGuild(world).ownerId) ?? world.bot;
  const full = {
    content: 'secret',
    embeds: [{ title: 'secret' }],
    components: [{ type: 10, content: 'secret' }] as never,
    attachments: [{ id: '0', filename: 'secret.png' }],
    poll: { question: { text: 'secret' }, answers: [] } as never,
  };

  function eventOf(
    author = owner,
    body: object = full,
    channelId = textChannel(world),
  ): SimulatedEvent {
    const posted = world.postMessage(channelId, author, body, NOW);
    if (posted === undefined) throw new Error('not posted');
    return posted.event;
  }

  it('empties what users wrote, takes the poll out, and leaves the original alone', () => {
    const event = eventOf();
    const before = JSON.stringify(event);
    const redacted = redactContent(event, world.bot.id);
    expect(redacted.d).toMatchObject({ content: '', embeds: [], components: [], attachments: [] });
    expect(redacted.d).not.toHaveProperty('poll');
    expect(JSON.stringify(redacted)).not.toContain('secret');
    expect(JSON.stringify(event)).toBe(before);
    expect(eventDifferences('MESSAGE_CREATE', redacted.d)).toEqual([]);
  });

  it('reaches the message that is answered or forwarded', () => {
    const id = (eventOf().d as { id: string }).id;
    for (const type of [0, 1]) {
      const event = eventOf(owner, { message_reference: { message_id: id, type } });
      expect(JSON.stringify(event)).toContain('secret');
      expect(JSON.stringify(redactContent(event, world.bot.id))).not.toContain('secret');
    }
  });

  it('leaves messages of the bot, to the bot and that mention the bot', () => {
    const direct = world.directChannels[0]?.id ?? '';
    const visible = [
      eventOf(world.bot),
      eventOf(owner, full, direct),
      eventOf(owner, { ...full, content: `<@${world.bot.id}> secret` }),
    ];
    for (const event of visible) expect(redactContent(event, world.bot.id)).toBe(event);
  });
});

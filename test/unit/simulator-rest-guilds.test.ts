/** Guilds, as the simulated REST API lets a bot look after them. */
import { ChannelType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { createRandom } from '../../src/random.ts';
import { createTraffic } from '../../src/simulator/events/traffic.ts';
import { guildStage, type Thing } from '../support/guild-stage.ts';

describe('a guild', () => {
  it('is changed, and shows it to whoever looks', () => {
    const { bench, model, send, heard, path, channelOf } = guildStage();
    const json = { name: 'Harbour', afk_timeout: 60, description: null };
    expect(send('PATCH', path, json).json).toMatchObject(json);
    expect(heard()).toMatchObject([{ t: 'GUILD_UPDATE', d: json }]);
    expect(send('GET', `${path}/preview`).json.name).toBe('Harbour');
    expect(bench.world.guildCreate(model.id, ALL_INTENTS).name).toBe('Harbour');
    const [own] = send('GET', '/users/@me/guilds?limit=1&with_counts=true').json;
    expect(own).toMatchObject({ name: 'Harbour', approximate_member_count: model.memberCount });
    expect(send('PATCH', path, { name: 'x' }).json.errors.name).toBeDefined();
    expect(send('PATCH', path, { afk_channel_id: '1' }).json.errors.afk_channel_id).toBeDefined();
    expect(send('GET', `${path}/widget.json`).json.code).toBe(50004);
    const widget = { enabled: true, channel_id: channelOf(ChannelType.GuildText) };
    expect(send('PATCH', `${path}/widget`, widget).json).toEqual(widget);
    expect(send('GET', `${path}/widget.json`).json).toMatchObject({ id: model.id });
    const until = new Date(bench.clock.epochMs() + 3_600_000).toISOString();
    const paused = send('PUT', `${path}/incident-actions`, { invites_disabled_until: until }).json;
    expect(send('GET', path).json.incidents_data).toEqual(paused);
    expect(send('GET', `${path}/vanity-url`).json).toHaveProperty('uses', 0);
    expect(send('GET', `${path}/regions`).json).toEqual(send('GET', '/voice/regions').json);
    expect(send('GET', `${path}/integrations`).json).toHaveLength(1);
  });

  it('welcomes newcomers as it was told to', () => {
    const { model, send, path, channelOf } = guildStage();
    expect(send('GET', `${path}/welcome-screen`).json.code).toBe(10069);
    const channel_id = channelOf(ChannelType.GuildText);
    const json = { enabled: true, welcome_channels: [{ channel_id, description: 'here' }] };
    const screen = send('PATCH', `${path}/welcome-screen`, json).json;
    expect(screen.welcome_channels).toMatchObject([{ channel_id, emoji_name: null }]);
    expect(send('GET', `${path}/welcome-screen`).json).toEqual(screen);
    expect(model.guild.features).toContain('WELCOME_SCREEN_ENABLED');
    expect(send('GET', `${path}/onboarding`).json).toMatchObject({ enabled: false, prompts: [] });
    expect(send('PUT', `${path}/onboarding`, { enabled: true }).json.code).toBe(350_000);
    const texts = model.channels.filter(({ type }) => type === ChannelType.GuildText);
    const default_channel_ids = texts.map(({ id }) => id).slice(0, 7);
    const board = send('PUT', `${path}/onboarding`, { enabled: true, default_channel_ids }).json;
    expect(send('GET', `${path}/onboarding`).json).toEqual(board);
  });

  it('has invites until they expire or are deleted', () => {
    const { bench, send, heard, path, channelOf } = guildStage();
    const invites = `/channels/${channelOf(ChannelType.GuildText)}/invites`;
    const { code } = send('POST', invites, { max_age: 3_600 }).json;
    expect(send('POST', invites, { max_age: 3_600 }).json.code).toBe(code);
    const { code: other } = send('POST', invites, { max_age: 0, unique: true }).json;
    expect(heard()).toMatchObject([
      { t: 'INVITE_CREATE', d: { code, max_age: 3_600 } },
      { t: 'INVITE_CREATE', d: { code: other, expires_at: null } },
    ]);
    expect(send('GET', `${path}/invites`).json).toHaveLength(2);
    const shown = send('GET', `/invites/${code}?with_counts=true`).json;
    expect(shown).toMatchObject({ code, approximate_member_count: expect.any(Number) });
    expect(shown).not.toHaveProperty('max_age');
    bench.clock.advance(3_600_000);
    expect(send('GET', `/invites/${code}`).json.code).toBe(10006);
    expect(send('DELETE', `/invites/${other}`).json.code).toBe(other);
    expect(heard()).toMatchObject([{ t: 'INVITE_DELETE', d: { code: other } }]);
    expect(send('GET', invites).json).toEqual([]);
  });

  it('has one template', () => {
    const { send, path } = guildStage();
    const { code } = send('POST', `${path}/templates`, { name: 'like us' }).json;
    expect(send('POST', `${path}/templates`, { name: 'again' }).json.code).toBe(30031);
    expect(send('PATCH', `${path}/templates/${code}`, { name: 'as we' }).json.name).toBe('as we');
    send('POST', `${path}/channels`, { name: 'newest' });
    const { channels } = send('PUT', `${path}/templates/${code}`).json.serialized_source_guild;
    expect(channels.at(-1).name).toBe('newest');
    expect(send('GET', `/guilds/templates/${code}`).json.name).toBe('as we');
    expect(send('DELETE', `${path}/templates/${code}`).json.code).toBe(code);
    expect(send('GET', `/guilds/templates/${code}`).json.code).toBe(10057);
  });

  it('has stages that are opened and closed', () => {
    const { send, names, channelOf } = guildStage();
    const channel_id = channelOf(ChannelType.GuildStageVoice);
    const open = () => send('POST', '/stage-instances', { channel_id, topic: 'tonight' });
    expect(open().json.code).toBe(150_006);
    const path = `/stage-instances/${channel_id}`;
    expect(send('DELETE', path).status).toBe(204);
    expect(send('GET', path).json.code).toBe(10067);
    expect(open().json).toMatchObject({ channel_id, guild_scheduled_event_id: null });
    expect(send('PATCH', path, { topic: 'now' }).json.topic).toBe('now');
    const told = ['DELETE', 'CREATE', 'UPDATE'].map((what) => `STAGE_INSTANCE_${what}`);
    expect(names()).toEqual(told);
    const text = channelOf(ChannelType.GuildText);
    expect(send('POST', '/stage-instances', { channel_id: text, topic: 'x' }).json.code).toBe(
      50035,
    );
  });

  it('takes stickers as files, and so many as its level allows', () => {
    const { bench, model, send, names, path } = guildStage();
    const upload = (name: string) => {
      bench.clock.advance(60_000);
      const part = (head: string, value: string) =>
        `--b\r\ncontent-disposition: form-data; ${head}\r\n\r\n${value}\r\n`;
      const file = 'name="file"; filename="a.png"\r\ncontent-type: image/png';
      const body = `${part('name="name"', name)}${part('name="tags"', 'wave')}${part(file, 'PNG')}--b--\r\n`;
      const headers = { 'content-type': 'multipart/form-data; boundary=b' };
      return bench.send('POST', `${path}/stickers`, { body, headers });
    };
    const { status, json } = upload('waving');
    expect([status, json]).toMatchObject([201, { name: 'waving', format_type: 1 }]);
    expect(send('GET', `/stickers/${json.id}`).json).toEqual(json);
    const changed = send('PATCH', `${path}/stickers/${json.id}`, { name: 'bowing' }).json;
    expect(send('GET', `${path}/stickers`).json).toContainEqual(changed);
    expect(send('DELETE', `${path}/stickers/${json.id}`).status).toBe(204);
    expect(names()).toEqual(Array(3).fill('GUILD_STICKERS_UPDATE'));
    expect(
      send('POST', `${path}/stickers`, { name: 'ab', tags: 'a' }).json.errors.file,
    ).toBeDefined();
    const most = [5, 15, 30, 60][model.guild.premium_tier] ?? 0;
    const free = most - (model.guild.stickers?.length ?? 0);
    for (let count = 0; count < free; count += 1) upload('another');
    expect(upload('too many').json.code).toBe(30039);
  });

  it('that the bot leaves is unknown from then on', () => {
    const { bench, model, send, heard, path } = guildStage();
    expect(send('DELETE', `/users/@me/guilds/${model.id}`).status).toBe(204);
    expect(heard()).toMatchObject([{ t: 'GUILD_DELETE', d: { id: model.id } }]);
    expect(send('GET', path).json.code).toBe(10004);
    expect(send('GET', '/users/@me/guilds').json).toHaveLength(2);
    const ready = bench.world.readyPayload(0, 1, 's', 'ws://localhost');
    expect(ready.guilds.map(({ id }) => id)).not.toContain(model.id);
    const other = `/guilds/${bench.world.guildIds[1]}/integrations`;
    expect(send('DELETE', `${other}/1`).json.code).toBe(10005);
    expect(send('DELETE', `${other}/${bench.world.application.id}`).status).toBe(204);
    expect(heard().map(({ t }) => t)).toEqual(['INTEGRATION_DELETE', 'GUILD_DELETE']);
    expect(send('GET', other).json.code).toBe(10004);
  });

  it('is searched once it has been indexed', () => {
    const { bench, send, path, channelOf } = guildStage();
    const text = channelOf(ChannelType.GuildText);
    for (const content of ['a red boat', 'a blue boat', 'https://x.org']) bench.post(text, content);
    const first = bench.send('GET', `${path}/messages/search?content=boat`);
    expect([first.status, first.json]).toMatchObject([202, { code: 110_000, retry_after: 2 }]);
    bench.clock.advance(2_000);
    const search = (query: string) => send('GET', `${path}/messages/search?${query}`).json;
    const texts = (query: string) =>
      search(query).messages.map(([message]: Thing) => message.content);
    expect(texts('content=BOAT')).toEqual(['a blue boat', 'a red boat']);
    expect(texts('content=boat&sort_order=asc&limit=1')).toEqual(['a red boat']);
    expect(texts('has=link')).toEqual(['https://x.org']);
    expect(texts('has=-link&offset=1')).toEqual(['a red boat']);
    expect(search(`author_id=${bench.world.bot.id}`).total_results).toBe(3);
    expect(search('limit=26').code).toBe(50035);
  });
});

describe('the traffic', () => {
  it('goes on when a bot has deleted and left all that it could', () => {
    const { bench, send } = guildStage();
    const [first, ...others] = bench.world.guildIds;
    for (const id of others) send('DELETE', `/users/@me/guilds/${id}`);
    const path = `/guilds/${first}`;
    for (const channel of send('GET', `${path}/channels`).json) {
      send('DELETE', `/channels/${channel.id}`);
    }
    for (const emoji of send('GET', `${path}/emojis`).json) {
      send('DELETE', `${path}/emojis/${emoji.id}`);
    }
    const traffic = createTraffic(bench.world, createRandom(5));
    const next = () => traffic.next(bench.clock.epochMs());
    expect(() => Array.from({ length: 20_000 }, next)).not.toThrow();
    send('DELETE', `/users/@me/guilds/${first}`);
    expect(() => Array.from({ length: 1_000 }, next)).not.toThrow();
  });
});

/** Guilds, as the simulated REST API lets a bot look after them. */
import { ChannelType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { createRandom } from '../../src/random.ts';
import { createTraffic } from '../../src/simulator/events/traffic.ts';
import { BOT_ORDINAL, idAt, OWNER_ORDINAL } from '../../src/simulator/world/people.ts';
import { RestBench } from '../support/rest-bench.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into things of every shape.
type Thing = any;

function stage(options = {}) {
  const bench = new RestBench(options);
  const model = bench.world.guild(bench.world.guildIds[0] ?? '');
  if (model === undefined) throw new Error('the world has no guild');
  const channelOf = (type: ChannelType) =>
    model.channels.find((one) => one.type === type)?.id ?? '';
  const send = (method: string, path: string, json?: unknown) => {
    bench.clock.advance(60_000);
    return bench.send(method, path, json === undefined ? {} : { json });
  };
  /** Names and data of what was told since the last time, the audit log left out. */
  const heard = (): readonly { readonly t: string; readonly d: Thing }[] =>
    bench.events.splice(0).filter(({ t }) => !t.startsWith('GUILD_AUDIT'));
  const names = () => heard().map(({ t }) => t);
  const userId = (ordinal: number) => idAt(bench.world.seed, model.index, ordinal);
  return { bench, model, send, heard, names, channelOf, userId, path: `/guilds/${model.id}` };
}

describe('the channels of a guild', () => {
  it('are put in another order, under another category, with its permissions', () => {
    const { model, send, heard, path, channelOf } = stage();
    const category = send('POST', `${path}/channels`, {
      name: 'Archive',
      type: 4,
      permission_overwrites: [{ id: model.id, deny: '1024' }],
    }).json;
    expect(category).toMatchObject({ name: 'Archive', parent_id: null });
    const text = channelOf(ChannelType.GuildText);
    heard();
    const move = { id: text, position: 7, parent_id: category.id, lock_permissions: true };
    expect(send('PATCH', `${path}/channels`, [move]).status).toBe(204);
    expect(heard()).toMatchObject([
      {
        t: 'CHANNEL_UPDATE',
        d: { id: text, position: 7, permission_overwrites: category.permission_overwrites },
      },
    ]);
    expect(send('GET', `/channels/${text}`).json.parent_id).toBe(category.id);
    expect(send('PATCH', `${path}/channels`, [{ id: '1' }]).json.code).toBe(10003);
    expect(send('DELETE', `/channels/${category.id}`).status).toBe(200);
    expect(heard()).toMatchObject([
      { t: 'CHANNEL_UPDATE', d: { id: text, parent_id: null } },
      { t: 'CHANNEL_DELETE', d: { id: category.id } },
    ]);
  });

  it('have permissions for roles and members', () => {
    const { model, send, names, channelOf } = stage();
    const channel = `/channels/${channelOf(ChannelType.GuildText)}`;
    const own = `${channel}/permissions/${model.botRoleId}`;
    expect(send('PUT', own, { type: 0, allow: '2048' }).status).toBe(204);
    const overwrite = { id: model.botRoleId, type: 0, allow: '2048', deny: '0' };
    expect(send('GET', channel).json.permission_overwrites).toContainEqual(overwrite);
    expect(send('DELETE', own).status).toBe(204);
    expect(send('GET', channel).json.permission_overwrites).not.toContainEqual(overwrite);
    expect(send('DELETE', own).json.code).toBe(10009);
    expect(send('PUT', own, { allow: '1' }).json.errors.type._errors).toHaveLength(1);
    expect(names()).toEqual(['CHANNEL_UPDATE', 'CHANNEL_UPDATE']);
  });

  it('are refused what their kind or their guild cannot have', () => {
    const { bench, model, send, path, channelOf } = stage();
    const make = (json: object) => send('POST', `${path}/channels`, json).json;
    expect(make({ name: 'a', parent_id: '1' }).errors.parent_id._errors[0].code).toBe(
      'CHANNEL_PARENT_INVALID',
    );
    expect(make({ name: 'a', topic: 'x'.repeat(1_025) }).errors.topic).toBeDefined();
    expect(make({ name: 'a', type: 15, topic: 'x'.repeat(1_025) }).type).toBe(15);
    expect(make({ name: 'a', type: 99 }).errors.type).toBeDefined();
    expect(make({ name: 'a', bitrate: 64_000 })).not.toHaveProperty('bitrate');
    const rules = `/channels/${model.guild.rules_channel_id}`;
    expect(send('DELETE', rules).json.code).toBe(50074);
    const direct = `/channels/${bench.world.directChannels[0]?.id}`;
    expect(send('PATCH', direct, { name: 'x' }).json.code).toBe(50003);
    expect(send('DELETE', direct).status).toBe(200);
    const voice = `/channels/${channelOf(ChannelType.GuildVoice)}`;
    expect(send('PATCH', voice, { type: 0 }).json.code).toBe(50035);
    for (let left = 500 - model.channels.length; left > 0; left -= 1) make({ name: 'a' });
    expect(make({ name: 'a' }).code).toBe(30013);
  });

  it('that announce can be followed and publish their messages once', () => {
    const { bench, send, heard, channelOf } = stage();
    const news = channelOf(ChannelType.GuildAnnouncement);
    const text = channelOf(ChannelType.GuildText);
    const followed = send('POST', `/channels/${news}/followers`, { webhook_channel_id: text });
    expect(followed.json).toEqual({ channel_id: news, webhook_id: expect.any(String) });
    expect(send('GET', `/channels/${text}/webhooks`).json).toMatchObject([
      { type: 2, id: followed.json.webhook_id, source_channel: { id: news } },
    ]);
    expect(heard()).toMatchObject([{ t: 'WEBHOOKS_UPDATE', d: { channel_id: text } }]);
    const { id } = bench.post(news, 'hear hear').json;
    const crosspost = `/channels/${news}/messages/${id}/crosspost`;
    expect(send('POST', crosspost).json).toMatchObject({ id, flags: 1 });
    expect(send('POST', crosspost).json.code).toBe(40033);
    const { id: plain } = bench.post(text, 'psst').json;
    expect(send('POST', `/channels/${text}/messages/${plain}/crosspost`).json.code).toBe(50024);
  });

  it('lose many messages at once in one event', () => {
    const { bench, send, heard, channelOf } = stage();
    const text = channelOf(ChannelType.GuildText);
    const ids = ['a', 'b', 'c'].map((content) => bench.post(text, content).json.id);
    heard();
    const path = `/channels/${text}/messages/bulk-delete`;
    expect(send('POST', path, { messages: [...ids, bench.world.newId(0)] }).status).toBe(204);
    expect(heard()).toMatchObject([{ t: 'MESSAGE_DELETE_BULK', d: { ids, channel_id: text } }]);
    expect(send('POST', path, { messages: ['1', '2'] }).json.code).toBe(50034);
    const direct = bench.world.directChannels[0]?.id;
    const inDirect = `/channels/${direct}/messages/bulk-delete`;
    expect(send('POST', inDirect, { messages: ids }).json.code).toBe(50003);
  });
});

describe('roles', () => {
  it('are moved, counted, given, taken and lost with the role', () => {
    const { model, send, heard, path, userId } = stage();
    const { id } = send('POST', `${path}/roles`, { name: 'red' }).json;
    expect(send('PATCH', `${path}/roles`, [{ id, position: 3 }]).json).toContainEqual(
      expect.objectContaining({ id, position: 3 }),
    );
    const member = `${path}/members/${userId(40)}`;
    heard();
    expect(send('PUT', `${member}/roles/${id}`).status).toBe(204);
    expect(send('PUT', `${member}/roles/${id}`).status).toBe(204);
    expect(heard()).toMatchObject([{ t: 'GUILD_MEMBER_UPDATE', d: { user: { id: userId(40) } } }]);
    expect(send('GET', member).json.roles).toContain(id);
    const counts = send('GET', `${path}/roles/member-counts`).json;
    expect(counts[id]).toBe(1);
    expect(counts[model.id]).toBeUndefined();
    expect(send('DELETE', `${path}/roles/${id}`).status).toBe(204);
    expect(send('GET', member).json.roles).not.toContain(id);
    expect(send('DELETE', `${path}/roles/${model.id}`).json.code).toBe(50028);
    expect(send('DELETE', `${path}/roles/${model.botRoleId}`).json.code).toBe(50028);
    const free = 250 - model.guild.roles.length;
    for (let count = 0; count < free; count += 1) send('POST', `${path}/roles`, {});
    expect(send('POST', `${path}/roles`, {}).json.code).toBe(30005);
  });
});

describe('members', () => {
  it('stay as they were changed, everywhere they are shown', () => {
    const { bench, model, send, heard, path, userId } = stage();
    const member = `${path}/members/${userId(1)}`;
    expect(send('PATCH', member, { nick: 'x' }).json.code).toBe(50013);
    expect(send('DELETE', member).json.code).toBe(50013);
    expect(send('PUT', `${path}/bans/${userId(1)}`, {}).json.code).toBe(50013);
    const until = new Date(bench.clock.epochMs() + 86_400_000).toISOString();
    const other = `${path}/members/${userId(2)}`;
    const json = { nick: 'Zed', communication_disabled_until: until };
    heard();
    const answered = send('PATCH', other, json).json;
    expect(answered.nick).toBe('Zed');
    expect(heard()).toMatchObject([{ t: 'GUILD_MEMBER_UPDATE', d: answered }]);
    expect(send('GET', other).json).toEqual(answered);
    expect(send('GET', `${path}/members/search?query=zed`).json).toEqual([answered]);
    const created = bench.world.guildCreate(model.id, ALL_INTENTS);
    expect(created.members.find(({ user }) => user.id === userId(2))?.nick).toBe('Zed');
    const late = new Date(bench.clock.epochMs() + 30 * 86_400_000).toISOString();
    expect(send('PATCH', other, { communication_disabled_until: late }).json.code).toBe(50035);
    expect(send('PATCH', `${path}/members/@me/nick`, { nick: 'Bot' }).json).toEqual({
      nick: 'Bot',
    });
    expect(send('GET', `/users/@me/guilds/${model.id}/member`).json.nick).toBe('Bot');
  });

  it('are moved between voice channels and sent out of them, if they are in one', () => {
    const { model, send, heard, path, userId } = stage();
    const [state] = model.voiceStates;
    const voices = model.channels.filter(({ type }) => type === ChannelType.GuildVoice);
    const target = voices.find(({ id }) => id !== state?.channel_id)?.id;
    const member = `${path}/members/${userId(3)}`;
    const where = `${path}/voice-states/${userId(3)}`;
    expect(send('PATCH', member, { channel_id: target }).status).toBe(200);
    expect(send('GET', where).json.channel_id).toBe(target);
    expect(send('PATCH', member, { channel_id: null }).status).toBe(200);
    const moves = heard().filter(({ t }) => t === 'VOICE_STATE_UPDATE');
    expect(moves.map(({ d }) => d.channel_id)).toEqual([target, null]);
    expect(send('GET', where).json.code).toBe(10065);
    expect(send('PATCH', member, { mute: true }).json.code).toBe(40032);
    expect(send('PATCH', `${path}/voice-states/@me`, { suppress: false }).json.code).toBe(10065);
  });

  it('are pruned as they were counted, and nobody talks of them any more', () => {
    const { bench, model, send, heard, path } = stage();
    const { pruned } = send('GET', `${path}/prune?days=30`).json;
    expect(pruned).toBeGreaterThan(0);
    const before = model.presentCount;
    heard();
    expect(send('POST', `${path}/prune`, { days: 30 }).json).toEqual({ pruned });
    const gone = heard();
    expect(gone.map(({ t }) => t)).toEqual(Array(pruned).fill('GUILD_MEMBER_REMOVE'));
    expect(model.presentCount).toBe(before - pruned);
    expect(send('GET', `${path}/prune?days=30`).json).toEqual({ pruned: 0 });
    expect(bench.world.guildCreate(model.id, ALL_INTENTS).member_count).toBe(before - pruned);
    const listed = [
      ...bench.world.memberChunks(model.id, { guild_id: model.id, query: '' }, ALL_INTENTS),
    ];
    const there = new Set(listed.flatMap(({ members }) => members.map(({ user }) => user.id)));
    expect(there.size).toBe(before - pruned);
    expect(gone.filter(({ d }) => there.has(d.user.id))).toEqual([]);
    expect(send('GET', `${path}/prune?days=31`).json.code).toBe(50035);
  });

  it('come back with the token of a user', () => {
    const { send, names, path, userId } = stage({ bearerTokens: ['of-a-user'] });
    const member = `${path}/members/${userId(90)}`;
    const json = { access_token: 'of-a-user', nick: 'Back' };
    expect(send('PUT', member, json).status).toBe(204);
    send('DELETE', member);
    names();
    expect(send('PUT', member, json)).toMatchObject({ status: 201, json: { nick: 'Back' } });
    expect(names()).toEqual(['GUILD_MEMBER_ADD']);
    expect(send('PUT', member, { access_token: 'else' }).json.code).toBe(50025);
  });
});

describe('a guild', () => {
  it('is changed, and shows it to whoever looks', () => {
    const { bench, model, send, heard, path, channelOf } = stage();
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
    const { model, send, path, channelOf } = stage();
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
    const { bench, send, heard, path, channelOf } = stage();
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
    const { send, path } = stage();
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
    const { send, names, channelOf } = stage();
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
    const { bench, model, send, names, path } = stage();
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
    const { bench, model, send, heard, path } = stage();
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
    const { bench, send, path, channelOf } = stage();
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

describe('what belongs to no guild', () => {
  it('is the bot itself', () => {
    const { bench, model, send, heard, path, userId } = stage();
    expect(send('PATCH', '/users/@me', { username: 'mast' }).json.username).toBe('mast');
    expect(heard()).toMatchObject([{ t: 'USER_UPDATE', d: { username: 'mast' } }]);
    expect(send('GET', '/users/@me').json.username).toBe('mast');
    const member = send('GET', `${path}/members/${userId(BOT_ORDINAL)}`).json;
    expect(member.user.username).toBe('mast');
    expect(bench.world.guildCreate(model.id, ALL_INTENTS).members[0]?.user.username).toBe('mast');
    expect(send('GET', '/users/@me/connections').json.code).toBe(20001);
  });

  it('is the application with its emojis, entitlements and metadata', () => {
    const { bench, send, heard, userId } = stage();
    const path = `/applications/${bench.world.application.id}`;
    const image = 'data:image/gif;base64,R0lGODlh';
    const emoji = send('POST', `${path}/emojis`, { name: 'spin', image }).json;
    expect(emoji.animated).toBe(true);
    expect(send('GET', `${path}/emojis`).json).toEqual({ items: [emoji] });
    expect(send('GET', '/applications/1/emojis').json.code).toBe(20012);
    expect(send('PATCH', '/applications/@me', { description: 'd' }).json.description).toBe('d');
    expect(send('GET', '/applications/@me').json.description).toBe('d');
    const [sku] = send('GET', `${path}/skus`).json;
    const json = { sku_id: sku.id, owner_id: userId(OWNER_ORDINAL), owner_type: 2 };
    const made = send('POST', `${path}/entitlements`, json).json;
    const one = `${path}/entitlements/${made.id}`;
    expect(send('GET', `${path}/entitlements?sku_ids=${sku.id}`).json).toMatchObject([made]);
    expect(send('POST', `${one}/consume`).json.code).toBe(40018);
    expect(send('DELETE', one).status).toBe(204);
    expect(send('GET', one).json.code).toBe(10029);
    expect(heard().map(({ t }) => t)).toEqual(['ENTITLEMENT_CREATE', 'ENTITLEMENT_DELETE']);
    const records = [{ type: 1, key: 'k', name: 'n', description: 'd' }];
    expect(send('PUT', `${path}/role-connections/metadata`, records).json).toEqual(records);
    expect(send('GET', `${path}/role-connections/metadata`).json).toEqual(records);
    const wrong = [{ type: 9, key: 'k', name: 'n', description: 'd' }];
    expect(send('PUT', `${path}/role-connections/metadata`, wrong).json.code).toBe(50035);
  });

  it('is a poll, which the bot can end once', () => {
    const { bench, send, heard, channelOf } = stage();
    const channel = `/channels/${channelOf(ChannelType.GuildText)}`;
    const answers = ['yes', 'no'].map((text) => ({ poll_media: { text } }));
    const poll = { question: { text: 'tea?' }, answers, duration: 1 };
    const { id } = send('POST', `${channel}/messages`, { poll }).json;
    heard();
    expect(send('GET', `${channel}/polls/${id}/answers/1`).json).toEqual({ users: [] });
    const ended = send('POST', `${channel}/polls/${id}/expire`).json;
    expect(ended.poll.results.is_finalized).toBe(true);
    expect(heard()).toMatchObject([{ t: 'MESSAGE_UPDATE', d: { id } }]);
    expect(send('POST', `${channel}/polls/${id}/expire`).json.code).toBe(520_001);
    const { id: plain } = bench.post(channelOf(ChannelType.GuildText), 'no poll').json;
    expect(send('POST', `${channel}/polls/${plain}/expire`).json.code).toBe(520_006);
  });
});

describe('the traffic', () => {
  it('goes on when a bot has deleted and left all that it could', () => {
    const { bench, send } = stage();
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

/** Members and their roles, as the simulated REST API lets a bot look after them. */
import { ChannelType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { guildStage } from '../support/guild-stage.ts';

describe('roles', () => {
  it('are moved, counted, given, taken and lost with the role', () => {
    const { model, send, heard, path, userId } = guildStage();
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
    const { bench, model, send, heard, path, userId } = guildStage();
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
    const { model, send, heard, path, userId } = guildStage();
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
    const { bench, model, send, heard, path } = guildStage();
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
    const { send, names, path, userId } = guildStage({ bearerTokens: ['of-a-user'] });
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

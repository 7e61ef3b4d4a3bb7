/** The channels of a guild, as the simulated REST API lets a bot look after them. */
import { ChannelType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { guildStage } from '../support/guild-stage.ts';

describe('the channels of a guild', () => {
  it('are put in another order, under another category, with its permissions', () => {
    const { model, send, heard, path, channelOf } = guildStage();
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
    const { model, send, names, channelOf } = guildStage();
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
    const { bench, model, send, path, channelOf } = guildStage();
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
    const { bench, send, heard, channelOf } = guildStage();
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
    const { bench, send, heard, channelOf } = guildStage();
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

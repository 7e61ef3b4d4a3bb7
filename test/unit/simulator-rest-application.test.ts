/** What belongs to no guild in the simulated REST API: the bot, its application, polls. */
import { ChannelType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { BOT_ORDINAL, OWNER_ORDINAL } from '../../src/simulator/world/people.ts';
import { guildStage } from '../support/guild-stage.ts';

describe('what belongs to no guild', () => {
  it('is the bot itself', () => {
    const { bench, model, send, heard, path, userId } = guildStage();
    expect(send('PATCH', '/users/@me', { username: 'mast' }).json.username).toBe('mast');
    expect(heard()).toMatchObject([{ t: 'USER_UPDATE', d: { username: 'mast' } }]);
    expect(send('GET', '/users/@me').json.username).toBe('mast');
    const member = send('GET', `${path}/members/${userId(BOT_ORDINAL)}`).json;
    expect(member.user.username).toBe('mast');
    expect(bench.world.guildCreate(model.id, ALL_INTENTS).members[0]?.user.username).toBe('mast');
    expect(send('GET', '/users/@me/connections').json.code).toBe(20001);
  });

  it('is the application with its emojis, entitlements and metadata', () => {
    const { bench, send, heard, userId } = guildStage();
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
    const { bench, send, heard, channelOf } = guildStage();
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

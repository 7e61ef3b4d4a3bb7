/** Threads of the simulated REST API: started, joined, archived, listed, deleted. */
import { ChannelType, MessageType } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { guildStage } from '../support/guild-stage.ts';

function stage() {
  const guild = guildStage();
  return { ...guild, text: guild.channelOf(ChannelType.GuildText) };
}

describe('a thread', () => {
  it('started from a message has its id, marks it and begins by referring to it', () => {
    const { bench, model, send, heard, text } = stage();
    const { id } = bench.post(text, 'a question').json;
    heard();
    const path = `/channels/${text}/messages/${id}/threads`;
    const made = send('POST', path, { name: 'answers', auto_archive_duration: 60 });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      id,
      parent_id: text,
      owner_id: bench.world.bot.id,
      type: ChannelType.PublicThread,
      member_count: 1,
      thread_metadata: { archived: false, auto_archive_duration: 60 },
    });
    const events = heard();
    expect(events.map(({ t }) => t)).toEqual([
      'THREAD_CREATE',
      'THREAD_MEMBERS_UPDATE',
      'MESSAGE_UPDATE',
      'MESSAGE_CREATE',
    ]);
    expect(events[0]?.d).toMatchObject({ id, newly_created: true });
    expect(events[2]?.d).toMatchObject({ id, flags: 32, thread: { id } });
    expect(events[3]?.d).toMatchObject({
      channel_id: id,
      type: MessageType.ThreadStarterMessage,
      message_reference: { channel_id: text, message_id: id },
    });
    expect(send('POST', path, { name: 'again' }).json).toMatchObject({ code: 160_004 });
    expect(send('POST', path, {}).json.errors.name._errors).toHaveLength(1);
    const created = bench.world.guildCreate(model.id, ALL_INTENTS);
    expect(created.threads.find((thread) => thread.id === id)?.member).toBeDefined();
  });

  it('started on its own is private unless it says otherwise, and of a kind that fits', () => {
    const { send, channelOf, text } = stage();
    const start = (channelId: string, json: object) =>
      send('POST', `/channels/${channelId}/threads`, json);
    expect(start(text, { name: 'a' }).json).toMatchObject({
      type: ChannelType.PrivateThread,
      thread_metadata: { invitable: true },
    });
    expect(start(text, { name: 'a', type: 11 }).json.type).toBe(ChannelType.PublicThread);
    expect(start(text, { name: 'a', type: 10 }).json.code).toBe(50024);
    expect(start(channelOf(ChannelType.GuildVoice), { name: 'a' }).json.code).toBe(50024);
    expect(start(text, { name: 'a', type: 3 }).json.code).toBe(50035);
  });

  it('of a forum is a post: its first message comes along, under the same id', () => {
    const { bench, send, heard, channelOf } = stage();
    const forum = channelOf(ChannelType.GuildForum);
    const [tag] = send('GET', `/channels/${forum}`).json.available_tags;
    const path = `/channels/${forum}/threads`;
    const json = { name: 'how', message: { content: 'so' }, applied_tags: [tag.id] };
    heard();
    const { status, json: post } = send('POST', path, json);
    expect([status, post.message.id, post.message.channel_id]).toEqual([201, post.id, post.id]);
    expect(post).toMatchObject({ applied_tags: [tag.id], total_message_sent: 1 });
    expect(heard().map(({ t }) => t)).toContain('MESSAGE_CREATE');
    expect(send('GET', `/channels/${post.id}/messages`).json).toMatchObject([{ content: 'so' }]);
    expect(bench.rest.audit.posted.at(-1)).toMatchObject({ content: 'so' });
    const wrong = (body: object) => send('POST', path, body).json;
    expect(wrong({ name: 'how' }).errors.message._errors).toHaveLength(1);
    expect(wrong({ name: 'how', message: {} })).toMatchObject({ code: 50006 });
    expect(wrong({ ...json, applied_tags: ['1'] }).errors.applied_tags._errors).toHaveLength(1);
  });

  it('has members who come and go', () => {
    const { bench, model, send, heard, text } = stage();
    const { id } = send('POST', `/channels/${text}/threads`, { name: 'a' }).json;
    const [first, second] = send('GET', `/guilds/${model.id}/members?limit=3`).json.filter(
      ({ user }: { user: { id: string } }) => user.id !== bench.world.bot.id,
    );
    heard();
    const members = `/channels/${id}/thread-members`;
    expect(send('PUT', `${members}/${first.user.id}`).status).toBe(204);
    expect(send('PUT', `${members}/${first.user.id}`).status).toBe(204);
    expect(send('PUT', `${members}/${second.user.id}`).status).toBe(204);
    expect(send('DELETE', `${members}/@me`).status).toBe(204);
    const told = heard().map(({ d }) => d);
    expect(told).toMatchObject([
      { id, member_count: 2, added_members: [{ user_id: first.user.id }] },
      { id, member_count: 3, added_members: [{ user_id: second.user.id }] },
      { id, member_count: 2, removed_member_ids: [bench.world.bot.id] },
    ]);
    const ids = [first.user.id, second.user.id];
    const listed = send('GET', members).json.map((one: { user_id: string }) => one.user_id);
    expect(listed).toEqual(ids);
    const [page] = send('GET', `${members}?with_member=true&after=0&limit=1`).json;
    expect(page.member.user.id).toBe(page.user_id);
    expect(send('GET', `${members}/${bench.world.bot.id}`).json.code).toBe(10007);
    expect(send('GET', `/channels/${id}`).json.member).toBeUndefined();
    expect(send('PUT', `${members}/@me`).status).toBe(204);
    expect(heard().map(({ t }) => t)).toEqual(['THREAD_MEMBERS_UPDATE', 'THREAD_CREATE']);
    expect(send('GET', `/channels/${id}`).json.member.user_id).toBe(bench.world.bot.id);
    expect(send('PUT', `/channels/${text}/thread-members/@me`).json.code).toBe(50024);
  });

  it('that is archived is listed as such and can only be woken', () => {
    const { model, send, heard, text } = stage();
    const threads = `/channels/${text}/threads`;
    const open = (name: string, type: number) => send('POST', threads, { name, type }).json.id;
    const [first, second, hidden] = [open('a', 11), open('b', 11), open('c', 12)];
    const active = () =>
      send('GET', `/guilds/${model.id}/threads/active`).json.threads.map(
        (thread: { id: string }) => thread.id,
      );
    expect(active()).toEqual(expect.arrayContaining([first, second, hidden]));
    for (const id of [first, second, hidden]) send('PATCH', `/channels/${id}`, { archived: true });
    expect(active()).not.toContain(first);
    const listed = send('GET', `${threads}/archived/public?limit=2`).json;
    expect(listed.threads.map((thread: { id: string }) => thread.id)).toEqual([second, first]);
    expect(listed).toMatchObject({ has_more: false, members: [{ id: second }, { id: first }] });
    const { archive_timestamp: before } = listed.threads[0].thread_metadata;
    const older = send('GET', `${threads}/archived/public?before=${encodeURIComponent(before)}`);
    expect(older.json.threads).toMatchObject([{ id: first }]);
    expect(send('GET', `${threads}/archived/private`).json.threads).toMatchObject([{ id: hidden }]);
    const joined = send('GET', `/channels/${text}/users/@me/threads/archived/private`).json;
    expect(joined.threads).toMatchObject([{ id: hidden }]);

    expect(send('PATCH', `/channels/${first}`, { name: 'x' }).json.code).toBe(50083);
    expect(send('PUT', `/channels/${first}/thread-members/@me`).json.code).toBe(50083);
    heard();
    expect(send('POST', `/channels/${first}/messages`, { content: 'awake' }).status).toBe(200);
    expect(heard().map(({ t }) => t)).toEqual(['THREAD_UPDATE', 'MESSAGE_CREATE']);
    expect(send('GET', `/channels/${first}`).json).toMatchObject({
      message_count: 1,
      thread_metadata: { archived: false },
    });
    const woken = send('PATCH', `/channels/${second}`, { archived: false, name: 'x' });
    expect(woken.json).toMatchObject({ name: 'x', thread_metadata: { archived: false } });
  });

  it('is started in a forum by a webhook that names it', () => {
    const { bench, send, channelOf, text } = stage();
    const hook = (channelId: string) => {
      const { id, token } = send('POST', `/channels/${channelId}/webhooks`, { name: 'hook' }).json;
      return { id, path: `/webhooks/${id}/${token}` };
    };
    const { id: hookId, path } = hook(channelOf(ChannelType.GuildForum));
    const json = { content: 'news', thread_name: 'today' };
    const message = send('POST', `${path}?wait=true`, json).json;
    const thread = `/channels/${message.channel_id}`;
    expect(message).toMatchObject({ id: message.channel_id, webhook_id: hookId });
    expect(send('GET', thread).json).toMatchObject({ name: 'today', owner_id: hookId });
    expect(send('GET', `${thread}/thread-members`).json).toEqual([]);
    const inThread = `thread_id=${message.channel_id}`;
    const reply = send('POST', `${path}?wait=true&${inThread}`, { content: 'more' }).json;
    expect(send('GET', thread).json.message_count).toBe(2);
    const one = `${path}/messages/${reply.id}`;
    expect(send('DELETE', one).json.code).toBe(10008);
    expect(send('DELETE', `${one}?${inThread}`).status).toBe(204);
    expect(send('POST', path, { content: 'where?' }).json.code).toBe(220_001);
    expect(send('POST', `${path}?${inThread}`, json).json.code).toBe(220_002);
    expect(send('POST', hook(text).path, json).json.code).toBe(220_003);
    expect(bench.rest.audit.posted.map(({ content }) => content)).toEqual(['news', 'more']);
  });

  it('goes with its channel, and by itself', () => {
    const { model, send, heard } = stage();
    const channel = send('POST', `/guilds/${model.id}/channels`, { name: 'c' }).json.id;
    const open = () => send('POST', `/channels/${channel}/threads`, { name: 'a' }).json.id;
    const [first, second] = [open(), open()];
    heard();
    expect(send('DELETE', `/channels/${first}`).json.id).toBe(first);
    expect(heard()).toMatchObject([
      { t: 'THREAD_DELETE', d: { id: first, guild_id: model.id, parent_id: channel, type: 12 } },
    ]);
    expect(send('DELETE', `/channels/${channel}`).status).toBe(200);
    for (const id of [first, second, channel]) {
      expect(send('GET', `/channels/${id}`).json.code).toBe(10003);
    }
  });
});

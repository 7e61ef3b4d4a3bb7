/**
 * discord.js 14, the whole client and unmodified, runs a guild on the simulator: what it makes,
 * edits and deletes there it is answered, hears back as events, and has in its caches.
 */
import {
  AuditLogEvent,
  ChannelType,
  Client,
  Events,
  GuildScheduledEventEntityType,
  GuildScheduledEventPrivacyLevel,
  PermissionFlagsBits,
} from 'discord.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';

type Stage = { readonly simulator: Simulator; readonly client: Client<true> };

async function logIn(): Promise<Stage> {
  const simulator = await startSimulator({ seed: 3, guildCount: 2 });
  onTestFinished(() => simulator.close());
  const client = new Client({ intents: ALL_INTENTS, rest: { api: `${simulator.url}/api` } });
  onTestFinished(() => client.destroy());
  const ready = new Promise<Client<true>>((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(SIMULATED_TOKEN);
  return { simulator, client: await ready };
}

/** The first guild, which has everything, as the client knows it. */
function guildOf({ simulator, client }: Stage) {
  const guild = client.guilds.cache.get(simulator.discord.world.guildIds[0] ?? '');
  if (guild === undefined) throw new Error('the client has no guild');
  return guild;
}

/** What the client hears, as `event name-of-the-thing`. */
function listen(client: Client<true>): string[] {
  const heard: string[] = [];
  client.on(Events.ChannelCreate, ({ name }) => heard.push(`channel ${name}`));
  client.on(Events.ChannelUpdate, (_old, channel) => {
    if ('name' in channel) heard.push(`channel is ${channel.name}`);
  });
  client.on(Events.ChannelDelete, (channel) => {
    if ('name' in channel) heard.push(`channel ${channel.name} gone`);
  });
  client.on(Events.ThreadCreate, ({ name }) => heard.push(`thread ${name}`));
  client.on(Events.ThreadUpdate, (_old, { name, archived }) =>
    heard.push(`thread is ${name}${archived ? ', archived' : ''}`),
  );
  client.on(Events.ThreadDelete, ({ name }) => heard.push(`thread ${name} gone`));
  client.on(Events.GuildRoleCreate, ({ name }) => heard.push(`role ${name}`));
  client.on(Events.GuildRoleUpdate, (_old, { name }) => heard.push(`role is ${name}`));
  client.on(Events.GuildRoleDelete, ({ name }) => heard.push(`role ${name} gone`));
  client.on(Events.GuildMemberUpdate, (_old, { nickname }) => heard.push(`member ${nickname}`));
  return heard;
}

function expectNoBreach({ discord }: Simulator): void {
  expect(discord.audit.breaches).toEqual([]);
  expect(discord.rest.audit.breaches).toEqual([]);
}

describe('discord.js 14 as the keeper of a guild', () => {
  it('makes, edits and deletes a channel, a thread in it and a role', async () => {
    const stage = await logIn();
    const guild = guildOf(stage);
    const heard = listen(stage.client);

    const role = await guild.roles.create({
      name: 'keeper',
      permissions: [PermissionFlagsBits.ManageChannels],
    });
    const channel = await guild.channels.create({
      name: 'Town Hall',
      type: ChannelType.GuildText,
      permissionOverwrites: [{ id: role.id, allow: [PermissionFlagsBits.SendMessages] }],
    });
    expect(channel.name).toBe('town-hall');
    const overwrite = channel.permissionOverwrites.cache.get(role.id);
    expect(overwrite?.allow.has(PermissionFlagsBits.SendMessages)).toBe(true);
    const message = await channel.send('what of the bridge?');
    const thread = await message.startThread({ name: 'bridge', autoArchiveDuration: 60 });
    expect([thread.id, thread.parentId]).toEqual([message.id, channel.id]);
    await thread.send('it holds');
    expect((await thread.members.fetch()).has(stage.client.user.id)).toBe(true);

    await role.edit({ name: 'warden', hoist: true });
    await channel.edit({ topic: 'bridges', name: 'bridges' });
    await channel.permissionOverwrites.edit(role, { ViewChannel: false });
    await thread.setName('the bridge');
    await thread.setArchived(true);
    const archived = await channel.threads.fetchArchived();
    expect([...archived.threads.keys()]).toEqual([thread.id]);
    await thread.setArchived(false);
    await thread.delete();
    await channel.delete();
    await role.delete();

    await until('the role was heard to be gone', () => heard.includes('role warden gone'));
    expect(heard).toEqual([
      'role keeper',
      'channel town-hall',
      'thread bridge',
      'role is warden',
      'channel is bridges',
      'channel is bridges',
      'thread is the bridge',
      'thread is the bridge, archived',
      'thread is the bridge',
      'thread the bridge gone',
      'channel bridges gone',
      'role warden gone',
    ]);
    expect(guild.channels.cache.has(channel.id)).toBe(false);
    expect(guild.roles.cache.has(role.id)).toBe(false);
    expect((await guild.channels.fetch()).has(channel.id)).toBe(false);
    const log = await guild.fetchAuditLogs({ type: AuditLogEvent.RoleDelete });
    expect(log.entries.first()?.targetId).toBe(role.id);
    expectNoBreach(stage.simulator);
  });

  it('posts in a forum, plans an event, invites people and sends one away', async () => {
    const stage = await logIn();
    const guild = guildOf(stage);
    const heard = listen(stage.client);

    const forum = await guild.channels.create({
      name: 'questions',
      type: ChannelType.GuildForum,
      availableTags: [{ name: 'open' }],
    });
    const post = await forum.threads.create({
      name: 'how?',
      message: { content: 'like this' },
      appliedTags: [forum.availableTags[0]?.id ?? ''],
    });
    expect(post.appliedTags).toEqual([forum.availableTags[0]?.id]);
    expect((await post.fetchStarterMessage())?.content).toBe('like this');
    const event = await guild.scheduledEvents.create({
      name: 'market',
      privacyLevel: GuildScheduledEventPrivacyLevel.GuildOnly,
      entityType: GuildScheduledEventEntityType.External,
      entityMetadata: { location: 'the square' },
      scheduledStartTime: Date.now() + 3_600_000,
      scheduledEndTime: Date.now() + 7_200_000,
    });
    expect((await guild.scheduledEvents.fetch(event.id)).name).toBe('market');
    const invite = await guild.invites.create(guild.systemChannelId ?? '', { maxAge: 60 });
    expect((await stage.client.fetchInvite(invite.code)).guild?.id).toBe(guild.id);
    await invite.delete();
    await expect(stage.client.fetchInvite(invite.code)).rejects.toMatchObject({ code: 10006 });

    const member = (await guild.members.list({ limit: 10 })).find(
      ({ id }) => id !== guild.ownerId && id !== stage.client.user.id,
    );
    if (member === undefined) throw new Error('nobody is there');
    await member.setNickname('Traveller');
    await until('the name was heard', () => heard.includes('member Traveller'));
    await member.ban({ reason: 'noise' });
    expect((await guild.bans.fetch(member.id)).reason).toBe('noise');
    await expect(guild.members.fetch({ user: member.id, force: true })).rejects.toMatchObject({
      code: 10007,
    });
    expectNoBreach(stage.simulator);
  });
});

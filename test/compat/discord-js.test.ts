/**
 * discord.js 14, the whole client and unmodified, against the simulator: what it is told is enough
 * for it to log in, fill its caches, hear every event, post and resume, and the simulator finds no
 * fault with it. What it cannot digest it throws, which fails the run.
 */
import { type APIMessage, Client, Events, GatewayDispatchEvents, Partials } from 'discord.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import {
  SIMULATED_TOKEN,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';

type Packet = { readonly t: string | null; readonly d: unknown };

type Stage = {
  readonly simulator: Simulator;
  readonly client: Client<true>;
  /** Every frame that the client has decoded. */
  readonly packets: readonly Packet[];
};

/** A client that is logged in and has all its guilds. */
async function logIn(options: SimulatorOptions = {}): Promise<Stage> {
  const simulator = await startSimulator({ seed: 3, guildCount: 4, ...options });
  onTestFinished(() => simulator.close());
  const client = new Client({
    intents: ALL_INTENTS,
    partials: [Partials.Channel, Partials.GuildMember, Partials.Message, Partials.Reaction],
    rest: { api: `${simulator.url}/api` },
  });
  onTestFinished(() => client.destroy());
  const errors: unknown[] = [];
  client.on(Events.Error, (error) => errors.push(error));
  client.on(Events.Warn, (warning) => errors.push(warning));
  onTestFinished(() => expect(errors).toEqual([]));
  const packets: Packet[] = [];
  // Typed as internal by discord.js, and there for just this.
  client.on('raw' as never, ((packet: Packet) => packets.push(packet)) as never);
  const ready = new Promise<Client<true>>((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(SIMULATED_TOKEN);
  return { simulator, client: await ready, packets };
}

/** A message that somebody wrote in a guild's text channel. */
function writeMessage({ discord }: Simulator, content: string): APIMessage {
  const guild = discord.world.guild(discord.world.guildIds[0] ?? '');
  const channel = guild?.channels.find(({ type }) => type === 0);
  const author = discord.world.guildCreate(guild?.id ?? '', ALL_INTENTS).members[1]?.user;
  if (channel === undefined || author === undefined) throw new Error('the world is too small');
  const now = discord.clock.epochMs();
  const posted = discord.world.postMessage(channel.id, author, { content }, now);
  if (posted === undefined) throw new Error('nothing can be written there');
  discord.publish(posted.event);
  return posted.message;
}

function expectNoBreach({ discord }: Simulator): void {
  expect(discord.audit.breaches).toEqual([]);
  expect(discord.rest.audit.breaches).toEqual([]);
}

describe('discord.js 14', () => {
  it('logs in, hears a message and answers it', async () => {
    const { simulator, client } = await logIn();
    const { world, rest, audit } = simulator.discord;
    expect(client.user.id).toBe(world.bot.id);
    expect([...client.guilds.cache.keys()].sort()).toEqual([...world.guildIds].sort());
    expect(client.guilds.cache.every(({ available }) => available)).toBe(true);

    client.on(Events.MessageCreate, async (message) => {
      if (message.content === 'ping' && message.channel.isSendable()) {
        await message.channel.send('pong');
      }
    });
    const { channel_id: channelId } = writeMessage(simulator, 'ping');
    await until('the answer was posted', () => rest.audit.posted.length > 0);
    expect(rest.audit.posted).toMatchObject([
      { channelId, content: 'pong', authorId: world.bot.id },
    ]);
    expectNoBreach(simulator);

    await client.destroy();
    await until('the connection was closed', () => audit.count('close') === 1);
    expect(audit.of('close')).toMatchObject([{ by: 'client', code: 1000 }]);
    expectNoBreach(simulator);
  });

  it('sees the message that it posted come back, and edits, reacts to and deletes it', async () => {
    const { simulator, client } = await logIn();
    const { channel_id: channelId } = writeMessage(simulator, 'hello');
    const seen: string[] = [];
    client.on(Events.MessageCreate, ({ content, author }) => {
      if (author.id === client.user.id) seen.push(content);
    });
    client.on(Events.MessageUpdate, (_old, { content }) => seen.push(`now ${content}`));
    client.on(Events.MessageReactionAdd, ({ emoji }) => seen.push(`reaction ${emoji.name}`));
    client.on(Events.MessageDelete, ({ content }) => seen.push(`gone ${content}`));
    const channel = await client.channels.fetch(channelId);
    if (!channel?.isSendable()) throw new Error('the channel takes no messages');
    const message = await channel.send({ content: 'one', embeds: [{ title: 'two' }] });
    expect(message.embeds[0]?.title).toBe('two');
    await message.edit('three');
    await message.react('🎉');
    await message.delete();
    await until('all of it was seen', () => seen.length >= 4);
    expect(seen).toEqual(['one', 'now three', 'reaction 🎉', 'gone three']);
    expectNoBreach(simulator);
  });

  it('takes every event that Discord documents', async () => {
    const { simulator, packets } = await logIn();
    const alone = new Set(['READY', 'RESUMED']);
    const names = DISPATCH_EVENTS.filter((name) => !alone.has(name));
    for (let round = 0; round < 3; round++) {
      for (const name of names) simulator.discord.emit(name);
    }
    const marker = writeMessage(simulator, 'the last of them');
    await until('the last one arrived', () =>
      packets.some(
        ({ t, d }) =>
          t === GatewayDispatchEvents.MessageCreate && (d as APIMessage).id === marker.id,
      ),
    );
    const seen = new Set(packets.map(({ t }) => t));
    expect(names.filter((name) => !seen.has(name))).toEqual([]);
    expectNoBreach(simulator);
  });

  it('resumes after a lost connection and misses nothing', async () => {
    const { simulator, client } = await logIn();
    const { audit, scenario } = simulator.discord;
    const seen: string[] = [];
    client.on(Events.MessageCreate, ({ content }) => seen.push(content));
    const resumed = new Promise((resolve) => client.once(Events.ShardResume, resolve));
    scenario.strike({ fault: 'drop' });
    writeMessage(simulator, 'while it was away');
    await resumed;
    writeMessage(simulator, 'after it was back');
    await until('both were seen', () => seen.length >= 2);
    expect(seen).toEqual(['while it was away', 'after it was back']);
    expect(audit.of('resume')).toMatchObject([{ outcome: 'resumed', replayed: 1 }]);
    expect(audit.count('identify')).toBe(1);
    expectNoBreach(simulator);
  });
});

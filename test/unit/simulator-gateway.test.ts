/** What the simulated gateway does for a client that behaves, on virtual time. */
import { ChannelType, GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import type { SimulatedEvent } from '../../src/simulator/events/event.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { field, type SimulatedClient, stage } from '../support/simulated-client.ts';

const RESUME = { url: VIRTUAL_ADDRESSES.resume };

function numbers(client: SimulatedClient): readonly number[] {
  return client.frames.flatMap(({ s }) => (s === null ? [] : [s]));
}

function upTo(last: number, first = 1): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

describe('a session', () => {
  it('begins with HELLO, READY and the unavailable guilds, then a GUILD_CREATE for each over time', () => {
    const { client, discord, clock } = stage({ guildCount: 30 });
    const one = client().settle(60);
    expect(one.frames).toMatchObject([
      { op: 10, d: { heartbeat_interval: 41_250 }, s: null, t: null },
    ]);
    one.identify();
    expect(one.frames[1]).toMatchObject({
      op: 0,
      t: 'READY',
      s: 1,
      d: {
        v: 10,
        shard: [0, 1],
        resume_gateway_url: VIRTUAL_ADDRESSES.resume,
        application: { id: discord.world.application.id },
      },
    });
    const guilds = discord.world.guildIds.map((id) => ({ id, unavailable: true }));
    expect(field(one.frames[1]?.d, 'guilds')).toEqual(guilds);
    expect(one.dataOf('GUILD_CREATE').length).toBeLessThanOrEqual(30);
    clock.advance(1_000);
    const created = one.dataOf('GUILD_CREATE').map((guild) => field(guild, 'id'));
    expect(created).toEqual(discord.world.guildIds);
    expect(numbers(one)).toEqual(upTo(31));
    expect(discord.audit.breaches).toEqual([]);
  });

  it('spreads GUILD_CREATEs in batches and sends nothing else of a guild before', () => {
    const { client, discord, clock } = stage({
      guildCount: 20,
      gateway: { guildBatch: 1, guildIntervalMs: 1_000 },
    });
    const one = client().identify();
    clock.advance(5_000);
    const seen = one.dataOf('GUILD_CREATE').length;
    expect(seen).toBeGreaterThan(3);
    expect(seen).toBeLessThan(7);
    const [first, last] = [discord.world.guildIds[0], discord.world.guildIds.at(-1)];
    for (const guildId of [first, last]) {
      const d = { marker: guildId };
      discord.publish({ t: 'TYPING_START', d, guildId: guildId ?? null, intents: 0 });
    }
    one.settle();
    expect(one.dataOf('TYPING_START')).toEqual([{ marker: first }]);
  });

  it('leaves shard out of READY when IDENTIFY had none', () => {
    const { client } = stage();
    const [ready] = client().identify({ shard: undefined }).dataOf('READY');
    expect(ready).not.toHaveProperty('shard');
  });

  it('acknowledges heartbeats', () => {
    const { client, discord, clock } = stage();
    const one = client().identify();
    clock.advance(10 * 41_250 + 1_000);
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(10);
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)[0]).toEqual({ op: 11, d: null, s: null, t: null });
    expect(one.closed).toBeUndefined();
    expect(discord.audit.count('heartbeat')).toBe(10);
    expect(discord.audit.breaches).toEqual([]);
  });

  it('reports what it heard: connections, identifies, frames, commands and closes', () => {
    const { client, discord } = stage();
    const one = client().identify();
    const presence = { since: null, activities: [], status: 'idle', afk: true };
    one.send(GatewayOpcodes.PresenceUpdate, presence);
    one.settle();
    one.socket.close(4321, 'bye');
    one.settle();
    expect(one.closed).toEqual({ code: 4321, reason: 'bye' });
    const { audit } = discord;
    expect(audit.of('connect')).toMatchObject([{ host: 'main', version: '10', encoding: 'json' }]);
    expect(audit.of('identify')).toMatchObject([{ shard: [0, 1], key: 0, accepted: true }]);
    expect(audit.of('command')).toMatchObject([{ op: 3, data: presence }]);
    expect(audit.of('close')).toMatchObject([{ by: 'client', code: 4321, shard: [0, 1] }]);
    expect(audit.count('frame')).toBe(2);
  });
});

describe('resuming', () => {
  it('replays what was missed in order, ends with RESUMED, and goes on with the numbers', () => {
    const { client, discord } = stage();
    const one = client().identify().settle(1_000);
    const last = one.sequence ?? 0;
    one.socket.terminate();
    one.settle();
    const missed = ['MESSAGE_CREATE', 'GUILD_BAN_ADD', 'MESSAGE_CREATE'];
    const events = missed.map((name) => discord.emit(name));
    const other = client(RESUME).resume(one.sessionId, last);
    expect(other.events).toEqual([...missed, 'RESUMED']);
    expect(other.frames.slice(1, 4).map(({ d }) => d)).toEqual(
      events.map(({ d }) => JSON.parse(JSON.stringify(d))),
    );
    discord.emit('MESSAGE_CREATE');
    other.settle();
    expect(numbers(other)).toEqual(upTo(last + 5, last + 1));
    expect(discord.audit.of('resume')).toMatchObject([
      { outcome: 'resumed', replayed: 3, host: 'resume', sequence: last },
    ]);
    expect(discord.audit.breaches).toEqual([]);
  });

  it('replays from any number that is still kept, also the same again', () => {
    const { client } = stage();
    const one = client().identify().settle(1_000);
    one.socket.terminate();
    const again = client(RESUME).resume(one.sessionId, 0);
    expect(numbers(again).slice(0, 5)).toEqual(upTo(5));
    again.socket.terminate();
    const third = client(RESUME).resume(one.sessionId, 3);
    expect(numbers(third)[0]).toBe(4);
  });

  it('works on the main URL too, when the resume host is dead', () => {
    const { client, discord } = stage();
    const one = client().identify();
    one.socket.terminate();
    expect(client().resume(one.sessionId, 1).events).toContain('RESUMED');
    expect(discord.audit.breaches).toEqual([]);
  });

  it('closes the older of two live sockets of one session', () => {
    const { client, discord } = stage();
    const one = client().identify();
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(one.closed?.code).toBe(4000);
    discord.emit('MESSAGE_CREATE');
    other.settle();
    expect(other.events).toContain('MESSAGE_CREATE');
    other.socket.terminate();
    other.settle();
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
  });

  it('never waits for an identify window (GP-30)', () => {
    const { client, discord } = stage();
    const one = client().identify();
    for (let count = 0; count < 5; count++) {
      const other = client(RESUME).resume(one.sessionId, 1);
      expect(other.events).toContain('RESUMED');
    }
    expect(discord.audit.breaches).toEqual([]);
  });
});

describe('routing', () => {
  it('sends a guild to `(id >> 22) % count`, for several counts and several sessions of one pair at once', () => {
    const { client, discord } = stage({ guildCount: 12, gateway: { maxConcurrency: 16 } });
    const pairs = [
      [0, 3],
      [1, 3],
      [2, 3],
      [4, 5],
    ];
    const clients = pairs.map((shard) => client().identify({ shard }));
    const twin = client()
      .settle(5_000)
      .identify({ shard: [1, 3] });
    twin.settle(1_000);
    for (const guildId of discord.world.guildIds) {
      discord.publish({ t: 'TYPING_START', d: { guild_id: guildId }, guildId, intents: 0 });
    }
    twin.settle();
    const got = (one: SimulatedClient) =>
      one.dataOf('TYPING_START').map((data) => field(data, 'guild_id'));
    clients.forEach((one, index) => {
      const [id, count] = pairs[index] ?? [0, 1];
      const own = discord.world.guildIds.filter(
        (guildId) => (BigInt(guildId) >> 22n) % BigInt(count ?? 1) === BigInt(id ?? 0),
      );
      expect(got(one), `shard ${id} of ${count}`).toEqual(own);
      expect(own.length).toBeGreaterThan(0);
    });
    expect(clients[1] && got(clients[1])).toEqual(got(twin));
    expect(twin.sessionId).not.toBe(clients[1]?.sessionId);
  });

  it('sends what belongs to no guild to shard 0 of each count', () => {
    const { client, discord } = stage({ gateway: { maxConcurrency: 16 } });
    const zero = client().identify({ shard: [0, 2] });
    const one = client().identify({ shard: [1, 2] });
    discord.publish({ t: 'ENTITLEMENT_CREATE', d: {}, guildId: null, intents: 0 });
    one.settle();
    expect(zero.events).toContain('ENTITLEMENT_CREATE');
    expect(one.events).not.toContain('ENTITLEMENT_CREATE');
  });
});

describe('intents', () => {
  it('let an event through when the session has any of its intents', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const one = client().identify({ intents: INTENTS.GUILDS | INTENTS.GUILD_MESSAGES });
    one.settle(1_000);
    const send = (intents: number): void =>
      discord.publish({ t: `WITH_${intents}`, d: {}, guildId, intents });
    send(INTENTS.GUILD_MESSAGES);
    send(INTENTS.GUILD_MEMBERS);
    send(INTENTS.GUILD_MEMBERS | INTENTS.GUILDS);
    send(0);
    one.settle();
    expect(one.events.filter((name) => name.startsWith('WITH_'))).toEqual([
      `WITH_${INTENTS.GUILD_MESSAGES}`,
      `WITH_${INTENTS.GUILD_MEMBERS | INTENTS.GUILDS}`,
      'WITH_0',
    ]);
  });

  it('decide about GUILD_CREATE', () => {
    const { client } = stage();
    const one = client().identify({ intents: INTENTS.GUILD_MESSAGES }).settle(1_000);
    expect(one.events).toEqual(['READY']);
  });

  it('keep the content of messages from a session without MESSAGE_CONTENT', () => {
    const { client, discord } = stage({ gateway: { maxConcurrency: 16 } });
    const blind = client().identify({ intents: ALL_INTENTS & ~INTENTS.MESSAGE_CONTENT });
    const seeing = client().settle(5_000).identify().settle(1_000);
    let event: SimulatedEvent;
    do event = discord.emit('MESSAGE_CREATE');
    while (event.guildId === null || field(event.d, 'content') === '' || mentionsBot(event));
    seeing.settle();
    function mentionsBot(made: SimulatedEvent): boolean {
      return JSON.stringify(made.d).includes(discord.world.bot.id);
    }
    const content = field(event.d, 'content');
    expect(field(seeing.dataOf('MESSAGE_CREATE').at(-1), 'content')).toBe(content);
    expect(field(blind.dataOf('MESSAGE_CREATE').at(-1), 'content')).toBe('');
  });

  it('do not keep a member update of the bot itself from it', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const one = client().identify({ intents: INTENTS.GUILDS }).settle(1_000);
    const intents = INTENTS.GUILD_MEMBERS;
    for (const id of ['1', discord.world.bot.id]) {
      discord.publish({ t: 'GUILD_MEMBER_UPDATE', d: { user: { id } }, guildId, intents });
    }
    one.settle();
    expect(one.dataOf('GUILD_MEMBER_UPDATE')).toEqual([{ user: { id: discord.world.bot.id } }]);
  });

  it('show thread members other than the bot only with GUILD_MEMBERS', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const one = client().identify({ intents: INTENTS.GUILDS }).settle(1_000);
    const intents = INTENTS.GUILDS | INTENTS.GUILD_MEMBERS;
    const bot = discord.world.bot.id;
    const cases = [
      { added_members: [{ user_id: '1' }] },
      { removed_member_ids: ['1'] },
      { added_members: [{ user_id: bot }] },
      { removed_member_ids: [bot] },
    ];
    for (const d of cases) discord.publish({ t: 'THREAD_MEMBERS_UPDATE', d, guildId, intents });
    one.settle();
    expect(one.dataOf('THREAD_MEMBERS_UPDATE')).toEqual(cases.slice(2));
  });
});

describe('commands', () => {
  it('are answered with member chunks, presences only with the intent, the nonce only when usable', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const one = client().identify().settle(1_000);
    one.send(8, { guild_id: guildId, query: '', limit: 0, nonce: 'n', presences: true });
    one.settle();
    const chunks = one.dataOf('GUILD_MEMBERS_CHUNK');
    expect(chunks[0]).toMatchObject({ guild_id: guildId, chunk_index: 0, nonce: 'n' });
    expect(chunks).toHaveLength(Number(field(chunks[0], 'chunk_count')));
    one.send(8, { guild_id: guildId, user_ids: ['1'], nonce: 'é'.repeat(17) });
    one.settle();
    const missing = one.dataOf('GUILD_MEMBERS_CHUNK').at(-1);
    expect(missing).toMatchObject({ members: [], not_found: ['1'] });
    expect(missing).not.toHaveProperty('nonce');
  });

  it('are answered with sounds and channel info', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const one = client().identify().settle(1_000);
    one.send(31, { guild_ids: [guildId] });
    one.send(43, { guild_id: guildId, fields: ['status', 'voice_start_time'] });
    one.settle();
    expect(one.dataOf('SOUNDBOARD_SOUNDS')).toMatchObject([{ guild_id: guildId }]);
    expect(one.dataOf('CHANNEL_INFO')).toMatchObject([{ guild_id: guildId }]);
    expect(discord.audit.breaches).toEqual([]);
  });
});

describe('the bot in a voice channel', () => {
  // Without the members: they are not what this is about, and many.
  const ASKS = { intents: INTENTS.GUILDS | INTENTS.GUILD_VOICE_STATES };
  type Muting = { readonly self_mute?: boolean; readonly self_deaf?: boolean };

  function voiceStage() {
    const { client, discord, clock } = stage({ gateway: { sessionTimeoutMs: 60_000 } });
    const guildId = discord.world.guildIds[0] ?? '';
    const channels = discord.world.guild(guildId)?.channels ?? [];
    const channelsOf = (kind: ChannelType): readonly string[] =>
      channels.filter(({ type }) => type === kind).map(({ id }) => id);
    const ask = (
      one: SimulatedClient,
      channelId: string | null | undefined,
      muting: Muting = {},
    ) => {
      const flags = { self_mute: false, self_deaf: false, ...muting };
      one.send(4, { guild_id: guildId, channel_id: channelId, ...flags });
      one.settle();
      return one.frames.filter(({ t }) => t?.startsWith('VOICE_')).map(({ t, d }) => ({ t, d }));
    };
    /** What a session that starts now is told of the bot in GUILD_CREATE. */
    const shown = (): unknown => {
      const guild = client().settle(5_000).identify(ASKS).settle(1_000).dataOf('GUILD_CREATE')[0];
      const states = field(guild, 'voice_states') as readonly { user_id: string }[];
      return states.find(({ user_id: id }) => id === discord.world.bot.id);
    };
    const [voice, stages] = [ChannelType.GuildVoice, ChannelType.GuildStageVoice].map(channelsOf);
    return { client, discord, clock, guildId, voice, stages, channelsOf, ask, shown };
  }

  it('is told of its state and then of a voice server, and is where it went from then on', () => {
    const { client, discord, guildId, voice, ask, shown } = voiceStage();
    const one = client().identify(ASKS).settle(1_000);
    const [first, second] = voice ?? [];
    const state = {
      user_id: discord.world.bot.id,
      session_id: one.sessionId,
      self_mute: true,
      suppress: false,
    };
    const server = { guild_id: guildId, token: expect.any(String), endpoint: expect.any(String) };
    const joined = ask(one, first, { self_mute: true });
    expect(joined).toMatchObject([
      {
        t: 'VOICE_STATE_UPDATE',
        d: { ...state, guild_id: guildId, channel_id: first, member: { user: { bot: true } } },
      },
      { t: 'VOICE_SERVER_UPDATE', d: server },
    ]);
    const moved = ask(one, second, { self_mute: true }).slice(2);
    expect(moved).toMatchObject([
      { t: 'VOICE_STATE_UPDATE', d: { ...state, channel_id: second } },
      { t: 'VOICE_SERVER_UPDATE', d: server },
    ]);
    expect(field(moved[1]?.d, 'token')).not.toBe(field(joined[1]?.d, 'token'));
    expect(shown()).toMatchObject({ ...state, channel_id: second });
    expect(discord.audit.breaches).toEqual([]);
  });

  it('is told of its state alone when it mutes itself or leaves, and of nothing that is nothing new', () => {
    const { client, voice, ask, shown } = voiceStage();
    const one = client().identify(ASKS).settle(1_000);
    expect(ask(one, null)).toEqual([]);
    const [channel_id] = voice ?? [];
    ask(one, channel_id);
    expect(ask(one, channel_id)).toHaveLength(2);
    const muted = ask(one, channel_id, { self_deaf: true }).slice(2);
    expect(muted).toMatchObject([{ t: 'VOICE_STATE_UPDATE', d: { channel_id, self_deaf: true } }]);
    const left = ask(one, null).slice(3);
    expect(left).toMatchObject([{ t: 'VOICE_STATE_UPDATE', d: { channel_id: null } }]);
    expect(shown()).toBeUndefined();
  });

  it('hears nothing of a channel that is none for voices, or is not there', () => {
    const { client, channelsOf, ask, shown } = voiceStage();
    const one = client().identify(ASKS).settle(1_000);
    const [text] = channelsOf(ChannelType.GuildText);
    expect(text).toBeDefined();
    expect(ask(one, text)).toEqual([]);
    expect(ask(one, '5')).toEqual([]);
    expect(shown()).toBeUndefined();
  });

  it('is in the audience of a stage, and no longer when it moves on', () => {
    const { client, voice, stages, ask } = voiceStage();
    const one = client().identify(ASKS).settle(1_000);
    expect(ask(one, stages?.[0])[0]?.d).toMatchObject({ suppress: true });
    expect(ask(one, voice?.[0])[2]?.d).toMatchObject({ suppress: false });
  });

  it('leaves with the session by which it came, unless another has asked since', () => {
    const { client, clock, voice, ask } = voiceStage();
    const watcher = client().identify(ASKS).settle(1_000);
    const one = client().settle(5_000).identify(ASKS).settle(1_000);
    const [channel_id] = voice ?? [];
    ask(one, channel_id);
    one.socket.close(4000, '');
    clock.advance(30_000);
    expect(watcher.dataOf('VOICE_STATE_UPDATE')).toHaveLength(1);
    clock.advance(40_000);
    const { sessionId: session_id } = one;
    expect(watcher.dataOf('VOICE_STATE_UPDATE').slice(1)).toMatchObject([
      { channel_id: null, session_id },
    ]);

    const two = client().identify(ASKS).settle(1_000);
    ask(two, channel_id);
    two.socket.close(4000, '');
    const three = client().settle(5_000).identify(ASKS).settle(1_000);
    const taken = ask(three, channel_id);
    expect(taken.map(({ t }) => t)).toEqual(['VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE']);
    clock.advance(70_000);
    expect(watcher.dataOf('VOICE_STATE_UPDATE').at(-1)).toMatchObject({
      channel_id,
      session_id: three.sessionId,
    });
  });

  it('is sent out with the channel that is deleted, and may be moved over REST', () => {
    const { client, discord, guildId, voice, ask, shown } = voiceStage();
    const one = client().identify(ASKS).settle(1_000);
    const [first, second] = voice ?? [];
    ask(one, first);
    const send = (method: string, path: string, body?: object) =>
      discord.rest.handle({
        method,
        path: `/api/v10${path}`,
        headers: [
          ['authorization', `Bot ${SIMULATED_TOKEN}`],
          ['content-type', 'application/json'],
          ['user-agent', 'DiscordBot (https://example.com, 1)'],
        ],
        remoteAddress: '127.0.0.1',
        body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
      });
    const member = `/guilds/${guildId}/members/${discord.world.bot.id}`;
    expect(send('PATCH', member, { channel_id: second })).toMatchObject({ status: 200 });
    expect(shown()).toMatchObject({ channel_id: second });
    expect(send('DELETE', `/channels/${second}`)).toMatchObject({ status: 200 });
    one.settle();
    expect(one.dataOf('VOICE_STATE_UPDATE').at(-1)).toMatchObject({ channel_id: null });
    expect(shown()).toBeUndefined();
  });
});

describe('traffic', () => {
  it('flows at its rate and stops when told', () => {
    const { client, discord, clock } = stage();
    const one = client().identify().settle(1_000);
    const before = one.frames.length;
    discord.setRate(50);
    clock.advance(10_000);
    discord.setRate(0);
    one.settle();
    const during = one.frames.length - before;
    expect(during).toBeGreaterThan(480);
    expect(during).toBeLessThan(510);
    clock.advance(10_000);
    expect(one.frames.length - before - during).toBeLessThan(2);
    expect(numbers(one)).toEqual(upTo(numbers(one).length));
  });

  it('is the same for the same seed and another for another', () => {
    const run = (seed: number): string => {
      const { client, discord, clock } = stage({ seed });
      const one = client().identify();
      discord.setRate(20);
      clock.advance(20_000);
      return JSON.stringify([one.frames, discord.audit.of('frame')]);
    };
    expect(run(11)).toBe(run(11));
    expect(run(11)).not.toBe(run(12));
  });
});

it('drops a client that does not read, and keeps its session', () => {
  const { client, discord } = stage({ gateway: { replayBytes: 200 * 1024 * 1024 } });
  const one = client().identify().settle(1_000);
  const last = one.sequence ?? 0;
  one.socket.pause();
  const d = { text: 'x'.repeat(4 * 1024 * 1024) };
  for (let count = 0; count < 20; count++) {
    discord.publish({ t: 'BIG', d, guildId: null, intents: 0 });
  }
  one.settle();
  expect(discord.audit.of('close')).toMatchObject([{ by: 'network', code: 1006 }]);
  one.socket.terminate();
  const other = client(RESUME).resume(one.sessionId, last + 10);
  expect(other.events.at(-1)).toBe('RESUMED');
  expect(other.dataOf('BIG')).toHaveLength(10);
});

it('leaves no timer behind when it is stopped', () => {
  const { client, discord, clock } = stage();
  discord.setRate(10);
  discord.scenario.run([{ fault: 'drop', atMs: 1e9 }]);
  const one = client().identify();
  client().identify().socket.terminate();
  discord.scenario.strike({ fault: 'mute', durationMs: 1e6 });
  clock.advance(100_000);
  discord.stop();
  one.socket.terminate();
  clock.advance(60_000);
  expect(clock.pendingTimers).toBe(0);
});

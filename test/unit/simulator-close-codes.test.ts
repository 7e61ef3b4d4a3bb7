/** Each close code of the simulated gateway, provoked by a client. */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import { IDENTIFY, stage } from '../support/simulated-client.ts';

const PRESENCE = { since: null, activities: [], status: 'online', afk: false };

describe('close codes', () => {
  it('closes 4001 on an opcode that does not exist or that only Discord sends', () => {
    for (const op of [5, 7, 9, 10, 11, 12, 99, -1]) {
      const { client, discord } = stage();
      const one = client().identify();
      one.send(op, null);
      one.settle();
      expect(one.closed?.code, `op ${op}`).toBe(4001);
      expect(discord.audit.breachNames).toEqual(['unknown-opcode']);
    }
  });

  it.each([
    ['no JSON', 'hello'],
    ['torn JSON', '{"op":1,'],
    ['no object', '[1]'],
    ['no op', '{"d":null}'],
    ['an op that is no integer', '{"op":"1","d":null}'],
  ])('closes 4002 on %s', (_name, text) => {
    const { client, discord } = stage();
    const one = client().settle();
    one.sendText(text);
    one.settle();
    expect(one.closed?.code).toBe(4002);
    expect(discord.audit.breachNames).toEqual(['undecodable-frame']);
  });

  it.each<[string, number, unknown]>([
    ['a heartbeat with text', 1, '5'],
    ['a heartbeat without d', 1, undefined],
    ['an IDENTIFY without properties', 2, { token: IDENTIFY.token, intents: 1 }],
    ['an IDENTIFY with a large_threshold of 251', 2, { ...IDENTIFY, large_threshold: 251 }],
    ['an IDENTIFY whose shard has three numbers', 2, { ...IDENTIFY, shard: [0, 1, 2] }],
    ['a presence without afk', 3, { since: null, activities: [], status: 'online' }],
    ['a presence with a status of its own', 3, { ...PRESENCE, status: 'away' }],
    ['a voice state without a channel', 4, { guild_id: '1', self_mute: true, self_deaf: true }],
    ['a RESUME without seq', 6, { token: IDENTIFY.token, session_id: 'x' }],
    ['a member request with neither query nor users', 8, { guild_id: '1' }],
    ['a member request with a query and no limit', 8, { guild_id: '1', query: '' }],
    ['a member request for several guilds', 8, { guild_id: ['1'], query: '', limit: 0 }],
    [
      'a member request for 101 users',
      8,
      { guild_id: '1', user_ids: Array.from({ length: 101 }, (_, index) => `${index}`) },
    ],
    ['a sounds request without guilds', 31, {}],
    ['a channel info request for an unknown field', 43, { guild_id: '1', fields: ['topic'] }],
  ])('closes 4002 on %s', (_name, op, d) => {
    const { client, discord } = stage();
    const one = client().settle();
    one.send(op, d);
    one.settle();
    expect(one.closed?.code).toBe(4002);
    expect(discord.audit.breachNames).toEqual(['invalid-payload']);
  });

  it('closes 4002 above 4096 bytes, counted as UTF-8, and not at 4096', () => {
    const frame = (length: number, filler: string): string => {
      const empty = JSON.stringify({ op: 1, d: null, x: '' });
      const room = length - Buffer.byteLength(empty);
      return JSON.stringify({ op: 1, d: null, x: filler.repeat(room / Buffer.byteLength(filler)) });
    };
    const { client, discord } = stage();
    const one = client().settle();
    expect(Buffer.byteLength(frame(4096, 'x'))).toBe(4096);
    one.sendText(frame(4096, 'x'));
    one.settle();
    expect(one.closed).toBeUndefined();
    const wide = frame(4110, 'é');
    expect(wide.length).toBeLessThan(4096);
    one.sendText(wide);
    one.settle();
    expect(one.closed?.code).toBe(4002);
    expect(discord.audit.breachNames).toEqual(['frame-too-large']);
  });

  it('closes 4003 on a command before IDENTIFY, and lets heartbeats through', () => {
    const { client, discord } = stage();
    const one = client().settle();
    one.send(GatewayOpcodes.Heartbeat, null);
    one.settle();
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
    one.send(GatewayOpcodes.PresenceUpdate, PRESENCE);
    one.settle();
    expect(one.closed?.code).toBe(4003);
    expect(discord.audit.breachNames).toEqual(['not-authenticated']);
  });

  it('closes 4003 on a command between IDENTIFY and a READY that is late', () => {
    const { client, discord } = stage();
    discord.scenario.strike({ fault: 'late-ready', delayMs: 5_000 });
    const one = client().identify();
    one.send(GatewayOpcodes.PresenceUpdate, PRESENCE);
    one.settle();
    expect(one.closed?.code).toBe(4003);
  });

  it('closes 4004 on a token that is not valid, and takes one with or without Bot', () => {
    const { client, discord, clock } = stage();
    const bad = client().identify({ token: 'wrong' });
    expect(bad.closed?.code).toBe(4004);
    clock.advance(5_000);
    expect(client().identify().events).toContain('READY');
    clock.advance(5_000);
    expect(client().identify({ token: `Bot ${IDENTIFY.token}` }).events).toContain('READY');
    expect(discord.audit.breachNames).toEqual(['authentication-failed']);
  });

  it('closes 4005 on a second IDENTIFY and on a RESUME after READY', () => {
    const { client, discord, clock } = stage();
    const one = client().identify();
    one.identify();
    expect(one.closed?.code).toBe(4005);
    clock.advance(5_000);
    const other = client().identify();
    other.resume(other.sessionId, 1);
    expect(other.closed?.code).toBe(4005);
    expect(discord.audit.breachNames).toEqual(['already-authenticated', 'already-authenticated']);
  });

  it('closes 4005 on a second IDENTIFY while the first waits for READY', () => {
    const { client, discord } = stage();
    discord.scenario.strike({ fault: 'late-ready', delayMs: 10_000 });
    const one = client().identify().settle(5_500).identify();
    expect(one.closed?.code).toBe(4005);
    expect(one.settle(20_000).events).not.toContain('READY');
  });

  it('closes 4006 when the session belongs to another token or to another form of it', () => {
    const { client, discord, clock } = stage({ tokens: [IDENTIFY.token, 'second-token'] });
    const one = client().identify();
    one.socket.terminate();
    for (const token of ['second-token', `Bot ${IDENTIFY.token}`]) {
      const other = client({ url: VIRTUAL_ADDRESSES.resume }).resume(one.sessionId, 1, { token });
      expect(other.closed?.code).toBe(4006);
    }
    clock.advance(10);
    const owner = client({ url: VIRTUAL_ADDRESSES.resume }).resume(one.sessionId, 1);
    expect(owner.events).toContain('RESUMED');
    expect(discord.audit.breachNames).toEqual(['session-token-mismatch', 'session-token-mismatch']);
  });

  it('closes 4007 on a seq that was never sent', () => {
    const { client, discord } = stage();
    const one = client().identify().settle(1_000);
    one.socket.terminate();
    const last = one.sequence ?? 0;
    const other = client({ url: VIRTUAL_ADDRESSES.resume }).resume(one.sessionId, last + 1);
    expect(other.closed?.code).toBe(4007);
    expect(discord.audit.breachNames).toEqual(['invalid-sequence']);
  });

  it('closes 4008 on the 121st frame in any 60 s, heartbeats included, and never before', () => {
    const { client, discord, clock } = stage({ gateway: { heartbeatIntervalMs: 120_000 } });
    const one = client({ heartbeats: false }).settle();
    for (let sent = 0; sent < 120; sent++) one.send(GatewayOpcodes.Heartbeat, null);
    one.settle(59_000);
    expect(one.closed).toBeUndefined();
    one.send(GatewayOpcodes.Heartbeat, null);
    one.settle();
    expect(one.closed?.code).toBe(4008);
    expect(discord.audit.breachNames).toEqual(['rate-limited']);

    const patient = client({ heartbeats: false }).settle();
    for (let sent = 0; sent < 60; sent++) patient.send(GatewayOpcodes.Heartbeat, null);
    clock.advance(30_000);
    for (let sent = 0; sent < 60; sent++) patient.send(GatewayOpcodes.Heartbeat, null);
    clock.advance(30_200);
    for (let sent = 0; sent < 60; sent++) patient.send(GatewayOpcodes.Heartbeat, null);
    patient.settle();
    expect(patient.closed).toBeUndefined();
    patient.send(GatewayOpcodes.Heartbeat, null);
    patient.settle();
    expect(patient.closed?.code).toBe(4008);
  });

  it('closes 4009 when heartbeats stay away, and keeps the session for a RESUME', () => {
    const { client, discord, clock } = stage();
    const one = client({ heartbeats: false }).identify();
    clock.advance(50_500);
    expect(one.closed).toBeUndefined();
    clock.advance(1_500);
    expect(one.closed?.code).toBe(4009);
    expect(discord.audit.breachNames).toEqual(['heartbeat-missed']);
    const other = client({ url: VIRTUAL_ADDRESSES.resume }).resume(one.sessionId, 1);
    expect(other.events).toContain('RESUMED');
  });

  it.each([[[1, 1]], [[-1, 2]], [[0, 0]], [[0.5, 2]], [[2, 1]]])(
    'closes 4010 on shard %j',
    (shard) => {
      const { client, discord } = stage();
      expect(client().identify({ shard }).closed?.code).toBe(4010);
      expect(discord.audit.breachNames).toEqual(['invalid-shard']);
    },
  );

  it('closes 4010 when a large bot uses a count that is no multiple of its own', () => {
    const { client, clock } = stage({ gateway: { shardMultiple: 16 } });
    expect(client().identify({ shard: [0, 24] }).closed?.code).toBe(4010);
    clock.advance(5_000);
    expect(client().identify({ shard: [0, 32] }).events).toContain('READY');
  });

  it('closes 4011 when a session would have more than 2,500 guilds', () => {
    const { client, discord, clock } = stage({ guildCount: 2_501 });
    expect(client().identify().closed?.code).toBe(4011);
    clock.advance(5_000);
    expect(client().identify({ shard: undefined }).closed?.code).toBe(4011);
    clock.advance(5_000);
    expect(client().identify({ shard: [0, 2] }).events).toContain('READY');
    expect(discord.audit.breachNames).toEqual(['sharding-required', 'sharding-required']);
  });

  it('closes 4011 above the limit of guilds and not at it', () => {
    const guildsPerShard = 4;
    const full = stage({ guildCount: 4, gateway: { guildsPerShard } });
    expect(full.client().identify().events).toContain('READY');
    const over = stage({ guildCount: 5, gateway: { guildsPerShard } });
    expect(over.client().identify().closed?.code).toBe(4011);
  });

  it('closes 4012 on a version that does not exist, instead of HELLO', () => {
    for (const version of ['5', '11', 'ten', '']) {
      const { client, discord } = stage();
      const one = client({ query: `v=${version}&encoding=json` }).settle();
      expect(one.closed?.code).toBe(4012);
      expect(one.frames).toEqual([]);
      expect(discord.audit.breachNames).toEqual(['invalid-version']);
    }
  });

  it('refuses an encoding or a compression that it does not have, and says so', () => {
    for (const query of ['v=10&encoding=etf', 'v=10&encoding=json&compress=gzip']) {
      const { client, discord } = stage();
      const one = client({ query }).settle();
      expect(one.closed?.code).toBe(4002);
      expect(discord.audit.breachNames).toEqual(['unsupported-parameters']);
    }
  });

  it.each([[1 << 17], [1 << 22], [2 ** 31], [1.5], [-1], [undefined]])(
    'closes 4013 on intents %s',
    (intents) => {
      const { client, discord } = stage();
      expect(client().identify({ intents }).closed?.code).toBe(4013);
      expect(discord.audit.breachNames).toEqual(['invalid-intents']);
    },
  );

  it('closes 4014 on a privileged intent that the application does not have', () => {
    const allowedIntents = ALL_INTENTS & ~INTENTS.GUILD_MEMBERS;
    const { client, discord, clock } = stage({ gateway: { allowedIntents } });
    expect(client().identify().closed?.code).toBe(4014);
    clock.advance(5_000);
    expect(client().identify({ intents: allowedIntents }).events).toContain('READY');
    expect(discord.audit.breachNames).toEqual(['disallowed-intents']);
  });
});

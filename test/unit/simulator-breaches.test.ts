/**
 * What the simulated gateway answers or marks without a close code of its own, provoked by a
 * client.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { INTENTS } from '../../protocols/discord/intents.ts';
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import { field, stage } from '../support/simulated-client.ts';

describe('session starts', () => {
  it('answers op 9 to a second IDENTIFY of one key within 5 s, measured at arrival', () => {
    const { client, discord, clock } = stage({ gateway: { maxConcurrency: 2 } });
    expect(client().identify({ shard: [0, 4] }).events).toContain('READY');
    expect(client().identify({ shard: [1, 4] }).events).toContain('READY');
    const early = client().identify({ shard: [2, 4] });
    expect(early.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    expect(early.closed).toBeUndefined();
    expect(discord.audit.breachNames).toEqual(['identify-concurrency']);
    clock.advance(5_000);
    expect(client().identify({ shard: [2, 4] }).events).toContain('READY');
    expect(discord.audit.of('identify').map(({ key, accepted }) => [key, accepted])).toEqual([
      [0, true],
      [1, true],
      [0, false],
      [0, true],
    ]);
  });

  it('counts the 5 s to the end, and from the last IDENTIFY that was let through', () => {
    const { client, discord } = stage();
    expect(client().identify().events).toContain('READY');
    const early = client().settle(4_225).identify();
    expect(early.ofOp(GatewayOpcodes.InvalidSession)).toHaveLength(1);
    expect(client().identify().events).toContain('READY');
    const [first, second, third] = discord.audit.of('identify').map(({ atMs }) => atMs);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(4_500);
    expect((third ?? 0) - (first ?? 0)).toBeGreaterThan(5_000);
    expect((third ?? 0) - (first ?? 0)).toBeLessThan(5_500);
  });

  it('ends every session and resets the token when the daily budget is overspent', () => {
    const { client, discord, clock } = stage({ gateway: { identifiesRemaining: 2 } });
    const first = client().identify();
    clock.advance(5_000);
    const second = client().identify();
    clock.advance(5_000);
    expect(discord.gateway.facts().sessionStartLimit.remaining).toBe(0);
    const third = client().identify();
    expect(third.closed?.code).toBe(4004);
    expect([first.closed?.code, second.closed?.code]).toEqual([4003, 4003]);
    expect(discord.audit.breachNames).toEqual(['identify-budget']);
    expect(client().resume(first.sessionId, 1).closed?.code).toBe(4004);
    expect(client().identify().closed?.code).toBe(4004);
    expect(discord.gateway.sessions()).toEqual([]);
  });

  it('renews the budget a day after the first IDENTIFY', () => {
    const { client, discord, clock } = stage({ gateway: { identifiesRemaining: 1 } });
    expect(client().identify().events).toContain('READY');
    const { reset_after: resetAfter } = discord.gateway.facts().sessionStartLimit;
    expect(resetAfter).toBeLessThan(24 * 60 * 60_000);
    clock.advance(resetAfter);
    expect(discord.gateway.facts().sessionStartLimit.remaining).toBe(1_000);
    expect(client().identify().events).toContain('READY');
    expect(discord.audit.breaches).toEqual([]);
  });

  it('marks an IDENTIFY on the resume URL, and one on a connection whose RESUME was refused', () => {
    const { client, discord, clock } = stage();
    client({ url: VIRTUAL_ADDRESSES.resume }).identify();
    clock.advance(5_000);
    client().resume('no-such-session', 1).identify();
    expect(discord.audit.breachNames).toEqual([
      'identify-on-resume-url',
      'identify-after-invalid-session',
    ]);
  });
});

describe('heartbeats', () => {
  it('marks a heartbeat with a number that was never sent', () => {
    const { client, discord } = stage();
    const one = client().identify();
    one.send(GatewayOpcodes.Heartbeat, (one.sequence ?? 0) + 1_000);
    one.settle();
    expect(discord.audit.breachNames).toEqual(['heartbeat-sequence']);
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
  });

  it('marks a heartbeat with 0 where null belongs (GP-64)', () => {
    const { client, discord } = stage();
    const one = client().settle();
    one.send(GatewayOpcodes.Heartbeat, 0);
    one.settle();
    expect(discord.audit.breachNames).toEqual(['heartbeat-sequence']);
  });

  it('marks the number of an old session in the heartbeats of a new one (GP-54)', () => {
    const { client, discord } = stage();
    const one = client().settle();
    one.send(GatewayOpcodes.Heartbeat, 41);
    one.identify();
    expect(discord.audit.breachNames).toEqual(['heartbeat-sequence']);
  });

  it('marks null after a number', () => {
    const { client, discord } = stage();
    const one = client().identify();
    one.send(GatewayOpcodes.Heartbeat, 1);
    one.send(GatewayOpcodes.Heartbeat, null);
    one.settle();
    expect(discord.audit.breachNames).toEqual(['heartbeat-sequence']);
  });

  it('marks a requested heartbeat that does not come', () => {
    const { client, discord, clock } = stage();
    const one = client({ heartbeats: false }).identify();
    discord.scenario.strike({ fault: 'heartbeat-request' });
    clock.advance(9_000);
    expect(discord.audit.breaches).toEqual([]);
    clock.advance(2_000);
    expect(discord.audit.breachNames).toEqual(['heartbeat-request-ignored']);
    expect(one.closed).toBeUndefined();
  });

  it('marks a frame that comes before HELLO was sent', () => {
    const { client, discord } = stage();
    discord.scenario.strike({ fault: 'kill-main-host', mode: 'silent' });
    const one = client().settle();
    one.send(GatewayOpcodes.Heartbeat, null);
    one.settle();
    expect(one.frames.map(({ op }) => op)).toEqual([GatewayOpcodes.HeartbeatAck]);
    expect(discord.audit.breachNames).toEqual(['frame-before-hello']);
  });
});

describe('resuming', () => {
  it('marks URL parameters that differ from those of the IDENTIFY (GP-61)', () => {
    const { client, discord } = stage();
    const one = client().identify();
    one.socket.terminate();
    const url = VIRTUAL_ADDRESSES.resume;
    const other = client({ url, query: 'v=9&encoding=json' }).resume(one.sessionId, 1);
    expect(other.events).toContain('RESUMED');
    expect(discord.audit.breachNames).toEqual(['resume-parameters']);
  });

  it('answers op 9 false to a session that never was, that was closed with 1000 or 1001, or expired', () => {
    const { client, discord, clock } = stage({ gateway: { maxConcurrency: 16 } });
    const refusal = [{ op: GatewayOpcodes.InvalidSession, d: false }];
    const resumed = (id: string) =>
      client({ url: VIRTUAL_ADDRESSES.resume }).resume(id, 1).ofOp(GatewayOpcodes.InvalidSession);
    expect(resumed('nobody')).toMatchObject(refusal);
    for (const [index, code] of [1000, 1001].entries()) {
      const one = client().identify({ shard: [index, 16] });
      one.socket.close(code, '');
      one.settle();
      expect(resumed(one.sessionId), `code ${code}`).toMatchObject(refusal);
    }
    expect(discord.audit.of('session-end').map(({ why }) => why)).toEqual([
      'closed-by-client',
      'closed-by-client',
    ]);
    const lost = client().identify({ shard: [2, 16] });
    lost.socket.terminate();
    clock.advance(180_500);
    expect(resumed(lost.sessionId)).toMatchObject(refusal);
    expect(discord.audit.of('session-end').at(-1)?.why).toBe('expired');
    expect(discord.audit.breaches).toEqual([]);
  });

  it('keeps the session when a client closes with any other code, or none', () => {
    for (const code of [4000, 4900, 3000, 1005]) {
      const { client } = stage();
      const one = client().identify();
      one.socket.close(code, '');
      one.settle(170_000);
      const other = client({ url: VIRTUAL_ADDRESSES.resume }).resume(one.sessionId, 1);
      expect(other.events, `code ${code}`).toContain('RESUMED');
    }
  });

  it('answers op 9 false when the buffer has forgotten what was missed', () => {
    const { client, discord } = stage({ gateway: { replayEvents: 5 } });
    const one = client().identify().settle(1_000);
    one.socket.terminate();
    one.settle();
    for (let count = 0; count < 6; count++) discord.emit('MESSAGE_CREATE');
    const other = client({ url: VIRTUAL_ADDRESSES.resume }).resume(
      one.sessionId,
      one.sequence ?? 0,
    );
    expect(other.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
  });
});

describe('commands', () => {
  const list = (guildId: string, nonce?: string) => ({
    guild_id: guildId,
    query: '',
    limit: 0,
    ...(nonce === undefined ? {} : { nonce }),
  });

  it('answers RATE_LIMITED to a second list of one guild in 30 s, with the nonce (GP-51)', () => {
    const { client, discord, clock } = stage();
    const one = client().identify().settle(1_000);
    const guildId = discord.world.guildIds[0] ?? '';
    one.send(8, list(guildId, 'a'));
    one.settle(10_000);
    const chunks = one.dataOf('GUILD_MEMBERS_CHUNK').length;
    expect(chunks).toBeGreaterThan(0);
    one.send(8, list(guildId, 'b'));
    one.settle();
    expect(one.dataOf('GUILD_MEMBERS_CHUNK')).toHaveLength(chunks);
    const limited = one.dataOf('RATE_LIMITED')[0];
    expect(limited).toMatchObject({ opcode: 8, meta: { guild_id: guildId, nonce: 'b' } });
    const retryAfter = Number(field(limited, 'retry_after'));
    expect(retryAfter).toBeGreaterThan(19);
    expect(retryAfter).toBeLessThan(20.3);
    expect(discord.audit.breachNames).toEqual(['members-too-often']);
    expect(one.closed).toBeUndefined();
    clock.advance(retryAfter * 1000);
    one.send(8, list(guildId));
    one.settle();
    expect(one.dataOf('GUILD_MEMBERS_CHUNK').length).toBeGreaterThan(chunks);
    expect(one.dataOf('RATE_LIMITED')).toHaveLength(1);
  });

  it('counts the lists of a guild over all sessions, and no other request', () => {
    const { client, discord } = stage({ gateway: { maxConcurrency: 2 } });
    const guildId = discord.world.guildIds[0] ?? '';
    const shard = Number((BigInt(guildId) >> 22n) % 2n);
    const one = client().identify();
    const other = client()
      .settle(5_000)
      .identify({ shard: [shard, 2] })
      .settle(1_000);
    one.send(8, list(guildId));
    one.settle();
    other.send(8, list(guildId));
    other.settle();
    expect(other.events).toContain('RATE_LIMITED');
    const chunks = other.dataOf('GUILD_MEMBERS_CHUNK').length;
    other.send(8, { guild_id: guildId, query: 'a', limit: 10 });
    other.send(8, { guild_id: guildId, query: '', limit: 10 });
    other.settle();
    expect(other.dataOf('GUILD_MEMBERS_CHUNK')).toHaveLength(chunks + 2);
    expect(other.dataOf('RATE_LIMITED')).toHaveLength(1);
  });

  it('answers nothing to a list without GUILD_MEMBERS', () => {
    const { client, discord } = stage();
    const one = client().identify({ intents: INTENTS.GUILDS });
    one.send(8, list(discord.world.guildIds[0] ?? ''));
    one.settle();
    expect(one.events).not.toContain('GUILD_MEMBERS_CHUNK');
    expect(discord.audit.breachNames).toEqual(['members-without-intent']);
  });

  it('answers nothing to a command for a guild of another shard', () => {
    const { client, discord } = stage();
    const guildId = discord.world.guildIds[0] ?? '';
    const shard = Number((BigInt(guildId) >> 22n) % 2n);
    const one = client().identify({ shard: [1 - shard, 2] });
    one.send(8, list(guildId));
    one.send(31, { guild_ids: [guildId] });
    one.send(43, { guild_id: guildId, fields: ['status'] });
    one.send(4, { guild_id: guildId, channel_id: null, self_mute: false, self_deaf: false });
    one.settle();
    expect(discord.audit.breachNames).toEqual(Array(4).fill('command-for-other-shard'));
    expect(one.closed).toBeUndefined();
  });
});

it('never puts a token into the audit log', () => {
  const { client, discord, clock } = stage({ tokens: ['the-secret-token'] });
  client().identify({ token: 'the-secret-token' });
  clock.advance(5_000);
  client().identify({ token: 'another-secret-guess' });
  client().resume('x', 1, { token: 'another-secret-guess' });
  const one = client().settle();
  one.send(2, { token: 'the-secret-token' });
  one.sendText('{"op":2,"d":{"token":"the-secret-token"');
  one.settle();
  const kinds = ['breach', 'identify', 'resume', 'frame', 'command', 'connect', 'close'] as const;
  const everything = JSON.stringify(kinds.map((kind) => discord.audit.of(kind)));
  expect(discord.audit.count('breach')).toBeGreaterThan(2);
  expect(everything).not.toContain('secret');
});

/** What each fault of a session, of the world and of the server does to a client. */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { field, stage } from '../support/simulated-client.ts';
import { RESUME, struck } from '../support/struck-client.ts';

describe('faults of a session', () => {
  it('invalid, not resumable: op 9 false, and the session is gone', () => {
    const { one, client, discord } = struck({ fault: 'invalid', resumable: false });
    one.settle();
    expect(one.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    expect(one.closed).toBeUndefined();
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(other.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    one.send(GatewayOpcodes.PresenceUpdate, {
      since: null,
      activities: [],
      status: 'dnd',
      afk: false,
    });
    one.settle();
    expect(one.closed?.code).toBe(4003);
    expect(discord.audit.breaches).toEqual([]);
  });

  it('invalid, resumable: op 9 true, and a RESUME continues, elsewhere or on the same socket', () => {
    const { one, client } = struck({ fault: 'invalid', resumable: true });
    one.settle();
    expect(one.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: true }]);
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
    const same = struck({ fault: 'invalid', resumable: true });
    same.one.resume(same.one.sessionId, 1);
    expect(same.one.events).toContain('RESUMED');
    expect(same.discord.audit.breaches).toEqual([]);
  });

  it('invalid: a server that is mute says op 9 when it speaks again, and the session is gone before', () => {
    const { one, client, discord } = struck({ fault: 'mute' });
    discord.scenario.strike({ fault: 'invalid', resumable: false });
    one.settle();
    expect(one.ofOp(GatewayOpcodes.InvalidSession)).toEqual([]);
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(other.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    for (let times = 0; times < 2; times++) {
      discord.scenario.strike({ fault: 'mute', durationMs: 0 });
      one.settle();
    }
    expect(one.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    expect(discord.audit.breaches).toEqual([]);
  });

  it('invalid, resumable: a server that is mute lets the session be resumed elsewhere', () => {
    const { one, client, discord } = struck({ fault: 'mute', durationMs: 1_000 });
    discord.scenario.strike({ fault: 'invalid', resumable: true });
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
    one.settle(1_000);
    expect(one.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: true }]);
  });

  it('expire: the connection is lost and a RESUME gets op 9 false', () => {
    const { one, client, discord } = struck({ fault: 'expire' });
    one.settle();
    expect(one.closed?.code).toBe(1006);
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(other.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
    expect(discord.audit.of('session-end')).toMatchObject([{ why: 'expired' }]);
  });

  it('session-timeout: 4009, and a RESUME gets op 9 false', () => {
    const { one, client } = struck({ fault: 'session-timeout' });
    one.settle();
    expect(one.closed?.code).toBe(4009);
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(other.ofOp(GatewayOpcodes.InvalidSession)).toMatchObject([{ d: false }]);
  });

  it('stall-resume: the replay comes, RESUMED never does, heartbeats are answered (GP-63)', () => {
    const { one, client, discord } = struck({ fault: 'stall-resume', resumes: 1 });
    one.socket.terminate();
    const other = client(RESUME).resume(one.sessionId, 1);
    discord.emit('MESSAGE_CREATE');
    other.send(GatewayOpcodes.Heartbeat, other.sequence);
    other.settle();
    expect(other.events).toContain('GUILD_CREATE');
    expect(other.events).not.toContain('RESUMED');
    expect(other.events).not.toContain('MESSAGE_CREATE');
    expect(other.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
    other.socket.terminate();
    const third = client(RESUME).resume(one.sessionId, other.sequence ?? 0);
    expect(third.events).toEqual(['MESSAGE_CREATE', 'RESUMED']);
  });

  it('stall-resume: an earlier RESUMED is not sent again either', () => {
    const { one, client, discord } = struck({ fault: 'drop' });
    const resumed = client(RESUME).resume(one.sessionId, 1);
    expect(resumed.events).toContain('RESUMED');
    resumed.socket.terminate();
    discord.scenario.strike({ fault: 'stall-resume', resumes: 1 });
    const other = client(RESUME).resume(one.sessionId, 1);
    expect(other.events).toContain('GUILD_CREATE');
    expect(other.events).not.toContain('RESUMED');
  });

  it('break-resume: every RESUME ends in 1006 until the time is over (GP-03)', () => {
    const { one, client } = struck({ fault: 'break-resume', durationMs: 90_000 });
    one.socket.terminate();
    expect(client(RESUME).resume(one.sessionId, 1).closed?.code).toBe(1006);
    const other = client(RESUME).settle(90_000).resume(one.sessionId, 1);
    expect(other.events).toContain('RESUMED');
  });

  it('late-ready: READY comes after the delay, heartbeats are answered meanwhile', () => {
    const { client, discord, clock } = stage();
    discord.scenario.strike({ fault: 'late-ready', delayMs: 60_000 });
    const one = client().identify();
    clock.advance(50_000);
    expect(one.events).toEqual([]);
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
    clock.advance(12_000);
    expect(one.events).toContain('READY');
  });
});

describe('faults of the world', () => {
  it('huge-guild: a GUILD_CREATE of several MiB with text of several bytes a character', () => {
    const bytes = 3 * 1024 * 1024;
    const { one } = struck({ fault: 'huge-guild', bytes });
    one.settle();
    const chunk = one.chunks.at(-1) ?? new Uint8Array(0);
    expect(one.events.at(-1)).toBe('GUILD_CREATE');
    expect(chunk.length).toBeGreaterThan(bytes);
    expect(new TextDecoder().decode(chunk).length).toBeLessThan(chunk.length);
  });

  it('guild-outage: a guild goes away and comes back', () => {
    const { one } = struck({ fault: 'guild-outage', durationMs: 2_000 });
    one.settle();
    const gone = one.dataOf('GUILD_DELETE')[0];
    expect(gone).toMatchObject({ unavailable: true });
    one.settle(2_000);
    expect(one.events.at(-1)).toBe('GUILD_CREATE');
    expect(field(one.frames.at(-1)?.d, 'id')).toBe(field(gone, 'id'));
  });

  it('burst: many events at once', () => {
    const { one } = struck({ fault: 'burst', events: 300 });
    const before = one.events.length;
    one.settle();
    expect(one.events.length - before).toBeGreaterThan(280);
  });
});

describe('faults of the server', () => {
  it.each([
    ['unavailable', /503/],
    ['refuse', /refused/],
  ] as const)(
    'kill-resume-host, %s: the handshake fails until it is revived (GP-01)',
    (mode, why) => {
      const { one, client, discord } = struck({ fault: 'kill-resume-host', mode });
      one.socket.terminate();
      const dead = client(RESUME).settle();
      expect(dead.failed).toMatch(why);
      expect(client().resume(one.sessionId, 1).events).toContain('RESUMED');
      discord.scenario.strike({ fault: 'revive-resume-host' });
      expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
      expect(discord.audit.of('handshake-refused')).toMatchObject([{ host: 'resume', how: mode }]);
    },
  );

  it('kill-resume-host, hang: the handshake is never answered', () => {
    const { client } = struck({ fault: 'kill-resume-host', mode: 'hang' });
    const one = client(RESUME).settle(60_000);
    expect([one.opened, one.failed, one.closed]).toEqual([false, undefined, undefined]);
    one.socket.terminate();
    one.settle();
    expect(one.failed).toBeDefined();
  });

  it('kill-resume-host, silent: the socket opens and HELLO never comes (GP-02)', () => {
    const { client } = struck({ fault: 'kill-resume-host', mode: 'silent' });
    const one = client(RESUME).settle(60_000);
    expect([one.opened, one.frames, one.closed]).toEqual([true, [], undefined]);
  });

  it('kill-main-host, reconnect: op 7 comes instead of HELLO (GP-24)', () => {
    const { client } = struck({ fault: 'kill-main-host', mode: 'reconnect', connections: 1 });
    const one = client().settle();
    expect(one.frames.map(({ op }) => op)).toEqual([GatewayOpcodes.Reconnect]);
    one.settle(10_000);
    expect(one.closed?.code).toBe(4000);
    expect(
      client()
        .settle()
        .frames.map(({ op }) => op),
    ).toEqual([GatewayOpcodes.Hello]);
  });

  it('kill-main-host, drop: connections are accepted and lost at once, as many as it says', () => {
    const { client } = struck({ fault: 'kill-main-host', mode: 'drop', connections: 2 });
    for (let count = 0; count < 2; count++) expect(client().settle().closed?.code).toBe(1006);
    const third = client().settle();
    expect([third.opened, third.closed]).toEqual([true, undefined]);
  });

  it('heartbeat-interval: new connections are told another one (GP-39)', () => {
    const { client } = struck({ fault: 'heartbeat-interval', intervalMs: 7_000 });
    expect(client().settle().frames[0]?.d).toEqual({ heartbeat_interval: 7_000 });
  });

  it('max-concurrency: another number of sessions may start at once (GP-36)', () => {
    const { client, discord } = struck({ fault: 'max-concurrency', value: 1 });
    expect(discord.gateway.facts().sessionStartLimit.max_concurrency).toBe(1);
    // What was let through before counts for the new key.
    expect(client().identify({ shard: [1, 4] }).events).toEqual([]);
    client().settle(5_000);
    expect(client().identify({ shard: [1, 4] }).events).toContain('READY');
    expect(client().identify({ shard: [2, 4] }).events).toEqual([]);
    expect(discord.audit.breachNames).toEqual(['identify-concurrency', 'identify-concurrency']);
  });

  it('revoke-token: every connection closes 4004 and the token works no more', () => {
    const { one, client } = struck({ fault: 'revoke-token' });
    one.settle();
    expect(one.closed?.code).toBe(4004);
    expect(client().identify().closed?.code).toBe(4004);
  });
});

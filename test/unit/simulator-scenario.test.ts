/** Scenarios: how they are read, how they are drawn, and what each fault does to a client. */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../protocols/errors.ts';
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import {
  type Fault,
  parseScenario,
  randomScenario,
  readScenario,
} from '../../src/simulator/scenario.ts';
import { field, type SimulatedClient, type Stage, stage } from '../support/simulated-client.ts';

const RESUME = { url: VIRTUAL_ADDRESSES.resume };

describe('a scenario file', () => {
  it('is a list of faults, put in the order of their times', () => {
    const text = JSON.stringify([
      { atMs: 500, fault: 'close', code: 4000, shard: 1 },
      { atMs: 0, fault: 'slow', delayMs: 100, durationMs: 1_000 },
    ]);
    expect(readScenario(text)).toEqual([
      { atMs: 0, fault: 'slow', delayMs: 100, durationMs: 1_000 },
      { atMs: 500, fault: 'close', code: 4000, shard: 1 },
    ]);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['no list', { fault: 'drop' }, ['scenario', '"drop"', 'a list of faults']],
    [
      'an unknown fault',
      [{ atMs: 0, fault: 'dropp' }],
      ['fault 1', '"dropp"', 'mean drop?', 'mute'],
    ],
    ['no fault', [{ atMs: 0 }], ['fault 1', 'fault', 'is missing', 'half-open']],
    ['no object', ['drop'], ['fault 1', 'is missing', 'half-open']],
    ['no time', [{ fault: 'drop' }], ['fault 1 (drop)', 'atMs', 'is missing', 'number']],
    ['a bad time', [{ fault: 'drop', atMs: 'soon' }], ['(drop)', 'atMs', '"soon"', 'number']],
    ['a bad shard', [{ fault: 'drop', atMs: 0, shard: -1 }], ['shard', '-1', '>=0']],
    [
      'a code that cannot be sent',
      [{ fault: 'close', atMs: 0, code: 1006 }],
      ['code', '1006', 'sent'],
    ],
    ['a missing parameter', [{ fault: 'invalid', atMs: 0 }], ['resumable', 'missing', 'boolean']],
    ['an unknown key', [{ fault: 'drop', atMs: 0, when: 1 }], ['(drop)', 'when', 'atMs, shard']],
    [
      'an unknown choice',
      [{ fault: 'kill-resume-host', atMs: 0, mode: 'dead' }],
      ['mode', '"dead"', 'unavailable', 'silent'],
    ],
  ])('with %s is refused, naming the key, the value and what is allowed', (_name, value, parts) => {
    expect(() => parseScenario(value)).toThrow(ConfigurationError);
    for (const part of parts) expect(() => parseScenario(value)).toThrow(part);
  });

  it('that is no JSON, or too long, is refused', () => {
    expect(() => readScenario('[{')).toThrow(/^scenario: not JSON/);
    const long = Array.from({ length: 10_001 }, () => ({ fault: 'drop', atMs: 0 }));
    expect(() => parseScenario(long)).toThrow(/10001 faults; at most 10000/);
  });
});

describe('a random scenario', () => {
  it('follows from its seed and reads back as a valid one', () => {
    const scenario = randomScenario(5, 600_000, 6, 4);
    expect(scenario).toEqual(randomScenario(5, 600_000, 6, 4));
    expect(scenario).not.toEqual(randomScenario(6, 600_000, 6, 4));
    expect(scenario.length).toBeGreaterThan(60);
    expect(parseScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
    for (let seed = 0; seed < 200; seed++) parseScenario([...randomScenario(seed, 120_000, 20, 3)]);
  });

  it('mends everything at its end', () => {
    for (let seed = 0; seed < 30; seed++) {
      const { discord, clock, client } = stage({ seed });
      discord.scenario.run(randomScenario(seed, 120_000, 30));
      client().identify();
      clock.advance(121_000);
      const late = client().settle(5_000).identify();
      late.settle(1_000);
      expect(late.events, `seed ${seed}`).toContain('READY');
      const other = client(RESUME).resume(late.sessionId, 1);
      expect(other.events, `seed ${seed}`).toContain('RESUMED');
    }
  });
});

/** A client with a session, and the fault striking it now. */
function struck(fault: Fault, options: { query?: string } = {}): Stage & { one: SimulatedClient } {
  const scene = stage({ gateway: { maxConcurrency: 16 } });
  const one = scene.client(options).identify().settle(1_000);
  scene.discord.scenario.strike(fault);
  return { ...scene, one };
}

describe('faults of a connection', () => {
  it('drop: ends without a close frame, and the session resumes', () => {
    const { one, client } = struck({ fault: 'drop' });
    one.settle();
    expect(one.closed?.code).toBe(1006);
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
  });

  it('truncate: half a message, then the end', () => {
    // A reset may overtake what was sent before it: among several seeds, in some it does not.
    const halves = [1, 2, 3, 4, 5, 6].flatMap((seed) => {
      const { client, discord } = stage({ seed });
      const clients = [client(), client(), client()];
      const one = client().identify().settle(1_000);
      discord.scenario.strike({ fault: 'truncate' });
      one.settle();
      expect(one.closed?.code).toBe(1006);
      return [...clients, one].flatMap(({ unreadable }) => unreadable);
    });
    expect(halves.length).toBeGreaterThan(0);
  });

  it('half-open: nothing passes either way, and nobody is told', () => {
    const { one, discord, clock } = struck({ fault: 'half-open' });
    const before = one.frames.length;
    one.send(GatewayOpcodes.Heartbeat, one.sequence);
    discord.emit('MESSAGE_CREATE');
    one.socket.close(4000, '');
    clock.advance(10 * 60_000);
    expect(one.closed).toBeUndefined();
    expect(one.frames).toHaveLength(before);
    expect(discord.audit.breaches).toEqual([]);
    one.socket.terminate();
    one.settle();
    expect(one.closed?.code).toBe(1006);
  });

  it('half-open: the client cannot kill its session through a dead network', () => {
    const { one, client } = struck({ fault: 'half-open' });
    one.socket.close(1000, '');
    one.socket.terminate();
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
  });

  it('close: with the code and reason that it names', () => {
    const { one, discord } = struck({ fault: 'close', code: 4000, reason: 'because' });
    one.settle();
    expect(one.closed).toEqual({ code: 4000, reason: 'because' });
    expect(discord.audit.of('close')).toMatchObject([{ by: 'server', code: 4000 }]);
  });

  it('close: 1000 and 1001 from the server leave the session alive (GP-56)', () => {
    for (const code of [1000, 1001]) {
      const { one, client } = struck({ fault: 'close', code });
      one.settle();
      expect(one.closed?.code).toBe(code);
      expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
    }
  });

  it('strikes the shard that it names, and says whom it struck', () => {
    const { client, discord } = stage({ gateway: { maxConcurrency: 16 } });
    const zero = client().identify({ shard: [0, 2] });
    const one = client().identify({ shard: [1, 2] });
    discord.scenario.run([
      { fault: 'drop', shard: 1, atMs: 1_000 },
      { fault: 'drop', shard: 7, atMs: 1_000 },
    ]);
    one.settle(900);
    expect(one.closed).toBeUndefined();
    one.settle(1_000);
    expect([zero.closed, one.closed?.code]).toEqual([undefined, 1006]);
    expect(discord.audit.of('fault')).toMatchObject([
      { fault: 'drop', shard: 1, struck: 1 },
      { fault: 'drop', shard: 7, struck: 0 },
    ]);
  });

  it('reconnect: op 7, and a close for a client that stays', () => {
    const { one, client } = struck({ fault: 'reconnect', closeAfterMs: 3_000 });
    one.settle(2_000);
    expect(one.ofOp(GatewayOpcodes.Reconnect)).toMatchObject([{ d: null }]);
    expect(one.closed).toBeUndefined();
    one.settle(2_000);
    expect(one.closed?.code).toBe(4000);
    expect(client(RESUME).resume(one.sessionId, 1).events).toContain('RESUMED');
  });

  it('heartbeat-request: op 1, and an answer is enough', () => {
    const { one, discord } = struck({ fault: 'heartbeat-request' });
    one.settle(20_000);
    expect(one.ofOp(GatewayOpcodes.Heartbeat)).toHaveLength(1);
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
    expect(discord.audit.breaches).toEqual([]);
  });
});

describe('faults on the way out', () => {
  it('slow: holds messages back, keeps their order, and ends', () => {
    const { one, discord } = struck({ fault: 'slow', delayMs: 5_000, durationMs: 8_000 });
    discord.emit('MESSAGE_CREATE');
    one.settle(4_500);
    expect(one.events).not.toContain('MESSAGE_CREATE');
    discord.emit('GUILD_BAN_ADD');
    one.settle(1_000);
    expect(one.events.at(-1)).toBe('MESSAGE_CREATE');
    one.settle(3_000);
    expect(one.events.at(-1)).toBe('GUILD_BAN_ADD');
    discord.emit('GUILD_BAN_REMOVE');
    one.settle();
    expect(one.events.at(-1)).toBe('GUILD_BAN_REMOVE');
    expect(one.frames.flatMap(({ s }) => s ?? [])).toEqual(
      one.events.map((_event, index) => index + 1),
    );
  });

  it('mute: nothing comes, acknowledgements included, and what was swallowed comes with a RESUME', () => {
    const { one, discord, client } = struck({ fault: 'mute' });
    const last = one.sequence ?? 0;
    const before = one.frames.length;
    one.send(GatewayOpcodes.Heartbeat, last);
    discord.emit('MESSAGE_CREATE');
    one.settle(60_000);
    expect(one.frames).toHaveLength(before);
    expect(one.closed).toBeUndefined();
    one.socket.terminate();
    const other = client(RESUME).resume(one.sessionId, last);
    expect(other.events).toEqual(['MESSAGE_CREATE', 'RESUMED']);
    expect(discord.audit.breaches).toEqual([]);
  });

  it('mute: a client cannot resume from a number that it never got', () => {
    const { one, discord, client } = struck({ fault: 'mute' });
    discord.emit('MESSAGE_CREATE');
    one.socket.terminate();
    const other = client(RESUME).resume(one.sessionId, (one.sequence ?? 0) + 1);
    expect(other.closed?.code).toBe(4007);
  });

  it('no-acks: events go on without acknowledgements (GP-12)', () => {
    const { one, discord } = struck({ fault: 'no-acks', durationMs: 10_000 });
    one.send(GatewayOpcodes.Heartbeat, one.sequence);
    discord.emit('MESSAGE_CREATE');
    one.settle();
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toEqual([]);
    expect(one.events).toContain('MESSAGE_CREATE');
    one.settle(10_000);
    one.send(GatewayOpcodes.Heartbeat, one.sequence);
    one.settle();
    expect(one.ofOp(GatewayOpcodes.HeartbeatAck)).toHaveLength(1);
  });

  it('key-order: `d` comes first, and the frame says the same (GP-75)', () => {
    const { one, discord } = struck({ fault: 'key-order', durationMs: 1_000 });
    const event = discord.emit('MESSAGE_CREATE');
    one.settle();
    const [last] = one.frames.slice(-1);
    expect(Object.keys(last ?? {})).toEqual(['d', 'op', 's', 't']);
    expect(last?.d).toEqual(JSON.parse(JSON.stringify(event.d)));
    one.settle(1_000);
    discord.emit('MESSAGE_CREATE');
    one.settle();
    expect(Object.keys(one.frames.at(-1) ?? {})).toEqual(['t', 's', 'op', 'd']);
  });

  it('split: cuts zlib messages into several WebSocket messages, and no others', () => {
    const zlib = struck(
      { fault: 'split', pieces: 5, messages: 1 },
      { query: 'v=10&encoding=json&compress=zlib-stream' },
    );
    const before = zlib.one.chunks.length;
    zlib.discord.emit('MESSAGE_CREATE');
    zlib.one.settle();
    expect(zlib.one.chunks).toHaveLength(before + 5);
    zlib.discord.emit('MESSAGE_CREATE');
    zlib.one.settle();
    expect(zlib.one.chunks).toHaveLength(before + 6);
    const plain = struck({ fault: 'split', pieces: 5 });
    plain.discord.emit('MESSAGE_CREATE');
    plain.one.settle();
    expect(plain.one.events).toContain('MESSAGE_CREATE');
  });

  it('garbage: bytes that are no message, and text that is no JSON', () => {
    for (const kind of ['bytes', 'json'] as const) {
      const { one } = struck({ fault: 'garbage', kind });
      one.settle();
      expect(one.unreadable).toHaveLength(1);
      expect(one.closed).toBeUndefined();
    }
  });

  it('unknown-opcode and unknown-event: what no documentation knows (GP-60)', () => {
    const { one, discord } = struck({ fault: 'unknown-opcode' });
    discord.scenario.strike({ fault: 'unknown-event', name: 'BRAND_NEW' });
    const last = one.sequence ?? 0;
    one.settle();
    expect(one.frames.slice(-2)).toMatchObject([
      { op: 99, s: null, t: null },
      { op: 0, t: 'BRAND_NEW', s: last + 1 },
    ]);
  });

  it('repeat: the same event under the next number', () => {
    const { one, discord } = struck({ fault: 'repeat' });
    discord.emit('MESSAGE_CREATE');
    discord.scenario.strike({ fault: 'repeat' });
    one.settle();
    const [first, second] = one.frames.slice(-2);
    expect(second?.d).toEqual(first?.d);
    expect(second?.s).toBe((first?.s ?? 0) + 1);
  });
});

it('the virtual network keeps the order of messages on the network whatever their latency', () => {
  const { one, discord } = struck({ fault: 'burst', events: 200 });
  discord.scenario.strike({ fault: 'burst', events: 200 });
  one.settle();
  const numbers = one.frames.flatMap(({ s }) => s ?? []);
  expect(numbers.length).toBeGreaterThan(380);
  expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
});

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

/** What each fault of a connection, and of what is sent over it, does to a client. */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { stage } from '../support/simulated-client.ts';
import { RESUME, struck } from '../support/struck-client.ts';

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

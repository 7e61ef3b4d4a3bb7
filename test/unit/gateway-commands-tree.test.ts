/** Commands through the whole gateway tree, against the simulated Discord on virtual time. */
import { GatewayIntentBits } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import type { SocketFactory } from '../../actors/connection/ports.ts';
import { CallTimeoutError, UnroutableError } from '../../protocols/errors.ts';
import {
  COMMAND_WAIT_MAX_MS,
  COMMANDS_MAX,
  COMMANDS_PER_SHARD_MAX,
  GATEWAY_FRAME_WINDOW_MS,
  GATEWAY_FRAMES_PER_WINDOW,
  MEMBER_LIST_WINDOW_MS,
} from '../../protocols/limits.ts';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';
import { type SimulationOptions, startSimulation } from '../support/gateway-simulation.ts';
import { PlayedDelivery } from '../support/played-delivery.ts';

type World = ReturnType<typeof startSimulation>;

const SHARDS = 2;
const READY_MS = 20_000;
const ROUND_TRIP_MS = 200;

const presence = (name: string): object => ({
  since: null,
  activities: [{ name, type: 0 }],
  status: 'dnd',
  afk: false,
});
const frame = (name: string): object => ({ op: 3, d: presence(name) });

async function startReady(options: Partial<SimulationOptions> = {}): Promise<World> {
  const world = startSimulation({ seed: 11, shards: SHARDS, ...options });
  await world.pass(READY_MS);
  expect(world.ready.size).toBe(options.owned?.length ?? SHARDS);
  return world;
}

function send(world: World, event: string, value: unknown): PlayedDelivery {
  const delivery = new PlayedDelivery(event, value);
  world.tree.command(delivery);
  return delivery;
}

const sends = (world: World, count: number, event = '0'): PlayedDelivery[] =>
  Array.from({ length: count }, (_, index) => send(world, event, frame(`${event}-${index}`)));

/** Sees what is written to the sockets. */
function watching(see: (text: string) => void) {
  return (sockets: SocketFactory): SocketFactory => ({
    open(...opening) {
      const socket = sockets.open(...opening);
      const write = socket.send.bind(socket);
      socket.send = (text, written) => {
        see(text);
        write(text, written);
      };
      return socket;
    },
  });
}

const SENT = (shard: number): object => ({
  settlements: ['ack'],
  answers: [{ status: 'sent', shard }],
});

/** The names of the presences that Discord was sent, with the moments. */
function arrived(world: World): { readonly name: string; readonly atMs: number }[] {
  return world.discord.audit.of('command').flatMap(({ op, data, atMs }) => {
    const [activity] = (data as { activities: { name: string }[] }).activities ?? [];
    return op === 3 ? [{ name: activity?.name ?? '', atMs }] : [];
  });
}

async function end(world: World): Promise<void> {
  expect(world.discord.audit.breaches).toEqual([]);
  await world.stop();
}

describe('a command', () => {
  it('goes to the shard of its guild, and to the shard that it names', async () => {
    const world = await startReady();
    const [guildId = ''] = world.discord.world.guildIds;
    const d = { guild_id: guildId, channel_id: null, self_mute: false, self_deaf: false };
    const shard = Number((BigInt(guildId) >> 22n) % BigInt(SHARDS));
    const byGuild = send(world, 'SEND', { guild_id: guildId, packet: { op: 4, d } });
    const byShard = send(world, '1', frame('x'));
    await world.pass(ROUND_TRIP_MS);
    expect(byGuild).toMatchObject(SENT(shard));
    expect(byShard).toMatchObject(SENT(1));
    expect(world.discord.audit.of('command').map(({ op, data }) => ({ op, data }))).toEqual(
      expect.arrayContaining([
        { op: 4, data: d },
        { op: 3, data: presence('x') },
      ]),
    );
    await end(world);
  });

  it('GP-50: is written to the socket as it came, to the last digit', async () => {
    const written: string[] = [];
    const world = await startReady({ watchSockets: watching((text) => written.push(text)) });
    const text =
      '{"d":{"since":null,"activities":[], "status":"dnd","afk":false,"x":9007199254740993},"op":3}';
    send(world, '0', text);
    send(world, 'SEND', `{"packet":${text},"guild_id":${String(2n << 22n)}}`);
    await world.pass(ROUND_TRIP_MS);
    expect(written.filter((frame) => frame === text)).toHaveLength(2);
    await end(world);
  });

  it('is refused with the reason, and the delivery with it, when it cannot be read', async () => {
    const world = await startReady();
    const delivery = send(world, '0', { op: 2, d: {} });
    await world.pass(0);
    expect(delivery.answers).toMatchObject([{ status: 'refused', reason: 'invalid' }]);
    expect(delivery.settlements).toEqual(['reject: op is 2; it must be one of 3, 4, 8, 31, 43']);
    expect(world.outcomes).toEqual(['invalid']);
    await end(world);
  });

  it('GP-40 GP-42: that comes while its shard resumes leaves after RESUMED, and not before', async () => {
    const world = await startReady();
    world.discord.scenario.strike({ fault: 'drop', shard: 0 });
    await world.pass(ROUND_TRIP_MS);
    expect(world.ready.has(0)).toBe(false);
    const delivery = send(world, '0', frame('late'));
    await world.pass(ROUND_TRIP_MS);
    expect(delivery.settlements).toEqual([]);
    while (!world.ready.has(0)) await world.pass(100);
    await world.pass(ROUND_TRIP_MS);
    expect(delivery).toMatchObject(SENT(0));
    const [resume] = world.discord.audit.of('resume');
    const [command] = arrived(world);
    expect(command?.atMs).toBeGreaterThan(resume?.atMs ?? Number.POSITIVE_INFINITY);
    await end(world);
  });

  it('GP-46: is acknowledged when it has been written or its time is up, and never before', async () => {
    const world = startSimulation({ seed: 12, shards: 1 });
    world.discord.scenario.strike({ fault: 'kill-main-host', mode: 'refuse' });
    const early = send(world, '0', frame('early'));
    await world.pass(COMMAND_WAIT_MAX_MS / 2);
    const later = send(world, '0', frame('later'));
    await world.pass(COMMAND_WAIT_MAX_MS / 2 - 1);
    expect(early.settlements).toEqual([]);
    await world.pass(1);
    expect(early.answers).toMatchObject([{ status: 'refused', reason: 'expired' }]);
    expect(early.settlements).toEqual(['reject: the shard could not send it in time']);
    expect(later.settlements).toEqual([]);
    expect(world.outcomes).toEqual(['expired']);
    await world.stop();
    // Its fate is not known: another gateway may have it.
    expect(later).toMatchObject({ settlements: ['retry'], answers: [] });
  });

  it('that was not sent when the gateway stops is handed back, and one that was is not', async () => {
    const world = await startReady();
    const deliveries = sends(world, GATEWAY_FRAMES_PER_WINDOW + 20);
    await world.pass(1_000);
    await world.stop();
    const back = deliveries.filter(({ settlements }) => settlements[0] === 'retry');
    const acked = deliveries.filter(({ settlements }) => settlements[0] === 'ack');
    expect(back.length).toBeGreaterThan(20);
    expect(acked).toHaveLength(deliveries.length - back.length);
    expect(arrived(world)).toHaveLength(acked.length);
    expect(deliveries.every(({ settlements }) => settlements.length === 1)).toBe(true);
    const after = send(world, '0', frame('after'));
    expect(after.settlements).toEqual(['retry']);
  });

  it('that came after a crash of whoever takes them is handed back when the gateway stops', async () => {
    const world = await startReady();
    const broken = new PlayedDelivery('0', frame('broken'));
    Object.defineProperty(broken, 'body', {
      get() {
        throw new RangeError('no such body');
      },
    });
    world.tree.command(broken);
    const waiting = send(world, '0', frame('waiting'));
    await world.pass(0);
    expect(world.log.at('error').map(({ message }) => message)).toContain('actor crashed');
    expect([broken, waiting].map(({ settlements }) => settlements)).toEqual([
      ['reject: the gateway failed over it'],
      [],
    ]);
    await world.stop();
    expect(waiting.settlements).toEqual(['retry']);
    expect(arrived(world)).toEqual([]);
  });

  it('that was written is acknowledged, though the word of it comes when the gateway is stopping', async () => {
    for (const isWritten of [true, false]) {
      const late: (() => void)[] = [];
      const world = await startReady({
        watchSockets: (sockets) => ({
          open(...opening) {
            const socket = sockets.open(...opening);
            const { send: write, close } = socket;
            socket.send = (text, written) => {
              if (!text.includes('"op":3')) write.call(socket, text, written);
              else if (isWritten) write.call(socket, text, () => late.push(() => written(true)));
              else late.push(() => written(false));
            };
            // The shard and the commands are stopped by now: only whoever waits can be told.
            socket.close = (code, reason) => {
              close.call(socket, code, reason);
              for (const say of late.splice(0)) say();
            };
            return socket;
          },
        }),
      });
      const delivery = send(world, '0', frame('last'));
      await world.pass(ROUND_TRIP_MS);
      expect(delivery.settlements).toEqual([]);
      expect(late).toHaveLength(1);
      await world.stop();
      expect(arrived(world)).toHaveLength(isWritten ? 1 : 0);
      expect(delivery).toMatchObject(isWritten ? SENT(0) : { settlements: ['retry'], answers: [] });
    }
  });

  it('outlives a crash of its shard, and of the connection that was to write it', async () => {
    for (const site of ['shard', 'connection'] as const) {
      const world = await startReady();
      world.discord.scenario.strike({ fault: 'drop', shard: 0 });
      if (site === 'shard') world.crash('shard');
      await world.pass(ROUND_TRIP_MS);
      if (site === 'connection') world.crash('connection');
      const deliveries = sends(world, 5);
      await world.pass(60_000);
      for (const delivery of deliveries) expect(delivery).toMatchObject(SENT(0));
      const names = new Set(arrived(world).map(({ name }) => name));
      expect(names.size).toBe(5);
      await end(world);
    }
  });
});

describe('a flood of commands', () => {
  it('GP-45: for one shard is sent within its limits, and delays no command of another', async () => {
    const world = await startReady();
    const flood = sends(world, COMMANDS_PER_SHARD_MAX);
    await world.pass(5_000);
    const other = send(world, '1', frame('other'));
    await world.pass(ROUND_TRIP_MS);
    expect(other).toMatchObject(SENT(1));
    expect(flood.at(-1)?.settlements).toEqual([]);
    await world.pass(2 * GATEWAY_FRAME_WINDOW_MS);
    for (const delivery of flood) expect(delivery).toMatchObject(SENT(0));
    const names = arrived(world).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('0-'))).toEqual(
      flood.map((_, index) => `0-${index}`),
    );
    await end(world);
  });

  it('for shards that send nothing is refused before it takes the room of all', async () => {
    const world = startSimulation({ seed: 13, shards: 8 });
    world.discord.scenario.strike({ fault: 'kill-main-host', mode: 'refuse' });
    const floods = Array.from({ length: 7 }, (_, shard) =>
      sends(world, COMMANDS_MAX, String(shard)),
    );
    const other = sends(world, 1, '7');
    await world.pass(0);
    const waiting = [...floods, other].map(
      (flood) => flood.filter(({ settlements }) => settlements.length === 0).length,
    );
    expect(waiting.at(-1)).toBe(1);
    expect(Math.max(...waiting)).toBe(COMMANDS_PER_SHARD_MAX);
    expect(waiting.reduce((sum, count) => sum + count)).toBeLessThan(COMMANDS_MAX);
    expect(world.outcomes.every((outcome) => outcome === 'full')).toBe(true);
    await world.stop();
  });
});

describe('requests for all members of a guild', () => {
  const list = (world: World, nonce?: string): PlayedDelivery => {
    const [guildId = ''] = world.discord.world.guildIds;
    const d = { guild_id: guildId, query: '', limit: 0, ...(nonce === undefined ? {} : { nonce }) };
    return send(world, 'SEND', { guild_id: guildId, packet: { op: 8, d } });
  };
  const listedMs = (world: World): number[] =>
    world.discord.audit.of('command').flatMap(({ op, atMs }) => (op === 8 ? [atMs] : []));
  const withMembers = { intents: GatewayIntentBits.Guilds | GatewayIntentBits.GuildMembers };

  it('leave no more often than Discord takes them', async () => {
    const world = await startReady(withMembers);
    const lists = [list(world), list(world), list(world)];
    await world.pass(3 * MEMBER_LIST_WINDOW_MS);
    for (const { settlements } of lists) expect(settlements).toEqual(['ack']);
    const [first = 0, second = 0, third = 0] = listedMs(world);
    expect(second - first).toBeGreaterThan(MEMBER_LIST_WINDOW_MS);
    expect(third - second).toBeGreaterThan(MEMBER_LIST_WINDOW_MS);
    await end(world);
  });

  it('GP-51: leave once in 30 s for a guild, and are made again when Discord limits them', async () => {
    const world = await startReady(withMembers);
    const delivery = list(world, 'mine');
    await world.pass(ROUND_TRIP_MS);
    expect(delivery.settlements).toEqual(['ack']);
    const [guildId = ''] = world.discord.world.guildIds;
    const shard = Number((BigInt(guildId) >> 22n) % BigInt(SHARDS));
    const session = world.discord.gateway.sessions().find((found) => found.shard[0] === shard);
    const limit = (nonce: string): void =>
      session?.dispatch(
        'RATE_LIMITED',
        JSON.stringify({ opcode: 8, retry_after: 40.5, meta: { guild_id: guildId, nonce } }),
      );
    limit('somebody else’s');
    await world.pass(45_000);
    expect(listedMs(world)).toHaveLength(1);
    limit('mine');
    await world.pass(40_000);
    expect(listedMs(world)).toHaveLength(1);
    await world.pass(5_000);
    expect(listedMs(world)).toHaveLength(2);
    // Both came to the consumers too, like any other event.
    expect(session?.missed(0)?.filter(({ event }) => event === 'RATE_LIMITED')).toHaveLength(2);
    const next = list(world);
    await world.pass(MEMBER_LIST_WINDOW_MS / 2);
    expect(next.settlements).toEqual([]);
    await end(world);
  });
});

describe('a presence that was set at run time', () => {
  it('is part of the next IDENTIFY, and is forgotten when Discord cannot read it', async () => {
    const identifies: unknown[] = [];
    const watchSockets = watching((text) => {
      const { op, d } = JSON.parse(text);
      if (op === 2 && d.shard[0] === 0) identifies.push(d);
    });
    const world = await startReady({ watchSockets });
    send(world, '0', frame('set'));
    await world.pass(ROUND_TRIP_MS);
    const invalidate = async (): Promise<void> => {
      world.discord.scenario.strike({ fault: 'invalid', shard: 0, resumable: false });
      await world.pass(60_000);
      expect(world.ready.size).toBe(SHARDS);
    };
    await invalidate();
    world.discord.scenario.strike({ fault: 'close', shard: 0, code: 4002 });
    await world.pass(10_000);
    await invalidate();
    expect(identifies).toMatchObject([{}, { presence: presence('set') }, {}]);
    expect(identifies[2]).toEqual(identifies[0]);
    await end(world);
  });
});

describe('a command for a shard of another gateway', () => {
  type Passed = { readonly how: string; readonly event: string; readonly value: unknown };

  async function startFirstOnly(answer: () => Promise<Uint8Array>) {
    const passed: Passed[] = [];
    const world = await startReady({
      owned: [0],
      others: {
        publish: async (event, body, options) => {
          passed.push({ how: `publish ${options?.mandatory}`, event, value: decodeBody(body) });
          await answer();
        },
        call: (event, body) => {
          passed.push({ how: 'call', event, value: decodeBody(body) });
          return answer();
        },
      },
    });
    return { world, passed };
  }

  it('is published under the shard, and its owner’s answer is passed on', async () => {
    const { world, passed } = await startFirstOnly(async () =>
      encodeBody({ status: 'sent', shard: 1 }),
    );
    const guildId = String(1n << 22n);
    const called = send(world, 'SEND', { guild_id: guildId, packet: frame('x') });
    const told = new PlayedDelivery('SEND', { guild_id: guildId, packet: frame('y') }, false);
    world.tree.command(told);
    await world.pass(0);
    expect(called).toMatchObject(SENT(1));
    expect(told).toMatchObject({ settlements: ['ack'], answers: [] });
    expect(passed).toEqual([
      { how: 'call', event: '1', value: frame('x') },
      { how: 'publish true', event: '1', value: frame('y') },
    ]);
    expect(world.outcomes).toEqual(['forwarded', 'forwarded']);
    await end(world);
  });

  it.each([
    [new UnroutableError('1'), 'unowned', 'no gateway of this group has shard 1'],
    [new CallTimeoutError('1', 5), 'unknown', 'nobody knows whether shard 1 has sent it'],
  ])('is refused when it comes back as %o', async (error, reason, message) => {
    const { world } = await startFirstOnly(() => Promise.reject(error));
    const delivery = send(world, '1', frame('x'));
    await world.pass(0);
    expect(delivery.answers).toMatchObject([{ status: 'refused', reason }]);
    expect(delivery.settlements).toHaveLength(1);
    expect(delivery.settlements[0]).toContain(message);
    await end(world);
  });

  it('is refused by a gateway that has no way to others', async () => {
    const world = await startReady({ owned: [0] });
    const delivery = send(world, '1', frame('x'));
    await world.pass(0);
    expect(delivery.answers).toMatchObject([{ status: 'refused', reason: 'unowned' }]);
    await end(world);
  });
});

/**
 * @discordjs/ws 2, unmodified, against the simulator: sessions, heartbeats, members and resuming,
 * in each way of compressing that it knows here. It knows no zstd-stream, and zlib-sync is not
 * installed.
 */
import {
  CompressionMethod,
  CompressionParameterMap,
  type CreateWebSocketManagerOptions,
  WebSocketManager,
  WebSocketShardEvents,
} from '@discordjs/ws';
import { type GatewayDispatchPayload, GatewayOpcodes, REST } from 'discord.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';

const SHARDS = [0, 1];
/** Events a second. */
const RATE = 200;

type Received = readonly [sequence: number, event: string, json: string];

type Stage = {
  readonly simulator: Simulator;
  readonly manager: WebSocketManager;
  readonly received: ReadonlyMap<number, readonly Received[]>;
  readonly resumed: readonly number[];
  readonly heartbeats: readonly number[];
};

/** A manager whose shards are ready. */
async function connect(
  changes: Partial<CreateWebSocketManagerOptions>,
  compress: string | null,
): Promise<Stage> {
  const simulator = await startSimulator({
    seed: 4,
    guildCount: 6,
    // The client ends a connection whose acknowledgement is not there when the next beat is due.
    gateway: { maxConcurrency: SHARDS.length, heartbeatIntervalMs: 4_000 },
  });
  onTestFinished(() => simulator.close());
  const rest = new REST({ api: `${simulator.url}/api` }).setToken(SIMULATED_TOKEN);
  const manager = new WebSocketManager({
    token: SIMULATED_TOKEN,
    intents: ALL_INTENTS,
    rest,
    shardCount: SHARDS.length,
    ...changes,
  });
  onTestFinished(() => manager.destroy());
  const received = new Map(SHARDS.map((shard): [number, Received[]] => [shard, []]));
  const resumed: number[] = [];
  const heartbeats: number[] = [];
  const errors: Error[] = [];
  manager.on(WebSocketShardEvents.Dispatch, ({ s, t, d }: GatewayDispatchPayload, shard) => {
    received.get(shard)?.push([s, t, JSON.stringify(d)]);
  });
  manager.on(WebSocketShardEvents.Resumed, (shard) => resumed.push(shard));
  manager.on(WebSocketShardEvents.HeartbeatComplete, (_, shard) => heartbeats.push(shard));
  manager.on(WebSocketShardEvents.Error, (error) => errors.push(error));
  onTestFinished(() => expect(errors).toEqual([]));
  await manager.connect();
  expect(simulator.audit.of('connect').map((record) => record.compress)).toEqual(
    SHARDS.map(() => compress),
  );
  const guilds = () =>
    [...received.values()].flat().filter(([, event]) => event === 'GUILD_CREATE').length;
  await until('the guilds are there', () => guilds() === simulator.discord.world.guildIds.length);
  simulator.discord.setRate(RATE);
  return { simulator, manager, received, resumed, heartbeats };
}

/** All that a shard's one session has sent, as it was sent. */
function dispatched({ discord }: Simulator, shard: number): readonly Received[] {
  const sessions = discord.gateway.sessions(shard);
  expect(sessions).toHaveLength(1);
  const dispatches = sessions[0]?.missed(0) ?? [];
  return dispatches.map(({ sequence, event, json }) => [sequence, event, json]);
}

/**
 * Stops the traffic and waits until each shard has all of its session's events, once and in order.
 */
async function expectEverything(stage: Stage): Promise<void> {
  stage.simulator.discord.setRate(0);
  for (const shard of SHARDS) {
    const sent = dispatched(stage.simulator, shard);
    await until(`shard ${shard} has all events`, () => {
      return (stage.received.get(shard)?.length ?? 0) >= sent.length;
    });
    expect(stage.received.get(shard)).toEqual(sent);
  }
}

describe.each([
  ['zlib-stream', { compression: CompressionMethod.ZlibNative }, 'zlib-stream'],
  ['no compression', {}, null],
] as const)('@discordjs/ws 2 with %s', (_name, changes, compress) => {
  it('hears everything, through heartbeats and a drop that it resumes after', async () => {
    const stage = await connect(changes, compress);
    const { simulator, received, resumed, heartbeats } = stage;
    const { discord } = simulator;
    const { audit, scenario } = discord;
    const heartbeatsOf = (shard: number) => heartbeats.filter((id) => id === shard).length;
    await until('both have beaten', () => SHARDS.every((shard) => heartbeatsOf(shard) >= 1));
    scenario.strike({ fault: 'heartbeat-request' });
    await until('and when asked to', () => SHARDS.every((shard) => heartbeatsOf(shard) >= 2));
    // What the client still inflates when a connection ends it takes for a part of the next one, so
    // nothing is to be on its way.
    await expectEverything(stage);
    scenario.strike({ fault: 'drop', shard: 1 });
    for (let event = 0; event < 50; event++) discord.emit('MESSAGE_CREATE');
    await until('it has resumed', () => resumed.length > 0);
    await expectEverything(stage);
    scenario.strike({ fault: 'reconnect' });
    await until('both have resumed', () => resumed.length >= 3);
    const before = SHARDS.map((shard) => received.get(shard)?.length ?? 0);
    discord.setRate(RATE);
    await until('there was traffic', () =>
      SHARDS.every((shard) => (received.get(shard)?.length ?? 0) > (before[shard] ?? 0) + 50),
    );
    await expectEverything(stage);
    expect(resumed.toSorted()).toEqual([0, 1, 1]);
    expect(audit.of('resume').map(({ outcome }) => outcome)).toEqual(
      SHARDS.concat(1).map(() => 'resumed'),
    );
    expect(audit.count('identify')).toBe(SHARDS.length);
    expect(audit.breaches).toEqual([]);
    expect(simulator.discord.rest.audit.breaches).toEqual([]);
  });
});

describe('@discordjs/ws 2', () => {
  it('hears everything with payload compression', async () => {
    const stage = await connect({ useIdentifyCompression: true }, null);
    const { simulator, received } = stage;
    await until('there was traffic', () =>
      SHARDS.every((shard) => (received.get(shard)?.length ?? 0) > 50),
    );
    // The client lets what is not compressed overtake what it still inflates; nothing is lost by
    // it.
    const ordered = new Map<number, Received[]>();
    simulator.discord.setRate(0);
    for (const shard of SHARDS) {
      const sent = dispatched(simulator, shard);
      await until('all is there', () => (received.get(shard)?.length ?? 0) >= sent.length);
      ordered.set(
        shard,
        [...(received.get(shard) ?? [])].sort(([one], [other]) => one - other),
      );
    }
    await expectEverything({ ...stage, received: ordered });
    expect(simulator.audit.breaches).toEqual([]);
  });

  it('knows no other compression on the whole connection', () => {
    expect(new Set(Object.values(CompressionParameterMap))).toEqual(new Set(['zlib-stream']));
  });

  it('is sent the members that it asks for, and a huge guild through zlib', async () => {
    const stage = await connect({ compression: CompressionMethod.ZlibNative }, 'zlib-stream');
    const { simulator, manager, received } = stage;
    const { world, audit, scenario } = simulator.discord;
    const guildId = world.guildsOfShard(1, SHARDS.length)[0] ?? '';
    // While the client inflates something large in parts, what comes behind it may get in between:
    // each of the two comes alone.
    await expectEverything(stage);
    await manager.send(1, {
      op: GatewayOpcodes.RequestGuildMembers,
      d: { guild_id: guildId, query: '', limit: 0, nonce: 'all of them' },
    });
    const chunks = () =>
      received.get(1)?.filter(([, event]) => event === 'GUILD_MEMBERS_CHUNK') ?? [];
    await until('the members came', () => chunks().length > 0);
    scenario.strike({ fault: 'huge-guild', bytes: 3_000_000, shard: 0 });
    await until('the guild came', () =>
      (received.get(0) ?? []).some(([, , json]) => Buffer.byteLength(json) >= 3_000_000),
    );
    expect(JSON.parse(chunks()[0]?.[2] ?? '')).toMatchObject({
      guild_id: guildId,
      nonce: 'all of them',
    });
    await expectEverything(stage);
    expect(audit.breaches).toEqual([]);
  });
});

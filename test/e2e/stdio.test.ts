/**
 * `spectacles gateway` with its broker on stdin and stdout, as a process: whatever happens to its
 * connections, its actors and whoever is at the other end, stdout carries frames and nothing else.
 *
 * A frame has no id here, so an event that Discord had to send again after a lost connection may be
 * there twice; none may be missing, and nothing may be there that Discord has not sent.
 */
import { fileURLToPath } from 'node:url';
import { decodeMulti, encode } from '@msgpack/msgpack';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Fault,
  SIMULATED_TOKEN,
  type Simulator,
  startSimulator,
} from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const SHARDS = [0, 1];
const STOPPED = { status: 0, signal: null };
const CRASHES = new URL('./fixtures/crashes.mjs', import.meta.url);

async function simulate(): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 8,
    guildCount: 6,
    rate: 200,
    gateway: { maxConcurrency: SHARDS.length, recommendedShards: SHARDS.length },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

function startGateway(simulator: Simulator, environment: Record<string, string> = {}): Program {
  return startSpectacles(['gateway'], {
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: '53608447',
      ...simulatedApi(simulator.port),
      BROKER_TYPE: 'stdio',
      ...environment,
    },
  });
}

/** All that Discord has sent, as lines of stdout. */
function frames({ discord }: Simulator): readonly string[] {
  const sessions = discord.gateway.sessions();
  expect(sessions).toHaveLength(SHARDS.length);
  return sessions
    .flatMap((session) => session.missed(0) ?? [])
    .map(({ event, json }) => `{"event":"${event}","data":${json}}`);
}

/** The values of a MessagePack stream, but for one at its end that is not all there yet. */
function wholeMaps(bytes: Uint8Array): readonly unknown[] {
  const values: unknown[] = [];
  try {
    for (const value of decodeMulti(bytes)) values.push(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return values;
}

/** Ends the traffic and waits until all of it has come out; whatever else came out is an error. */
async function expectFramesOnly(simulator: Simulator, gateway: Program): Promise<void> {
  simulator.discord.setRate(0);
  let missing: readonly string[] = [];
  await until('every event came out', () => {
    const written = new Set(gateway.stdoutLines);
    missing = frames(simulator).filter((frame) => !written.has(frame));
    return missing.length === 0;
  });
  const sent = new Set(frames(simulator));
  expect(gateway.stdoutLines.filter((line) => !sent.has(line))).toEqual([]);
  expect(gateway.stdout.endsWith('\n')).toBe(true);
}

async function expectCleanEnd(simulator: Simulator, gateway: Program): Promise<void> {
  expect(await gateway.end('SIGINT')).toEqual(STOPPED);
  expect(simulator.audit.of('session-end')).toEqual([]);
  expect(simulator.audit.breaches).toEqual([]);
  // The log is where it belongs, and whole.
  expect(gateway.logs).toHaveLength(gateway.stderrLines.length);
}

const FAULTS: readonly Fault[] = [
  { fault: 'drop' },
  { fault: 'garbage', kind: 'bytes' },
  { fault: 'garbage', kind: 'json' },
  { fault: 'truncate' },
  { fault: 'reconnect' },
  { fault: 'invalid', resumable: true },
];

describe('spectacles gateway over stdio', () => {
  it('writes frames only, whatever its connections go through', async () => {
    const simulator = await simulate();
    const { audit, scenario } = simulator.discord;
    const gateway = startGateway(simulator);
    await gateway.log('shard is ready', SHARDS.length);
    scenario.strike({ fault: 'huge-guild', bytes: 2_000_000 });
    scenario.strike({ fault: 'unknown-opcode' });
    scenario.strike({ fault: 'unknown-event' });
    for (const [index, fault] of FAULTS.entries()) {
      // One shard after the other, so that each fault meets a connection that is well.
      const shard = index % SHARDS.length;
      scenario.strike({ ...fault, shard });
      await gateway.log('shard has resumed its session', index + 1);
    }
    await expectFramesOnly(simulator, gateway);
    expect(audit.count('identify')).toBe(SHARDS.length);
    await expectCleanEnd(simulator, gateway);
  });

  it('writes frames only when its actors crash, and loses no session by it', async () => {
    const simulator = await simulate();
    const gateway = startGateway(simulator, { NODE_OPTIONS: `--import=${fileURLToPath(CRASHES)}` });
    await gateway.log('shard is ready', SHARDS.length);
    // Much is sent and told where heartbeats are frequent. They are only now that there are
    // sessions: one that is acknowledged too late ends its connection, and before READY there is
    // nothing to resume.
    const { scenario } = simulator.discord;
    scenario.strike({ fault: 'heartbeat-interval', intervalMs: 400 });
    scenario.strike({ fault: 'reconnect' });
    await gateway.log('shard has resumed its session', SHARDS.length);
    gateway.signal('SIGUSR2');
    const crashes = (method: string) =>
      gateway.stderrLines.filter((line) => line.includes(`a crash of ${method} that`)).length;
    await gateway.until('crashed', () => crashes('send') >= 2 && crashes('notice') >= 2);
    await until('both shards are connected again', () =>
      SHARDS.every((shard) => {
        const [session] = simulator.discord.gateway.sessions(shard);
        return session?.connection !== undefined;
      }),
    );
    await expectFramesOnly(simulator, gateway);
    expect(simulator.audit.count('resume')).toBeGreaterThan(SHARDS.length);
    expect(simulator.audit.count('identify')).toBe(SHARDS.length);
    await expectCleanEnd(simulator, gateway);
  });

  it('writes MessagePack maps with payload map', async () => {
    const simulator = await simulate();
    const gateway = startGateway(simulator, { BROKER_PAYLOAD: 'map' });
    await gateway.log('shard is ready', SHARDS.length);
    // Of a guild there are no events before it is there, a moment after READY.
    const { discord } = simulator;
    await until('the guilds are there', () => {
      const created = frames(simulator).filter((frame) => frame.includes('"GUILD_CREATE"'));
      return created.length >= discord.world.guildIds.length;
    });
    discord.scenario.strike({ fault: 'burst', events: 200 });
    discord.setRate(0);
    const sent = frames(simulator).map((frame) => JSON.parse(frame));
    let received: readonly unknown[] = [];
    await until('all of it came out', () => {
      received = wholeMaps(gateway.stdoutBytes);
      return received.length >= sent.length;
    });
    expect(received).toHaveLength(sent.length);
    expect(received).toEqual(expect.arrayContaining(sent));
    await expectCleanEnd(simulator, gateway);
  });

  it('is not disturbed by what comes in on stdin, nor by its end', async () => {
    const simulator = await simulate();
    const gateway = startGateway(simulator);
    await gateway.log('shard is ready', SHARDS.length);
    gateway.write('hello?\n{"event":"NOBODY_KNOWS","data":1}\n{"event":\n\u0000\u0001\n');
    await gateway.log('something on standard input is no command');
    gateway.endInput();
    simulator.discord.emit('MESSAGE_CREATE');
    await expectFramesOnly(simulator, gateway);
    await expectCleanEnd(simulator, gateway);
  });

  it('takes commands on stdin, in either form, and answers those that ask', async () => {
    const simulator = await startSimulator({ seed: 8, gateway: { recommendedShards: 2 } });
    onTestFinished(() => simulator.close());
    const gateway = startGateway(simulator, { DISCORD_EVENTS: 'MESSAGE_CREATE' });
    await gateway.log('shard is ready', 2);
    const frame = { op: 3, d: { since: null, activities: [], status: 'idle', afk: true } };
    const other = { op: 3, d: { ...frame.d, status: 'dnd' } };
    const byGuild = { guild_id: String(1n << 22n), packet: frame };
    gateway.write(`${JSON.stringify({ event: '0', data: other })}\n`);
    gateway.write(`${JSON.stringify({ event: 'SEND', data: byGuild, key: 'first' })}\n`);
    gateway.write('{"event":"SEND","data":{"guild_id":"1"},"key":"second"}\n');
    gateway.write(encode({ event: '1', data: frame, key: 'third' }));
    await gateway.until('answered', () => gateway.stdoutLines.length === 3);
    const answers = new Map(
      gateway.stdoutLines.map((line) => JSON.parse(line)).map(({ key, data }) => [key, data]),
    );
    expect(answers.get('first')).toEqual({ status: 'sent', shard: 1 });
    expect(answers.get('second')).toMatchObject({ status: 'refused', reason: 'invalid' });
    expect(answers.get('third')).toEqual({ status: 'sent', shard: 1 });
    await until('all have come', () => simulator.audit.count('command') === 3);
    const heard = simulator.audit.of('command').map(({ data }) => data);
    expect(heard).toEqual(expect.arrayContaining([frame.d, frame.d, other.d]));
    expect(await gateway.end('SIGINT')).toEqual(STOPPED);
    expect(simulator.audit.breaches).toEqual([]);
  });

  it('refuses what no gateway takes, with a reason, and goes on', async () => {
    const simulator = await startSimulator({ seed: 8, gateway: { recommendedShards: 2 } });
    onTestFinished(() => simulator.close());
    const gateway = startGateway(simulator, { DISCORD_EVENTS: 'MESSAGE_CREATE' });
    const data = { op: 3, d: { since: null, activities: [], status: 'idle', afk: true } };
    // The first of them is there before the gateway has heard of Discord.
    for (const event of ['2', 'send', '0']) {
      gateway.write(`${JSON.stringify({ event, data, key: `to ${event}` })}\n`);
    }
    await gateway.until('answered', () => gateway.stdoutLines.length === 3);
    const answers = new Map(
      gateway.stdoutLines.map((line) => JSON.parse(line)).map(({ key, ...rest }) => [key, rest]),
    );
    const refused = (event: string, shown: string) => ({
      event,
      data: {
        status: 'refused',
        reason: 'invalid',
        message: `the event is ${shown}; it must be SEND or a shard from 0 to 1`,
      },
    });
    expect(answers.get('to 2')).toEqual(refused('2', '2'));
    expect(answers.get('to send')).toEqual(refused('send', '"send"'));
    expect(answers.get('to 0')).toEqual({ event: '0', data: { status: 'sent', shard: 0 } });
    expect(simulator.audit.count('command')).toBe(1);
    expect(await gateway.end('SIGINT')).toEqual(STOPPED);
  });

  it('says of a command to a shard that another process has that it has not got it', async () => {
    const simulator = await startSimulator({ seed: 8, gateway: { recommendedShards: 2 } });
    onTestFinished(() => simulator.close());
    const environment = { DISCORD_EVENTS: 'MESSAGE_CREATE', DISCORD_SHARD_IDS: '0' };
    const gateway = startGateway(simulator, environment);
    await gateway.log('shard is ready');
    const data = { op: 3, d: { since: null, activities: [], status: 'idle', afk: true } };
    gateway.write(`${JSON.stringify({ event: '1', data, key: 'asked' })}\n`);
    await gateway.until('answered', () => gateway.stdoutLines.length === 1);
    expect(JSON.parse(gateway.stdoutLines[0] ?? '')).toMatchObject({
      data: { status: 'refused', reason: 'unowned' },
      key: 'asked',
    });
    expect(simulator.audit.count('command')).toBe(0);
    expect(await gateway.end('SIGINT')).toEqual(STOPPED);
  });

  it('ends with 1 and a line when nobody reads any more, and keeps its sessions', async () => {
    const simulator = await simulate();
    const gateway = startGateway(simulator);
    await gateway.log('shard is ready', SHARDS.length);
    gateway.closeOutput();
    expect(await gateway.ended).toEqual({ status: 1, signal: null });
    expect(gateway.stderrLines.filter((line) => !line.startsWith('{'))).toEqual([
      expect.stringMatching(/^spectacles: whoever read the frames is gone .*keep the reader/),
    ]);
    expect(simulator.audit.of('session-end')).toEqual([]);
    expect(simulator.audit.breaches).toEqual([]);
  });
});

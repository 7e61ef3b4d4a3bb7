/**
 * `spectacles run` and `spectacles simulate` as processes, on real sockets: what a person sees who
 * types the first line of the README, how it ends, and what is said when something is wrong.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import {
  SIMULATED_TOKEN,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import {
  PROJECT_FOLDER,
  type Program,
  startOnTerminal,
  startSpectacles,
} from '../support/process.ts';
import { freePort } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const PING_PONG = join(PROJECT_FOLDER, 'examples/ping-pong.mjs');
const STOPPED = { status: 0, signal: null };

/**
 * What `npm start` runs, from anywhere: the folder of a clone may hold somebody's configuration.
 */
function startCommand(): readonly string[] {
  const text = readFileSync(join(PROJECT_FOLDER, 'package.json'), 'utf8');
  const { scripts } = JSON.parse(text) as { scripts: { start: string } };
  const [exec, node, program, ...line] = scripts.start.split(' ');
  expect([exec, node, program]).toEqual(['exec', 'node', 'dist/src/main.js']);
  return line.map((word) => (word.includes('/') ? join(PROJECT_FOLDER, word) : word));
}

/** What `npm start` needs of a clone, without the configuration that somebody may keep in it. */
function bareClone(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-clone-'));
  for (const name of ['package.json', 'dist', 'examples', 'node_modules']) {
    symlinkSync(join(PROJECT_FOLDER, name), join(folder, name));
  }
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A Discord in this process, where its audit can be read. */
async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 7,
    guildCount: 4,
    gateway: { maxConcurrency: 2, recommendedShards: 2 },
    ...options,
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** `spectacles run HANDLER` without --simulate, pointed at a simulator by its environment. */
function runAgainst(
  simulator: Simulator,
  handler: string,
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): Program {
  return startSpectacles(['run', handler], {
    files,
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT',
      ...simulatedApi(simulator.port),
      ...environment,
    },
  });
}

/** Somebody writes in the first guild of each shard. */
async function write({ discord }: Simulator, content: string): Promise<void> {
  const { world, gateway } = discord;
  for (const shard of [0, 1]) {
    const guild = world.guild(world.guildsOfShard(shard, 2)[0] ?? '');
    const channel = guild?.channels.find(({ type }) => type === 0);
    if (guild === undefined || channel === undefined) throw new Error('the world is too small');
    const isThere = () =>
      gateway.sessions(shard).every((session) => !session.isUnavailable(guild.id));
    await until('the guild is there', isThere);
    const author = world.guildCreate(guild.id, ALL_INTENTS).members[1]?.user ?? world.bot;
    const now = discord.clock.epochMs();
    const posted = world.postMessage(channel.id, author, { content }, now);
    if (posted !== undefined) discord.publish(posted.event);
  }
}

function contents({ discord }: Simulator): readonly string[] {
  return discord.rest.audit.posted.map(({ content }) => content);
}

function expectNoBreach({ discord }: Simulator): void {
  expect(discord.audit.breaches).toEqual([]);
  expect(discord.rest.audit.breaches).toEqual([]);
}

describe('npm start', () => {
  it('shows a bot at work, and ends when it is asked to', async () => {
    // The seed is for the first ping to come soon.
    const program = startSpectacles([...startCommand(), '--seed', '6']);
    await program.log('shard is ready');
    const posted = await program.log('the simulated Discord was sent a message');
    expect(posted.content).toBe('pong');
    expect((await program.log('events received')).events).toBeGreaterThan(0);
    expect(await program.end('SIGINT')).toEqual(STOPPED);
    expect(program.logs.filter(({ level }) => level !== 'info')).toEqual([]);
    expect(program.logs).toHaveLength(program.stderrLines.length);
    expect(program.stdout).toBe('');
  });

  it('ends with 0 on Ctrl-C, which a terminal sends to npm, its shell and the bot alike', async () => {
    const folder = bareClone();
    const program = startOnTerminal('npm start', { folder });
    await program.until('a shard that is ready', () => program.stdout.includes('shard is ready'));
    program.write('\x03');
    expect(await program.ended).toEqual(STOPPED);
    expect(program.stdout).toContain('stopping');
  });
});

describe('spectacles run against a Discord that is judged', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'answers ping with pong and leaves its sessions alive on %s',
    async (signal) => {
      const simulator = await simulate();
      const program = runAgainst(simulator, PING_PONG);
      await program.log('shard is ready', 2);
      await write(simulator, 'ping');
      await until('both pongs are posted', () => contents(simulator).length === 2);
      expect(contents(simulator)).toEqual(['pong', 'pong']);
      expect(await program.end(signal)).toEqual(STOPPED);
      const { audit, gateway } = simulator.discord;
      await until('both connections are closed', () => audit.count('close') === 2);
      const codes = audit
        .of('close')
        .map(({ by, code }) => ({ by, kills: [1000, 1001].includes(code) }));
      expect(codes).toEqual([0, 1].map(() => ({ by: 'client', kills: false })));
      expect(audit.of('session-end')).toEqual([]);
      expect(gateway.sessions()).toHaveLength(2);
      expectNoBreach(simulator);
    },
  );

  it('goes on through lost connections, and answers what was said meanwhile', async () => {
    const simulator = await simulate();
    const { audit, scenario } = simulator.discord;
    const program = runAgainst(simulator, PING_PONG);
    await program.log('shard is ready', 2);
    scenario.strike({ fault: 'drop' });
    await write(simulator, 'ping');
    await program.log('shard has resumed its session', 2);
    await until('both pongs are posted', () => contents(simulator).length === 2);
    expect(audit.of('resume').map(({ outcome }) => outcome)).toEqual(['resumed', 'resumed']);
    expect(await program.end('SIGINT')).toEqual(STOPPED);
    expect(contents(simulator)).toEqual(['pong', 'pong']);
    expectNoBreach(simulator);
  });

  it('finishes the request that is under way when it is asked to stop', async () => {
    const simulator = await simulate();
    const bot = `export default ({ broker, rest, log }) => {
      broker.on('MESSAGE_CREATE', async (message, { ack }) => {
        if (message.author.bot) return ack();
        log.info({}, 'it is under way');
        await rest.post('/channels/' + message.channel_id + '/messages', { content: 'late' });
        log.info({}, 'it was answered');
        ack();
      });
    };`;
    const program = runAgainst(simulator, 'bot.mjs', {}, { 'bot.mjs': bot });
    await program.log('shard is ready', 2);
    simulator.discord.rest.inject({ effect: { kind: 'latency', minMs: 1_000, maxMs: 1_000 } });
    await write(simulator, 'anything');
    await program.log('it is under way', 2);
    expect(await program.end('SIGTERM')).toEqual(STOPPED);
    expect(contents(simulator)).toEqual(['late', 'late']);
    expect(program.logsOf('it was answered')).toHaveLength(2);
    expectNoBreach(simulator);
  });

  it('says in one line that a listener threw, and goes on', async () => {
    const simulator = await simulate();
    const bot = `export default ({ broker, rest }) => {
      broker.on('MESSAGE_CREATE', (message, { ack }) => {
        ack();
        if (message.content === 'throw') throw new TypeError('thrown here');
      });
      broker.on('MESSAGE_CREATE', async (message) => {
        if (message.content === 'reject') throw new RangeError('rejected here');
        if (message.content !== 'neither') return;
        await rest.post('/channels/' + message.channel_id + '/messages', { content: 'fine' });
      });
    };`;
    const program = runAgainst(simulator, 'bot.mjs', {}, { 'bot.mjs': bot });
    await program.log('shard is ready', 2);
    await write(simulator, 'throw');
    await write(simulator, 'reject');
    await write(simulator, 'neither');
    await until('it has gone on', () => contents(simulator).length >= 2);
    const errors = program.logs.filter(({ level }) => level === 'error').map(({ msg }) => msg);
    expect(errors.toSorted()).toEqual([
      'the listener of MESSAGE_CREATE failed with RangeError: rejected here',
      'the listener of MESSAGE_CREATE failed with RangeError: rejected here',
      'the listener of MESSAGE_CREATE failed with TypeError: thrown here',
      'the listener of MESSAGE_CREATE failed with TypeError: thrown here',
    ]);
    const places = program.logs.filter(({ level }) => level === 'error').map(({ at }) => at);
    expect(places.toSorted()).toEqual(['bot.mjs:4', 'bot.mjs:4', 'bot.mjs:7', 'bot.mjs:7']);
    // One line each: nothing but log lines, so no stack by itself.
    expect(program.logs).toHaveLength(program.stderrLines.length);
    expect(await program.end('SIGINT')).toEqual(STOPPED);
    expectNoBreach(simulator);
  });

  it('needs no list of events, and warns of a name that is nearly one of them', async () => {
    const simulator = await simulate();
    const bot = `export default ({ broker }) => {
      broker.on('MESSAGE_CRATE', () => {});
      broker.on('MY_OWN_EVENT', () => {});
      broker.on('MESSAGE_CREATE', (message, { ack }) => ack());
    };`;
    const program = runAgainst(simulator, 'bot.mjs', { DISCORD_EVENTS: '' }, { 'bot.mjs': bot });
    await program.log('shard is ready', 2);
    expect(program.logsOf('the handler listens to').map(({ msg }) => msg)).toEqual([
      'the handler listens to MESSAGE_CRATE, which is no event of Discord; did you mean MESSAGE_CREATE?',
    ]);
    expect(await program.end('SIGINT')).toEqual(STOPPED);
  });

  it('tells the handler of a session that is lost', async () => {
    const simulator = await simulate();
    const bot = `export default ({ broker, log }) => {
      broker.on('MESSAGE_CREATE', (message, { ack }) => ack());
      broker.on('SPECTACLES_GAP', (gap, { ack }) => {
        log.info({ gap }, 'told of a gap');
        ack();
      });
    };`;
    const program = runAgainst(simulator, 'bot.mjs', {}, { 'bot.mjs': bot });
    await program.log('shard is ready', 2);
    simulator.discord.scenario.strike({ fault: 'invalid', resumable: false, shard: 1 });
    const { gap } = await program.log('told of a gap');
    expect(gap).toMatchObject({ shard: 1, session: expect.any(String) });
    expect(await program.end('SIGINT')).toEqual(STOPPED);
  });

  it('stops when it is asked to while it waits for Discord', async () => {
    const simulator = await simulate();
    const program = runAgainst(simulator, PING_PONG, {
      DISCORD_API_HOST: `127.0.0.1:${await freePort()}`,
    });
    await program.log('GET /gateway/bot failed; trying again');
    expect(await program.end('SIGINT')).toEqual(STOPPED);
  });
});

/** What the program said about its end, apart from the log. */
function complaint({ stderrLines, logs }: Program): readonly string[] {
  expect(logs.filter(({ stack }) => stack !== undefined)).toEqual([]);
  return stderrLines.filter((line) => !line.startsWith('{'));
}

describe('spectacles run that cannot go on', () => {
  it.each([
    ['DISCORD_TOKEN', 'not-the-token', /^spectacles: Discord refused the token .*DISCORD_TOKEN/],
    [
      'DISCORD_INTENTS',
      'GUILDS,GUILD_MEMBERS',
      /^spectacles: Discord closed shard 0 with 4014 .*developer portal/i,
    ],
  ])('ends with 1 and a line for %s=%s', async (variable, value, line) => {
    const simulator = await simulate({
      gateway: { recommendedShards: 1, allowedIntents: 1 },
    });
    const program = runAgainst(simulator, PING_PONG, {
      DISCORD_INTENTS: 'GUILDS',
      [variable]: value,
    });
    expect(await program.ended).toEqual({ status: 1, signal: null });
    expect(complaint(program)).toEqual([expect.stringMatching(line)]);
    expect(program.stderr).not.toContain('not-the-token');
  });

  it.each([
    [
      'export default () => { throw new TypeError("boom"); }',
      1,
      /^spectacles: handler bot\.mjs:1: TypeError: boom$/,
    ],
    [
      'export default async () => { await null; throw new Error("later"); }',
      1,
      /^spectacles: handler bot\.mjs:1: Error: later$/,
    ],
    [
      'Promise.reject(new Error("forgotten")); export default () => {};',
      1,
      /^spectacles: handler bot\.mjs:1: Error: forgotten; nobody caught it: await what it comes from/,
    ],
    ['export const bot = 1;', 2, /^spectacles: handler .*bot\.mjs: it has no default export/],
  ])('ends with the error of the handler %s', async (bot, status, line) => {
    const simulator = await simulate();
    const program = runAgainst(simulator, 'bot.mjs', {}, { 'bot.mjs': bot });
    expect(await program.ended).toEqual({ status, signal: null });
    expect(complaint(program)).toEqual([expect.stringMatching(line)]);
    // The handler comes before Discord: no session was started for it.
    expect(simulator.audit.count('identify')).toBe(0);
  });

  it.each([['simulate'], ['run', PING_PONG, '--simulate']])(
    'ends with 2 when the port of spectacles %s is in use',
    async (...line) => {
      const simulator = await simulate();
      const program = startSpectacles([...line, '--port', String(simulator.port)]);
      expect(await program.ended).toEqual({ status: 2, signal: null });
      expect(complaint(program)).toEqual([
        expect.stringMatching(
          new RegExp(
            `^spectacles: port ${simulator.port} of 127.0.0.1 is in use .* another port in --port;`,
          ),
        ),
      ]);
    },
  );
});

describe('spectacles simulate', () => {
  it('is a Discord for a bot in another process, and tells the breaches at its end', async () => {
    const discord = startSpectacles([
      'simulate',
      '--port',
      '0',
      '--shards',
      '2',
      '--max-concurrency',
      '2',
      '--rate',
      '50',
    ]);
    const { api } = await discord.log('the simulated Discord is up');
    const bot = startSpectacles(['run', PING_PONG], {
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: '*',
        DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT',
        DISCORD_API_SCHEME: 'http',
        DISCORD_API_HOST: new URL(String(api)).host,
      },
    });
    await bot.log('shard is ready', 2);
    expect(await bot.end('SIGINT')).toEqual(STOPPED);
    expect(await discord.end('SIGINT')).toEqual(STOPPED);
    expect(discord.logsOf('Discord would punish this')).toEqual([]);
    expect(discord.stdout).toBe('');
  });
});

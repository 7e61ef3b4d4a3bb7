import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { FatalError, PortInUseError } from '../../protocols/errors.ts';
import { runCommandLine } from '../../src/cli/main.ts';
import type {
  Probe,
  RunningService,
  RunOptions,
  Services,
  SimulatorOptions,
} from '../../src/cli/services.ts';
import type { GatewayConfig } from '../../src/config/gateway-config.ts';
import type { ProxyConfig } from '../../src/config/proxy-config.ts';
import { createRedactor } from '../../src/secrets.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { systemClock } from '../../src/system-clock.ts';
import { inFolder } from '../support/configuration.ts';

type Started = {
  gateway?: GatewayConfig;
  proxy?: ProxyConfig;
  run?: RunOptions;
  simulate?: SimulatorOptions;
};

type World = {
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** What every start does instead of ending well at once. */
  readonly start?: () => Promise<RunningService>;
  readonly probes?: readonly Probe[];
  /** The process, and what happens to it while the services are loaded. */
  readonly host?: EventEmitter;
  readonly whileLoading?: () => void;
};

/** Runs `line`; services end as soon as they have started. */
async function spectacles(line: readonly string[], world: World = {}) {
  const started: Started = {};
  const printed: string[] = [];
  const complaints: string[] = [];
  const ended = async () => ({ done: Promise.resolve(), stop: async () => {} });
  const start = (what: Started) => {
    Object.assign(started, what);
    return (world.start ?? ended)();
  };
  const services: Services = {
    startGateway: (gateway) => start({ gateway }),
    startProxy: (proxy) => start({ proxy }),
    startRun: (run) => start({ run }),
    startSimulate: (simulate) => start({ simulate }),
    gatewayProbes: () => world.probes ?? [],
    proxyProbes: () => world.probes ?? [],
  };
  return inFolder(world.files ?? {}, async (workingFolder) => {
    const status = await runCommandLine(
      line.map((word) => word.replace('FOLDER', workingFolder)),
      {
        environment: { LOG_LEVEL: 'suppress', ...world.environment },
        workingFolder,
        print: (text) => printed.push(text),
        complain: (text) => complaints.push(text.replaceAll(`${workingFolder}/`, '')),
        isTerminal: false,
        host: world.host ?? new EventEmitter(),
        exit: () => {},
        errors: { write: () => {} },
        clock: systemClock,
        redactor: createRedactor(),
        services: async () => {
          world.whileLoading?.();
          return services;
        },
      },
    );
    return { status, started, printed: printed.join(''), complaints, workingFolder };
  });
}

const GATEWAY = { 'gateway.toml': 'token = "a.b"\nevents = ["*"]\nraw_intents = 1\n' };
const HANDLER = { 'bot.mjs': 'export const answer = 42;\n' };

describe('a signal', () => {
  it.each([
    ['gateway', { files: GATEWAY }],
    ['simulate', {}],
  ])('that comes while %s is being loaded is heard, and nothing starts', async (name, world) => {
    const host = new EventEmitter();
    const whileLoading = () => host.emit('SIGTERM', 'SIGTERM');
    const { status, started, complaints } = await spectacles([name], {
      ...world,
      host,
      whileLoading,
    });
    expect({ status, started, complaints }).toEqual({ status: 0, started: {}, complaints: [] });
  });
});

describe('help and version', () => {
  it.each([['--help'], ['-h'], ['-help'], ['help']])('%s lists the commands', async (...line) => {
    const { status, printed } = await spectacles(line);
    expect(status).toBe(0);
    for (const name of ['gateway', 'proxy', 'run', 'simulate', 'check']) {
      expect(printed).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    }
  });

  it.each([['--version'], ['-version'], ['-v']])('%s says the version', async (...line) => {
    expect((await spectacles(line)).printed).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  it.each([
    [
      'gateway',
      ['--config FILE', '--loglevel LEVEL', 'DISCORD_TOKEN', 'broker.message_timeout', '2m'],
    ],
    ['proxy', ['RUST_LOG, LOG_LEVEL', 'HTTP_ADDRESS', 'ratelimiter.type']],
    ['run', ['HANDLER', '--simulate', '--seed N', 'DISCORD_EVENTS', 'TIMEOUT']],
    [
      'simulate',
      ['--port PORT', '4100', '--max-concurrency N', '--rate EVENTS/S', '--scenario FILE'],
    ],
    ['check', ['[gateway|proxy]', '--config FILE']],
  ])('%s --help tells every option', async (name, expected) => {
    const { status, printed } = await spectacles([name, '--help']);
    expect(status).toBe(0);
    for (const text of expected) expect(printed).toContain(text);
    expect((await spectacles(['help', name])).printed).toBe(printed);
  });

  it('run --help tells its own defaults: nothing is required that it does without', async () => {
    const { printed } = await spectacles(['run', '--help']);
    const lines = printed.split('\n').map((line) => line.trim().split(/ {2,}/));
    const defaultsOf = (key: string) =>
      lines.filter(([first]) => first === key).map(([, , value]) => value);
    expect(defaultsOf('events')).toEqual(['what the handler listens to']);
    expect(defaultsOf('token')).toEqual(['required without --simulate']);
    expect(defaultsOf('broker.type')).toEqual([
      "the proxy's, or this process's memory",
      "the gateway's, or this process's memory",
    ]);
    expect((await spectacles(['gateway', '--help'])).printed).toMatch(/events .* required$/m);
  });
});

describe('usage errors: one line that says what and what to do, status 2', () => {
  it.each([
    [
      [],
      'no command is given; commands are gateway, proxy, run, simulate, check; --help says more',
    ],
    [['gatewy'], 'unknown command "gatewy"; did you mean gateway?'],
    [['xyzzy'], 'unknown command "xyzzy"; commands are gateway, proxy, run, simulate, check'],
    [['--verbose'], expect.stringMatching(/^unknown option "--verbose"/)],
    [['gateway', '--confg', 'x'], 'unknown option --confg; did you mean --config?'],
    [['gateway', '-x'], 'unknown option -x; options are --config, --loglevel, --help'],
    [['gateway', '--config'], '--config needs a value: --config FILE'],
    [['gateway', '--config', '--loglevel', 'info'], '--config needs a value: --config FILE'],
    [['gateway', 'extra'], 'unexpected argument extra'],
    [
      ['proxy', '--loglevel', 'inf'],
      '--loglevel: "inf" is not one of suppress, error, warn, info, debug; did you mean info?',
    ],
    [['proxy', '--config', 'nope.toml'], '--config: there is no file "nope.toml"'],
    [['simulate', '--port', '70000'], '--port: "70000" is not a whole number from 0 to 65535'],
    [['simulate', '--seed', '1', '--seed', '2'], '--seed is given twice; give it once'],
    [['simulate', '--scenario', 'nope.json'], '--scenario: there is no file "nope.json"'],
    [
      ['run'],
      'no handler file is given; name the file of your bot: spectacles run handler.mjs --simulate',
    ],
    [
      ['run', 'nope.mjs'],
      'there is no handler file "nope.mjs"; name the file of your bot: spectacles run handler.mjs --simulate',
    ],
    [
      ['run', 'bot.mjs', '--seed', '1'],
      '--seed is about the simulated Discord: add --simulate, or leave it out',
    ],
    [['run', 'bot.mjs', '--simulate=yes'], '--simulate takes no value'],
    [['check', 'gatway'], '"gatway" is neither gateway nor proxy; did you mean gateway?'],
    [
      ['check', '--config', 'x'],
      'with --config, say whose: spectacles check gateway --config FILE',
    ],
  ])('%j', async (line, complaint) => {
    const { status, complaints, printed } = await spectacles(line, { files: HANDLER });
    expect(status).toBe(2);
    const text = complaints.map((each) => each.replace(/^spectacles: /, ''));
    expect(text).toEqual([complaint]);
    expect(printed).toBe('');
  });

  it('tells everything that is wrong with both configurations of run', async () => {
    const files = { ...HANDLER, 'gateway.toml': 'tokn = "x"', 'proxy.toml': 'timeout = 3' };
    const { status, complaints } = await spectacles(['run', 'bot.mjs'], { files });
    expect(status).toBe(2);
    expect(complaints).toEqual([
      'spectacles: tokn in gateway.toml: no such key; did you mean token?',
      expect.stringContaining('token (or DISCORD_TOKEN) is not set'),
      expect.stringContaining('intents (or DISCORD_INTENTS)'),
      'spectacles: timeout in proxy.toml: 3 needs a unit: write "3s" for seconds',
    ]);
  });
});

it('tells, beside what is missing, of the variable that it may be in', async () => {
  const environment = { DISCORD_TOKEN: 'a.b', DISCORD_EVENTS: '*', DISCORD_INTENT: 'GUILDS' };
  const { status, complaints } = await spectacles(['gateway'], { environment });
  expect(status).toBe(2);
  expect(complaints).toEqual([
    expect.stringContaining('intents (or DISCORD_INTENTS)'),
    'spectacles: DISCORD_INTENT is not read; did you mean DISCORD_INTENTS of the gateway?',
  ]);
});

describe('what is started', () => {
  it.each([
    ['gateway'],
    ['gateway --config FOLDER/other.toml'],
    ['gateway -config FOLDER/other.toml -loglevel error'],
    ['gateway -config=FOLDER/other.toml'],
  ])('%s', async (line) => {
    const files = { ...GATEWAY, 'other.toml': GATEWAY['gateway.toml'] };
    const { status, started, complaints } = await spectacles(line.split(' '), { files });
    expect([status, complaints]).toEqual([0, []]);
    expect(started.gateway).toMatchObject({ token: 'a.b', broker: { type: 'stdio' } });
  });

  it('proxy, from proxy.toml and the environment', async () => {
    const { status, started } = await spectacles(['proxy'], {
      files: { 'proxy.toml': 'timeout = "1s"' },
      environment: { HTTP_ADDRESS: ':0', RUST_LOG: 'off' },
    });
    expect(status).toBe(0);
    expect(started.proxy).toMatchObject({ timeoutMs: 1_000, http: { address: { port: 0 } } });
  });

  it('simulate, with its defaults and with everything set', async () => {
    const usual = await spectacles(['simulate']);
    expect(usual.started.simulate).toEqual({
      host: '127.0.0.1',
      port: 4100,
      shards: 1,
      maxConcurrency: 1,
      eventsPerSecond: 5,
      seed: undefined,
      scenarioFile: undefined,
    });
    const line =
      'simulate --host ::1 --port 0 --shards 4 --max-concurrency 2 --rate 0.5 --seed 7 --scenario s.json';
    const set = await spectacles(line.split(' '), { files: { 's.json': '{}' } });
    expect(set.started.simulate).toEqual({
      host: '::1',
      port: 0,
      shards: 4,
      maxConcurrency: 2,
      eventsPerSecond: 0.5,
      seed: 7,
      scenarioFile: join(set.workingFolder, 's.json'),
    });
  });

  it('run --simulate needs no configuration, and gives a real token to nobody', async () => {
    const { status, started, workingFolder } = await spectacles(
      ['run', 'bot.mjs', '--simulate', '--seed', '3'],
      { files: HANDLER, environment: { DISCORD_TOKEN: 'a.real.token' } },
    );
    expect(status).toBe(0);
    expect(started.run).toMatchObject({
      gateway: {
        token: SIMULATED_TOKEN,
        events: 'all',
        intents: ALL_INTENTS,
        broker: { type: 'memory' },
      },
      proxy: { discord: { token: SIMULATED_TOKEN }, broker: { type: 'memory' } },
      simulator: { seed: 3, port: 0 },
      handler: { path: join(workingFolder, 'bot.mjs') },
    });
  });

  it.each([
    [{}, {}, 'memory', 'memory'],
    [{ BROKER_TYPE: 'redis' }, {}, 'redis', 'redis'],
    [{ AMQP_URL: 'amqp://h' }, {}, 'memory', 'memory'],
    [{}, { 'proxy.toml': '[broker]\ntype = "amqp"' }, 'amqp', 'amqp'],
    [{ HTTP_ADDRESS: ':0' }, { 'proxy.toml': '[broker]\ntype = "none"' }, 'memory', 'none'],
  ])('run with %j and %j has the brokers %s, %s', async (environment, files, gateway, proxy) => {
    const { started } = await spectacles(['run', 'bot.mjs'], {
      files: { ...GATEWAY, ...HANDLER, ...files },
      environment,
    });
    expect(started.run?.gateway.broker.type).toBe(gateway);
    expect(started.run?.proxy.broker.type).toBe(proxy);
    expect(started.run?.simulator).toBeUndefined();
  });
});

describe('the handler', () => {
  /** Runs a handler file as far as loading it. */
  async function loading(text: string) {
    const files = { ...GATEWAY, 'bot.mjs': text };
    return inFolder(files, async (folder) => {
      const { findHandler } = await import('../../src/cli/handler.ts');
      return (await findHandler('bot.mjs', folder)).load();
    });
  }

  it('is imported when it is asked for', async () => {
    expect(await loading('export const answer = 42;')).toHaveProperty('answer', 42);
  });

  it.each([
    ['\nthrow new TypeError("boom");', 'handler bot.mjs:2: TypeError: boom'],
    ['\n\nthrow "just a text";', 'handler bot.mjs: just a text'],
    ['import "no-such-package-anywhere";', expect.stringContaining('no-such-package-anywhere')],
  ])('%j fails with its own error and its place', async (text, message) => {
    await expect(loading(text)).rejects.toMatchObject({ code: 'HANDLER_LOAD', message });
  });
});

describe('failures', () => {
  it.each([
    [
      new FatalError('the token is refused: set DISCORD_TOKEN anew'),
      1,
      'the token is refused: set DISCORD_TOKEN anew',
    ],
    [
      new PortInUseError('http.address (or HTTP_ADDRESS)', '127.0.0.1', 80),
      2,
      expect.stringContaining('another port in http.address (or HTTP_ADDRESS)'),
    ],
    [
      new TypeError('x is not a function'),
      1,
      'unexpected failure: TypeError: x is not a function (--loglevel debug shows where)',
    ],
    [
      new Error('two\nlines'),
      1,
      'unexpected failure: Error: two lines (--loglevel debug shows where)',
    ],
  ])('%s exits with %d', async (error, expectedStatus, line) => {
    const { status, complaints } = await spectacles(['gateway'], {
      files: GATEWAY,
      start: () => Promise.reject(error),
    });
    expect(status).toBe(expectedStatus);
    expect(complaints.map((text) => text.replace(/^spectacles: /, ''))).toEqual([line]);
  });

  it('GP-91: are told without secrets', async () => {
    const token = 'hunter2hunter2';
    const { complaints } = await spectacles(['gateway'], {
      environment: { DISCORD_TOKEN: token, DISCORD_EVENTS: '*', DISCORD_RAW_INTENTS: '1' },
      start: () => Promise.reject(new FatalError(`refused: ${token}, amqp://u:p4ss@h`)),
    });
    expect(complaints).toEqual(['spectacles: refused: ***, amqp://u:***@h']);
  });
});

describe('check', () => {
  const probe = (name: string, result: () => Promise<string>): Probe => ({ name, run: result });

  it('says what is configured and what could be reached', async () => {
    const { status, printed } = await spectacles(['check'], {
      files: { 'gateway.toml': `${GATEWAY['gateway.toml']}[shards]\ncount = 2` },
      environment: { BROKER_TIPE: 'x' },
      probes: [probe('Redis', async () => 'answers in 1 ms')],
    });
    expect(status).toBe(0);
    expect(printed).toMatch(/^gateway, configured by .*gateway\.toml\n/);
    expect(printed).toMatch(/^ {2}shards\.count +2 {2}\(in .*gateway\.toml\)$/m);
    expect(printed).toContain('  ok      Redis: answers in 1 ms\n');
    expect(printed).toContain('warning: BROKER_TIPE is not read; did you mean BROKER_TYPE?\n');
    expect(printed).not.toContain('proxy, configured');
    expect(printed).not.toContain('a.b');
  });

  it('tries everything, and fails with 1 when something could not be reached', async () => {
    const { status, printed } = await spectacles(['check', 'proxy'], {
      probes: [
        probe('Redis', () => Promise.reject(new FatalError('redis://u:p4ss@h refuses'))),
        probe('Discord', async () => 'well'),
      ],
    });
    expect(status).toBe(1);
    expect(printed).toContain(
      '  failed  Redis: redis://u:***@h refuses\n  ok      Discord: well\n',
    );
  });

  it('fails with 2 when a configuration cannot be used', async () => {
    const { status, complaints } = await spectacles(['check'], {
      files: { 'proxy.toml': 'x = 1' },
    });
    expect(status).toBe(2);
    expect(complaints).toEqual([
      expect.stringMatching(/^spectacles: proxy: x in proxy.toml: no such key/),
    ]);
  });
});

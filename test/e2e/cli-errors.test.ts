/**
 * The built program, called wrongly: what a person reads and the status that a script sees. Nothing
 * goes on running here, so every call ends by itself.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { inFolder } from '../support/configuration.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

type Outcome = { readonly status: number; readonly stdout: string; readonly stderr: string };

/** Runs the program with no environment but `environment`, in a folder with `files`. */
function spectacles(
  line: readonly string[],
  files: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return inFolder(
    files,
    (cwd) =>
      new Promise((resolve) => {
        const options = { cwd, env: { ...environment }, timeout: 60_000 };
        execFile(process.execPath, [PROGRAM, ...line], options, (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ status, stdout, stderr });
        });
      }),
  );
}

describe('a wrong call ends with 2 and a line that says what and what to do', () => {
  it.each([
    ['', /^spectacles: no command is given; commands are gateway, /],
    ['gatewy', /^spectacles: unknown command "gatewy"; did you mean gateway\?$/],
    ['gateway --confg x', /^spectacles: unknown option --confg; did you mean --config\?$/],
    ['gateway -config nope.toml', /^spectacles: --config: there is no file "nope\.toml"$/],
    ['gateway -loglevel loud', /^spectacles: --loglevel: "loud" is not one of suppress, error, /],
    ['proxy --config', /^spectacles: --config needs a value: --config FILE$/],
    ['simulate --port http', /^spectacles: --port: "http" is not a whole number from 0 to 65535$/],
    ['run', /^spectacles: no handler file is given; name the file of your bot: /],
    ['run nope.mjs --simulate', /^spectacles: there is no handler file "nope\.mjs"; /],
    ['check nothing', /^spectacles: "nothing" is neither gateway nor proxy/],
  ])('spectacles %s', async (line, complaint) => {
    const { status, stdout, stderr } = await spectacles(line.split(' ').filter(Boolean));
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trimEnd()).toMatch(complaint);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('tells all that is wrong with a file, and no secret', async () => {
    const files = {
      'gateway.toml': [
        'token = "hunter2 hunter2"',
        'events = ["MESAGE_CREATE"]',
        'intents = ["GUILD_MESAGES"]',
        '[broker]',
        'type = "rabbitmq"',
        'message_timeout = 120',
        '[amqp]',
        'url = "amqp://me:hunter2/@rabbit"',
      ].join('\n'),
    };
    const { status, stderr } = await spectacles(['gateway'], files, { BROKER_PAYLOAD: 'mpa' });
    expect(status).toBe(2);
    const lines = stderr.trimEnd().split('\n');
    const keys = [
      'token',
      'events',
      'intents',
      'broker.type',
      'broker.message_timeout',
      'amqp.url',
    ];
    for (const key of keys) {
      expect(lines).toContainEqual(expect.stringContaining(`spectacles: ${key} in gateway.toml: `));
    }
    expect(lines).toContainEqual(
      'spectacles: BROKER_PAYLOAD: "mpa" is not one of json, go, raw, map, discordjs; did you mean map?',
    );
    expect(lines).toHaveLength(keys.length + 1);
    expect(stderr).not.toContain('hunter2');
  });

  it('names the place of a mistake in TOML and not what stands there', async () => {
    const files = { 'gateway.toml': 'events = ["*"]\ntoken = "hunter2hunter2' };
    const { status, stderr } = await spectacles(['gateway'], files);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^spectacles: gateway\.toml line 2, column \d+: [^\n]+\n$/);
    expect(stderr).not.toContain('hunter2');
  });
});

describe('a handler that cannot be loaded ends run with 1, its own error and its place', () => {
  it.each([
    ['\nthrow new TypeError("boom");', /^spectacles: handler bot\.mjs:2: TypeError: boom$/],
    ['export default }', /^spectacles: handler bot\.mjs:1: SyntaxError: /],
    ['import "no-such-package";', /^spectacles: handler bot\.mjs: Error: .*no-such-package/],
  ])('%j', async (text, complaint) => {
    const line = ['run', 'bot.mjs', '--simulate', '-loglevel', 'warn'];
    const { status, stdout, stderr } = await spectacles(line, { 'bot.mjs': text });
    expect(stderr.trimEnd()).toMatch(complaint);
    expect([status, stdout]).toEqual([1, '']);
  });
});

describe('a question is answered on stdout with 0', () => {
  it.each([
    ['--version', /^\d+\.\d+\.\d+\S*\n$/],
    ['--help', /^Usage: spectacles COMMAND/],
    ['gateway --help', /DISCORD_TOKEN/],
    ['proxy --help', /HTTP_ADDRESS/],
    ['run --help', /--simulate/],
    ['simulate --help', /--max-concurrency N/],
    ['check --help', /\[gateway\|proxy\]/],
  ])('spectacles %s', async (line, answer) => {
    const { status, stdout, stderr } = await spectacles(line.split(' '));
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(answer);
  });

  it('goes on when whoever reads it has seen enough, and keeps its status', async () => {
    const environment = {
      DISCORD_TOKEN: 'a.b.c',
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: '1',
      // Nobody listens there.
      DISCORD_API_SCHEME: 'http',
      DISCORD_API_HOST: '127.0.0.1:1',
    };
    await inFolder({}, async (cwd) => {
      const child = spawn(process.execPath, [PROGRAM, 'check', 'gateway'], {
        cwd,
        env: environment,
      });
      child.stdout.destroy();
      const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
      expect([status, stderr]).toEqual([1, '']);
    });
  });
});

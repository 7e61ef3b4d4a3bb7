/**
 * Every option with values that it cannot have, in a file and in the environment: whatever is
 * refused is refused in a line that names the key, shows the value and says what is allowed, with
 * exit status 2.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { expect, it } from 'vitest';
import { ConfigurationError } from '../../protocols/errors.ts';
import { EXIT_USAGE, exitStatus } from '../../src/cli/failure.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../../src/config/gateway-options.ts';
import type { ConfigurationSource } from '../../src/config/load.ts';
import type { Option, OptionTable } from '../../src/config/options.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { PROXY_OPTIONS } from '../../src/config/proxy-options.ts';
import { createRedactor } from '../../src/secrets.ts';
import { inFolder } from '../support/configuration.ts';

/**
 * Wrong types, empty and blank texts, numbers that are negative, fractions, huge or none, and
 * lists.
 */
const IN_A_FILE = [
  ...['""', '"  "', '0', '-1', '1.5', '1e308', 'nan', 'inf', '99999999999999999999', 'true'],
  ...['[]', '[1, 2]', '["a"]', '[[1]]', '[{}]', '{}', '{ a = 1 }', '1979-05-27', '07:32:00'],
  ...['"NaN"', '"x y"', '"a\\u0000b"', '"*"', '","', `"${'y'.repeat(5_000)}"`, "'''\nx'''"],
];

const IN_THE_ENVIRONMENT = [
  ...['', '  ', '0', '-1', '1.5', 'NaN', 'Infinity', '1e999', '0x10', '1_000', 'null', 'true'],
  ...['[]', '{}', '{"a":1}', '[{"name":1}]', 'a,b', ',,,', 'a\u0007b', 'héllo', '"quoted"', '💥'],
  ...['99999999999999999999', 'z'.repeat(5_000), '://', 'http://', 'redis://a:b@c@d', 'amqp://%zz'],
];

/** How a line says what is allowed, where it does not do so in the option's own words. */
const SAYS_WHAT_IS_ALLOWED =
  /did you mean |allowed are |known are |families are |write "|must |such as |correctly|is taken: |check |leave them out|as in |means the same; keep one|from 1s to|at least 1|is set and .* is not: |names no event: name /;

type Case = {
  readonly key: string;
  readonly option: Option<unknown>;
  /** As the message begins. */
  readonly where: string;
  readonly value: unknown;
  readonly toml?: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** What must be set for the rest to be read, less what the case itself sets. */
function baseWithout(option: Option<unknown>): Readonly<Record<string, string>> {
  const base = { DISCORD_TOKEN: 'a.token', DISCORD_EVENTS: '*', DISCORD_INTENTS: 'GUILDS' };
  const own = option.environment;
  return Object.fromEntries(Object.entries(base).filter(([name]) => !own.includes(name)));
}

function casesOf(table: OptionTable): readonly Case[] {
  return Object.entries(table).flatMap(([key, option]) => {
    const environment = baseWithout(option);
    const path = key.split('.');
    const head = path.length === 1 ? '' : `[${path[0]}]\n`;
    const inFile = IN_A_FILE.map((text) => ({
      ...{ key, option, environment, where: `${key} in some.toml` },
      toml: `${head}${path.at(-1)} = ${text}`,
      value: parse(`value = ${text}`, { integersAsBigInt: 'asNeeded' }).value,
    }));
    const inEnvironment = option.environment.flatMap((name) =>
      IN_THE_ENVIRONMENT.map((value) => ({
        ...{ key, option, where: name, value, environment: { ...environment, [name]: value } },
      })),
    );
    return [...inFile, ...inEnvironment];
  });
}

/** Undefined when the line is as it has to be; else what it lacks. */
function lackOf(line: string, { key, option, where, value }: Case): string | undefined {
  if (line.length > 4_000) return 'an end';
  const { reader, environment } = option;
  const names = [key, ...environment];
  // A value that means that the key is not set is missed under the key's own name.
  const isMissing = line.includes(' is not set') && names.every((name) => line.includes(name));
  const isJoint = names.some((name) => line.startsWith(`${name} is `));
  if (!line.startsWith(`${where}: `) && !isMissing && !isJoint) return `its key: ${where}`;
  if (!isMissing && !isJoint && !line.includes(reader.showInput(value))) return 'its value';
  if (line.includes(reader.expects) || SAYS_WHAT_IS_ALLOWED.test(line)) return undefined;
  return 'what is allowed';
}

it.each([
  ['gateway.toml', GATEWAY_OPTIONS, loadGatewayConfig],
  ['proxy.toml', PROXY_OPTIONS, loadProxyConfig],
])('each option of %s refuses in words that a person can act on', async (_name, table, load) => {
  const lacking: string[] = [];
  let refused = 0;
  await inFolder({}, async (folder) => {
    const path = join(folder, 'some.toml');
    for (const each of casesOf(table)) {
      if (each.toml !== undefined) await writeFile(path, each.toml);
      const source: ConfigurationSource = {
        file: each.toml === undefined ? undefined : { path, named: true },
        environment: each.environment,
        redactor: createRedactor(),
      };
      const error = await load(source).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) continue;
      refused++;
      if (!(error instanceof ConfigurationError)) throw error;
      expect(exitStatus(error)).toBe(EXIT_USAGE);
      for (const line of error.message.replaceAll(path, 'some.toml').split('\n')) {
        const lack = lackOf(line, each);
        if (lack !== undefined) lacking.push(`${lack} is missing: ${line.slice(0, 300)}`);
      }
    }
  });
  expect(lacking).toEqual([]);
  expect(refused).toBeGreaterThan(Object.keys(table).length * 20);
});

it.each(['3', '"a-secret-of-a-test"', 'true', '[]', '1979-05-27'])(
  'a table that is %s names the table and its keys, and shows nothing of it',
  async (text) => {
    for (const [name, load] of [
      ['redis', loadGatewayConfig],
      ['discord', loadProxyConfig],
    ] as const) {
      const error = await inFolder({ 'some.toml': `${name} = ${text}` }, async (folder) => {
        const file = { path: join(folder, 'some.toml'), named: true };
        return load({ file, environment: {}, redactor: createRedactor() }).catch(String);
      });
      expect(error).toMatch(
        new RegExp(
          `${name} in .*some\\.toml: is .* and must be a table: \\[${name}\\], .*below it`,
        ),
      );
      expect(error).not.toContain('a-secret-of-a-test');
    }
  },
);

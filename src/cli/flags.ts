/** Every flag of every command, declared as options are, and the reader of log levels. */
import { z } from 'zod';
import { SHARDS_MAX } from '../../protocols/limits.ts';
import { suggest } from '../../protocols/suggest.ts';
import { PORT_MAX } from '../config/address.ts';
import { type Option, option, optional } from '../config/options.ts';
import { decimal, freeText, integer, type Reader, reader, refuse } from '../config/readers.ts';
import { LOG_LEVELS, type LogLevel } from '../log.ts';

export type Flag<Value> = Option<Value> & {
  /** What stands for the value in `--help`; undefined: a flag without a value. */
  readonly valueName: string | undefined;
};

function flag<Value>(valueName: string, declared: Option<Value>): Flag<Value> {
  return { ...declared, valueName };
}

/** The levels that other programs have and we have not. */
const FOREIGN_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['off', 'suppress'],
  ['silent', 'suppress'],
  ['fatal', 'error'],
  ['warning', 'warn'],
  ['trace', 'debug'],
]);

/**
 * A level, or directives as RUST_LOG has them: `debug`, `warn,proxy=debug`. A level that is for
 * everything wins; with none, the most talkative of the targets' levels is taken.
 */
function logLevel(): Reader<LogLevel> {
  const expects = `one of ${LOG_LEVELS.join(', ')}`;
  return reader<LogLevel>({
    expects,
    schema: z.string().transform((text, context) => {
      const directives = text.trim().toLowerCase().replace(/\/.*$/, '').split(',');
      const levels = directives.map((directive) => ({
        target: directive.includes('='),
        level: levelNamed(directive.split('=').at(-1)?.trim() ?? ''),
      }));
      const read = levels.flatMap(({ target, level }) => (level ? [{ target, level }] : []));
      if (read.length < levels.length) {
        const near = suggest(text, LOG_LEVELS);
        return refuse(context, text, `is not ${expects}${near ? `; did you mean ${near}?` : ''}`);
      }
      const forAll = read.filter(({ target }) => !target).at(-1);
      return forAll?.level ?? mostTalkative(read.map(({ level }) => level));
    }),
  });
}

function levelNamed(name: string): LogLevel | undefined {
  return LOG_LEVELS.find((level) => level === name) ?? FOREIGN_LEVELS.get(name);
}

function mostTalkative(levels: readonly LogLevel[]): LogLevel {
  return LOG_LEVELS[Math.max(...levels.map((level) => LOG_LEVELS.indexOf(level)))] ?? 'info';
}

export const LOG_LEVEL_FLAG = flag(
  'LEVEL',
  option(logLevel(), 'info', {
    environment: ['LOG_LEVEL'],
    description: `How much is logged to stderr: ${LOG_LEVELS.join(', ')}`,
  }),
);

/** The proxy's original was told its level by RUST_LOG. */
export const PROXY_LOG_LEVEL_FLAG = {
  ...LOG_LEVEL_FLAG,
  environment: ['RUST_LOG', 'LOG_LEVEL'],
};

export function configFlag(fileName: string): Flag<string | undefined> {
  return flag(
    'FILE',
    optional(freeText('the name of a file'), `${fileName}, where there is one`, {
      description: 'The configuration file',
    }),
  );
}

export const SIMULATE_FLAG = {
  ...optional(reader({ expects: 'true', schema: z.literal('true') }), 'off', {
    description: 'Start a simulated Discord and use it: no token, no servers',
  }),
  valueName: undefined,
};

/** Of the simulator, for `simulate` and for `run --simulate`. */
export function simulatorFlags(defaultPort: string) {
  return {
    host: flag(
      'HOST',
      option(freeText('a host name or address', 253), '127.0.0.1', {
        description: 'Where the simulated Discord listens; 0.0.0.0 for every interface',
      }),
    ),
    port: flag(
      'PORT',
      option(integer(0, PORT_MAX), defaultPort, {
        description: 'The port of the simulated Discord; 0 takes a free one',
      }),
    ),
    shards: flag(
      'N',
      option(integer(1, SHARDS_MAX), '1', {
        description: 'The number of shards that the simulated Discord recommends',
      }),
    ),
    'max-concurrency': flag(
      'N',
      option(integer(1, SHARDS_MAX), '1', {
        description: 'How many shards may identify at once',
      }),
    ),
    rate: flag(
      'EVENTS/S',
      option(decimal(0, 1_000_000), '5', {
        description: 'Events a second, over all shards',
      }),
    ),
    scenario: flag(
      'FILE',
      optional(freeText('the name of a file'), 'none', {
        description: 'Faults to play, each at its time',
      }),
    ),
    seed: flag(
      'N',
      optional(integer(0, 2 ** 32 - 1), 'drawn and logged', {
        description: 'Makes a run the same as another with the same seed',
      }),
    ),
  };
}

export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

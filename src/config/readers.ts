/**
 * How one configured value is read: from the text of an environment variable or flag, or from a
 * TOML value. A reader also knows how to say what it expects, and how to show what it has read.
 *
 * A schema that fails without words of its own is reported as "is not <expects>"; one that knows
 * better (a near name, a missing unit) raises an issue with its own sentence.
 */
import { z } from 'zod';
import { CONFIGURED_DURATION_MAX_MS, REDIS_NODES_MAX, SHARDS_MAX } from '../../protocols/limits.ts';
import { suggest } from '../../protocols/suggest.ts';
import { passwordsIn, redactUrl } from '../secrets.ts';
import { type Address, formatAddress, PORT_MAX, parseAddress } from './address.ts';
import {
  type AmqpEndpoint,
  type Parsed,
  parseAmqpUrl,
  parseRedisUrl,
  type RedisEndpoint,
  showAmqpEndpoint,
  showRedisEndpoint,
} from './broker-urls.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { formatShardIds, parseShardIds } from './shard-ids.ts';
import { showInput } from './show.ts';

export type Reader<Value> = {
  /** What a value must be, to follow "is not": `one of amqp, redis`. */
  readonly expects: string;
  readonly schema: z.ZodType<Value>;
  /** Whether the value as a whole is never shown. */
  readonly secret: boolean;
  /** The input as a message may show it. */
  showInput(input: unknown): string;
  /** What was read, for people, without secrets. */
  show(value: Value): string;
  /** What in the input must never be seen anywhere. */
  secretsIn(input: unknown): readonly string[];
};

type ReaderParts<Value> = Pick<Reader<Value>, 'expects' | 'schema'> & Partial<Reader<Value>>;

/** A reader of plain values; each part may be given otherwise. */
export function reader<Value>(parts: ReaderParts<Value>): Reader<Value> {
  return {
    secret: false,
    showInput,
    show: (value) => String(value),
    secretsIn: () => [],
    ...parts,
  };
}

/** Reports a sentence of the schema's own. */
export function refuse(context: z.RefinementCtx, input: unknown, message: string): never {
  context.issues.push({ code: 'custom', message, input });
  return z.NEVER;
}

/** A schema over a text and a function that reads it or says what is wrong. */
function parsedText<Value>(read: (text: string) => Parsed<Value>): z.ZodType<Value> {
  return z.string().transform((text, context) => {
    const parsed = read(text);
    return 'value' in parsed ? parsed.value : refuse(context, text, parsed.problem);
  });
}

/** Printable text without blanks, as names of groups, prefixes and events are. */
export function nameText(what: string, maxLength = 128): Reader<string> {
  return reader({
    expects: `${what}: 1 to ${maxLength} printable characters without blanks`,
    schema: z
      .string()
      .trim()
      .regex(/^[\x21-\x7e]+$/)
      .max(maxLength),
  });
}

/** Any text of a sensible length, such as a file's name. */
export function freeText(what: string, maxLength = 4_096): Reader<string> {
  const expects = `${what} of at most ${maxLength} characters`;
  return reader({ expects, schema: z.string().min(1).max(maxLength) });
}

/** Old spellings of a choice, each with the current one. */
type OldNames<Choice> = Readonly<Record<string, Choice>>;

export function choice<const Choice extends string>(
  choices: readonly [Choice, ...Choice[]],
  oldNames: OldNames<Choice> = {},
): Reader<Choice> {
  const expects = `one of ${choices.join(', ')}`;
  const current = z.enum(choices);
  return reader<Choice>({
    expects,
    // In a file a choice that is made of digits may be written as a number.
    schema: z.union([z.string(), z.number().transform(String)]).transform((text, context) => {
      const name = text.trim();
      const parsed = current.safeParse(Object.hasOwn(oldNames, name) ? oldNames[name] : name);
      if (parsed.success) return parsed.data;
      const near = suggest(name, choices);
      return refuse(context, text, `is not ${expects}${near ? `; did you mean ${near}?` : ''}`);
    }),
  });
}

const FLAG_WORDS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
]);

/** Yes or no. */
export function flag(): Reader<boolean> {
  return reader<boolean>({
    expects: 'true or false',
    schema: z.union([
      z.boolean(),
      z.string().transform((text, context) => {
        const isSet = FLAG_WORDS.get(text.trim().toLowerCase());
        return isSet ?? refuse(context, text, 'is not true or false');
      }),
    ]),
  });
}

/** A whole number, written in digits. */
export function integer(min: number, max: number): Reader<number> {
  return reader({
    expects: `a whole number from ${min} to ${max}`,
    schema: z
      .union([
        z.number(),
        z
          .string()
          .trim()
          .regex(/^\d{1,16}$/)
          .transform(Number),
      ])
      .pipe(z.int().min(min).max(max)),
  });
}

/** A number that may have a fraction. */
export function decimal(min: number, max: number): Reader<number> {
  return reader({
    expects: `a number from ${min} to ${max}`,
    schema: z
      .union([
        z.number(),
        z
          .string()
          .trim()
          .regex(/^\d{1,9}(\.\d{1,9})?$/)
          .transform(Number),
      ])
      .pipe(z.number().min(min).max(max)),
  });
}

/** A duration of at least a millisecond; the value is in milliseconds. */
export function duration(maxMs = CONFIGURED_DURATION_MAX_MS): Reader<number> {
  const expects = `a duration from 1ms to ${formatDuration(maxMs)}, such as 500ms, 2m or 1h30m`;
  return reader<number>({
    expects,
    schema: z.union([z.number(), z.string()]).transform((input, context) => {
      const isAllowed = (ms: number | undefined): ms is number =>
        ms !== undefined && ms >= 1 && ms <= maxMs;
      const durationMs = typeof input === 'string' ? parseDuration(input) : undefined;
      if (isAllowed(durationMs)) return durationMs;
      const seconds = `${String(input).trim()}s`;
      return isAllowed(parseDuration(seconds))
        ? refuse(context, input, `needs a unit: write "${seconds}" for seconds`)
        : refuse(context, input, `is not ${expects}`);
    }),
    show: formatDuration,
  });
}

/** An address to listen at. */
export function address(): Reader<Address> {
  const expects = `an address with a port up to ${PORT_MAX}, such as :8080 or 0.0.0.0:3000`;
  return reader<Address>({
    expects,
    schema: z.union([z.number(), z.string()]).transform((input, context) => {
      const text = String(input).trim();
      const parsed = parseAddress(text);
      if (parsed !== undefined) return parsed;
      const hint = /^\d{1,5}$/.test(text) && Number(text) <= PORT_MAX ? `; write ":${text}"` : '';
      return refuse(context, input, `is not ${expects}${hint}`);
    }),
    show: formatAddress,
  });
}

/** A path of our own HTTP server, with or without the slash before it. */
export function httpPath(taken: readonly string[]): Reader<string> {
  return reader<string>({
    expects: 'a path such as /metrics: at most 200 letters, digits, and . _ ~ / -',
    schema: z
      .string()
      .trim()
      .regex(/^\/?[\w.~/-]{0,200}$/)
      .transform((text, context) => {
        const path = text.startsWith('/') ? text : `/${text}`;
        if (!taken.includes(path)) return path;
        return refuse(context, text, `is taken: ${taken.join(' and ')} tell whether we are well`);
      }),
  });
}

/** A server's name, with a port where it has one: `discord.com`, `localhost:4100`. */
export function hostName(): Reader<string> {
  return reader({
    expects: 'a host such as discord.com or localhost:4100, without https:// and without a path',
    schema: z
      .string()
      .trim()
      .regex(/^(\[[0-9a-fA-F:.]{2,45}\]|[a-zA-Z0-9._-]{1,253})(:\d{1,5})?$/)
      .refine((host) => Number(/:(\d{1,5})$/.exec(host)?.[1] ?? 1) <= PORT_MAX),
  });
}

const brokerUrlParts = {
  showInput: (input: unknown) =>
    showInput(Array.isArray(input) ? input.map(withoutPassword) : withoutPassword(input)),
  secretsIn: (input: unknown) =>
    (Array.isArray(input) ? input : [input]).flatMap((part) =>
      typeof part === 'string' ? passwordsIn(part) : [],
    ),
};

function withoutPassword(input: unknown): unknown {
  return typeof input === 'string' ? redactUrl(input) : input;
}

export function redisUrl(): Reader<RedisEndpoint> {
  return reader<RedisEndpoint>({
    ...brokerUrlParts,
    expects: 'a Redis URL such as redis://localhost:6379',
    schema: parsedText((text) => worded(parseRedisUrl(text), 'a Redis URL')),
    show: showRedisEndpoint,
  });
}

/** A list of Redis servers, or their URLs in one text with commas between them. */
export function redisUrls(): Reader<readonly RedisEndpoint[]> {
  return reader<readonly RedisEndpoint[]>({
    ...brokerUrlParts,
    expects: `a Redis URL such as redis://localhost:6379, or a list of up to ${REDIS_NODES_MAX}`,
    schema: textList(splitUrls).transform((urls, context) => {
      if (urls.length > REDIS_NODES_MAX) {
        return refuse(context, urls, `names ${urls.length} servers, more than ${REDIS_NODES_MAX}`);
      }
      return urls.flatMap((url) => {
        const parsed = parseRedisUrl(url);
        if ('value' in parsed) return [parsed.value];
        return refuse(context, url, `is not a Redis URL: ${parsed.problem}`);
      });
    }),
    show: (endpoints) => endpoints.map(showRedisEndpoint).join(', '),
  });
}

/** A comma parts two URLs unless it stands before an @, where it belongs to a password. */
function splitUrls(text: string): string[] {
  return text.split(/,(?=\s*rediss?:\/\/)/i).flatMap((part) => {
    const place = part.lastIndexOf('@') + 1;
    const [first = '', ...others] = part.slice(place).split(',');
    return [part.slice(0, place) + first, ...others];
  });
}

export function amqpUrl(): Reader<AmqpEndpoint> {
  return reader<AmqpEndpoint>({
    ...brokerUrlParts,
    expects: 'an AMQP URL such as amqp://user:password@localhost:5672',
    schema: parsedText((text) => worded(parseAmqpUrl(text), 'an AMQP URL')),
    show: showAmqpEndpoint,
  });
}

function worded<Value>(parsed: Parsed<Value>, what: string): Parsed<Value> {
  return 'value' in parsed ? parsed : { problem: `is not ${what}: ${parsed.problem}` };
}

/** A list of texts, or one text with separators; blanks around and empty entries go. */
export function textList(
  split: (text: string) => string[] = (text) => text.split(','),
): z.ZodType<string[]> {
  return z
    .union([z.array(z.string()), z.string().transform(split)])
    .transform((entries) => entries.map((entry) => entry.trim()).filter((entry) => entry !== ''));
}

/** `[0, 1, 2]`, `["0-3", 8]` or `0-3,8`; the value is in ascending order. */
export function shardIds(): Reader<readonly number[]> {
  return reader<readonly number[]>({
    expects: `a list of shard ids below ${SHARDS_MAX}, such as 0-3,8`,
    schema: z
      .union([z.string(), z.int(), z.array(z.union([z.int(), z.string()])).max(SHARDS_MAX)])
      .transform((input, context) => {
        const parsed = parseShardIds(Array.isArray(input) ? input.join(',') : String(input));
        if (typeof parsed !== 'string') return parsed;
        return refuse(context, input, `is not a list of shard ids such as 0-3,8: ${parsed}`);
      }),
    show: formatShardIds,
  });
}

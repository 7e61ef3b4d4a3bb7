/** Readers of what is Discord's own: the token, event names, intents, the presence. */
import { type GatewayPresenceUpdateData, PresenceUpdateStatus } from 'discord-api-types/v10';
import { z } from 'zod';
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  isDispatchEvent,
} from '../../protocols/discord/dispatch-events.ts';
import {
  ALL_INTENTS,
  INTENT_ALIASES,
  INTENTS,
  intentBits,
  type ResolvedIntents,
} from '../../protocols/discord/intents.ts';
import { suggest } from '../../protocols/suggest.ts';
import { type Reader, reader, refuse, textList } from './readers.ts';
import { showInput, showKey } from './show.ts';

const TOKEN_PREFIX = /^Bot\s+/i;

/** A bot's token, with or without `Bot ` before it; the value is without. */
export function botToken(): Reader<string> {
  return reader<string>({
    expects: 'a bot token: visible characters without blanks or quotes, "Bot " before it or not',
    secret: true,
    schema: z
      .string()
      .trim()
      .transform((text) => text.replace(TOKEN_PREFIX, ''))
      .pipe(
        z
          .string()
          .regex(/^[^\s"'`\p{C}]+$/u)
          .max(512),
      ),
    showInput: () => 'the value, which is not shown,',
    show: () => 'set, not shown',
    secretsIn: (input) =>
      typeof input === 'string' ? [input.trim(), input.trim().replace(TOKEN_PREFIX, '')] : [],
  });
}

/**
 * Which dispatch events are published: all, also those that Discord adds later, or the named ones.
 */
export type EventFilter = 'all' | readonly DispatchEventName[];

export function eventFilter(): Reader<EventFilter> {
  return reader<EventFilter>({
    expects: 'a list of event names such as ["MESSAGE_CREATE"], or ["*"] for all',
    schema: textList().transform((names, context): EventFilter => {
      if (names.length === 0) {
        return refuse(context, names, 'names no event: name those to publish, or ["*"] for all');
      }
      const known = names.filter(isDispatchEvent);
      for (const name of names) {
        if (name === '*' || isDispatchEvent(name)) continue;
        const message = unknownName(name, 'an event', DISPATCH_EVENTS);
        context.issues.push({ code: 'custom', message, input: name });
      }
      return names.includes('*') ? 'all' : [...new Set(known)];
    }),
    show: (filter) => (filter === 'all' ? 'all' : filter.join(', ')),
  });
}

export type NamedIntents = ResolvedIntents & { readonly names: readonly string[] };

export function intentNames(): Reader<NamedIntents> {
  return reader<NamedIntents>({
    expects: 'a list of intent names such as ["GUILDS", "GUILD_MESSAGES"]',
    schema: textList().transform((names, context) => {
      const known = names.filter(
        (name) => Object.hasOwn(INTENTS, name) || INTENT_ALIASES.has(name),
      );
      for (const name of names) {
        if (known.includes(name)) continue;
        const message = unknownName(name, 'an intent', Object.keys(INTENTS));
        context.issues.push({ code: 'custom', message, input: name });
      }
      return { names, ...intentBits(known) };
    }),
    show: ({ names }) => names.map((name) => INTENT_ALIASES.get(name) ?? name).join(', '),
  });
}

function unknownName(name: string, what: string, names: readonly string[]): string {
  const near = suggest(name, names);
  const hint = near === undefined ? `; allowed are ${names.join(', ')}` : `; did you mean ${near}?`;
  return `holds ${showInput(name)}, which is not ${what}${hint}`;
}

/** A bit set of intents, for those who have it from elsewhere. */
export function rawIntents(): Reader<number> {
  const expects = `a whole number made of the bits of ${ALL_INTENTS}`;
  return reader<number>({
    expects,
    schema: z
      .union([
        z.number(),
        z
          .string()
          .trim()
          .regex(/^\d{1,10}$/)
          .transform(Number),
      ])
      .pipe(z.int().min(0))
      .transform((bits, context) => {
        // Numbers above 2^32 would lose their upper bits in a bitwise operation.
        const unknown = bits > ALL_INTENTS ? bits : bits & ~ALL_INTENTS;
        if (unknown === 0) return bits;
        return refuse(context, bits, `has bits that are no intent: it must be ${expects}`);
      }),
    show: (bits) => String(bits),
  });
}

export type ConfiguredPresence = {
  readonly data: GatewayPresenceUpdateData;
  /** Whether its activity came from the old key `game`. */
  readonly fromGame: boolean;
  /** Keys of its activities that Discord takes from people only. */
  readonly leftOut: readonly string[];
};

/** What Discord takes from a bot; 4, a custom status, shows `state`. */
const activityShape = {
  name: z.string().min(1).max(128),
  type: z.int().min(0).max(5).default(0),
  state: z.string().min(1).max(128).optional(),
  url: z.string().min(1).max(512).optional(),
};

const ignored = z.unknown().optional();

/**
 * What Discord documents of an activity and takes from people only; the original sent it all the
 * same.
 */
const ignoredShape = {
  application_id: ignored,
  assets: ignored,
  created_at: ignored,
  details: ignored,
  emoji: ignored,
  flags: ignored,
  instance: ignored,
  party: ignored,
  secrets: ignored,
  timestamps: ignored,
};

const activitySchema = z.strictObject({ ...activityShape, ...ignoredShape });

const presenceSchema = z.strictObject({
  status: z.enum(PresenceUpdateStatus).default(PresenceUpdateStatus.Online),
  afk: z.boolean().default(false),
  since: z.int().min(0).nullable().default(null),
  activities: z.array(activitySchema).max(16).optional(),
  game: activitySchema.nullable().optional(),
});

/** A presence as a TOML table or as JSON text. */
export function presence(): Reader<ConfiguredPresence> {
  const expects =
    'a presence: a table in a file, a JSON object such as {"status":"idle"} in the environment';
  return reader<ConfiguredPresence>({
    expects,
    schema: z.unknown().transform((input, context): ConfiguredPresence => {
      const table = typeof input === 'string' ? parsedJson(input) : input;
      if (typeof table !== 'object' || table === null || Array.isArray(table)) {
        return refuse(context, input, `is not ${expects}`);
      }
      const parsed = presenceSchema.safeParse(table);
      if (!parsed.success) {
        for (const issue of parsed.error.issues) {
          context.issues.push({ code: 'custom', message: presenceProblem(issue, table), input });
        }
        return z.NEVER;
      }
      const { status, afk, since, activities, game } = parsed.data;
      if (game && activities) {
        return refuse(
          context,
          input,
          'has both game, the old form, and activities: keep activities',
        );
      }
      const given = game ? [game] : (activities ?? []);
      const shown = given.map(({ name, type, state, url }) => ({
        name,
        type,
        ...(state === undefined ? {} : { state }),
        ...(url === undefined ? {} : { url }),
      }));
      const leftOut = Object.keys(ignoredShape).filter((key) =>
        given.some((activity) => Object.hasOwn(activity, key)),
      );
      return { data: { status, afk, since, activities: shown }, fromGame: Boolean(game), leftOut };
    }),
    show: ({ data }) =>
      [data.status, ...data.activities.map(({ name }) => showInput(name))].join(', '),
  });
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // JSON.parse quotes its input in its message, so the caller says what is wrong instead.
    return undefined;
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const PRESENCE_KEYS = [...Object.keys(presenceSchema.shape), ...Object.keys(activityShape)];

/** What each key of a presence and of its activities may have. */
const PRESENCE_EXPECTS: Readonly<Record<string, string>> = {
  status: `one of ${Object.values(PresenceUpdateStatus).join(', ')}`,
  afk: 'true or false',
  since: 'a time in milliseconds, or null in JSON',
  activities: 'a list of at most 16 activities',
  game: 'an activity, as { name = "chess" }',
  name: 'a text of 1 to 128 characters',
  type: 'a whole number from 0 to 5',
  state: 'a text of 1 to 128 characters',
  url: 'a text of 1 to 512 characters',
};

function presenceProblem(issue: z.core.$ZodIssue, presence: unknown): string {
  const place = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const near = suggest(key, PRESENCE_KEYS);
    const where = place === '' ? '' : ` in ${place}`;
    const hint =
      near === undefined ? `; known are ${PRESENCE_KEYS.join(', ')}` : `; did you mean ${near}?`;
    return `has the unknown key ${showKey(key)}${where}${hint}`;
  }
  const key = issue.path.findLast((step) => typeof step === 'string') ?? '';
  const isEntry = typeof issue.path.at(-1) === 'number';
  const expects = isEntry ? PRESENCE_EXPECTS.game : PRESENCE_EXPECTS[key];
  const value = issue.path.reduce<unknown>(
    (outer, step) => (isObject(outer) ? Reflect.get(outer, step) : undefined),
    presence,
  );
  return value === undefined
    ? `has no ${place}, which must be ${expects}`
    : `has ${showInput(value)} as ${place}, which must be ${expects}`;
}

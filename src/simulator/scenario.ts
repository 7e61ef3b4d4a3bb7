/**
 * Scenarios: a typed list of timed faults, read from JSON or drawn from a seed.
 *
 * Times count from the moment the scenario starts. A fault without `shard` strikes every
 * connection. What cannot be read is a ConfigurationError that names the fault, the key, the value,
 * and what is allowed; nothing is ignored in silence.
 */
import { z } from 'zod';
import { ConfigurationError } from '../../protocols/errors.ts';
import { HEARTBEAT_INTERVAL_MIN_MS, SIMULATOR_FAULTS_MAX } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import { suggest } from '../../protocols/suggest.ts';
import { createRandom } from '../random.ts';
import { HOST_MODES } from './gateway/hosts.ts';

const milliseconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const count = z.int().min(1);
const brokenModes = z.enum(HOST_MODES).exclude(['alive']);
const killHost = { mode: brokenModes.optional(), connections: count.optional() };

/** Close codes a server may send; 1004 to 1006 and 1015 never stand in a close frame. */
const closeCode = z
  .int()
  .min(1000)
  .max(4999)
  .refine((code) => ![1004, 1005, 1006, 1015].includes(code), 'not a code that may be sent');

/** Each fault and what can be said about it. */
const FAULTS = {
  /** The connection is lost without a close frame. */
  drop: {},
  /** The connection is lost in the middle of a message. */
  truncate: {},
  /** Nothing passes any more, and neither side is told. */
  'half-open': {},
  close: { code: closeCode, reason: z.string().max(120).optional() },
  /** The session ends and the connection closes with 4009. */
  'session-timeout': {},
  /** The session is forgotten and the connection lost: the next RESUME is answered with op 9. */
  expire: {},
  /** Every message is held back for `delayMs`. */
  slow: { delayMs: milliseconds, durationMs: milliseconds.optional() },
  /** The server sends nothing, acknowledgements included. */
  mute: { durationMs: milliseconds.optional() },
  /** Heartbeats are not acknowledged; events go on. */
  'no-acks': { durationMs: milliseconds.optional() },
  /** Op 7, and a close when the client stays. */
  reconnect: { closeAfterMs: milliseconds.optional(), code: closeCode.optional() },
  /** Op 9. */
  invalid: { resumable: z.boolean() },
  /** Op 1. */
  'heartbeat-request': {},
  /** The keys of dispatches come in another order. */
  'key-order': { durationMs: milliseconds.optional() },
  /** The next messages are cut into pieces, at any byte. */
  split: { pieces: z.int().min(2).max(64), messages: count.optional() },
  /** A message that cannot be decompressed (`bytes`) or parsed (`json`). */
  garbage: { kind: z.enum(['bytes', 'json']) },
  'unknown-opcode': { op: z.int().min(0).optional() },
  'unknown-event': {
    name: z
      .string()
      .regex(/^[A-Z_]+$/, 'not an event name')
      .optional(),
  },
  /** The latest event comes again under a new number. */
  repeat: {},
  /** A GUILD_CREATE of at least this size, with text of more than one byte a character. */
  'huge-guild': {
    bytes: z
      .int()
      .min(1)
      .max(32 * 1024 * 1024),
  },
  /** A guild goes away and comes back. */
  'guild-outage': { durationMs: milliseconds.optional() },
  /** Events all at once. */
  burst: { events: z.int().min(1).max(100_000) },
  'kill-main-host': killHost,
  'revive-main-host': {},
  'kill-resume-host': killHost,
  'revive-resume-host': {},
  /** What HELLO says to new connections. */
  'heartbeat-interval': { intervalMs: z.int().min(HEARTBEAT_INTERVAL_MIN_MS) },
  /** READY comes late; 0 ends it. */
  'late-ready': { delayMs: milliseconds },
  /** The next RESUMEs never see RESUMED; 0 ends it. */
  'stall-resume': { resumes: z.int().min(0).optional() },
  /** Every RESUME ends in a lost connection. */
  'break-resume': { durationMs: milliseconds },
  'max-concurrency': { value: count },
  /** Someone resets the bot's token. */
  'revoke-token': {},
} as const;

export type FaultName = keyof typeof FAULTS;

/** Those that strike the servers or the world, and so no shard more than another. */
const FAULTS_WITHOUT_SHARD: ReadonlySet<FaultName> = new Set<FaultName>([
  'burst',
  'kill-main-host',
  'revive-main-host',
  'kill-resume-host',
  'revive-resume-host',
  'heartbeat-interval',
  'late-ready',
  'stall-resume',
  'break-resume',
  'max-concurrency',
  'revoke-token',
]);

/** zod types an empty object as one whose every key is never, which nothing could be added to. */
type Parameters<Name extends FaultName> = keyof (typeof FAULTS)[Name] extends never
  ? unknown
  : z.infer<z.ZodObject<(typeof FAULTS)[Name]>>;

/** Something to strike now. */
export type Fault = {
  [Name in FaultName]: { readonly fault: Name; readonly shard?: number | undefined } & Readonly<
    Parameters<Name>
  >;
}[FaultName];

export type TimedFault = Fault & { readonly atMs: number };
export type Scenario = readonly TimedFault[];

/** Reads the text of a scenario file. */
export function readScenario(text: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = messageOf(error);
    throw new ConfigurationError(`scenario: not JSON: ${why}`);
  }
  return parseScenario(value);
}

/** Checks a scenario; faults come out in the order of their times. */
export function parseScenario(value: unknown): Scenario {
  if (!Array.isArray(value)) {
    throw new ConfigurationError(`scenario: ${show(value)} is not allowed; a list of faults is`);
  }
  if (value.length > SIMULATOR_FAULTS_MAX) {
    throw new ConfigurationError(
      `scenario: ${value.length} faults; at most ${SIMULATOR_FAULTS_MAX} are allowed`,
    );
  }
  const faults = value.map((item: unknown, index) => parseFault(item, index));
  return faults.sort((left, right) => left.atMs - right.atMs);
}

function parseFault(item: unknown, index: number): TimedFault {
  const place = `scenario, fault ${index + 1}`;
  const name: unknown = typeof item === 'object' && item !== null && Reflect.get(item, 'fault');
  if (typeof name !== 'string' || !isFaultName(name)) throw unknownFault(place, name);
  const shard = FAULTS_WITHOUT_SHARD.has(name) ? {} : { shard: z.int().min(0).optional() };
  const shape = { fault: z.literal(name), atMs: milliseconds, ...shard, ...FAULTS[name] };
  const result = z.strictObject(shape).safeParse(item);
  // The schema was put together for this very name, which the compiler cannot follow.
  if (result.success) return result.data as unknown as TimedFault;
  const issue = result.error.issues[0];
  if (issue === undefined || issue.code === 'unrecognized_keys') {
    const keys = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : '';
    const allowed = Object.keys(shape).join(', ');
    throw new ConfigurationError(`${place} (${name}): unknown key ${keys}; allowed are ${allowed}`);
  }
  const key = issue.path.join('.');
  const found: unknown = Reflect.get(Object(item), key);
  const value = found === undefined ? 'is missing' : `${show(found)} is not allowed`;
  throw new ConfigurationError(`${place} (${name}): ${key}: ${value}: ${issue.message}`);
}

function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

function unknownFault(place: string, name: unknown): ConfigurationError {
  const names = Object.keys(FAULTS);
  const near = typeof name === 'string' ? suggest(name, names) : undefined;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  const given =
    name === undefined || name === false ? 'is missing' : `${show(name)} is not a fault`;
  return new ConfigurationError(`${place}: fault: ${given}${hint} Allowed are ${names.join(', ')}`);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** What a random scenario draws from; the likelier the more often it stands here. */
const RANDOM_FAULTS: readonly ((draw: Draw) => Fault)[] = [
  () => ({ fault: 'drop' }),
  () => ({ fault: 'drop' }),
  () => ({ fault: 'truncate' }),
  () => ({ fault: 'half-open' }),
  (draw) => ({ fault: 'close', code: draw.of([4000, 4000, 4009, 1000, 1001, 1011]) }),
  () => ({ fault: 'session-timeout' }),
  () => ({ fault: 'expire' }),
  (draw) => ({ fault: 'slow', delayMs: draw.upTo(3_000), durationMs: draw.upTo(30_000) }),
  (draw) => ({ fault: 'mute', durationMs: draw.upTo(120_000) }),
  (draw) => ({ fault: 'no-acks', durationMs: draw.upTo(120_000) }),
  (draw) => ({ fault: 'reconnect', closeAfterMs: draw.upTo(10_000) }),
  (draw) => ({ fault: 'invalid', resumable: draw.of([true, false]) }),
  () => ({ fault: 'heartbeat-request' }),
  (draw) => ({ fault: 'key-order', durationMs: draw.upTo(30_000) }),
  (draw) => ({ fault: 'split', pieces: 2 + draw.upTo(5), messages: 1 + draw.upTo(5) }),
  (draw) => ({ fault: 'garbage', kind: draw.of(['bytes', 'json']) }),
  () => ({ fault: 'unknown-opcode' }),
  () => ({ fault: 'unknown-event' }),
  () => ({ fault: 'repeat' }),
  (draw) => ({ fault: 'huge-guild', bytes: 1 + draw.upTo(512 * 1024) }),
  (draw) => ({ fault: 'guild-outage', durationMs: draw.upTo(20_000) }),
  (draw) => ({ fault: 'burst', events: 1 + draw.upTo(100) }),
  (draw) => ({ fault: 'kill-resume-host', ...brokenHost(draw) }),
  (draw) => ({ fault: 'kill-main-host', ...brokenHost(draw) }),
  (draw) => ({ fault: 'stall-resume', resumes: 1 + draw.upTo(2) }),
  (draw) => ({ fault: 'break-resume', durationMs: draw.upTo(90_000) }),
  (draw) => ({ fault: 'late-ready', delayMs: draw.upTo(20_000) }),
];

type Draw = {
  readonly of: <Item>(items: readonly Item[]) => Item;
  /** An integer below `limit`. */
  readonly upTo: (limit: number) => number;
};

function brokenHost(draw: Draw): { mode: z.infer<typeof brokenModes>; connections: number } {
  const mode = draw.of(brokenModes.options);
  return { mode, connections: 1 + draw.upTo(4) };
}

const MINUTE_MS = 60_000;

/**
 * A scenario from a seed: equal arguments give equal scenarios. At `durationMs` everything that
 * stays broken is mended, so that a client that behaves is well again some time after it.
 *
 * @param intensity faults a minute, on average
 * @param shardCount faults strike shards below this; some strike all of them
 */
export function randomScenario(
  seed: number,
  durationMs: number,
  intensity: number,
  shardCount = 1,
): Scenario {
  const random = createRandom(seed);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  const of = <Item>(items: readonly Item[]): Item => {
    const item = items[upTo(items.length)];
    if (item === undefined) throw new RangeError('a draw from nothing');
    return item;
  };
  const draw: Draw = { of, upTo };
  const wanted = Math.round((durationMs / MINUTE_MS) * intensity);
  const faults: TimedFault[] = [];
  for (let index = 0; index < Math.min(wanted, SIMULATOR_FAULTS_MAX - MENDING.length); index++) {
    const fault = draw.of(RANDOM_FAULTS)(draw);
    const atMs = upTo(durationMs);
    const strikesAll = FAULTS_WITHOUT_SHARD.has(fault.fault) || random() < 0.25;
    faults.push(strikesAll ? { ...fault, atMs } : { ...fault, atMs, shard: upTo(shardCount) });
  }
  for (const fault of MENDING) faults.push({ ...fault, atMs: durationMs });
  return faults.sort((left, right) => left.atMs - right.atMs);
}

const MENDING: readonly Fault[] = [
  { fault: 'revive-main-host' },
  { fault: 'revive-resume-host' },
  { fault: 'late-ready', delayMs: 0 },
  { fault: 'break-resume', durationMs: 0 },
  { fault: 'stall-resume', resumes: 0 },
  { fault: 'slow', delayMs: 0 },
  { fault: 'mute', durationMs: 0 },
  { fault: 'no-acks', durationMs: 0 },
];

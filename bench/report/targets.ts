/**
 * What the project wants of its figures, and whether this run has it: every word computed from the
 * samples.
 *
 * Where events are the matter, the judge is the steady rate, which is how they come from Discord:
 * one in a TCP segment. A ratio is always one of two rows of the same run.
 */
import { IDENTIFY_WINDOW_MS } from '../../protocols/limits.ts';
import type { FigureName } from '../figures.ts';
import { type FigureKind, IDLE_STARTED_AT_ONCE } from '../row.ts';
import { figure, type Result, significant, thousands } from './result.ts';

export type Target = {
  readonly subject: string;
  /** The figure that is judged, in its unit. */
  readonly value: number | undefined;
  readonly unit: string;
  readonly bound: number;
  readonly sense: 'at most' | 'at least';
  /** How the figure came about. */
  readonly note: string;
  /** Whose profile tells where the time goes, if it is missed; not every miss is one of time. */
  readonly profile?: {
    readonly label: string;
    readonly kind: Extract<FigureKind, 'full' | 'steady'>;
  };
};

export type Verdict = 'met' | 'missed' | 'not measured';

/** Idle shards are compared where the process itself weighs little. */
const IDLE_FEW = 100;
const IDLE_MANY = 1_000;
const KIBIBYTE = 1_024;

export function verdict({ value, bound, sense }: Target): Verdict {
  if (value === undefined || !Number.isFinite(value)) return 'not measured';
  return (sense === 'at most' ? value <= bound : value >= bound) ? 'met' : 'missed';
}

/** One sentence: met or missed, and by how much. */
export function sentence(target: Target): string {
  const { value, bound, unit, sense } = target;
  const wanted = `${sense} ${show(bound, unit)}`;
  const found = verdict(target);
  if (found === 'not measured' || value === undefined) return `not measured; wanted ${wanted}`;
  if (found === 'met') return `met: ${show(value, unit)}, ${wanted}`;
  const share = bound === 0 ? '' : ` (${significant((100 * Math.abs(value - bound)) / bound)} %)`;
  const by = show(Math.abs(value - bound), unit) + share;
  return `missed by ${by}: ${show(value, unit)}, ${wanted}`;
}

function show(value: number, unit: string): string {
  return `${significant(value)} ${unit}`;
}

export function targetsOf(results: readonly Result[]): readonly Target[] {
  const of = (label: string, name: FigureName) => figure(results, label, name);
  return [
    ...['none', 'zlib-stream', 'zstd-stream'].map((compression) => overReceiving(of, compression)),
    underPeers(of, 'none', 5),
    underPeers(of, 'zlib-stream', 8),
    ...confirmsAndPayload(of),
    ...parts(of),
    ...proxies(of),
    ...idleShards(of),
    ...growth(of),
  ];
}

type Of = (label: string, name: FigureName) => number | undefined;

function ratio(upper: number | undefined, lower: number | undefined): number | undefined {
  return upper === undefined || lower === undefined ? undefined : upper / lower;
}

function difference(more: number | undefined, less: number | undefined): number | undefined {
  return more === undefined || less === undefined ? undefined : more - less;
}

function overReceiving(of: Of, compression: string): Target {
  const label = `gateway redis ${compression}`;
  const full = ratio(of(label, 'fullMicros'), of(`receive ${compression}`, 'fullMicros'));
  return {
    subject: `socket to Redis, ${compression}, over receiving alone`,
    value: ratio(of(label, 'steadyMicros'), of(`receive ${compression}`, 'steadyMicros')),
    unit: '×',
    bound: 1.5,
    sense: 'at most',
    note: `at the steady rate, one event in a segment${said('; at full speed', full, '×')}`,
    profile: { label, kind: 'steady' },
  };
}

function underPeers(of: Of, compression: string, bound: number): Target {
  const label = `gateway redis ${compression}`;
  const peer = `@discordjs/ws + @discordjs/brokers ${compression}`;
  const steady = of(peer, 'steadyMicros');
  const full = ratio(of(peer, 'fullMicros'), of(label, 'fullMicros'));
  const atFull = said('; both at full speed', full, '×');
  return {
    subject: `@discordjs/ws with @discordjs/brokers, ${compression}, over socket to Redis`,
    value: ratio(steady ?? of(peer, 'fullMicros'), of(label, 'steadyMicros')),
    unit: '×',
    bound,
    sense: 'at least',
    note:
      steady === undefined
        ? `they do not keep up with the steady rate: theirs at full speed, where an event costs less, over ours at the steady rate${atFull}`
        : `at the steady rate${atFull}`,
    profile: { label, kind: 'steady' },
  };
}

function confirmsAndPayload(of: Of): readonly Target[] {
  const [amqp, floor] = ['gateway amqp none', 'receive none'];
  const [map, json] = ['gateway redis none map', 'gateway redis none'];
  const steady = ratio(of(map, 'steadyMicros'), of(json, 'steadyMicros'));
  return [
    {
      subject: 'socket to RabbitMQ with confirms, above receiving alone',
      value: difference(of(amqp, 'steadyMicros'), of(floor, 'steadyMicros')),
      unit: 'µs',
      bound: 10,
      sense: 'at most',
      note: 'at the steady rate',
      profile: { label: amqp, kind: 'steady' },
    },
    {
      subject: 'payload map over json, socket to Redis',
      value: ratio(of(map, 'fullMicros'), of(json, 'fullMicros')),
      unit: '×',
      bound: 2,
      sense: 'at most',
      note: `at full speed, which shows it most${said('; at the steady rate', steady, '×')}`,
      profile: { label: map, kind: 'full' },
    },
    {
      subject: 'JSON.parse and msgpackr over our transcoder',
      value: ratio(of('parse and msgpackr', 'fullMicros'), of('transcoder', 'fullMicros')),
      unit: '×',
      bound: 1,
      sense: 'at least',
      note: 'the data of the same events, without a socket',
      profile: { label: 'transcoder', kind: 'full' },
    },
  ];
}

function parts(of: Of): readonly Target[] {
  const bytes = of('frame scanner', 'heapBytes');
  return [
    {
      subject: 'scanner, 1 KB events a second',
      value: of('frame scanner', 'fullPerSecond'),
      unit: '/s',
      bound: 1e6,
      sense: 'at least',
      note: 'one thread',
      profile: { label: 'frame scanner', kind: 'full' },
    },
    {
      subject: 'scanner, bytes allocated for an event',
      // Nothing that is allocated for each event takes so little: it is what the measurement leaves
      // behind.
      value: bytes === undefined ? undefined : Math.max(0, Math.round(bytes * 10) / 10),
      unit: 'B',
      bound: 0,
      sense: 'at most',
      note: 'to a tenth of a byte',
    },
  ];
}

function proxies(of: Of): readonly Target[] {
  const [ours, theirs, direct, plain] = [
    'proxy http',
    '@discordjs/proxy',
    'direct',
    'plain forwarder',
  ];
  const profile = { label: ours, kind: 'full' } as const;
  const rates = (upper: string, lower: string) =>
    ratio(of(upper, 'fullPerSecond'), of(lower, 'fullPerSecond'));
  const percent = (upper: string, lower: string) => percentOf(rates(upper, lower));
  const added = (name: FigureName) => difference(of(ours, name), of(direct, name));
  const at = of(ours, 'halfPerSecond');
  const reads = said('; channels read instead', rates(`${ours} GET`, `${theirs} GET`), '×');
  const readsDirect = said('; channels read instead', percent(`${ours} GET`, `${direct} GET`), '%');
  const least = said('; of a plain forwarder in the same place', percent(plain, direct), '%');
  return [
    {
      subject: 'proxy, requests a second over @discordjs/proxy',
      value: rates(ours, theirs),
      unit: '×',
      bound: 10,
      sense: 'at least',
      note: `200 channels, 32 callers, messages created${reads}`,
      profile,
    },
    {
      subject: 'proxy, requests a second of those that go direct',
      value: percent(ours, direct),
      unit: '%',
      bound: 60,
      sense: 'at least',
      note: `the same; callers, proxy and upstream share the processors of this machine${least}${readsDirect}`,
      profile,
    },
    {
      subject: 'proxy, p99 added',
      value: added('fullP99Ms'),
      unit: 'ms',
      bound: 3,
      sense: 'at most',
      note: `200 channels, 32 callers that never pause${at === undefined ? '' : said(`; at ${significant(at)}/s`, added('halfP99Ms'), 'ms')}`,
      profile,
    },
  ];
}

function percentOf(share: number | undefined): number | undefined {
  return share === undefined ? undefined : 100 * share;
}

/** A further figure beside the one that is judged; nothing where there is none. */
function said(what: string, value: number | undefined, unit: string): string {
  return value === undefined ? '' : `${what} ${show(value, unit)}`;
}

function idleShards(of: Of): readonly Target[] {
  const memory = (compression: string): Target => {
    const grown = (name: FigureName) => {
      const few = of(`idle ${IDLE_FEW} ${compression}`, name);
      const bytes = difference(of(`idle ${IDLE_MANY} ${compression}`, name), few);
      return bytes && bytes / (IDLE_MANY - IDLE_FEW) / KIBIBYTE;
    };
    const heap = grown('collectedHeapBytes');
    return {
      subject: `an idle shard, ${compression}`,
      value: grown('residentBytes'),
      unit: 'KiB',
      bound: 60,
      sense: 'at most',
      note: `resident memory, ${IDLE_FEW} to ${IDLE_MANY} shards${said('; of it JavaScript heap', heap, 'KiB')}`,
    };
  };
  const windows = Math.ceil(IDLE_MANY / IDLE_STARTED_AT_ONCE) - 1;
  return [
    ...['none', 'zlib-stream', 'zstd-stream'].map(memory),
    {
      subject: `${thousands(IDLE_MANY)} shards started, over what ${IDLE_STARTED_AT_ONCE} permits each ${IDENTIFY_WINDOW_MS / 1_000} s allow`,
      value: ratio(of(`idle ${IDLE_MANY} none`, 'identifySpanMs'), windows * IDENTIFY_WINDOW_MS),
      unit: '×',
      bound: 1.1,
      sense: 'at most',
      note: 'from the first IDENTIFY to the last, as the source saw them; a tenth is left for margins',
    },
  ];
}

function growth(of: Of): readonly Target[] {
  const grown = (upper: number | undefined, lower: number | undefined) => {
    const times = ratio(upper, lower);
    return times === undefined ? undefined : 100 * (times - 1);
  };
  const [one, many] = ['gateway 1 shards', 'gateway 256 shards'];
  const [few, crowd] = ['buckets 10', 'buckets 100000'];
  const shared = { unit: '%', bound: 15, sense: 'at most' } as const;
  const before = of(crowd, 'warmUpEvents');
  const floor = grown(
    of('receive 256 shards', 'steadyMicros'),
    of('receive 1 shards', 'steadyMicros'),
  );
  // Where a request takes too long for it, not every bucket has been used before.
  const used = before === undefined ? '' : `; measured after ${thousands(before)} of them`;
  return [
    {
      ...shared,
      subject: 'growth of the cost of an event, 1 to 256 shards',
      value: grown(of(many, 'steadyMicros'), of(one, 'steadyMicros')),
      note: `socket to Redis, at the same rate over all shards together${said('; of receiving alone', floor, '%')}`,
      profile: { label: many, kind: 'steady' },
    },
    {
      ...shared,
      subject: 'growth of the cost of a request, 10 to 100,000 buckets',
      value: grown(of(crowd, 'fullMicros'), of(few, 'fullMicros')),
      note: `processor time of the proxy, channels in turn${used}`,
      profile: { label: crowd, kind: 'full' },
    },
  ];
}

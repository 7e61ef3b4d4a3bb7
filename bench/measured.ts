/**
 * The process that is measured: it sets up one row, and then runs it as often as it is told to.
 *
 * Processor time is that of the whole process: its threads, its garbage collector and its compiler.
 * Before each run the heap is collected, so that no run pays for the one before it.
 *
 * Heap bytes are the growth of the heap over a run during which the collector did nothing, as it
 * says itself; if it did something, the run is repeated with fewer events. What a run of few events
 * takes is subtracted, since starting and ending a run takes something too.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { serve, tellParent } from './processes.ts';
import type { Addresses, Work } from './row.ts';
import { loadRow, type RowFileName } from './rows/index.ts';

export type MeasuredOrder =
  | {
      readonly kind: 'setup';
      readonly file: RowFileName;
      readonly row: string;
      readonly addresses: Addresses;
    }
  /** Answers with a `Run`; with `profile` it is profiled too, into a file of that name. */
  | {
      readonly kind: 'run';
      readonly events: number;
      readonly perSecond?: number;
      readonly profile?: string;
    }
  /** What was asked of the feed by the last `PlayNote` is sent. */
  | { readonly kind: 'played' }
  /** Answers with a `Heap`. */
  | { readonly kind: 'heap'; readonly events: number }
  /** Answers with a `Memory`. */
  | { readonly kind: 'memory' }
  /** Answers with the `ArrivalReport` of a row where events arrive in this process. */
  | { readonly kind: 'arrivals' }
  | { readonly kind: 'stop' };

/** The answer to a setup. */
export type Ready = {
  /** `HOST:PORT`, where the row takes requests. */
  readonly address: string | undefined;
};
export type Run = { readonly processorMs: number; readonly wallMs: number };
export type Heap = {
  /** Bytes for an event; undefined when the collector was never quiet. */
  readonly bytes: number | undefined;
  /** How many events it took to find out. */
  readonly events: number;
};
/** What the process holds after a collection. */
export type Memory = { readonly residentBytes: number; readonly heapBytes: number };
export type ArrivalReport = {
  readonly count: number;
  readonly duplicates: number;
  readonly times: Float64Array;
};
/** A note to the parent: the feed is to play. */
export type PlayNote = { readonly events: number; readonly perSecond: number | undefined };

const PROFILE_INTERVAL_MICROS = 200;
const HEAP_ATTEMPTS = 4;
const HEAP_RUNS = 3;
const HEAP_RETRY_SHARE = 0.1;
const HEAP_FEW_SHARE = 0.05;
/** What the collector has done is told some time after it did it. */
const COLLECTOR_NEWS_MS = 10;

/** More than both halves of the largest young generation that V8 makes by itself. */
const YOUNG_GENERATION_BYTES = 128 * 1024 * 1024;
const GARBAGE_BYTES = 8 * 1024;
const ELEMENT_BYTES = 8;

/** After a start things still settle; what they leave is collected again. */
const SETTLE_MS = 500;
const COLLECTIONS = 3;

let work: Work | undefined;
let played: () => void = () => undefined;

function present(): Work {
  if (work === undefined) throw new Error('no row is set up');
  return work;
}

async function run(events: number, perSecond: number | undefined): Promise<Run> {
  const { arrivals } = present();
  if (arrivals !== undefined) arrivals.recording = perSecond !== undefined;
  global.gc?.();
  const startMs = performance.now();
  const before = process.cpuUsage();
  await present().run(events, perSecond);
  const { user, system } = process.cpuUsage(before);
  return { processorMs: (user + system) / 1_000, wallMs: performance.now() - startMs };
}

function play(events: number, perSecond: number | undefined): Promise<void> {
  tellParent({ events, perSecond } satisfies PlayNote);
  return new Promise((resolve) => {
    played = resolve;
  });
}

async function setup(order: Extract<MeasuredOrder, { kind: 'setup' }>): Promise<Ready> {
  const row = await loadRow(order.file, order.row);
  work = await row.setup({ addresses: order.addresses, play });
  return { address: work.address };
}

async function profiled<Value>(file: string, work: () => Promise<Value>): Promise<Value> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: PROFILE_INTERVAL_MICROS });
  await session.post('Profiler.start');
  const value = await work();
  const { profile } = await session.post('Profiler.stop');
  writeFileSync(file, JSON.stringify(profile));
  session.disconnect();
  return value;
}

async function heap(events: number): Promise<Heap> {
  const { arrivals } = present();
  if (arrivals !== undefined) arrivals.recording = false;
  let total = 0;
  let count = events;
  for (let attempt = 0; attempt < HEAP_ATTEMPTS; attempt++) {
    const few = Math.ceil(count * HEAP_FEW_SHARE);
    const base = await leastGrowth(few);
    const growth = await leastGrowth(count);
    total += HEAP_RUNS * (few + count);
    if (Number.isFinite(growth)) return { bytes: (growth - base) / (count - few), events: total };
    count = Math.ceil(count * HEAP_RETRY_SHARE);
  }
  return { bytes: undefined, events: total };
}

/** Of several runs, since whatever else the process does can only add to what a run takes. */
async function leastGrowth(events: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < HEAP_RUNS; run++) {
    least = Math.min(least, (await heapGrowth(events)) ?? Number.POSITIVE_INFINITY);
  }
  return least;
}

/** Undefined when the collector was at work. */
async function heapGrowth(events: number): Promise<number | undefined> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  global.gc?.();
  await sleep(COLLECTOR_NEWS_MS);
  observer.observe({ entryTypes: ['gc'] });
  try {
    const before = getHeapStatistics().used_heap_size;
    await present().run(events);
    const growth = getHeapStatistics().used_heap_size - before;
    await sleep(COLLECTOR_NEWS_MS);
    return collections === 0 ? growth : undefined;
  } finally {
    observer.disconnect();
  }
}

async function memory(): Promise<Memory> {
  touchYoungGeneration();
  for (let collection = 0; collection < COLLECTIONS; collection++) {
    await sleep(SETTLE_MS);
    global.gc?.();
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed };
}

/**
 * V8 keeps the pages of the young generation once they have been used, and of those a start with
 * few shards uses fewer. They are the process's and no shard's, so all of them are used first.
 */
function touchYoungGeneration(): void {
  for (let bytes = 0; bytes < YOUNG_GENERATION_BYTES; bytes += GARBAGE_BYTES) {
    new Array(GARBAGE_BYTES / ELEMENT_BYTES).fill(0);
  }
}

function arrivals(): ArrivalReport {
  const noted = present().arrivals;
  if (noted === undefined) throw new Error('events of this row do not arrive in its own process');
  return { count: noted.count, duplicates: noted.duplicates, times: noted.times() };
}

serve<MeasuredOrder>(async (order) => {
  switch (order.kind) {
    case 'setup':
      return setup(order);
    case 'run':
      return order.profile === undefined
        ? run(order.events, order.perSecond)
        : profiled(order.profile, () => run(order.events, order.perSecond));
    case 'played':
      return played();
    case 'heap':
      return heap(order.events);
    case 'memory':
      return memory();
    case 'arrivals':
      return arrivals();
    case 'stop':
      return present().stop();
  }
});

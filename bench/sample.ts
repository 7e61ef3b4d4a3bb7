/**
 * Takes one sample of one row: starts its processes, runs it, counts what arrived, and ends it.
 *
 * A sample is good only if every event was done exactly once: the row itself has counted its
 * confirms, and whoever feeds it every arrival. Otherwise it throws, and with it the whole run: a
 * wrong result is not a figure. A row that cannot keep up with a rate has no figures for it.
 */
import type { Driver } from './feeds/driver.ts';
import { EventDriver } from './feeds/events.ts';
import { RequestDriver } from './feeds/requests.ts';
import { type FigureName, type Figures, percentile } from './figures.ts';
import type {
  ArrivalReport,
  Heap,
  MeasuredOrder,
  Memory,
  PlayNote,
  Ready,
  Run,
} from './measured.ts';
import { type Effort, effortOf, type Plan } from './plan.ts';
import { Child } from './processes.ts';
import type { Addresses } from './row.ts';
import type { ListedRow } from './rows/index.ts';
import { FRAME_BYTES } from './source/messages.ts';
import type { SourceOrder } from './source/source.ts';

export type Stage = {
  readonly addresses: Addresses;
  readonly source: Child<SourceOrder>;
  readonly plan: Plan;
  /** The compiled `measured.js`: ours, or that of another working tree. */
  readonly script: string;
  /** A file: where the profile of the measured runs, that of a warm-up excepted, is written. */
  readonly profile?: string;
};

/** A steady run that takes this much longer than planned was not steady. */
const STEADY_TOLERANCE = 1.25;
/** How often the heap's events are run through, repeated with fewer of them included. */
const HEAP_FACTOR = 5;
/** A broker keeps what a sample publishes; that should not be more. */
const FULL_MAX_BYTES = 640 * 1024 * 1024;

type Latencies = readonly [p50: FigureName, p99: FigureName, p999: FigureName];

export async function takeSample(row: ListedRow, stage: Stage): Promise<Figures> {
  const sample = new Sample(row, stage);
  try {
    return await sample.take();
  } finally {
    await sample.end();
  }
}

class Sample {
  readonly #row: ListedRow;
  readonly #stage: Stage;
  readonly #effort: Effort;
  readonly #measured: Child<MeasuredOrder, PlayNote>;
  readonly #driver: Driver | undefined;
  readonly #figures: Figures = {};
  /** Events so far. */
  #events = 0;
  readonly #playFailed: Promise<never>;
  #failPlay: (error: unknown) => void = () => undefined;

  constructor(row: ListedRow, stage: Stage) {
    this.#row = row;
    this.#stage = stage;
    this.#effort = effortOf(row, stage.plan);
    this.#playFailed = new Promise((_, reject) => {
      this.#failPlay = reject;
    });
    // Whoever waits for a run is told; that nobody waits is no failure of its own.
    this.#playFailed.catch(() => undefined);
    this.#measured = new Child(row.name, stage.script, {
      execArgv: ['--expose-gc'],
      onNote: (note) => void this.#play(note),
    });
    this.#driver = this.#createDriver();
  }

  async take(): Promise<Figures> {
    const { file, name, figures } = this.#row;
    await this.#driver?.begin();
    const addresses = {
      ...this.#stage.addresses,
      ...(this.#driver instanceof RequestDriver && { upstream: this.#driver.upstream }),
    };
    const order = { kind: 'setup', file, row: name, addresses } as const;
    const { address } = (await this.#measured.ask<Ready | undefined>(order)) ?? {};
    await this.#driver?.target(address);
    if (figures.includes('idle')) await this.#idle();
    else await this.#work();
    await this.#driver?.latencies(this.#events, false);
    await this.#driver?.check();
    await this.#measured.ask({ kind: 'stop' });
    return this.#figures;
  }

  async end(): Promise<void> {
    await this.#driver?.end();
    await this.#measured.end();
  }

  #createDriver(): Driver | undefined {
    const { feed } = this.#row;
    if (feed === undefined) return undefined;
    if (feed.kind === 'requests') return new RequestDriver(feed);
    const ownArrivals = () => this.#measured.ask<ArrivalReport>({ kind: 'arrivals' });
    return new EventDriver(this.#row, feed, { ...this.#stage, ownArrivals });
  }

  async #play({ events, perSecond }: PlayNote): Promise<void> {
    try {
      await this.#driver?.play(events, perSecond);
      await this.#measured.ask({ kind: 'played' });
    } catch (error) {
      this.#failPlay(error);
    }
  }

  async #work(): Promise<void> {
    const { figures } = this.#row;
    const rate = await this.#warmUp();
    if (figures.includes('full')) await this.#full(rate);
    if (figures.includes('steady')) await this.#steady();
    if (figures.includes('half') && this.#effort.halfMs > 0) await this.#half();
    if (figures.includes('heap')) await this.#heap();
  }

  /** @returns events a second, roughly: those of the second half */
  async #warmUp(): Promise<number> {
    const { feed } = this.#row;
    const { warmUpEvents, warmUpParts, warmUpMaxMs } = this.#effort;
    // Each channel has had a request: what is measured is not its first.
    const least = feed?.kind === 'requests' ? feed.channels : 0;
    const events = Math.ceil(Math.max(warmUpEvents * this.#share(), least) / warmUpParts);
    const endMs = performance.now() + warmUpMaxMs;
    const partsMs: number[] = [];
    while (partsMs.length < warmUpParts && (partsMs.length < 2 || performance.now() < endMs)) {
      partsMs.push((await this.#run(events)).wallMs);
    }
    this.#figures.warmUpEvents = events * partsMs.length;
    const late = partsMs.slice(partsMs.length >> 1);
    const lateMs = late.reduce((sum, partMs) => sum + partMs, 0);
    return (events * late.length * 1_000) / lateMs;
  }

  async #full(rate: number): Promise<void> {
    const wanted = Math.ceil((rate * this.#effort.fullMs) / 1_000);
    const events = Math.min(wanted, this.#left());
    const { processorMs, wallMs } = await this.#run(events, undefined, this.#stage.profile);
    this.#figures.fullMicros = (processorMs * 1_000) / events;
    this.#figures.fullPerSecond = (events / wallMs) * 1_000;
    // What is confirmed need not have arrived: nothing of it is left for the next run.
    await this.#latency(['fullP50Ms', 'fullP99Ms', 'fullP999Ms'], false);
  }

  async #steady(): Promise<void> {
    const { steadyPerSecond, steadyMs } = this.#effort;
    const events = Math.ceil((steadyPerSecond * steadyMs) / 1_000);
    const { processorMs, wallMs } = await this.#run(events, steadyPerSecond, this.#stage.profile);
    if (!isSteady(events, steadyPerSecond, wallMs)) return;
    this.#figures.steadyMicros = (processorMs * 1_000) / events;
    await this.#latency(['steadyP50Ms', 'steadyP99Ms', 'steadyP999Ms'], true);
  }

  async #half(): Promise<void> {
    const { halfMs, halfEventsMax, halfPerSecond } = this.#effort;
    const perSecond = halfPerSecond ?? Math.floor((this.#figures.fullPerSecond ?? 0) / 2);
    const events = Math.min(Math.ceil((perSecond * halfMs) / 1_000), halfEventsMax);
    const { wallMs } = await this.#run(events, perSecond);
    if (!isSteady(events, perSecond, wallMs)) return;
    this.#figures.halfPerSecond = perSecond;
    await this.#latency(['halfP50Ms', 'halfP99Ms', 'halfP999Ms'], true);
  }

  async #heap(): Promise<void> {
    const heap = await this.#measured.ask<Heap>({
      kind: 'heap',
      events: this.#effort.heapEvents,
    });
    this.#events += heap.events;
    if (heap.bytes !== undefined) this.#figures.heapBytes = heap.bytes;
  }

  async #idle(): Promise<void> {
    const { residentBytes, heapBytes } = await this.#measured.ask<Memory>({ kind: 'memory' });
    this.#figures.residentBytes = residentBytes;
    this.#figures.collectedHeapBytes = heapBytes;
    if (!(this.#driver instanceof EventDriver)) return;
    const { readyMs, identifySpanMs } = await this.#driver.starts();
    this.#figures.startMs = readyMs;
    this.#figures.identifySpanMs = identifySpanMs;
  }

  async #run(events: number, perSecond?: number, profile?: string): Promise<Run> {
    const order: MeasuredOrder = {
      kind: 'run',
      events,
      ...(perSecond !== undefined && { perSecond }),
      ...(profile !== undefined && { profile }),
    };
    const run = await Promise.race([this.#measured.ask<Run>(order), this.#playFailed]);
    this.#events += events;
    return run;
  }

  /** Over the events of the last run. */
  async #latency([p50, p99, p999]: Latencies, wasSteady: boolean): Promise<void> {
    const latencies = await this.#driver?.latencies(this.#events, wasSteady);
    if (latencies === undefined) return;
    this.#figures[p50] = percentile(latencies, 0.5);
    this.#figures[p99] = percentile(latencies, 0.99);
    this.#figures[p999] = percentile(latencies, 0.999);
  }

  /** Fewer events where each is larger than usual. */
  #share(): number {
    const { feed } = this.#row;
    return feed?.kind === 'events' ? Math.min(1, FRAME_BYTES / feed.frameBytes) : 1;
  }

  /** How many events may still be run at full speed. */
  #left(): number {
    const { feed } = this.#row;
    if (feed?.kind !== 'events') return Number.POSITIVE_INFINITY;
    if (feed.compression === 'none') return Math.floor(FULL_MAX_BYTES / feed.frameBytes);
    const { steadyPerSecond, steadyMs, halfEventsMax, heapEvents } = this.#effort;
    const steady = Math.ceil((steadyPerSecond * steadyMs) / 1_000);
    const reserved = steady + halfEventsMax + HEAP_FACTOR * heapEvents;
    return this.#stage.plan.streamEvents - this.#events - reserved;
  }
}

function isSteady(events: number, perSecond: number, wallMs: number): boolean {
  return wallMs <= (STEADY_TOLERANCE * events * 1_000) / perSecond;
}

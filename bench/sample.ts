/**
 * Takes one sample of one row: starts its processes, runs it, counts what arrived, and ends it.
 *
 * A sample is good only if every event was done exactly once: the row itself has counted its confirms,
 * the receiver every arrival, and the source heard nothing that it did not expect. Otherwise it throws,
 * and with it the whole run: a wrong result is not a figure. A row that cannot keep up with the steady rate
 * has no figures for it.
 */
import { fileURLToPath } from 'node:url';
import { type FigureName, type Figures, percentile } from './figures.ts';
import type { ArrivalReport, Heap, MeasuredOrder, PlayNote, Run } from './measured.ts';
import { Child } from './processes.ts';
import type { ReceiverOrder } from './receiver.ts';
import type { Addresses } from './row.ts';
import type { ListedRow } from './rows/index.ts';
import type { SentTimes, SourceOrder } from './source/source.ts';

/** How much is measured, and for how long. */
export type Plan = {
  readonly rounds: number;
  readonly warmUpEvents: number;
  /** How long a run at full speed takes, more or less. */
  readonly fullMs: number;
  readonly steadyPerSecond: number;
  readonly steadyMs: number;
  /** 0 leaves it out. */
  readonly halfMs: number;
  readonly halfEventsMax: number;
  readonly heapEvents: number;
  /** How many compressed events are made. */
  readonly streamEvents: number;
};

export type Stage = {
  readonly addresses: Addresses;
  readonly source: Child<SourceOrder>;
  readonly plan: Plan;
  /** The compiled `measured.js`: ours, or that of another working tree. */
  readonly script: string;
  /** A file: where the profile of the measured runs, that of a warm-up excepted, is written. */
  readonly profile?: string;
};

const RECEIVER = fileURLToPath(new URL('receiver.js', import.meta.url));
/** A part takes a microsecond at most: it needs more events to be warm, and to show what it allocates. */
const PART_FACTOR = 100;
const PART_HEAP_FACTOR = 200;
/** A steady run that takes this much longer than planned was not steady. */
const STEADY_TOLERANCE = 1.25;
/** How often the heap's events are run through, repeated with fewer of them included. */
const HEAP_FACTOR = 5;
const NANOSECONDS_PER_MS = 1e6;

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
  readonly #measured: Child<MeasuredOrder, PlayNote>;
  #receiver: Child<ReceiverOrder> | undefined;
  readonly #figures: Figures = {};
  /** Events so far. */
  #events = 0;
  #playFailure: unknown;

  constructor(row: ListedRow, stage: Stage) {
    this.#row = row;
    this.#stage = stage;
    this.#measured = new Child(row.name, stage.script, {
      execArgv: ['--expose-gc'],
      onNote: (note) => {
        stage.source.ask({ kind: 'play', ...note }).catch((error: unknown) => {
          this.#playFailure = error;
        });
      },
    });
    if (row.receiver !== undefined && row.receiver !== 'itself') {
      this.#receiver = new Child(`the receiver of ${row.name}`, RECEIVER);
    }
  }

  async take(): Promise<Figures> {
    const { file, name, figures } = this.#row;
    const { addresses, plan } = this.#stage;
    await this.#openReceiver();
    await this.#measured.ask({ kind: 'setup', file, row: name, addresses });
    const rate = await this.#warmUp();
    if (figures.includes('full')) await this.#full(rate);
    if (figures.includes('steady')) await this.#steady();
    if (figures.includes('half') && plan.halfMs > 0) await this.#half();
    if (figures.includes('heap')) await this.#heap();
    await this.#check();
    await this.#measured.ask({ kind: 'stop' });
    return this.#figures;
  }

  async end(): Promise<void> {
    await this.#receiver?.ask({ kind: 'close' }).catch(() => this.#receiver?.kill());
    await Promise.all([this.#receiver?.end(), this.#measured.end()]);
  }

  async #openReceiver(): Promise<void> {
    const { name, receiver: broker } = this.#row;
    if (broker === undefined || broker === 'itself') return;
    const url = this.#stage.addresses[broker];
    if (url === undefined) throw new Error(`${name} has no server`);
    await this.#receiver?.ask({ kind: 'open', broker, url });
  }

  /** @returns events a second, roughly */
  async #warmUp(): Promise<number> {
    const factor = this.#row.compression === undefined ? PART_FACTOR : 1;
    const half = Math.ceil((this.#stage.plan.warmUpEvents * factor) / 2);
    await this.#run(half);
    const { wallMs } = await this.#run(half);
    return (half / wallMs) * 1_000;
  }

  async #full(rate: number): Promise<void> {
    const { plan } = this.#stage;
    const wanted = Math.ceil((rate * plan.fullMs) / 1_000);
    const events = Math.min(wanted, this.#left());
    const { processorMs, wallMs } = await this.#run(events, undefined, this.#stage.profile);
    this.#figures.fullMicros = (processorMs * 1_000) / events;
    this.#figures.fullPerSecond = (events / wallMs) * 1_000;
    // What is confirmed need not have arrived: nothing of it is left for the next run.
    await this.#arrivals();
  }

  async #steady(): Promise<void> {
    const { steadyPerSecond, steadyMs } = this.#stage.plan;
    const events = Math.ceil((steadyPerSecond * steadyMs) / 1_000);
    const { processorMs, wallMs } = await this.#run(events, steadyPerSecond, this.#stage.profile);
    if (wallMs > steadyMs * STEADY_TOLERANCE) return;
    this.#figures.steadyMicros = (processorMs * 1_000) / events;
    await this.#latency('steadyP50Ms', 'steadyP99Ms', 'steadyP999Ms');
  }

  async #half(): Promise<void> {
    const { halfMs, halfEventsMax } = this.#stage.plan;
    const perSecond = Math.floor((this.#figures.fullPerSecond ?? 0) / 2);
    const events = Math.min(Math.ceil((perSecond * halfMs) / 1_000), halfEventsMax);
    await this.#run(events, perSecond);
    this.#figures.halfPerSecond = perSecond;
    await this.#latency('halfP50Ms', 'halfP99Ms', 'halfP999Ms');
  }

  async #heap(): Promise<void> {
    const factor = this.#row.compression === undefined ? PART_HEAP_FACTOR : 1;
    const events = this.#stage.plan.heapEvents * factor;
    const heap = await this.#measured.ask<Heap>({ kind: 'heap', events });
    this.#events += heap.events;
    if (heap.bytes !== undefined) this.#figures.heapBytes = heap.bytes;
  }

  async #run(events: number, perSecond?: number, profile?: string): Promise<Run> {
    const order: MeasuredOrder = {
      kind: 'run',
      events,
      ...(perSecond !== undefined && { perSecond }),
      ...(profile !== undefined && { profile }),
    };
    const run = await this.#measured.ask<Run>(order).catch((error: unknown) => {
      throw this.#playFailure ?? error;
    });
    this.#events += events;
    return run;
  }

  /** From the source's write to the arrival, over the events of the last run. */
  async #latency(...[p50, p99, p999]: readonly FigureName[]): Promise<void> {
    const arrivals = await this.#arrivals();
    if (arrivals === undefined) return;
    const { first, times } = await this.#stage.source.ask<SentTimes>({ kind: 'sent' });
    const latencies = times.map((sentAt, place) => {
      const arrivedAt = arrivals.times[first + place] ?? 0;
      if (arrivedAt === 0) throw new Error(`event ${first + place} did not arrive`);
      return (arrivedAt - sentAt) / NANOSECONDS_PER_MS;
    });
    latencies.sort();
    if (p50) this.#figures[p50] = percentile(latencies, 0.5);
    if (p99) this.#figures[p99] = percentile(latencies, 0.99);
    if (p999) this.#figures[p999] = percentile(latencies, 0.999);
  }

  async #arrivals(): Promise<ArrivalReport | undefined> {
    const { name, receiver } = this.#row;
    if (receiver === undefined) return undefined;
    const order = { kind: 'arrivals', events: this.#events } as const;
    const report = await (this.#receiver ?? this.#measured).ask<ArrivalReport>(order);
    // A row that receives by itself notes events at a steady rate only; it counts all of them.
    const expected = this.#receiver === undefined ? report.count : this.#events;
    if (report.count !== expected || report.duplicates > 0) {
      const { count, duplicates } = report;
      throw new Error(`${name}: of ${expected} events ${count} came, ${duplicates} more than once`);
    }
    return report;
  }

  async #check(): Promise<void> {
    await this.#arrivals();
    const troubles = await this.#stage.source.ask<readonly string[]>({ kind: 'troubles' });
    if (this.#playFailure !== undefined) throw this.#playFailure;
    if (troubles.length > 0) throw new Error(`${this.#row.name}: ${troubles.join('; ')}`);
  }

  /** How many events the stream has left for a run at full speed. */
  #left(): number {
    const { plan } = this.#stage;
    const { compression } = this.#row;
    if (compression === undefined || compression === 'none') return Number.POSITIVE_INFINITY;
    const steady = Math.ceil((plan.steadyPerSecond * plan.steadyMs) / 1_000);
    const reserved = steady + plan.halfEventsMax + HEAP_FACTOR * plan.heapEvents;
    return plan.streamEvents - this.#events - reserved;
  }
}

/**
 * What broker tests need again and again: an actor system, origins that remember, deliveries to
 * wait for.
 */
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker, Delivery, EventOrigin } from '../../protocols/broker.ts';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';
import { type BrokerConfig, createBroker } from '../../src/brokers/create-broker.ts';
import { createRandom } from '../../src/random.ts';
import { systemClock } from '../../src/system-clock.ts';
import { RecordingLog } from './recording-log.ts';

export type Bench = {
  readonly log: RecordingLog;
  readonly failures: Error[];
  open(config: BrokerConfig): Promise<Broker>;
  /** Stops everything that was opened. */
  stop(): Promise<void>;
};

let benches = 0;

export function createBench(): Bench {
  const log = new RecordingLog();
  const failures: Error[] = [];
  const clock = systemClock;
  const system = createActorSystem({
    name: `bench-${++benches}`,
    clock,
    random: createRandom(benches),
    log,
  });
  let opened = 0;
  return {
    log,
    failures,
    open: (config) =>
      createBroker(config, {
        system,
        clock,
        log,
        name: `broker-${++opened}`,
        onFailure: (error) => failures.push(error),
      }),
    stop: () => system.stop(),
  };
}

/** Waits until `condition` holds; the time given is for a machine that is busy, not a measure. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A session that remembers what became of its events. */
export class RecordingOrigin implements EventOrigin {
  readonly shard: number;
  readonly session: string;
  readonly confirmedSequences: number[] = [];
  readonly lostSequences: number[] = [];

  constructor(shard = 3, session = '9f2c4a') {
    this.shard = shard;
    this.session = session;
  }

  confirmed(sequence: number): void {
    this.confirmedSequences.push(sequence);
  }

  lost(sequence: number): void {
    this.lostSequences.push(sequence);
  }

  get settled(): number {
    return this.confirmedSequences.length + this.lostSequences.length;
  }
}

export function body(value: unknown): Uint8Array {
  return encodeBody(value);
}

/** A handler that keeps what it gets and settles it by `settle`. */
export class Inbox {
  readonly deliveries: Delivery[] = [];
  readonly #settle: (delivery: Delivery) => void;

  constructor(settle: (delivery: Delivery) => void = (delivery) => delivery.ack()) {
    this.#settle = settle;
  }

  readonly handler = (delivery: Delivery): void => {
    this.deliveries.push(delivery);
    this.#settle(delivery);
  };

  get values(): unknown[] {
    return this.deliveries.map((delivery) => decodeBody(delivery.body));
  }
}

const utf8 = new TextEncoder();

/**
 * Writes `value` as an event of `origin`; the source buffer is overwritten afterwards, as sockets
 * do.
 */
export function writeEvent(
  broker: Broker,
  event: string,
  value: unknown,
  origin: EventOrigin,
  sequence: number,
): boolean {
  const json = utf8.encode(JSON.stringify(value));
  const source = new Uint8Array(json.length + 20).fill(0x78);
  source.set(json, 10);
  const route = broker.writer.route(event);
  const taken = broker.writer.write(route, source, 10, 10 + json.length, origin, sequence);
  source.fill(0x21);
  return taken;
}

/** Links of the Redis driver without a broker around them, with what they say and count kept. */
import type { Link, LinkDriver } from '../../actors/channel/link.ts';
import type { Delivery } from '../../protocols/broker.ts';
import { CONSUMER_PREFETCH } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { payloadEncoder } from '../../protocols/wire/payload.ts';
import { type BrokerConfig, redisPlace } from '../../src/brokers/create-broker.ts';
import { type RedisSettings, redisDriver } from '../../src/brokers/redis.ts';
import type { RedisPlace } from '../../src/brokers/redis-connection.ts';
import type { RedisCount } from '../../src/brokers/redis-counts.ts';
import { parseRedisUrl } from '../../src/config/broker-urls.ts';
import { systemClock } from '../../src/system-clock.ts';
import { RecordingLog } from './recording-log.ts';

export function placeOf(url: string): RedisPlace {
  const parsed = parseRedisUrl(url);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return redisPlace(parsed.value);
}

export function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Sums of what was counted. */
export class Counts {
  readonly #sums = new Map<RedisCount, number>();

  readonly counter = (what: RedisCount, _event: string, count: number): void => {
    this.#sums.set(what, this.of(what) + count);
  };

  of(what: RedisCount): number {
    return this.#sums.get(what) ?? 0;
  }
}

/** The configuration of a broker whose counts are kept. */
export function countedConfig(
  url: string,
  group: string,
  counts: Counts,
  settings: RedisSettings = {},
): Extract<BrokerConfig, { type: 'redis' }> {
  return {
    type: 'redis',
    group,
    place: placeOf(url),
    retentionMs: 3_600_000,
    payload: 'json',
    settings: { ...settings, counter: counts.counter },
  };
}

export type LinkBenchOptions = RedisSettings & {
  readonly place: RedisPlace;
  readonly group: string;
  readonly consumer?: string;
  readonly retentionMs?: number;
  readonly prefetch?: number;
  readonly clock?: Clock;
  /** What is done with a delivery; it is acked unless given. */
  readonly handle?: (delivery: Delivery) => void;
};

/** One driver, as a broker has, and its links one after the other. */
export class LinkBench {
  readonly log = new RecordingLog();
  readonly counts = new Counts();
  readonly deliveries: Delivery[] = [];
  readonly reasons: unknown[] = [];
  readonly driver: LinkDriver;
  readonly #handle: (delivery: Delivery) => void;
  readonly #links: Link[] = [];

  constructor(options: LinkBenchOptions) {
    const { handle, clock = systemClock, ...rest } = options;
    this.#handle = handle ?? ((delivery) => delivery.ack());
    this.driver = redisDriver({
      consumer: 'tester',
      retentionMs: 0,
      prefetch: CONSUMER_PREFETCH,
      ...rest,
      counter: this.counts.counter,
      encoder: payloadEncoder('json'),
      clock,
      log: this.log,
    });
  }

  async open(): Promise<Link> {
    const nothing = () => undefined;
    const link = await this.driver.open(
      {
        confirms: { settle: nothing, settleOldest: nothing, settleThrough: nothing },
        lost: (reason) => this.reasons.push(reason),
        blocked: nothing,
        room: nothing,
        delivery: (delivery) => {
          this.deliveries.push(delivery);
          this.#handle(delivery);
        },
      },
      new AbortController().signal,
    );
    this.#links.push(link);
    return link;
  }

  get texts(): string[] {
    return this.deliveries.map(({ body }) => Buffer.from(body).toString());
  }

  stop(): void {
    for (const link of this.#links) link.destroy();
  }
}

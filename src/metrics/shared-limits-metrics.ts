/** The metrics of limits that several proxies share. */
import { Counter, type Registry } from 'prom-client';
import type { SharedStanding } from '../../protocols/shared-limits.ts';
import type { ExchangeResult } from '../proxy/limits/redis-limits.ts';
import { gaugesOf } from './standing.ts';

export class SharedLimitsMetrics {
  readonly #registry: Registry;
  readonly #exchanges: Counter<'result'>;
  readonly #away: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#exchanges = new Counter({
      name: 'proxy_shared_limits_exchanges_total',
      help: 'Questions to the store of shared limits, by how they ended',
      labelNames: ['result'] as const,
      registers: [registry],
    });
    this.#away = new Counter({
      name: 'proxy_shared_limits_away_total',
      help: 'Times that the store of shared limits went away',
      registers: [registry],
    });
  }

  counted(result: ExchangeResult): void {
    this.#exchanges.inc({ result });
  }

  wentAway(): void {
    this.#away.inc();
  }

  /** Shows how the proxies stand each time somebody looks. */
  show(standing: () => SharedStanding): void {
    const gauge = gaugesOf(this.#registry, standing);
    gauge('proxy_shared_limits_up', '1 while the store of shared limits answers', ({ together }) =>
      together ? 1 : 0,
    );
    gauge(
      'proxy_shared_limits_share',
      'The part of each limit that this proxy, together with those it is in touch with, may use',
      ({ share }) => share,
    );
    gauge(
      'proxy_shared_limits_proxies',
      'Proxies that were seen of late, this one included',
      ({ proxies }) => proxies,
    );
  }
}

/**
 * Hears how session starts stand: shows it in the metrics and the readiness, and says in the log,
 * once each time it changes, what an operator should know.
 */
import type { IdentifyStatus } from '../../../actors/identify/actor.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import type { IdentifyNotice } from '../../../actors/identify/state.ts';
import { messageOf } from '../../../protocols/message-of.ts';
import type { Log } from '../../../protocols/ports.ts';
import type { GatewayMetrics } from '../../metrics/gateway-metrics.ts';
import type { Readiness } from '../../metrics/health-server.ts';

const MINUTE_MS = 60_000;

export type IdentifyWatchOptions = {
  readonly floor: number;
  readonly shardCount: number;
  readonly ledger: Pick<IdentifyLedger, 'label'>;
  readonly metrics: Pick<GatewayMetrics, 'identifies'>;
  readonly log: Log;
};

export class IdentifyWatch {
  readonly #options: IdentifyWatchOptions;
  #recommended: number | undefined;
  #latest: IdentifyStatus | undefined;

  constructor(options: IdentifyWatchOptions) {
    this.#options = options;
  }

  readonly status = (status: IdentifyStatus): void => {
    this.#latest = status;
    this.#options.metrics.identifies(status);
  };

  readonly notice = (notice: IdentifyNotice, problem: unknown): void => {
    const { log, ledger, floor } = this.#options;
    switch (notice.kind) {
      case 'floor': {
        const { remaining, resetInMs } = notice;
        log.error(
          { remaining, floor, resetInMinutes: Math.ceil(resetInMs / MINUTE_MS) },
          'the budget of session starts is down to identify.floor: shards resume, and start no new sessions until Discord resets the budget; find out why so many sessions were started (the log says why each one was lost), or lower identify.floor',
        );
        break;
      }
      case 'above-floor':
        log.info({ remaining: notice.remaining }, 'sessions are started again');
        break;
      case 'ledger-away': {
        const reason = messageOf(problem);
        log.warn(
          { store: ledger.label, reason },
          'the ledger of session starts does not answer: sessions are started more slowly, from this process’s share of what was left',
        );
        break;
      }
      case 'ledger-back':
        log.info(
          { store: ledger.label, awayMs: Math.round(notice.awayMs) },
          'the ledger of session starts is back',
        );
        break;
      case 'ledger-forgot':
        log.warn(
          { store: ledger.label, waitMs: notice.waitMs },
          'the ledger of session starts has lost its memory: none is permitted until every permit that it may have given is over',
        );
        break;
      case 'concurrency':
        log.info({ from: notice.from, to: notice.to }, 'Discord has changed max_concurrency');
        break;
    }
  };

  /** Says it once for each new number: a bot with too few shards is refused sooner or later. */
  recommended(shards: number): void {
    const { shardCount, log } = this.#options;
    const isNews = this.#recommended !== undefined && this.#recommended !== shards;
    this.#recommended = shards;
    if (!isNews || shards <= shardCount) return;
    log.warn(
      { shardCount, recommended: shards },
      'Discord recommends more shards than this bot has',
    );
  }

  /** Adds why shards that are not ready may stay so. */
  readonly readiness = (shards: Readiness): Readiness => {
    const latest = this.#latest;
    if (latest === undefined || !latest.atFloor) return shards;
    const { remaining, total, resetInMs } = latest.starts;
    const minutes = Math.ceil(resetInMs / MINUTE_MS);
    const why = `no sessions are started: ${remaining} of ${total} are left (identify.floor is ${this.#options.floor}), and Discord resets them in ${minutes} min`;
    return { ready: shards.ready, detail: `${shards.detail}; ${why}` };
  };
}

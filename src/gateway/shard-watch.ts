/**
 * Hears what becomes of each shard: says it in the log, counts it, tells consumers of lost
 * sessions, and knows whether the gateway is ready and whether it can go on.
 *
 * Nothing here throws into the shards; a notice that cannot be published is an error in the log.
 */
import type { ShardNotice } from '../../actors/shard/state.ts';
import type { Broker } from '../../protocols/broker.ts';
import { FatalError } from '../../protocols/errors.ts';
import { GAP_EVENT, type SessionGap } from '../../protocols/gateway/gap.ts';
import type { ConnectionEnd, SessionRecord } from '../../protocols/gateway/messages.ts';
import type { Log } from '../../protocols/ports.ts';
import { encodeBody } from '../../protocols/wire/body.ts';
import { createFailure } from '../failure.ts';
import type { GatewayMetrics } from '../metrics/gateway-metrics.ts';
import type { Readiness } from '../metrics/health-server.ts';
import { describeCode, describeEnd, remedyFor } from './describe.ts';

/** How far a session that is lost was seen. */
type LostPlace = Pick<SessionRecord, 'sessionId' | 'sequence'>;

export class ShardWatch {
  readonly #metrics: GatewayMetrics;
  readonly #log: Log;
  readonly #broker: Pick<Broker, 'publish' | 'state'>;
  readonly #states: Map<number, 'ready' | 'down' | 'failed' | 'fenced'>;
  readonly #failure = createFailure();

  constructor(
    shards: readonly number[],
    metrics: GatewayMetrics,
    broker: Pick<Broker, 'publish' | 'state'>,
    log: Log,
  ) {
    this.#metrics = metrics;
    this.#broker = broker;
    this.#log = log;
    this.#states = new Map(shards.map((shard) => [shard, 'down']));
  }

  /** Rejects when the gateway cannot go on. */
  get failed(): Promise<void> {
    return this.#failure.promise;
  }

  readonly fail = (error: Error): void => this.#failure.report(error);

  /** A session of an earlier process is not continued by this one. */
  lost(shard: number, place: LostPlace, why: string): void {
    this.#metrics.sessionLost(shard);
    this.#lost(shard, place, why);
  }

  readonly see = (shard: number, notice: ShardNotice): void => {
    this.#metrics.notice(shard, notice);
    switch (notice.kind) {
      case 'ready':
        this.#states.set(shard, 'ready');
        this.#log.info({ shard }, 'shard is ready');
        break;
      case 'resumed':
        this.#states.set(shard, 'ready');
        this.#log.info({ shard }, 'shard has resumed its session');
        break;
      case 'down':
        this.#states.set(shard, 'down');
        this.#shardDown(shard, notice.end, notice.nextInMs);
        break;
      case 'session-lost':
        this.#lost(shard, notice, describeEnd(notice.end));
        break;
      case 'failed':
        this.#shardFailed(shard, notice.code);
        break;
      case 'fenced':
        this.#shardFenced(shard, notice.owner);
        break;
      case 'latency':
        this.#log.debug({ shard, latencyMs: Math.round(notice.milliseconds) }, 'heartbeat');
        break;
    }
  };

  /** What keeps the shards down stands first: while the broker is away, none of them stays up. */
  readonly readiness = (): Readiness => {
    const { ready, detail } = this.#shardsReadiness();
    if (this.#broker.state === 'open') return { ready, detail };
    return { ready: false, detail: `the broker is away; ${detail}` };
  };

  #shardsReadiness(): Readiness {
    const down = [...this.#states].filter(([, state]) => state !== 'ready').map(([shard]) => shard);
    if (down.length === 0) {
      return { ready: true, detail: `all ${this.#states.size} shards are ready` };
    }
    const fenced = down.filter((shard) => this.#states.get(shard) === 'fenced');
    const why = fenced.length === 0 ? '' : `; taken by a newer process: ${fenced.join(', ')}`;
    const count = `${down.length} of ${this.#states.size} shards are not ready`;
    return { ready: false, detail: `${count}: ${down.join(', ')}${why}` };
  }

  #shardDown(shard: number, end: ConnectionEnd, nextInMs: number | undefined): void {
    const why = describeEnd(end);
    if (nextInMs === undefined) {
      this.#log.warn({ shard, why }, 'shard lost its connection, and waits for the broker');
    } else {
      this.#log.warn({ shard, why, retryInMs: Math.round(nextInMs) }, 'shard lost its connection');
    }
  }

  /**
   * Says that a session died, also to whoever consumes the events, since some of them may be
   * missing.
   */
  #lost(shard: number, { sessionId: session, sequence }: LostPlace, why: string): void {
    this.#log.warn(
      { shard, why, sequence },
      'the session is lost: events after its last one may never be seen',
    );
    const gap: SessionGap = { shard, session, sequence, reason: why };
    this.#broker.publish(GAP_EVENT, encodeBody(gap)).catch((error: unknown) => {
      this.#log.error({ shard, error }, 'the notice of the lost session could not be published');
    });
  }

  #shardFailed(shard: number, code: number): void {
    this.#states.set(shard, 'failed');
    const reason = `Discord closed shard ${shard} with ${describeCode(code)}: ${remedyFor(code)}`;
    this.#log.error({ shard, code }, reason);
    this.#endWithoutShards(reason);
  }

  /** The watch over the sessions logs it, once for many shards. */
  #shardFenced(shard: number, owner: string): void {
    this.#states.set(shard, 'fenced');
    this.#endWithoutShards(
      `another gateway with the same shards was started later (${owner}) and has taken over the last of them: stop one of the two, or give each its own shards.ids`,
    );
  }

  #endWithoutShards(reason: string): void {
    const hope = [...this.#states.values()].some((state) => state === 'ready' || state === 'down');
    if (!hope) this.#failure.report(new FatalError(reason));
  }
}

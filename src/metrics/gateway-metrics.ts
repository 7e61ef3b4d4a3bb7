/**
 * The gateway's metrics, counted without an object or a label per event.
 *
 * The data plane adds one to a number in an array: an array a shard, a place an event of the table,
 * then a place an opcode. Labels are put together only when somebody reads the metrics.
 */
import { Counter, Gauge, type Registry, Summary } from 'prom-client';
import type { CommandOutcome } from '../../actors/commands/ports.ts';
import type { IdentifyStatus } from '../../actors/identify/actor.ts';
import type { FrameCounter } from '../../actors/shard/dispatch-plane.ts';
import type { ShardNotice } from '../../actors/shard/state.ts';
import { UNKNOWN_EVENTS_MAX } from '../../protocols/limits.ts';

/** Opcodes above this are counted as one: a peer could send any number. */
const OPCODES = 64;
const OTHER_OPCODE = OPCODES - 1;

/** The quantiles that dashboards of the original show, over the window that its library had. */
const PING_WINDOW = { percentiles: [0.5, 0.9, 0.95, 0.99], maxAgeSeconds: 600, ageBuckets: 5 };

type ShardCounts = {
  dispatches: Float64Array;
  readonly received: Float64Array;
  readonly sent: Float64Array;
};

export class GatewayMetrics implements FrameCounter {
  readonly #shards = new Map<number, ShardCounts>();
  readonly #eventsKnown: number;
  readonly #eventName: (index: number) => string;
  readonly #alive: Gauge<'id'>;
  readonly #fenced: Gauge<'id'>;
  readonly #ping: Summary<'id'>;
  readonly #identifiesLeft: Gauge;
  readonly #identifiesWaiting: Gauge;
  readonly #identifyFloorReached: Gauge;
  readonly #identifyLedgerUp: Gauge;
  readonly #sessionsLost: Counter<'id'>;
  readonly #commands: Counter<'fate'>;

  /**
   * @param events how many names the event table begins with
   * @param eventName gives the name of an index of the table
   */
  constructor(
    registry: Registry,
    shardCount: number,
    events: number,
    eventName: (index: number) => string,
  ) {
    this.#eventsKnown = events + 1;
    this.#eventName = eventName;
    const registers = [registry];
    const metrics = this;
    new Counter({
      name: 'gateway_packets_received',
      help: 'Gateway frames received from Discord',
      labelNames: ['t', 'op', 'shard'] as const,
      registers,
      collect() {
        this.reset();
        metrics.#eachReceived((t, op, shard, count) => this.inc({ t, op, shard }, count));
      },
    });
    new Counter({
      name: 'gateway_packets_sent',
      help: 'Gateway frames written to Discord',
      labelNames: ['t', 'op', 'shard'] as const,
      registers,
      collect() {
        this.reset();
        metrics.#eachSent((op, shard, count) => this.inc({ t: '', op, shard }, count));
      },
    });
    this.#alive = new Gauge({
      name: 'gateway_shards_alive',
      help: 'Whether a shard has a session that is ready: 1 or 0',
      labelNames: ['id'],
      registers,
    });
    this.#fenced = new Gauge({
      name: 'gateway_shards_fenced',
      help: 'Whether a newer process has taken the shard, so that it ended here: 1 or 0',
      labelNames: ['id'],
      registers,
    });
    this.#ping = new Summary({
      name: 'gateway_ping',
      help: 'Milliseconds from a heartbeat to its acknowledgement, over the last ten minutes',
      labelNames: ['id'],
      ...PING_WINDOW,
      registers,
    });
    const total = new Gauge({
      name: 'gateway_total_shards',
      help: 'Shards of the bot, over all of its gateways',
      registers,
    });
    total.set(shardCount);
    this.#identifiesLeft = new Gauge({
      name: 'gateway_identifies_remaining',
      help: 'Sessions that may still be started before Discord resets the budget',
      registers,
    });
    this.#identifiesWaiting = new Gauge({
      name: 'gateway_identifies_waiting',
      help: 'Shards that want to start a session and may not yet',
      registers,
    });
    this.#identifyFloorReached = new Gauge({
      name: 'gateway_identify_floor_reached',
      help: 'Whether no session is started because the budget is down to identify.floor: 1 or 0',
      registers,
    });
    this.#identifyLedgerUp = new Gauge({
      name: 'gateway_identify_ledger_up',
      help: 'Whether the store of the budget of session starts answered when last asked: 1 or 0',
      registers,
    });
    this.#sessionsLost = new Counter({
      name: 'gateway_sessions_lost_total',
      help: 'Sessions that ended for good; events after their last one may never have been seen',
      labelNames: ['id'],
      registers,
    });
    this.#commands = new Counter({
      name: 'gateway_commands_total',
      help: 'Commands from the broker by what became of them: sent, forwarded, handed-back, or why refused',
      labelNames: ['fate'],
      registers,
    });
  }

  /** A command from the broker has its fate. */
  command(fate: CommandOutcome): void {
    this.#commands.inc({ fate });
  }

  /**
   * Every shard is known before the first frame, so that counting looks nothing up but an index.
   */
  addShard(shard: number): void {
    this.#shards.set(shard, {
      dispatches: new Float64Array(this.#eventsKnown),
      received: new Float64Array(OPCODES),
      sent: new Float64Array(OPCODES),
    });
    this.#alive.set({ id: shard }, 0);
    this.#fenced.set({ id: shard }, 0);
  }

  dispatch(shard: number, entry: { readonly index: number }): void {
    const counts = this.#shards.get(shard);
    if (counts === undefined) return;
    if (entry.index >= counts.dispatches.length) this.#makeRoom(counts);
    counts.dispatches[entry.index] = (counts.dispatches[entry.index] ?? 0) + 1;
  }

  control(shard: number, op: number): void {
    count(this.#shards.get(shard)?.received, op);
  }

  sent(shard: number, op: number): void {
    count(this.#shards.get(shard)?.sent, op);
  }

  /** Dispatches received so far, over all shards. */
  get events(): number {
    let events = 0;
    for (const { dispatches } of this.#shards.values()) {
      for (const total of dispatches) events += total;
    }
    return events;
  }

  identifies({ starts, waiting, atFloor, ledgerIsAway }: IdentifyStatus): void {
    this.#identifiesLeft.set(starts.remaining);
    this.#identifiesWaiting.set(waiting);
    this.#identifyFloorReached.set(atFloor ? 1 : 0);
    this.#identifyLedgerUp.set(ledgerIsAway ? 0 : 1);
  }

  notice(shard: number, notice: ShardNotice): void {
    switch (notice.kind) {
      case 'ready':
      case 'resumed':
        this.#alive.set({ id: shard }, 1);
        break;
      case 'down':
      case 'failed':
        this.#alive.set({ id: shard }, 0);
        break;
      case 'fenced':
        this.#alive.set({ id: shard }, 0);
        this.#fenced.set({ id: shard }, 1);
        break;
      case 'session-lost':
        this.sessionLost(shard);
        break;
      case 'latency':
        this.#ping.observe({ id: shard }, notice.milliseconds);
        break;
    }
  }

  sessionLost(shard: number): void {
    this.#sessionsLost.inc({ id: shard });
  }

  /** For all names that may come to be known; few shards ever see one of them. */
  #makeRoom(counts: ShardCounts): void {
    const dispatches = new Float64Array(this.#eventsKnown + UNKNOWN_EVENTS_MAX);
    dispatches.set(counts.dispatches);
    counts.dispatches = dispatches;
  }

  #eachReceived(see: (t: string, op: number, shard: number, count: number) => void): void {
    for (const [shard, { dispatches, received }] of this.#shards) {
      dispatches.forEach((total, index) => {
        if (total > 0) see(this.#eventName(index), 0, shard, total);
      });
      received.forEach((total, op) => {
        if (total > 0) see('', op, shard, total);
      });
    }
  }

  #eachSent(see: (op: number, shard: number, count: number) => void): void {
    for (const [shard, { sent }] of this.#shards) {
      sent.forEach((total, op) => {
        if (total > 0) see(op, shard, total);
      });
    }
  }
}

function count(counts: Float64Array | undefined, op: number): void {
  if (counts === undefined) return;
  const place = Math.min(op, OTHER_OPCODE);
  counts[place] = (counts[place] ?? 0) + 1;
}

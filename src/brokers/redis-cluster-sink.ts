/**
 * The data plane of a link to a cluster: one sink a master, and tags to bring their answers
 * together.
 *
 * Each master answers for its own events in order, but not in the order of all: so every event gets
 * the number in which it was sent, and the numbers that a master owes an answer for wait in a
 * queue. No more of them wait than the writer has slots.
 */
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import { WRITER_EVENTS_MAX } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import type { RedisNode } from './redis-node.ts';
import { RedisSink } from './redis-sink.ts';
import type { RedisTopology } from './redis-topology.ts';

/** First in, first out, in a ring; a power of two, as the writer's own. */
class TagQueue {
  readonly #tags = new Float64Array(WRITER_EVENTS_MAX);
  #head = 0;
  #tail = 0;

  push(tag: number): void {
    this.#tags[this.#tail++ & (WRITER_EVENTS_MAX - 1)] = tag;
  }

  /** The oldest; 0, which is no tag, when there is none. */
  shift(): number {
    if (this.#head === this.#tail) return 0;
    return this.#tags[this.#head++ & (WRITER_EVENTS_MAX - 1)] ?? 0;
  }
}

type NodeSink = { readonly sink: RedisSink; readonly owed: TagQueue };

export type RedisClusterSinkOptions = {
  readonly topology: RedisTopology;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly confirms: Confirms;
  readonly lost: (reason: unknown) => void;
  readonly prepared: (event: string) => void;
};

export class RedisClusterSink implements EventSink {
  readonly #options: RedisClusterSinkOptions;
  readonly #sinks = new Map<RedisNode, NodeSink>();
  readonly #routes: NodeSink[] = [];
  #sent = 0;

  constructor(options: RedisClusterSinkOptions) {
    this.#options = options;
  }

  prepare(route: number, event: string): void {
    const nodeSink = this.#sinkOf(this.#options.topology.nodeOf(event));
    nodeSink.sink.prepare(route, event);
    this.#routes[route] = nodeSink;
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const nodeSink = this.#routes[route];
    if (nodeSink?.sink.send(route, source, start, end, origin, sequence) !== true) return false;
    nodeSink.owed.push(++this.#sent);
    return true;
  }

  #sinkOf(node: RedisNode): NodeSink {
    const known = this.#sinks.get(node);
    if (known) return known;
    const { encoder, clock, confirms, lost, prepared } = this.#options;
    const owed = new TagQueue();
    const sink = new RedisSink({
      wire: node.events,
      encoder,
      clock,
      confirms: { settleOldest: (confirmed) => confirms.settle(owed.shift(), confirmed) },
      lost,
      prepared,
    });
    const made = { sink, owed };
    this.#sinks.set(node, made);
    return made;
  }
}

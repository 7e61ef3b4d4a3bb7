/**
 * The servers behind one link: a single one, or every master of a cluster.
 *
 * It says which server a stream is on, and opens further connections to it. Topologies do not
 * change: a word of a cluster that says that its slots have moved is a broken link like any other,
 * and the next one asks again (`redis-topologies.ts`). While a slot is on its way from one master
 * to another its events wait.
 */
import type { Redis } from 'ioredis';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { REDIS_SEEN_STREAMS_MAX } from '../../protocols/limits.ts';
import { redisSlot } from '../../protocols/wire/redis-slot.ts';
import type { RedisRole } from './redis-connection.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisServerInfo } from './redis-server-info.ts';

export class RedisTopology {
  readonly nodes: readonly RedisNode[];
  readonly isCluster: boolean;
  /** One of: a warning of what the server may throw away. */
  readonly evictionPolicy: string | undefined;
  readonly #ownerOf: (slot: number) => number;
  readonly #connect: (node: RedisNode, role: RedisRole) => Promise<Redis>;
  readonly #end: () => void;
  /** Nodes of events that were asked for. */
  readonly #known = new Map<string, RedisNode>();

  constructor(parts: {
    readonly nodes: readonly RedisNode[];
    readonly info: RedisServerInfo;
    /** The node, by its place in `nodes`, that has a slot. */
    readonly ownerOf: (slot: number) => number;
    readonly connect: (node: RedisNode, role: RedisRole) => Promise<Redis>;
    /** Ends every connection, also those that are being opened. */
    readonly end: () => void;
  }) {
    this.nodes = parts.nodes;
    this.isCluster = parts.info.isCluster;
    this.evictionPolicy = parts.info.evictionPolicy;
    this.#ownerOf = parts.ownerOf;
    this.#connect = parts.connect;
    this.#end = parts.end;
  }

  /** A server that any command without keys may go to. */
  get any(): RedisNode {
    const [node] = this.nodes;
    if (node === undefined) throw new BrokerUnavailableError('the cluster has no servers');
    return node;
  }

  /** The server that has the stream of `event`. */
  nodeOf(event: string): RedisNode {
    if (!this.isCluster) return this.any;
    const known = this.#known.get(event);
    if (known) return known;
    const node = this.nodes[this.#ownerOf(redisSlot(event))] ?? this.any;
    if (this.#known.size >= REDIS_SEEN_STREAMS_MAX) this.#known.clear();
    this.#known.set(event, node);
    return node;
  }

  /** Events with equal keys can be read by one command. */
  readerKey(event: string): string {
    return this.isCluster ? String(redisSlot(event)) : '';
  }

  /** One more connection to the server of `node`; its end is the end of the link. */
  connect(node: RedisNode, role: RedisRole): Promise<Redis> {
    return this.#connect(node, role);
  }

  destroy(): void {
    for (const node of this.nodes) node.stop();
    this.#end();
  }
}

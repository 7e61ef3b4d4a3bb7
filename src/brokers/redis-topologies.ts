/**
 * Opens the servers of one place: connects to them, and finds out what they are.
 *
 * Inner workings: the first address that answers is asked what it is. An ordinary server is the
 * whole topology. A member of a cluster is asked for the slots; then each master gets connections
 * of its own and must answer. Addresses are tried in turn, starting with another one each time,
 * since the first of a list may be the one that is down; what the last topology looked like adds to
 * the list.
 *
 * Failure modes: a server that cannot write (a replica, or one out of memory) is refused, so that a
 * link is not opened to be lost by its first event.
 */
import { setMaxListeners } from 'node:events';
import type { Redis } from 'ioredis';
import {
  BrokerUnavailableError,
  FatalError,
  type SpectaclesError,
} from '../../protocols/errors.ts';
import {
  REDIS_NODES_MAX,
  REDIS_READERS_MAX,
  REDIS_SEED_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { REDIS_SLOTS, redisSlot } from '../../protocols/wire/redis-slot.ts';
import { type Address, coveredSlots, labelOf, readSlots } from './redis-cluster-slots.ts';
import {
  isReplyError,
  openRedis,
  type RedisPlace,
  type RedisRole,
  redisError,
} from './redis-connection.ts';
import { RedisEventWire } from './redis-event-wire.ts';
import { RedisNode } from './redis-node.ts';
import { type RedisServerInfo, readServerInfo } from './redis-server-info.ts';
import { RedisTopology } from './redis-topology.ts';

/** What the words of a server mean that answers and does not write. */
const CANNOT_WRITE = /^(OOM|MISCONF|READONLY|LOADING|NOREPLICAS|MASTERDOWN|CLUSTERDOWN)\b/;

/**
 * Tells whether a server takes writes, by one that would write nothing: it is refused before that.
 */
async function refuseUnwritable(node: RedisNode, key: string): Promise<void> {
  try {
    await node.commands.call('XADD', key, 'NOMKSTREAM', '*', 'probe', '');
  } catch (error) {
    if (isReplyError(error) && CANNOT_WRITE.test(error.message)) throw error;
    // Redis before 6.2 does not know the option, and a user may have no right to the key: no
    // matter.
    if (!isReplyError(error)) throw error;
  }
}

const PROBE_KEY = 'spectacles:probe';

/** A key in a slot of this node. */
function probeKey(index: number, ownerOf: (slot: number) => number): string {
  for (let attempt = 0; attempt < REDIS_SLOTS; attempt++) {
    const key = `${PROBE_KEY}:${attempt}`;
    if (ownerOf(redisSlot(key)) === index) return key;
  }
  return PROBE_KEY;
}

/** Opens topologies of one place, one after the other, and remembers where its servers were. */
export class RedisTopologies {
  readonly #place: RedisPlace;
  readonly #clock: Clock;
  readonly #carriesEvents: boolean;
  #remembered: readonly Address[] = [];
  #turn = 0;

  /** `carriesEvents`: each server gets a connection for events, too. */
  constructor(place: RedisPlace, clock: Clock, { carriesEvents }: { carriesEvents: boolean }) {
    this.#place = place;
    this.#clock = clock;
    this.#carriesEvents = carriesEvents;
  }

  /**
   * `lost` is told when any connection is gone after this has resolved and before it is destroyed.
   */
  async open(signal: AbortSignal, lost: (reason: unknown) => void): Promise<RedisTopology> {
    const ending = new AbortController();
    const over = AbortSignal.any([signal, ending.signal]);
    // One listener a connection, of which there may be this many.
    setMaxListeners(2 * REDIS_NODES_MAX + REDIS_READERS_MAX + 2, over);
    let isOpen = false;
    let early: unknown;
    const tell = (reason: unknown) => {
      if (isOpen && !over.aborted) lost(reason);
      else early ??= reason;
    };
    try {
      const { redis, address } = await this.#openFirst(over, tell);
      const info = readServerInfo(await this.#infoOf(redis));
      const nodes = info.isCluster
        ? await this.#openMasters(redis, address, over, tell)
        : await this.#openSingle(redis, info, over, tell);
      if (early !== undefined) throw early;
      isOpen = true;
      return new RedisTopology({ ...nodes, info, end: () => ending.abort() });
    } catch (error) {
      ending.abort();
      throw redisError(error, this.#place.label);
    }
  }

  async #openFirst(
    signal: AbortSignal,
    lost: (reason: unknown) => void,
  ): Promise<{ redis: Redis; address: Address }> {
    const addresses = this.#addresses();
    const first = this.#turn++ % addresses.length;
    const turns = [...addresses.slice(first), ...addresses.slice(0, first)];
    let refusal: unknown;
    for (const address of turns) {
      try {
        const isOnly = addresses.length === 1;
        const timeoutMs = isOnly ? undefined : REDIS_SEED_TIMEOUT_MS;
        return {
          redis: await this.#openAt(address, 'commands', signal, lost, timeoutMs),
          address,
        };
      } catch (error) {
        if (error instanceof FatalError || signal.aborted) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  #addresses(): readonly Address[] {
    const { options, others = [] } = this.#place;
    const known = [options, ...others, ...this.#remembered].map(
      ({ host, port, path }): Address => ({
        ...(host !== undefined && { host }),
        ...(port !== undefined && { port }),
        ...(path !== undefined && path !== null && { path }),
      }),
    );
    const distinct = new Map(known.map((address) => [labelOf(address), address]));
    return [...distinct.values()].slice(0, 2 * REDIS_NODES_MAX);
  }

  #openAt(
    address: Address,
    role: RedisRole,
    signal: AbortSignal,
    onEnd: (reason: SpectaclesError) => void,
    connectTimeoutMs?: number,
  ): Promise<Redis> {
    const { label, options } = this.#place;
    // Its address is all that tells one of a cluster's servers from another.
    const isElsewhere = labelOf(address) !== labelOf(options as Address);
    return openRedis({
      label: isElsewhere ? `${label} (at ${labelOf(address)})` : label,
      options: isElsewhere ? { ...options, ...address } : options,
      role,
      signal,
      onEnd,
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    });
  }

  async #openEvents(
    address: Address,
    signal: AbortSignal,
    lost: (reason: unknown) => void,
  ): Promise<RedisEventWire | undefined> {
    if (!this.#carriesEvents) return undefined;
    const redis = await this.#openAt(address, 'events', signal, lost);
    // Whatever ioredis itself has sent is answered before this is.
    await redis.time();
    return new RedisEventWire(redis, lost);
  }

  async #infoOf(redis: Redis): Promise<string> {
    try {
      return await redis.info();
    } catch (error) {
      if (isReplyError(error) && error.message.startsWith('NOPERM')) return '';
      throw error;
    }
  }

  async #openSingle(
    redis: Redis,
    info: RedisServerInfo,
    signal: AbortSignal,
    lost: (reason: unknown) => void,
  ) {
    const { label, options, others = [] } = this.#place;
    if (others.length > 0) {
      throw new FatalError(
        `${label} is no cluster, and ${others.length + 1} addresses are given: give one, or those of a cluster`,
      );
    }
    if (info.isReplica) {
      throw new BrokerUnavailableError(`${label} is a replica and takes no writes`);
    }
    const events = await this.#openEvents(options as Address, signal, lost);
    const node = new RedisNode(label, redis, events, this.#clock, lost);
    await node.start();
    await refuseUnwritable(node, PROBE_KEY);
    return {
      nodes: [node],
      ownerOf: () => 0,
      connect: (_node: RedisNode, role: RedisRole) =>
        this.#openAt(options as Address, role, signal, lost),
    };
  }

  async #openMasters(
    seed: Redis,
    asked: Address,
    signal: AbortSignal,
    lost: (reason: unknown) => void,
  ) {
    const ranges = readSlots(await seed.call('CLUSTER', 'SLOTS'), asked);
    if (coveredSlots(ranges) !== REDIS_SLOTS) {
      throw new BrokerUnavailableError(
        `${this.#place.label} is a cluster with only ${coveredSlots(ranges)} of ${REDIS_SLOTS} slots`,
      );
    }
    const masters = [...new Map(ranges.map(({ address }) => [labelOf(address), address])).values()];
    if (masters.length > REDIS_NODES_MAX) {
      throw new FatalError(
        `${this.#place.label} has ${masters.length} masters, more than ${REDIS_NODES_MAX}`,
      );
    }
    this.#remembered = masters;
    const indexOf = new Map(masters.map((address, index) => [labelOf(address), index]));
    const owners = new Uint8Array(REDIS_SLOTS);
    for (const { first, last, address } of ranges) {
      owners.fill(indexOf.get(labelOf(address)) ?? 0, first, last + 1);
    }
    const ownerOf = (slot: number) => owners[slot] ?? 0;
    const nodes = await Promise.all(
      masters.map(async (address, index) => {
        const redis = await this.#openAt(address, 'commands', signal, lost);
        const events = await this.#openEvents(address, signal, lost);
        const node = new RedisNode(labelOf(address), redis, events, this.#clock, lost);
        await node.start();
        await refuseUnwritable(node, probeKey(index, ownerOf));
        return node;
      }),
    );
    // Its end is not the end of the link: the masters have connections of their own.
    seed.removeAllListeners('end');
    seed.disconnect();
    return {
      nodes,
      ownerOf,
      connect: (node: RedisNode, role: RedisRole) =>
        this.#openAt(masters[nodes.indexOf(node)] ?? asked, role, signal, lost),
    };
  }
}

/** The sessions that exist, findable by id and, for routing, by shard count and shard. */
import { SIMULATOR_SESSIONS_MAX } from '../../../protocols/limits.ts';
import type { GatewaySession } from './connection.ts';

export class Sessions {
  readonly #byId = new Map<string, GatewaySession>();
  readonly #byCount = new Map<number, Map<number, Set<GatewaySession>>>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): GatewaySession | undefined {
    return this.#byId.get(id);
  }

  all(): readonly GatewaySession[] {
    return [...this.#byId.values()];
  }

  add(session: GatewaySession): void {
    this.#byId.set(session.id, session);
    const [shard, count] = session.shard;
    const shards = this.#byCount.get(count) ?? new Map<number, Set<GatewaySession>>();
    const group = shards.get(shard) ?? new Set<GatewaySession>();
    group.add(session);
    shards.set(shard, group);
    this.#byCount.set(count, shards);
  }

  delete(session: GatewaySession): void {
    this.#byId.delete(session.id);
    const [shard, count] = session.shard;
    const shards = this.#byCount.get(count);
    const group = shards?.get(shard);
    group?.delete(session);
    if (group?.size === 0) shards?.delete(shard);
    if (shards?.size === 0) this.#byCount.delete(count);
  }

  /** Runs `visit` for the sessions that `shardOf` names, once for each shard count in use. */
  route(shardOf: (count: number) => number, visit: (session: GatewaySession) => void): void {
    for (const [count, shards] of this.#byCount) {
      for (const session of shards.get(shardOf(count)) ?? []) visit(session);
    }
  }

  /** Of the sessions without a connection the one made longest ago, when there are too many. */
  overflow(): GatewaySession | undefined {
    if (this.#byId.size < SIMULATOR_SESSIONS_MAX) return undefined;
    for (const session of this.#byId.values()) {
      if (session.connection === undefined) return session;
    }
    return undefined;
  }
}

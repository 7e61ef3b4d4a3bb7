/**
 * The consumer groups of one link: where they begin, and what becomes of them at its end.
 *
 * A shared group is made at `0`, so that it gets what was sent before anybody consumed; one that
 * has vanished (FLUSHALL, an evicted key, a server that came back empty) is made again after the
 * last entry seen here, or at `0` if the stream does not reach that far. A group that is one
 * process's own is made at `$` and deleted at the end; those of processes that were killed go with
 * the next that begins.
 */
import { REDIS_HANDLER_MAX_MS, REDIS_OWN_GROUP_IDLE_MS } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Log } from '../../protocols/ports.ts';
import { compareIds, readLastId } from '../../protocols/wire/redis-stream.ts';
import { isReplyError } from './redis-connection.ts';
import type { RedisCounter } from './redis-counts.ts';
import type { RedisLedger } from './redis-ledger.ts';
import { ABANDONED_GROUPS_SCRIPT, LEAVE_SCRIPT } from './redis-scripts.ts';
import type { RedisTopology } from './redis-topology.ts';

export type RedisGroupsOptions = {
  readonly topology: RedisTopology;
  readonly ledger: RedisLedger;
  readonly group: string;
  readonly consumer: string;
  readonly log: Log;
  /** Deliveries that handlers may have and not have settled. */
  readonly prefetch: number;
  readonly count: RedisCounter;
  /**
   * What the names of groups begin with that belong to one process each; undefined for shared ones.
   */
  readonly ownGroups: string | undefined;
};

export class RedisGroups {
  readonly #options: RedisGroupsOptions;

  constructor(options: RedisGroupsOptions) {
    this.#options = options;
  }

  /** Makes the group of `event`, unless it is there. */
  async create(event: string): Promise<void> {
    const { topology, group, ledger, ownGroups } = this.#options;
    const { commands } = topology.nodeOf(event);
    const createAt = (start: string) => commands.xgroup('CREATE', event, group, start, 'MKSTREAM');
    const first = ownGroups === undefined ? '0' : '$';
    try {
      const seen = ledger.lastSeen(event);
      await createAt(seen === undefined ? first : await this.#startAfter(event, seen));
      await this.#deleteAbandoned(event);
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith('BUSYGROUP')) throw error;
    }
  }

  /** Leaves what is not settled to others, and the groups, if nothing is left. */
  async leave(events: Iterable<string>): Promise<void> {
    const { topology, group, consumer, log, prefetch, ownGroups } = this.#options;
    const values = [group, consumer, String(REDIS_HANDLER_MAX_MS), String(prefetch)];
    // All at once: there may be no time left to wait for one after the other.
    const leaveOne = async (event: string) => {
      try {
        const node = topology.nodeOf(event);
        if (ownGroups === undefined) await node.run(LEAVE_SCRIPT, [event], values);
        else await node.commands.xgroup('DESTROY', event, group);
      } catch (error) {
        const reason = messageOf(error);
        log.debug({ event, reason }, 'a consumer could not leave its group');
      }
    };
    await Promise.all([...events].map(leaveOne));
  }

  async #deleteAbandoned(event: string): Promise<void> {
    const { topology, ownGroups, count } = this.#options;
    if (ownGroups === undefined) return;
    const values = [ownGroups, String(REDIS_OWN_GROUP_IDLE_MS)];
    const deleted = await topology.nodeOf(event).run(ABANDONED_GROUPS_SCRIPT, [event], values);
    if (Number(deleted) > 0) count('groups-abandoned', event, Number(deleted));
  }

  /**
   * Where a group starts that has vanished: after `seen`, if the stream still is the one it was
   * seen in.
   */
  async #startAfter(event: string, seen: string): Promise<string> {
    const { commands } = this.#options.topology.nodeOf(event);
    try {
      const lastId = readLastId(await commands.callBuffer('XINFO', 'STREAM', event));
      return compareIds(lastId, seen) < 0 ? '0' : seen;
    } catch (error) {
      if (isReplyError(error) && /no such key/i.test(error.message)) return '0';
      throw error;
    }
  }
}

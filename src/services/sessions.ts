/** From a configuration to the stored sessions that a gateway's shards start with. */

import type { Registry } from 'prom-client';
import type { ActorSystem } from '../../actors/runtime.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { type SessionsTree, startSessionsTree } from '../../supervisors/sessions.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { SessionWatch } from '../gateway/session-watch.ts';
import type { ShardWatch } from '../gateway/shard-watch.ts';
import { openArchive } from '../gateway/stores/open-archive.ts';
import type { RedisDoor } from '../gateway/stores/redis-door.ts';

export type SessionsHost = {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly log: Log;
  /** Gives the start up. */
  readonly signal: AbortSignal;
  readonly registry: Registry;
};

/** Resolves when what was stored is there, or has been waited for in vain. */
export async function startSessions(options: {
  readonly config: Pick<GatewayConfig, 'shardStore' | 'token'>;
  readonly host: SessionsHost;
  /** Those of this process, of so many. */
  readonly shards: readonly number[];
  readonly shardCount: number;
  readonly watch: Pick<ShardWatch, 'lost'>;
  readonly door: RedisDoor;
}): Promise<SessionsTree> {
  const { config, host, shards, shardCount, door } = options;
  const { system, clock, log, signal, registry } = host;
  const archive = openArchive(config, shardCount, { clock, log, door });
  const watch = new SessionWatch(archive.label, registry, options.watch, log);
  const { see: onNotice, fail: onFailure } = watch;
  const tree = await startSessionsTree({
    system,
    clock,
    archive,
    shards,
    signal,
    onNotice,
    onFailure,
  });
  watch.started(tree.isLoaded, tree.unsaved);
  return tree;
}

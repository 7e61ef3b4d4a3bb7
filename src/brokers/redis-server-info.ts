/** What a Redis server says of itself in INFO, as far as a link depends on it. */

export type RedisServerInfo = {
  readonly isCluster: boolean;
  /** It copies another server and refuses to write. */
  readonly isReplica: boolean;
  /** What may be thrown away when memory is short; undefined when nothing of ours is. */
  readonly evictionPolicy: string | undefined;
};

/** A server that says nothing, since its user may not ask, counts as an ordinary one. */
export function readServerInfo(info: string): RedisServerInfo {
  const facts = new Map(
    info.split(/\r?\n/).flatMap((line) => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
  const policy = facts.get('maxmemory_policy');
  // Streams have no expiry, so only the policies for all keys can take them; and only under a
  // limit.
  const evicts = Number(facts.get('maxmemory') ?? 0) > 0 && policy?.startsWith('allkeys-') === true;
  return {
    isCluster: facts.get('redis_mode') === 'cluster',
    isReplica: facts.get('role') === 'slave',
    evictionPolicy: evicts ? policy : undefined,
  };
}

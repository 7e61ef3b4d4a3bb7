/** Which master of a cluster has which slots, as CLUSTER SLOTS tells it. */
import type { RedisOptions } from 'ioredis';

/** Where a server is; what else its connections need is the place's. */
export type Address = Pick<RedisOptions, 'host' | 'port' | 'path'>;

type SlotRange = {
  readonly first: number;
  readonly last: number;
  readonly address: Address;
};

export function labelOf({ host, port, path }: Address): string {
  return path ?? `${host ?? 'localhost'}:${port ?? 6379}`;
}

/** Reads CLUSTER SLOTS: `[[first, last, [host, port, …], replica, …], …]`. */
export function readSlots(reply: unknown, asked: Address): readonly SlotRange[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((range) => {
    if (!Array.isArray(range) || !Array.isArray(range[2])) return [];
    const [host, port] = range[2];
    // A server that does not know its own address leaves it out: it is where we found it.
    const isKnown = typeof host === 'string' && host !== '' && host !== '?';
    const address = {
      ...(isKnown ? { host } : asked.host !== undefined && { host: asked.host }),
      port: Number(port),
    };
    return [{ first: Number(range[0]), last: Number(range[1]), address }];
  });
}

export function coveredSlots(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

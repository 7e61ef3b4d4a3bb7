/** From a configuration to the store of its sessions. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { SessionArchive } from '../../../actors/sessions/ports.ts';
import type { Clock, Log } from '../../../protocols/ports.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import { fileArchive } from './file-archive.ts';
import { localArchive } from './local-archive.ts';
import { redisArchive } from './redis-archive.ts';
import type { RedisDoor } from './redis-door.ts';
import { applicationOf, type SessionPlace } from './session-place.ts';

export type ArchiveHost = {
  readonly clock: Clock;
  readonly log: Log;
  /** It connects when it is asked something, which not every store does. */
  readonly door: RedisDoor;
};

export function openArchive(
  { shardStore, token }: Pick<GatewayConfig, 'shardStore' | 'token'>,
  shardCount: number,
  { clock, log, door }: ArchiveHost,
): SessionArchive {
  const application = applicationOf(token);
  const place: SessionPlace = { prefix: shardStore.prefix, application, shardCount };
  const owner = processName();
  switch (shardStore.type) {
    case 'local':
      return localArchive({ shelves: new Map(), place, owner, clock });
    case 'file':
      return fileArchive({ path: shardStore.path, place, owner, clock });
    case 'redis':
      return redisArchive({ door, place, owner, log });
  }
}

const UNIQUE_BYTES = 6;

/** No two processes have the same, and a person finds the process by it. */
function processName(): string {
  return `${hostname()}/${process.pid}/${randomBytes(UNIQUE_BYTES).toString('hex')}`;
}

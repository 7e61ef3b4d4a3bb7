/**
 * From a configuration to the ledger of its session starts: where the sessions are, so are these.
 */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import type { Clock } from '../../../protocols/ports.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { RedisDoor } from '../stores/redis-door.ts';
import { applicationOf } from '../stores/session-place.ts';
import { fileLedger } from './file-ledger.ts';
import { localLedger } from './local-ledger.ts';
import { redisLedger } from './redis-ledger.ts';

export type LedgerHost = {
  readonly clock: Clock;
  /** It connects when it is asked something. */
  readonly door: RedisDoor;
};

export function openLedger(
  { shardStore, token }: Pick<GatewayConfig, 'shardStore' | 'token'>,
  { clock, door }: LedgerHost,
): IdentifyLedger {
  const name = ledgerName(shardStore.prefix, applicationOf(token));
  const owner = randomUUID();
  switch (shardStore.type) {
    case 'local':
      return localLedger(clock);
    case 'file':
      return fileLedger({ path: resolve(`${shardStore.path}.identify`), name, owner, clock });
    case 'redis':
      return redisLedger({ door, name, owner });
  }
}

/**
 * Read from its end, as the names of sessions are, so that no two can be mixed up, whatever the
 * prefix.
 */
export function ledgerName(prefix: string, application: string): string {
  return `${prefix}:identify:${application}`;
}

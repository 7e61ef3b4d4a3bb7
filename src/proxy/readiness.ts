/**
 * What `/readyz` says of a proxy: one that holds everything back, to save its address, does no
 * work. One that cannot reach the others works on its share of the limits, and to take it out would
 * help nobody.
 */
import { INVALID_REQUESTS_PER_WINDOW } from '../../protocols/limits.ts';
import type { SharedStanding } from '../../protocols/shared-limits.ts';
import type { GuardStanding } from '../../supervisors/proxy-guard.ts';
import type { Readiness } from '../metrics/health-server.ts';

type Stop = Pick<GuardStanding, 'level' | 'invalidRequests' | 'stoppedForMs'>;

export function readinessOf(
  { level, invalidRequests, stoppedForMs }: Stop,
  shared?: Pick<SharedStanding, 'together' | 'share'>,
): Readiness {
  if (level !== 'stopped') {
    const share = Math.floor(100 * (shared?.share ?? 1));
    const isAlone = shared?.together === false;
    const alone = `taking requests within ${share} % of each limit: the Redis that shares them is away`;
    return { ready: true, detail: isAlone ? alone : 'taking requests' };
  }
  const most = INVALID_REQUESTS_PER_WINDOW;
  const seconds = Math.ceil(stoppedForMs / 1_000);
  const detail = `nothing is sent for ${seconds} s: Discord refused ${invalidRequests} requests in ten minutes, and bans at ${most}`;
  return { ready: false, detail };
}

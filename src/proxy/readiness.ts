/** What `/readyz` says of a proxy: one that holds everything back, to save its address, does no work. */
import { INVALID_REQUESTS_PER_WINDOW } from '../../protocols/limits.ts';
import type { GuardStanding } from '../../supervisors/proxy-guard.ts';
import type { Readiness } from '../metrics/health-server.ts';

type Stop = Pick<GuardStanding, 'level' | 'invalidRequests' | 'stoppedForMs'>;

export function readinessOf({ level, invalidRequests, stoppedForMs }: Stop): Readiness {
  if (level !== 'stopped') return { ready: true, detail: 'taking requests' };
  const most = INVALID_REQUESTS_PER_WINDOW;
  const seconds = Math.ceil(stoppedForMs / 1_000);
  const detail = `nothing is sent for ${seconds} s: Discord refused ${invalidRequests} requests in ten minutes, and bans at ${most}`;
  return { ready: false, detail };
}

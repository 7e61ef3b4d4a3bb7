/** Who sends a request, by its `Authorization`. */
import type { Credentials } from '../gateway/credentials.ts';
import { header, type RestRequest } from './http.ts';
import type { Identity } from './rate-limiter.ts';

export type Caller = {
  /** `none`: no Authorization came. `invalid`: one came that Discord does not know. */
  readonly kind: 'bot' | 'bearer' | 'none' | 'invalid';
  /** Whose limits the request counts against: a known token's own, or else the address's. */
  readonly identity: Identity;
};

const SCHEME = /^(Bot|Bearer) (\S+)$/i;

export function callerOf(
  request: RestRequest,
  credentials: Credentials,
  bearerTokens: readonly string[],
): Caller {
  const byAddress = `address ${request.remoteAddress}`;
  const authorization = header(request.headers, 'authorization')?.trim();
  if (authorization === undefined || authorization === '') {
    return { kind: 'none', identity: byAddress };
  }
  const [, scheme, token] = SCHEME.exec(authorization) ?? [];
  if (scheme === undefined || token === undefined) return { kind: 'invalid', identity: byAddress };
  if (scheme.toLowerCase() === 'bearer') {
    if (!bearerTokens.includes(token)) return { kind: 'invalid', identity: byAddress };
    return { kind: 'bearer', identity: `bearer ${token}` };
  }
  if (!credentials.accepts(token)) return { kind: 'invalid', identity: byAddress };
  return { kind: 'bot', identity: `bot ${token}` };
}

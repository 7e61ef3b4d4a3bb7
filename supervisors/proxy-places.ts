/** What a bucket or a gate is called in the store that proxies share: a name that tells nothing. */
import { createHash } from 'node:crypto';

/**
 * `key` may hold a webhook's token; what comes out is the same for equal ones, and useless
 * otherwise.
 */
export function placeOf(kind: 'bucket' | 'gate', key: string): string {
  return `${kind}:${createHash('sha256').update(key).digest('base64url')}`;
}

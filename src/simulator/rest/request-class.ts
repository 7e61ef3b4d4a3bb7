/**
 * Which class of its route a request belongs to, where Discord limits some requests differently.
 */
import type { Route } from '../../../protocols/discord/routes.ts';
import { readSnowflake } from '../snowflake.ts';
import type { RequestClass } from './bucket-table.ts';
import { isObject } from './form.ts';
import type { RestRequest } from './http.ts';
import { parseBody } from './request-body.ts';

/**
 * Deleting a message that is younger than this, or older than the other, is limited differently.
 */
const FRESH_MS = 10_000;
const OLD_MS = 14 * 86_400_000;

export function classOf(
  route: Route,
  values: Readonly<Record<string, string>>,
  request: RestRequest,
  epochMs: number,
): RequestClass {
  const key = `${route.method} ${route.template}`;
  if (key === 'DELETE /channels/:channel/messages/:message') {
    const createdMs = readSnowflake(values.message ?? '')?.epochMs ?? 0;
    const ageMs = epochMs - createdMs;
    if (ageMs < FRESH_MS) return 'fresh';
    return ageMs > OLD_MS ? 'old' : 'recent';
  }
  if (key === 'PATCH /channels/:channel') {
    const body = parseBody(request);
    const fields = body.ok && isObject(body.value) ? body.value : {};
    if ('name' in fields || 'topic' in fields) return 'name-or-topic';
  }
  return 'plain';
}

/**
 * The shape in which `@discordjs/brokers` carries Discord's events: `{ shardId, payload: { op, t,
 * s, d } }`.
 *
 * A consumer that asked for the event wants `d`. The shape is told by all of its parts, the event's
 * own name among them, so data of another kind that looks a little like it stays as it is. Commands
 * to the gateway, which have the event `gateway_send` and a payload without `t`, are not unwrapped.
 */
import { z } from 'zod';

const DISPATCH_OP = 0;

const wrapped = z.strictObject({
  shardId: z.number(),
  payload: z.strictObject({
    op: z.literal(DISPATCH_OP),
    t: z.string(),
    s: z.number(),
    d: z.unknown(),
  }),
});

/** The data of `event`, taken out of discord.js' shape if that is what `value` is. */
export function unwrapDispatch(event: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('shardId' in value)) return value;
  const payload = wrapped.safeParse(value).data?.payload;
  return payload?.t === event ? payload.d : value;
}

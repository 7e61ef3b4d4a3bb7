/**
 * What each of Discord's dispatch events carries, by its name, as discord-api-types documents it.
 */
import type { GatewayDispatchPayload } from 'discord-api-types/v10';

/**
 * From `{ t, d }` of one event, or of several that share a payload, to `d` under each of their
 * names.
 */
type Named<Payload> = Payload extends { t: infer Name; d: infer Data }
  ? Name extends string
    ? { readonly name: `${Name}`; readonly data: Data }
    : never
  : never;

type Dispatches = Named<GatewayDispatchPayload>;

export type DispatchName = Dispatches['name'];

export type DispatchData = {
  readonly [Name in DispatchName]: Extract<Dispatches, { name: Name }>['data'];
};

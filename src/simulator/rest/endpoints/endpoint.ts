/** What an endpoint of the simulated API gets, and what most of them ask first. */
import { type APIChannel, RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { Clock } from '../../../../protocols/ports.ts';
import type { SimulatedEvent } from '../../events/event.ts';
import type { GatewayFacts } from '../../gateway/gateway.ts';
import type { World } from '../../world.ts';
import { apiError, invalidForm } from '../answers.ts';
import type { RestRequest, RestResponse } from '../http.ts';
import { type ParsedBody, parseBody } from '../request-body.ts';
import type { RestAudit } from '../rest-audit.ts';
import type { Bans } from './ban-store.ts';
import type { Commands } from './command-store.ts';
import type { Pins } from './pin-store.ts';
import type { Reactions } from './reaction-store.ts';
import type { Webhooks } from './webhook-store.ts';

/** What all endpoints share. */
export type Surroundings = {
  readonly clock: Clock;
  readonly world: World;
  readonly audit: RestAudit;
  readonly gatewayFacts: () => GatewayFacts;
  readonly publish: (event: SimulatedEvent) => void;
  /** Channels that the bot may not see. */
  readonly forbiddenChannels: ReadonlySet<string>;
  readonly pins: Pins;
  readonly reactions: Reactions;
  readonly bans: Bans;
  readonly commands: Commands;
  readonly webhooks: Webhooks;
  /** Interactions that have been answered. */
  readonly answered: Set<string>;
};

/** One request that passed every limit. */
export type Call = Surroundings & {
  readonly request: RestRequest;
  /** The values of the template's placeholders, by name without the colon. */
  readonly values: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
};

export type Endpoint = (call: Call) => RestResponse;

export const SNOWFLAKE = /^\d{1,20}$/;

/** Ends a call early with an answer: a signal between an endpoint and its caller, not a failure. */
export class Refusal extends Error {
  readonly response: RestResponse;
  constructor(response: RestResponse) {
    super('refused');
    this.response = response;
  }
}

/** The value of a placeholder, which must be an id. */
export function idOf(call: Call, name: string): string {
  const value = call.values[name] ?? '';
  if (SNOWFLAKE.test(value)) return value;
  const message = `Value "${value.slice(0, 64)}" is not snowflake.`;
  throw new Refusal(invalidForm([{ path: [`${name}_id`], code: 'NUMBER_TYPE_COERCE', message }]));
}

/** The channel that the path names. */
export function channelOf(call: Call): APIChannel {
  const id = idOf(call, 'channel');
  const channel = call.world.channel(id);
  if (channel === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownChannel));
  if (call.forbiddenChannels.has(id)) throw new Refusal(apiError(RESTJSONErrorCodes.MissingAccess));
  return channel;
}

export function guildIdOf(channel: APIChannel): string | null {
  return 'guild_id' in channel ? (channel.guild_id ?? null) : null;
}

/** The body, which must be readable. */
export function bodyOf(call: Call): Extract<ParsedBody, { ok: true }> {
  const body = parseBody(call.request);
  if (!body.ok) throw new Refusal(body.response);
  return body;
}

/** A whole number from the query, within bounds; `fallback` when it is absent. */
export function queryInteger(
  call: Call,
  name: string,
  least: number,
  most: number,
  fallback: number,
): number {
  const text = call.query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  const fail = (code: string, message: string): Refusal =>
    new Refusal(invalidForm([{ path: [name], code, message }]));
  if (!Number.isSafeInteger(value) || text.trim() === '') {
    throw fail('NUMBER_TYPE_COERCE', `Value "${text.slice(0, 64)}" is not int.`);
  }
  if (value < least) {
    throw fail('NUMBER_TYPE_MIN', `int value should be greater than or equal to ${least}.`);
  }
  if (value > most) {
    throw fail('NUMBER_TYPE_MAX', `int value should be less than or equal to ${most}.`);
  }
  return value;
}

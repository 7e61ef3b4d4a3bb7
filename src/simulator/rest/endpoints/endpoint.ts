/** What an endpoint of the simulated API gets, and what most of them ask first. */
import { type APIChannel, type APIThreadChannel, RESTJSONErrorCodes } from 'discord-api-types/v10';
import {
  type DispatchEventName,
  intentsFor,
} from '../../../../protocols/discord/dispatch-events.ts';
import type { Clock } from '../../../../protocols/ports.ts';
import type { SimulatedEvent } from '../../events/event.ts';
import type { GatewayFacts } from '../../gateway/gateway.ts';
import { isThread } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { memberOrdinal } from '../../world/member-chunks.ts';
import type { World } from '../../world.ts';
import { apiError, invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import type { RestRequest, RestResponse } from '../http.ts';
import { type ParsedBody, parseBody } from '../request-body.ts';
import type { RestAudit } from '../rest-audit.ts';
import type { ApplicationRecords } from './application-records.ts';
import type { Bans } from './ban-store.ts';
import type { Commands } from './command-store.ts';
import type { Pins } from './pin-store.ts';
import type { Reactions } from './reaction-store.ts';
import type { Records } from './records.ts';
import type { SearchIndex } from './search-index.ts';
import type { Webhooks } from './webhook-store.ts';

/** What all endpoints share. */
export type Surroundings = {
  readonly clock: Clock;
  readonly world: World;
  readonly audit: RestAudit;
  readonly gatewayFacts: () => GatewayFacts;
  readonly publish: (event: SimulatedEvent) => void;
  /** Tokens of users who let the application act for them. */
  readonly bearerTokens: readonly string[];
  /** Channels that the bot may not see. */
  readonly forbiddenChannels: ReadonlySet<string>;
  readonly pins: Pins;
  readonly reactions: Reactions;
  readonly bans: Bans;
  readonly commands: Commands;
  readonly webhooks: Webhooks;
  readonly records: Records;
  readonly application: ApplicationRecords;
  readonly searchIndex: SearchIndex;
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

/** The thread that the path names as a channel. */
export function threadOf(call: Call): APIThreadChannel {
  const channel = channelOf(call);
  if (isThread(channel)) return channel;
  throw new Refusal(apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType));
}

/** Refuses what is not to be done in a thread that is archived. */
export function requireActive(channel: APIChannel): void {
  if (!isThread(channel) || channel.thread_metadata?.archived !== true) return;
  throw new Refusal(apiError(RESTJSONErrorCodes.InvalidActionOnArchivedThread));
}

/** The guild that the path names. */
export function guildOf(call: Call): GuildModel {
  const model = call.world.guild(idOf(call, 'guild'));
  if (model === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownGuild));
  return model;
}

/** The guild of a channel, which must be in one. */
export function guildOfChannel(call: Call, channel: APIChannel): GuildModel {
  const model = call.world.guild(guildIdOf(channel) ?? '');
  if (model !== undefined) return model;
  throw new Refusal(apiError(RESTJSONErrorCodes.CannotExecuteActionOnDMChannel));
}

/** Which member of the guild the path names. */
export function ordinalOf(call: Call, model: GuildModel): number {
  const userId = idOf(call, 'user');
  const ordinal = memberOrdinal(call.world.seed, model, userId);
  if (ordinal !== undefined) return ordinal;
  const code =
    call.world.user(userId) === undefined
      ? RESTJSONErrorCodes.UnknownUser
      : RESTJSONErrorCodes.UnknownMember;
  throw new Refusal(apiError(code));
}

/** Shows sessions an event; null for what happens outside guilds. */
export function tell(call: Call, t: DispatchEventName, guildId: string | null, d: object): void {
  call.publish({ t, d, guildId, intents: intentsFor(t, guildId !== null) });
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

/** The body's fields, which must be those of an object. */
export function formOf(call: Call): Form {
  const { value } = bodyOf(call);
  if (isObject(value)) return new Form(value);
  const message = 'Only dictionaries may be used in a ModelType';
  throw new Refusal(invalidForm([{ path: [], code: 'MODEL_TYPE_CONVERT', message }]));
}

/** What `read` makes of the form, unless it finds something wrong in it. */
export function finishedForm<Read>(form: Form, read: (form: Form) => Read): Read {
  const result = read(form);
  if (form.errors.length > 0) throw new Refusal(invalidForm(form.errors));
  return result;
}

/** Refuses one field of the body or of the query. */
export function refuseField(path: string, code: string, message: string): Refusal {
  return new Refusal(invalidForm([{ path: path.split('.'), code, message }]));
}

/** An id from the query, as a number. */
export function querySnowflake(call: Call, name: string): bigint | undefined {
  const text = call.query.get(name);
  if (text === null) return undefined;
  if (SNOWFLAKE.test(text)) return BigInt(text);
  throw refuseField(name, 'NUMBER_TYPE_COERCE', `Value "${text.slice(0, 64)}" is not snowflake.`);
}

export function queryFlag(call: Call, name: string): boolean {
  return /^(?:true|1)$/i.test(call.query.get(name) ?? '');
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

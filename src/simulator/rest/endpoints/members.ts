/**
 * The members of a guild: listed, found, changed, sent away, banned.
 *
 * Members follow from the world's seed. So who is changed or sent away is checked and answered as
 * Discord does, and stays as before; bans are kept.
 */
import { type APIUser, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { intentsFor } from '../../../../protocols/discord/dispatch-events.ts';
import { BULK_BAN_USERS_MAX, MEMBERS_PER_PAGE_MAX } from '../../../../protocols/limits.ts';
import type { GuildModel } from '../../world/guild.ts';
import { makeMemberChunks } from '../../world/member-chunks.ts';
import { BOT_ORDINAL, idAt, memberAt } from '../../world/people.ts';
import { apiError, invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { emptyResponse, header, jsonResponse } from '../http.ts';
import { bodyOf, type Call, type Endpoint, idOf, Refusal } from './endpoint.ts';
import { guildOf, ordinalOf } from './guilds.ts';

const NICK_MAX = 32;
const REASON_HEADER = 'x-audit-log-reason';

/** A number of the query within its bounds, or what goes without one. */
function countOf(call: Call, fallback: number, most: number): number {
  const value = Number(call.query.get('limit') ?? fallback);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const message = `int value should be between 1 and ${most}.`;
  throw new Refusal(invalidForm([{ path: ['limit'], code: 'NUMBER_TYPE_RANGE', message }]));
}

/** The page of a list that is in the order of its ids. */
function pageOf<Item>(
  call: Call,
  items: readonly Item[],
  usual: number,
  idOfItem: (item: Item) => string,
): Item[] {
  const limit = countOf(call, usual, MEMBERS_PER_PAGE_MAX);
  const after = BigInt(/^\d{1,20}$/.exec(call.query.get('after') ?? '')?.[0] ?? 0);
  return items.filter((item) => BigInt(idOfItem(item)) > after).slice(0, limit);
}

const listMembers: Endpoint = (call) => {
  const model = guildOf(call);
  const { seed } = call.world;
  const all = Array.from({ length: model.memberCount }, (_, ordinal) => ({
    ordinal,
    id: idAt(seed, model.index, ordinal),
  }));
  all.sort((one, other) => (BigInt(one.id) < BigInt(other.id) ? -1 : 1));
  const page = pageOf(call, all, 1, ({ id }) => id);
  return jsonResponse(
    200,
    page.map(({ ordinal }) => memberAt(seed, model, ordinal)),
  );
};

const searchMembers: Endpoint = (call) => {
  const model = guildOf(call);
  const query = call.query.get('query') ?? '';
  if (query === '') {
    const message = 'This field is required';
    return invalidForm([{ path: ['query'], code: 'BASE_TYPE_REQUIRED', message }]);
  }
  const limit = countOf(call, 1, MEMBERS_PER_PAGE_MAX);
  const request = { guild_id: model.id, query, limit };
  const chunks = [...makeMemberChunks(call.world.seed, model, request, 0, 0)];
  return jsonResponse(
    200,
    chunks.flatMap(({ members }) => members),
  );
};

function changed(call: Call, model: GuildModel, ordinal: number) {
  const { value } = bodyOf(call);
  const fields = isObject(value) ? value : {};
  const form = new Form(fields);
  const nick = form.string('nick', NICK_MAX);
  const roles = form.list('roles', model.guild.roles.length);
  const mute = form.boolean('mute');
  const deaf = form.boolean('deaf');
  const until = form.string('communication_disabled_until', NICK_MAX);
  if (form.errors.length > 0) throw new Refusal(invalidForm(form.errors));
  for (const role of roles ?? []) {
    const isKnown = model.guild.roles.some(({ id }) => id === role);
    if (!isKnown) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownRole));
  }
  const changes = { nick, roles, mute, deaf, communication_disabled_until: until };
  const given = Object.entries(changes)
    .filter(([name]) => name in fields)
    .map(([name, change]) => [name, change ?? null]);
  return { ...memberAt(call.world.seed, model, ordinal), ...Object.fromEntries(given) };
}

const editMember: Endpoint = (call) => {
  const model = guildOf(call);
  return jsonResponse(200, changed(call, model, ordinalOf(call, model)));
};

const editSelf: Endpoint = (call) => jsonResponse(200, changed(call, guildOf(call), BOT_ORDINAL));

const kickMember: Endpoint = (call) => {
  ordinalOf(call, guildOf(call));
  return emptyResponse();
};

function bannedUser(call: Call, userId: string): APIUser {
  const user = call.world.user(userId);
  if (user === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownUser));
  return user;
}

function tellOfBan(call: Call, t: 'GUILD_BAN_ADD' | 'GUILD_BAN_REMOVE', user: APIUser): void {
  const guildId = idOf(call, 'guild');
  const d = { guild_id: guildId, user };
  call.publish({ t, d, guildId, intents: intentsFor(t, true) });
}

/** Reasons are percent-encoded; what is not comes as it is. */
function decoded(reason: string): string {
  try {
    return decodeURIComponent(reason);
  } catch {
    return reason;
  }
}

function ban(call: Call, guildId: string, user: APIUser): void {
  const reason = header(call.request.headers, REASON_HEADER);
  call.bans.add(guildId, user.id, reason === undefined ? null : decoded(reason));
  tellOfBan(call, 'GUILD_BAN_ADD', user);
}

const banMember: Endpoint = (call) => {
  const { id } = guildOf(call);
  ban(call, id, bannedUser(call, idOf(call, 'user')));
  return emptyResponse();
};

const banMany: Endpoint = (call) => {
  const { id } = guildOf(call);
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  const ids = form.required('user_ids') ? form.list('user_ids', BULK_BAN_USERS_MAX) : undefined;
  if (form.errors.length > 0 || ids === undefined) return invalidForm(form.errors);
  const users = ids.map(String).map((userId) => call.world.user(userId));
  const known = users.filter((user) => user !== undefined);
  if (known.length === 0) return apiError(RESTJSONErrorCodes.FailedToBanUsers);
  for (const user of known) ban(call, id, user);
  const failed = ids.map(String).filter((userId) => !known.some((user) => user.id === userId));
  return jsonResponse(200, { banned_users: known.map((user) => user.id), failed_users: failed });
};

const unbanMember: Endpoint = (call) => {
  const { id } = guildOf(call);
  const userId = idOf(call, 'user');
  if (!call.bans.delete(id, userId)) return apiError(RESTJSONErrorCodes.UnknownBan);
  tellOfBan(call, 'GUILD_BAN_REMOVE', bannedUser(call, userId));
  return emptyResponse();
};

const listBans: Endpoint = (call) => {
  const { id } = guildOf(call);
  const page = pageOf(call, call.bans.of(id), MEMBERS_PER_PAGE_MAX, ([userId]) => userId);
  return jsonResponse(
    200,
    page.map(([userId, reason]) => ({ user: bannedUser(call, userId), reason })),
  );
};

const getBan: Endpoint = (call) => {
  const { id } = guildOf(call);
  const userId = idOf(call, 'user');
  const found = call.bans.of(id).find(([user]) => user === userId);
  if (found === undefined) return apiError(RESTJSONErrorCodes.UnknownBan);
  return jsonResponse(200, { user: bannedUser(call, userId), reason: found[1] });
};

export const MEMBER_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/members': listMembers,
  'GET /guilds/:guild/members/search': searchMembers,
  'PATCH /guilds/:guild/members/:user': editMember,
  'PATCH /guilds/:guild/members/@me': editSelf,
  'DELETE /guilds/:guild/members/:user': kickMember,
  'GET /guilds/:guild/bans': listBans,
  'GET /guilds/:guild/bans/:user': getBan,
  'PUT /guilds/:guild/bans/:user': banMember,
  'DELETE /guilds/:guild/bans/:user': unbanMember,
  'POST /guilds/:guild/bulk-ban': banMany,
};

/** Who is banned from a guild, and the pruning of members who do nothing. */
import { type APIUser, AuditLogEvent, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { BULK_BAN_USERS_MAX, MEMBERS_PER_PAGE_MAX } from '../../../../protocols/limits.ts';
import { fraction } from '../../world/draw.ts';
import type { GuildModel } from '../../world/guild.ts';
import { memberOrdinal, presentOrdinals } from '../../world/member-chunks.ts';
import { idAt, OWNER_ORDINAL, rolesAt } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { flag, listOfSnowflakes, readFields, whole } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { reasonOf, recordAudit } from './audit-log.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  idOf,
  queryInteger,
  Refusal,
  tell,
} from './endpoint.ts';
import { pageOf, removeMember } from './members.ts';

function bannedUser(call: Call, userId: string): APIUser {
  const user = call.world.user(userId);
  if (user === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownUser));
  return user;
}

/** A member who is banned is a member no longer. */
function ban(call: Call, model: GuildModel, user: APIUser): void {
  const ordinal = memberOrdinal(call.world.seed, model, user.id);
  if (ordinal !== undefined) removeMember(call, model, ordinal);
  call.bans.add(model.id, user.id, reasonOf(call) ?? null);
  tell(call, 'GUILD_BAN_ADD', model.id, { guild_id: model.id, user });
  recordAudit(call, { action: AuditLogEvent.MemberBanAdd, target: user.id });
}

const banMember: Endpoint = (call) => {
  ban(call, guildOf(call), bannedUser(call, idOf(call, 'user')));
  return emptyResponse();
};

const banMany: Endpoint = (call) => {
  const model = guildOf(call);
  const { user_ids: ids = [] } = finishedForm(formOf(call), (form) =>
    readFields<{ user_ids: readonly string[] }>(
      form,
      { user_ids: listOfSnowflakes(BULK_BAN_USERS_MAX) },
      ['user_ids'],
    ),
  );
  const banned = ids.flatMap((userId) => {
    const user = call.world.user(userId);
    if (user === undefined || user.id === model.ownerId) return [];
    ban(call, model, user);
    return [user.id];
  });
  if (banned.length === 0) return apiError(RESTJSONErrorCodes.FailedToBanUsers);
  const failed_users = ids.filter((userId) => !banned.includes(userId));
  return jsonResponse(200, { banned_users: banned, failed_users });
};

const unbanMember: Endpoint = (call) => {
  const { id } = guildOf(call);
  const userId = idOf(call, 'user');
  if (!call.bans.delete(id, userId)) return apiError(RESTJSONErrorCodes.UnknownBan);
  tell(call, 'GUILD_BAN_REMOVE', id, { guild_id: id, user: bannedUser(call, userId) });
  recordAudit(call, { action: AuditLogEvent.MemberBanRemove, target: userId });
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

const PRUNE_DAYS_MAX = 30;
const PRUNE_DAYS_DEFAULT = 7;
/** Members were last there up to so many days ago. */
const LAST_SEEN_DAYS = 45;
const LAST_SEEN = 71;

/** Who was away for so long, is not talking now, and has none but the roles that are included. */
function inactiveIn(call: Call, days: number, included: readonly string[]): number[] {
  const model = guildOf(call);
  const { seed } = call.world;
  return [...presentOrdinals(model)].filter(
    (ordinal) =>
      ordinal > OWNER_ORDINAL &&
      model.shelves.voiceStates.get(idAt(seed, model.index, ordinal)) === undefined &&
      fraction(seed, model.index, ordinal, LAST_SEEN) * LAST_SEEN_DAYS > days &&
      rolesAt(seed, model, ordinal).every((role) => included.includes(role)),
  );
}

const countPruned: Endpoint = (call) => {
  const days = queryInteger(call, 'days', 1, PRUNE_DAYS_MAX, PRUNE_DAYS_DEFAULT);
  const included = (call.query.get('include_roles') ?? '').split(',');
  return jsonResponse(200, { pruned: inactiveIn(call, days, included).length });
};

type PruneBody = {
  readonly days: number;
  readonly compute_prune_count: boolean;
  readonly include_roles: readonly string[];
};

const prune: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<PruneBody>(form, {
      days: whole(1, PRUNE_DAYS_MAX),
      compute_prune_count: flag,
      include_roles: listOfSnowflakes(model.shelves.roles.most),
    }),
  );
  const days = fields.days ?? PRUNE_DAYS_DEFAULT;
  const gone = inactiveIn(call, days, fields.include_roles ?? []);
  for (const ordinal of gone) removeMember(call, model, ordinal);
  recordAudit(call, {
    action: AuditLogEvent.MemberPrune,
    target: null,
    options: { delete_member_days: String(days), members_removed: String(gone.length) },
  });
  return jsonResponse(200, { pruned: fields.compute_prune_count === false ? null : gone.length });
};

export const BAN_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/bans': listBans,
  'GET /guilds/:guild/bans/:user': getBan,
  'PUT /guilds/:guild/bans/:user': banMember,
  'DELETE /guilds/:guild/bans/:user': unbanMember,
  'POST /guilds/:guild/bulk-ban': banMany,
  'GET /guilds/:guild/prune': countPruned,
  'POST /guilds/:guild/prune': prune,
};

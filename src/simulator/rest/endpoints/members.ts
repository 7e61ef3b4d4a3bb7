/** The members of a guild: listed, found, added, changed, sent away. */
import {
  type APIAuditLogChange,
  type APIGuildMember,
  AuditLogEvent,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { GUILD_ROLES_MAX, MEMBERS_PER_PAGE_MAX } from '../../../../protocols/limits.ts';
import type { GuildModel } from '../../world/guild.ts';
import {
  makeMemberChunks,
  memberOrdinal,
  ordinalOfUser,
  presentOrdinals,
} from '../../world/member-chunks.ts';
import type { MemberChange } from '../../world/membership.ts';
import { BOT_ORDINAL, idAt, memberAt, OWNER_ORDINAL } from '../../world/people.ts';
import { apiError, invalidForm } from '../answers.ts';
import {
  type FieldTable,
  flag,
  image,
  listOfSnowflakes,
  nullable,
  readFields,
  snowflake,
  text,
  time,
  whole,
} from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  idOf,
  ordinalOf,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';
import { moveInVoice } from './voice-states.ts';

const NICK_MAX = 32;
const IMAGE_KIB = 10_240;
const TIMEOUT_MAX_MS = 28 * 86_400_000;

/** A number of the query within its bounds, or what goes without one. */
function countOf(call: Call, fallback: number, most: number): number {
  const value = Number(call.query.get('limit') ?? fallback);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw refuseField('limit', 'NUMBER_TYPE_RANGE', `int value should be between 1 and ${most}.`);
}

/** The page of a list that is in the order of its ids. */
export function pageOf<Item>(
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
  const all = [...presentOrdinals(model)].map((ordinal) => ({
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

const getMember: Endpoint = (call) => {
  const model = guildOf(call);
  return jsonResponse(200, memberAt(call.world.seed, model, ordinalOf(call, model)));
};

type MemberBody = {
  readonly nick: string | null;
  readonly roles: readonly string[] | null;
  readonly mute: boolean | null;
  readonly deaf: boolean | null;
  readonly channel_id: string | null;
  readonly communication_disabled_until: string | null;
  readonly flags: number | null;
};

const MEMBER_FIELDS: FieldTable<MemberBody> = {
  nick: nullable(text(NICK_MAX)),
  roles: nullable(listOfSnowflakes(GUILD_ROLES_MAX)),
  mute: nullable(flag),
  deaf: nullable(flag),
  channel_id: nullable(snowflake),
  communication_disabled_until: nullable(time),
  flags: nullable(whole()),
};

type SelfBody = Pick<APIGuildMember, 'nick' | 'avatar' | 'banner'>;

const NICK_FIELD: FieldTable<SelfBody> = { nick: nullable(text(NICK_MAX)) };

const SELF_FIELDS: FieldTable<SelfBody> = {
  ...NICK_FIELD,
  avatar: nullable(image(IMAGE_KIB)),
  banner: nullable(image(IMAGE_KIB)),
};

/** Nobody is above the owner. */
function requireBelow(ordinal: number): void {
  if (ordinal !== OWNER_ORDINAL) return;
  throw new Refusal(apiError(RESTJSONErrorCodes.MissingPermissions));
}

function checkMember(call: Call, model: GuildModel, fields: Partial<MemberBody>): void {
  const isUnknown = (roleId: string) => model.shelves.roles.get(roleId) === undefined;
  if (fields.roles?.some(isUnknown)) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownRole));
  const untilMs = Date.parse(fields.communication_disabled_until ?? '');
  if (untilMs > call.clock.epochMs() + TIMEOUT_MAX_MS) {
    const code = 'COMMUNICATION_DISABLED_UNTIL_TOO_FAR';
    throw refuseField('communication_disabled_until', code, 'Must be within 28 days.');
  }
}

/** Changes a member, tells of it and answers with how the member is now. */
function changeMember(
  call: Call,
  model: GuildModel,
  ordinal: number,
  change: MemberChange,
): APIGuildMember {
  const before = memberAt(call.world.seed, model, ordinal);
  model.changeMember(ordinal, change);
  const after = memberAt(call.world.seed, model, ordinal);
  tell(call, 'GUILD_MEMBER_UPDATE', model.id, { guild_id: model.id, ...after });
  const target = after.user.id;
  const { roles: _, ...own } = before;
  const { roles: __, ...others } = after;
  recordAudit(call, { action: AuditLogEvent.MemberUpdate, target, before: own, after: others });
  const changes = roleChanges(model, before.roles, after.roles);
  const action = AuditLogEvent.MemberRoleUpdate;
  if (changes.length > 0) recordAudit(call, { action, target, changes });
  return after;
}

/** The audit log tells of roles by what came and what went. */
function roleChanges(
  model: GuildModel,
  before: readonly string[],
  after: readonly string[],
): APIAuditLogChange[] {
  const named = (ids: readonly string[]) =>
    ids.map((id) => ({ id, name: model.shelves.roles.get(id)?.name ?? '' }));
  const added = named(after.filter((id) => !before.includes(id)));
  const removed = named(before.filter((id) => !after.includes(id)));
  return [
    ...(added.length === 0 ? [] : [{ key: '$add' as const, new_value: added }]),
    ...(removed.length === 0 ? [] : [{ key: '$remove' as const, new_value: removed }]),
  ];
}

const editMember: Endpoint = (call) => {
  const model = guildOf(call);
  const ordinal = ordinalOf(call, model);
  const read = finishedForm(formOf(call), (form) => readFields(form, MEMBER_FIELDS));
  checkMember(call, model, read);
  const { channel_id, roles, mute, deaf, flags, ...rest } = read;
  if (rest.nick !== undefined || rest.communication_disabled_until !== undefined) {
    requireBelow(ordinal);
  }
  const hears = mute !== undefined || deaf !== undefined || channel_id !== undefined;
  const userId = idAt(call.world.seed, model.index, ordinal);
  if (hears) {
    moveInVoice(call, model, userId, {
      ...(channel_id === undefined ? {} : { channel_id }),
      ...(mute === undefined ? {} : { mute: mute ?? false }),
      ...(deaf === undefined ? {} : { deaf: deaf ?? false }),
    });
  }
  const change = {
    ...rest,
    ...(roles === undefined ? {} : { roles: [...(roles ?? [])] }),
    ...(mute === undefined ? {} : { mute: mute ?? false }),
    ...(deaf === undefined ? {} : { deaf: deaf ?? false }),
    ...(flags === undefined ? {} : { flags: flags ?? 0 }),
  };
  return jsonResponse(200, changeMember(call, model, ordinal, change));
};

const editSelf: Endpoint = (call) => {
  const fields = finishedForm(formOf(call), (form) => readFields(form, SELF_FIELDS));
  return jsonResponse(200, changeMember(call, guildOf(call), BOT_ORDINAL, fields));
};

/** The older way, which answers with the name alone. */
const editOwnNick: Endpoint = (call) => {
  const fields = finishedForm(formOf(call), (form) => readFields(form, NICK_FIELD));
  const member = changeMember(call, guildOf(call), BOT_ORDINAL, fields);
  return jsonResponse(200, { nick: member.nick ?? null });
};

const changeRoles =
  (change: (roles: readonly string[], roleId: string) => string[]): Endpoint =>
  (call) => {
    const model = guildOf(call);
    const ordinal = ordinalOf(call, model);
    const roleId = idOf(call, 'role');
    if (model.shelves.roles.get(roleId) === undefined) {
      return apiError(RESTJSONErrorCodes.UnknownRole);
    }
    const { roles } = memberAt(call.world.seed, model, ordinal);
    const changed = change(roles, roleId);
    if (changed.length === roles.length) return emptyResponse();
    changeMember(call, model, ordinal, { roles: changed });
    return emptyResponse();
  };

const addRole = changeRoles((roles, roleId) => [...new Set([...roles, roleId])]);
const removeRole = changeRoles((roles, roleId) => roles.filter((id) => id !== roleId));

/** Takes a member out of the guild and tells of it. */
export function removeMember(call: Call, model: GuildModel, ordinal: number): void {
  requireBelow(ordinal);
  const { user } = memberAt(call.world.seed, model, ordinal);
  const state = model.shelves.voiceStates.delete(user.id);
  model.removeMember(ordinal);
  if (state !== undefined)
    tell(call, 'VOICE_STATE_UPDATE', model.id, { ...state, channel_id: null });
  tell(call, 'GUILD_MEMBER_REMOVE', model.id, { guild_id: model.id, user });
}

const kickMember: Endpoint = (call) => {
  const model = guildOf(call);
  removeMember(call, model, ordinalOf(call, model));
  recordAudit(call, { action: AuditLogEvent.MemberKick, target: idOf(call, 'user') });
  return emptyResponse();
};

/**
 * Brings somebody back who was a member before, with the token of a user. Those who never were one
 * have no place among the numbered members of a guild, so their token is as good as unknown.
 */
const addMember: Endpoint = (call) => {
  const model = guildOf(call);
  const { access_token: token = '', ...fields } = finishedForm(formOf(call), (form) =>
    readFields<MemberBody & { access_token: string }>(
      form,
      { ...MEMBER_FIELDS, access_token: text(2_048, 1) },
      ['access_token'],
    ),
  );
  const userId = idOf(call, 'user');
  const ordinal = ordinalOfUser(call.world.seed, model, userId);
  if (!call.bearerTokens.includes(token) || ordinal === undefined) {
    return apiError(RESTJSONErrorCodes.InvalidOAuth2AccessToken);
  }
  if (memberOrdinal(call.world.seed, model, userId) !== undefined) return emptyResponse();
  checkMember(call, model, fields);
  model.restoreMember(ordinal);
  model.changeMember(ordinal, { nick: fields.nick ?? null, roles: [...(fields.roles ?? [])] });
  const member = memberAt(call.world.seed, model, ordinal);
  tell(call, 'GUILD_MEMBER_ADD', model.id, { guild_id: model.id, ...member });
  return jsonResponse(201, member);
};

export const MEMBER_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/members': listMembers,
  'GET /guilds/:guild/members/search': searchMembers,
  'GET /guilds/:guild/members/:user': getMember,
  'PUT /guilds/:guild/members/:user': addMember,
  'PATCH /guilds/:guild/members/:user': editMember,
  'PATCH /guilds/:guild/members/@me': editSelf,
  'PATCH /guilds/:guild/members/@me/nick': editOwnNick,
  'DELETE /guilds/:guild/members/:user': kickMember,
  'PUT /guilds/:guild/members/:user/roles/:role': addRole,
  'DELETE /guilds/:guild/members/:user/roles/:role': removeRole,
};

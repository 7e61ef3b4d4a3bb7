/** Invites to the channels of guilds. One that has expired is as good as deleted. */
import { createHash } from 'node:crypto';
import {
  type APIExtendedInvite,
  AuditLogEvent,
  InviteType,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { GUILD_INVITES_MAX } from '../../../../protocols/limits.ts';
import type { GuildModel } from '../../world/guild.ts';
import { microsecondTime } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { choice, flag, readFields, snowflake, whole } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  guildOfChannel,
  queryFlag,
  Refusal,
  tell,
} from './endpoint.ts';
import { countsOf } from './guilds.ts';

const AGE_MAX_S = 604_800;
const AGE_DEFAULT_S = 86_400;
const USES_MAX = 100;
const CODE_LENGTH = 8;

type InviteBody = {
  readonly max_age: number;
  readonly max_uses: number;
  readonly temporary: boolean;
  readonly unique: boolean;
  readonly target_type: number;
  readonly target_user_id: string;
  readonly target_application_id: string;
};

function aliveIn(call: Call, model: GuildModel): readonly APIExtendedInvite[] {
  const nowMs = call.clock.epochMs();
  const { invites } = call.records.of(model.id);
  for (const { code, expires_at: end } of invites.list()) {
    if (end !== undefined && end !== null && Date.parse(end) <= nowMs) invites.delete(code);
  }
  return invites.list();
}

const createInvite: Endpoint = (call) => {
  const channel = channelOf(call);
  const model = guildOfChannel(call, channel);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<InviteBody>(form, {
      max_age: whole(0, AGE_MAX_S),
      max_uses: whole(0, USES_MAX),
      temporary: flag,
      unique: flag,
      target_type: choice(1, 2),
      target_user_id: snowflake,
      target_application_id: snowflake,
    }),
  );
  const { max_age: age = AGE_DEFAULT_S, max_uses: uses = 0, temporary = false } = fields;
  const alive = aliveIn(call, model);
  const alike = alive.find(
    (invite) =>
      invite.channel?.id === channel.id &&
      invite.max_age === age &&
      invite.max_uses === uses &&
      invite.temporary === temporary,
  );
  if (fields.unique !== true && alike !== undefined) return jsonResponse(200, alike);
  if (alive.length >= GUILD_INVITES_MAX) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfInvitesReached);
  }
  const { id, name, icon, splash, banner, description, features } = model.guild;
  const { verification_level, vanity_url_code, nsfw_level, premium_subscription_count } =
    model.guild;
  const invite: APIExtendedInvite = {
    type: InviteType.Guild,
    code: codeFrom(call.world.newId(call.clock.epochMs())),
    guild: {
      id,
      name,
      icon,
      splash,
      banner,
      description,
      features,
      verification_level,
      vanity_url_code,
      nsfw_level,
      ...(premium_subscription_count === undefined ? {} : { premium_subscription_count }),
    },
    channel: { id: channel.id, type: channel.type, name: channel.name ?? '' },
    inviter: call.world.bot,
    created_at: microsecondTime(call.clock.epochMs()),
    expires_at: age === 0 ? null : microsecondTime(call.clock.epochMs() + age * 1_000),
    max_age: age,
    max_uses: uses,
    temporary,
    uses: 0,
  };
  call.records.of(id).invites.put(invite);
  const { type: _, guild: __, channel: ___, ...told } = invite;
  tell(call, 'INVITE_CREATE', id, { ...told, channel_id: channel.id, guild_id: id });
  const action = AuditLogEvent.InviteCreate;
  recordAudit(call, { action, target: null, after: { code: invite.code }, guildId: id });
  return jsonResponse(200, invite);
};

function codeFrom(id: string): string {
  const code = createHash('sha256').update(`invite ${id}`).digest('base64url');
  return code.replaceAll(/[-_]/g, 'x').slice(0, CODE_LENGTH);
}

/** The invite that the path names, with its guild. */
function inviteOf(call: Call): readonly [model: GuildModel, invite: APIExtendedInvite] {
  const code = call.values.code ?? '';
  const [guildId = ''] = call.records.invite(code) ?? [];
  const model = call.world.guild(guildId);
  const invite =
    model === undefined ? undefined : aliveIn(call, model).find((one) => one.code === code);
  if (model !== undefined && invite !== undefined) return [model, invite];
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownInvite));
}

/** What only those see who look after the guild. */
function withoutMetadata(invite: APIExtendedInvite) {
  const {
    uses: _,
    max_uses: __,
    max_age: ___,
    temporary: ____,
    created_at: _____,
    ...rest
  } = invite;
  return rest;
}

const getInvite: Endpoint = (call) => {
  const [model, invite] = inviteOf(call);
  const counts = queryFlag(call, 'with_counts') ? countsOf(model) : {};
  return jsonResponse(200, { ...withoutMetadata(invite), ...counts });
};

const deleteInvite: Endpoint = (call) => {
  const [model, invite] = inviteOf(call);
  const { code } = invite;
  call.records.of(model.id).invites.delete(code);
  const d = { channel_id: invite.channel?.id, guild_id: model.id, code };
  tell(call, 'INVITE_DELETE', model.id, d);
  const action = AuditLogEvent.InviteDelete;
  recordAudit(call, { action, target: null, before: { code }, guildId: model.id });
  return jsonResponse(200, withoutMetadata(invite));
};

const listGuildInvites: Endpoint = (call) => jsonResponse(200, aliveIn(call, guildOf(call)));

const listChannelInvites: Endpoint = (call) => {
  const channel = channelOf(call);
  const invites = aliveIn(call, guildOfChannel(call, channel));
  return jsonResponse(
    200,
    invites.filter((invite) => invite.channel?.id === channel.id),
  );
};

export const INVITE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /channels/:channel/invites': createInvite,
  'GET /channels/:channel/invites': listChannelInvites,
  'GET /guilds/:guild/invites': listGuildInvites,
  'GET /invites/:code': getInvite,
  'DELETE /invites/:code': deleteInvite,
};

/** Templates: a guild's shape, kept to make others like it. A guild has one at most. */
import { createHash } from 'node:crypto';
import { type APITemplate, RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import { microsecondTime } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { type FieldTable, nullable, readFields, text } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import { type Call, type Endpoint, finishedForm, formOf, guildOf, Refusal } from './endpoint.ts';

type TemplateBody = { readonly name: string; readonly description: string | null };

const FIELDS: FieldTable<TemplateBody> = { name: text(100, 1), description: nullable(text(120)) };

function shapeOf({ guild, channels }: GuildModel): APITemplate['serialized_source_guild'] {
  const { name, description, verification_level, default_message_notifications } = guild;
  const { explicit_content_filter, preferred_locale, afk_timeout, roles } = guild;
  const shape = {
    name,
    description,
    region: 'deprecated',
    verification_level,
    default_message_notifications,
    explicit_content_filter,
    preferred_locale,
    afk_timeout,
    afk_channel_id: null,
    system_channel_id: null,
    system_channel_flags: guild.system_channel_flags,
    roles: roles.map(({ id: _, ...role }, index) => ({ ...role, id: index })),
    channels: channels.map(({ id: _, ...channel }, index) => ({ ...channel, id: index })),
  };
  // Ids are places here, which the types of roles and channels do not know.
  return shape as unknown as APITemplate['serialized_source_guild'];
}

function templateOf(call: Call): APITemplate {
  const template = call.records.of(guildOf(call).id).templates.get(call.values.code ?? '');
  if (template !== undefined) return template;
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownGuildTemplate));
}

const createTemplate: Endpoint = (call) => {
  const model = guildOf(call);
  const { templates } = call.records.of(model.id);
  const fields = finishedForm(formOf(call), (form) => readFields(form, FIELDS, ['name']));
  if (templates.list().length > 0) return apiError(RESTJSONErrorCodes.GuildAlreadyHasTemplate);
  const now = microsecondTime(call.clock.epochMs());
  const id = call.world.newId(call.clock.epochMs());
  const code = createHash('sha256').update(`template ${id}`).digest('hex').slice(0, 12);
  const template: APITemplate = {
    code,
    name: fields.name ?? '',
    description: fields.description ?? null,
    usage_count: 0,
    creator_id: call.world.bot.id,
    creator: call.world.bot,
    created_at: now,
    updated_at: now,
    source_guild_id: model.id,
    serialized_source_guild: shapeOf(model),
    is_dirty: null,
  };
  templates.put(template);
  return jsonResponse(200, template);
};

const change =
  (changesOf: (call: Call, model: GuildModel) => Partial<APITemplate>): Endpoint =>
  (call) => {
    const model = guildOf(call);
    const template = { ...templateOf(call), ...changesOf(call, model) };
    call.records.of(model.id).templates.put(template);
    return jsonResponse(200, template);
  };

const syncTemplate = change((call, model) => ({
  updated_at: microsecondTime(call.clock.epochMs()),
  serialized_source_guild: shapeOf(model),
  is_dirty: null,
}));

const editTemplate = change((call) =>
  finishedForm(formOf(call), (form) => readFields(form, FIELDS)),
);

const deleteTemplate: Endpoint = (call) => {
  const template = templateOf(call);
  call.records.of(guildOf(call).id).templates.delete(template.code);
  return jsonResponse(200, template);
};

const getTemplate: Endpoint = (call) => {
  const template = call.records.template(call.values.code ?? '');
  if (template === undefined) return apiError(RESTJSONErrorCodes.UnknownGuildTemplate);
  return jsonResponse(200, template);
};

const TEMPLATES = '/guilds/:guild/templates';

export const TEMPLATE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  [`GET ${TEMPLATES}`]: (call) =>
    jsonResponse(200, call.records.of(guildOf(call).id).templates.list()),
  [`POST ${TEMPLATES}`]: createTemplate,
  [`PUT ${TEMPLATES}/:code`]: syncTemplate,
  [`PATCH ${TEMPLATES}/:code`]: editTemplate,
  [`DELETE ${TEMPLATES}/:code`]: deleteTemplate,
  'GET /guilds/templates/:code': getTemplate,
};

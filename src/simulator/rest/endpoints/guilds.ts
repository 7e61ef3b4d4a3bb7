/** Guilds themselves: their settings, and what can be seen of them from outside. */
import {
  type APIGuild,
  AuditLogEvent,
  GuildFeature,
  Locale,
  type RESTPatchAPIGuildJSONBody,
} from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import {
  choice,
  type Field,
  type FieldTable,
  flag,
  image,
  listOfTexts,
  nullable,
  readFields,
  snowflake,
  text,
  time,
  whole,
} from '../fields.ts';
import { jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  queryFlag,
  refuseField,
  tell,
} from './endpoint.ts';

const IMAGE_KIB = 10_240;
const PAUSE_MAX_MS = 86_400_000;

/** How many are members, and about how many of them are there. */
export function countsOf(model: GuildModel) {
  return {
    approximate_member_count: model.presentCount,
    approximate_presence_count: Math.ceil(model.presentCount / 3),
  };
}

const getGuild: Endpoint = (call) => {
  const model = guildOf(call);
  const withCounts = queryFlag(call, 'with_counts');
  return jsonResponse(200, withCounts ? { ...model.guild, ...countsOf(model) } : model.guild);
};

const IMAGE = nullable(image(IMAGE_KIB));
const CHANNEL = nullable(snowflake);

const locale: Field = (form, name) => {
  const value = form.string(name, 16);
  const known: readonly string[] = Object.values(Locale);
  if (value === undefined || known.includes(value)) return value;
  return form.fail(name, 'BASE_TYPE_CHOICES', `Value must be one of {${known.join(', ')}}.`);
};

const GUILD_FIELDS: FieldTable<RESTPatchAPIGuildJSONBody> = {
  name: text(100, 2),
  verification_level: nullable(choice(0, 1, 2, 3, 4)),
  default_message_notifications: nullable(choice(0, 1)),
  explicit_content_filter: nullable(choice(0, 1, 2)),
  afk_channel_id: CHANNEL,
  afk_timeout: choice(60, 300, 900, 1_800, 3_600),
  icon: IMAGE,
  splash: IMAGE,
  discovery_splash: IMAGE,
  banner: IMAGE,
  system_channel_id: CHANNEL,
  system_channel_flags: whole(),
  rules_channel_id: CHANNEL,
  public_updates_channel_id: CHANNEL,
  preferred_locale: nullable(locale),
  features: listOfTexts(100, 64),
  description: nullable(text(300)),
  premium_progress_bar_enabled: flag,
  safety_alerts_channel_id: CHANNEL,
};

/** What a setting is again when it is emptied with null; those not named here are null then. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  verification_level: 0,
  default_message_notifications: 0,
  explicit_content_filter: 0,
  preferred_locale: Locale.EnglishUS,
};

const editGuild: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) => readFields(form, GUILD_FIELDS));
  for (const [name, value] of Object.entries(fields)) {
    if (!name.endsWith('_channel_id') || value === null) continue;
    if (model.shelves.channels.get(String(value)) !== undefined) continue;
    throw refuseField(name, 'CHANNEL_INVALID', 'Channel does not exist');
  }
  const given = Object.entries(fields).map(([name, value]) => [
    name,
    value ?? DEFAULTS[name] ?? null,
  ]);
  return jsonResponse(200, changeGuild(call, model, Object.fromEntries(given)));
};

/** Changes settings of the guild, tells of it and answers with how it is now. */
export function changeGuild(call: Call, model: GuildModel, changes: Partial<APIGuild>): APIGuild {
  const before = model.guild;
  model.edit(changes);
  tell(call, 'GUILD_UPDATE', model.id, model.guild);
  const { guild: after } = model;
  recordAudit(call, { action: AuditLogEvent.GuildUpdate, target: model.id, before, after });
  return after;
}

type PauseBody = {
  readonly invites_disabled_until: string | null;
  readonly dms_disabled_until: string | null;
};

const pauseActions: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<PauseBody>(form, {
      invites_disabled_until: nullable(time),
      dms_disabled_until: nullable(time),
    }),
  );
  const latestMs = call.clock.epochMs() + PAUSE_MAX_MS;
  for (const [name, value] of Object.entries(fields)) {
    if (Date.parse(value ?? '') > latestMs) {
      throw refuseField(name, 'INCIDENT_ACTIONS_TOO_LONG', 'Must be within 24 hours.');
    }
  }
  const none = { invites_disabled_until: null, dms_disabled_until: null };
  const incidents_data = { ...none, ...model.guild.incidents_data, ...fields };
  changeGuild(call, model, { incidents_data });
  return jsonResponse(200, incidents_data);
};

const getPreview: Endpoint = (call) => {
  const model = guildOf(call);
  const { id, name, icon, splash, discovery_splash, emojis, features, description, stickers } =
    model.guild;
  return jsonResponse(200, {
    id,
    name,
    icon,
    splash,
    discovery_splash,
    emojis,
    features,
    description,
    stickers,
    ...countsOf(model),
  });
};

/** Without an address of its own the guild is still answered for. */
const getVanityUrl: Endpoint = (call) => {
  const { features, vanity_url_code: code } = guildOf(call).guild;
  const isAllowed = features.includes(GuildFeature.VanityURL);
  return jsonResponse(200, { code: isAllowed ? code : null, uses: 0 });
};

const VOICE_REGIONS = ['brazil', 'hongkong', 'japan', 'rotterdam', 'singapore', 'us-east'].map(
  (id, index) => ({ id, name: id, optimal: index === 3, deprecated: false, custom: false }),
);

const getRegions: Endpoint = (call) => {
  guildOf(call);
  return jsonResponse(200, VOICE_REGIONS);
};

export const GUILD_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild': getGuild,
  'PATCH /guilds/:guild': editGuild,
  'PUT /guilds/:guild/incident-actions': pauseActions,
  'GET /guilds/:guild/preview': getPreview,
  'GET /guilds/:guild/vanity-url': getVanityUrl,
  'GET /guilds/:guild/regions': getRegions,
  'GET /voice/regions': () => jsonResponse(200, VOICE_REGIONS),
};

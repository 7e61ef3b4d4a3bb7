/** The emojis of a guild and those of the application. */
import {
  type APIApplicationEmoji,
  type APIEmoji,
  AuditLogEvent,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { APPLICATION_EMOJIS_MAX, GUILD_EMOJIS_MAX } from '../../../../protocols/limits.ts';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import type { ApiErrorCode } from '../api-errors.ts';
import { type Field, image, listOfSnowflakes, nullable } from '../fields.ts';
import { type Call, type Endpoint, guildOf, Refusal, tell } from './endpoint.ts';
import { requireOwnApplication } from './own-application.ts';
import { type Resource, resourceEndpoints } from './resource.ts';

const IMAGE_KIB = 256;
const ROLES_MAX = 250;

type EmojiBody = {
  readonly name: string;
  readonly image: string;
  readonly roles: readonly string[] | null;
};

/** 2 to 32 letters, digits and underscores. */
const emojiName: Field = (form, name) => {
  const value = form.string(name, 32, 2);
  if (value === undefined || /^\w+$/.test(value)) return value;
  return form.fail(name, 'STRING_TYPE_REGEX', 'String value did not match validation regex.');
};

function refuse(code: ApiErrorCode): never {
  throw new Refusal(apiError(code));
}

/** How many of a kind of expression the guild may have, by its boost level. */
export function allowedBy(model: GuildModel, byTier: readonly number[]): number {
  return byTier[model.guild.premium_tier] ?? 0;
}

function madeOf(call: Call, fields: Partial<EmojiBody>, id: string) {
  return {
    id,
    name: fields.name ?? '',
    roles: [...(fields.roles ?? [])],
    user: call.world.bot,
    require_colons: true,
    managed: false,
    animated: fields.image?.startsWith('a_') ?? false,
    available: true,
  };
}

const GUILD_EMOJIS: Resource<APIEmoji, EmojiBody> = {
  name: 'emoji',
  shelf: (call) => guildOf(call).shelves.emojis,
  unknown: RESTJSONErrorCodes.UnknownEmoji,
  fields: {
    name: emojiName,
    image: image(IMAGE_KIB),
    roles: nullable(listOfSnowflakes(ROLES_MAX)),
  },
  required: ['name', 'image'],
  // Still and animated ones are counted apart.
  room: (call, fields) => {
    const model = guildOf(call);
    const animated = fields.image?.startsWith('a_') ?? false;
    const alike = model.shelves.emojis.list().filter((emoji) => emoji.animated === animated);
    if (alike.length < allowedBy(model, GUILD_EMOJIS_MAX)) return;
    refuse(RESTJSONErrorCodes.MaximumNumberOfEmojisReached);
  },
  make: madeOf,
  change: (_call, emoji, { name, roles }) => ({
    ...emoji,
    ...(name === undefined ? {} : { name }),
    ...(roles === undefined ? {} : { roles: [...(roles ?? [])] }),
  }),
  tell: (call) => {
    const { id, shelves } = guildOf(call);
    tell(call, 'GUILD_EMOJIS_UPDATE', id, { guild_id: id, emojis: shelves.emojis.list() });
  },
  audit: {
    create: AuditLogEvent.EmojiCreate,
    update: AuditLogEvent.EmojiUpdate,
    delete: AuditLogEvent.EmojiDelete,
  },
  createdStatus: 201,
};

const APPLICATION_EMOJIS: Resource<APIApplicationEmoji, Pick<EmojiBody, 'name' | 'image'>> = {
  name: 'emoji',
  shelf: (call) => {
    requireOwnApplication(call);
    return call.application.emojis;
  },
  unknown: RESTJSONErrorCodes.UnknownEmoji,
  fields: { name: emojiName, image: image(IMAGE_KIB) },
  required: ['name', 'image'],
  room: (call) => {
    if (call.application.emojis.list().length < APPLICATION_EMOJIS_MAX) return;
    refuse(RESTJSONErrorCodes.MaximumNumberOfEmojisReached);
  },
  make: (call, fields, id) => ({
    ...madeOf(call, fields, id),
    roles: [],
    require_colons: true,
    managed: false,
    available: true,
  }),
  change: (_call, emoji, { name }) => ({ ...emoji, ...(name === undefined ? {} : { name }) }),
  // No session hears of an application's emojis.
  tell: () => undefined,
  createdStatus: 201,
  listed: (items) => ({ items }),
};

export const EMOJI_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  ...resourceEndpoints('/guilds/:guild/emojis', GUILD_EMOJIS),
  ...resourceEndpoints('/applications/:application/emojis', APPLICATION_EMOJIS),
};

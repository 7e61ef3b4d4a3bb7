/** The stickers of a guild, and those that everybody has. */
import {
  type APISticker,
  AuditLogEvent,
  RESTJSONErrorCodes,
  StickerFormatType,
  StickerType,
} from 'discord-api-types/v10';
import { GUILD_STICKERS_MAX } from '../../../../protocols/limits.ts';
import { apiError } from '../answers.ts';
import { nullable, text } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import type { UploadedFile } from '../request-body.ts';
import { allowedBy } from './emojis.ts';
import {
  bodyOf,
  type Call,
  type Endpoint,
  guildOf,
  idOf,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';
import { type Resource, resourceEndpoints } from './resource.ts';

const FILE_MAX_BYTES = 512 * 1024;

type StickerBody = {
  readonly name: string;
  readonly description: string | null;
  readonly tags: string;
};

const FORMATS: Readonly<Record<string, StickerFormatType>> = {
  'image/png': StickerFormatType.PNG,
  'image/apng': StickerFormatType.APNG,
  'image/gif': StickerFormatType.GIF,
  'application/json': StickerFormatType.Lottie,
};

function fileOf(call: Call): UploadedFile {
  const [file] = bodyOf(call).files;
  if (file === undefined) {
    throw refuseField('file', 'BASE_TYPE_REQUIRED', 'This field is required');
  }
  if (file.size <= FILE_MAX_BYTES) return file;
  throw refuseField('file', 'BASE_TYPE_MAX_LENGTH', `Must be ${FILE_MAX_BYTES} or fewer in size.`);
}

function formatOf(file: UploadedFile): StickerFormatType {
  const format = FORMATS[file.contentType ?? ''];
  if (format !== undefined) return format;
  throw new Refusal(apiError(RESTJSONErrorCodes.InvalidFileUploaded));
}

const STICKERS: Resource<APISticker, StickerBody> = {
  name: 'sticker',
  shelf: (call) => guildOf(call).shelves.stickers,
  unknown: RESTJSONErrorCodes.UnknownSticker,
  fields: { name: text(30, 2), description: nullable(text(100)), tags: text(200, 1) },
  required: ['name', 'tags'],
  room: (call) => {
    const model = guildOf(call);
    if (model.shelves.stickers.list().length < allowedBy(model, GUILD_STICKERS_MAX)) return;
    throw new Refusal(apiError(RESTJSONErrorCodes.MaximumNumberOfStickersReached));
  },
  make: (call, fields, id) => ({
    id,
    name: fields.name ?? '',
    description: fields.description || null,
    tags: fields.tags ?? '',
    type: StickerType.Guild,
    format_type: formatOf(fileOf(call)),
    available: true,
    guild_id: guildOf(call).id,
    user: call.world.bot,
  }),
  change: (_call, sticker, fields) => ({ ...sticker, ...fields }),
  tell: (call) => {
    const { id, shelves } = guildOf(call);
    tell(call, 'GUILD_STICKERS_UPDATE', id, { guild_id: id, stickers: shelves.stickers.list() });
  },
  audit: {
    create: AuditLogEvent.StickerCreate,
    update: AuditLogEvent.StickerUpdate,
    delete: AuditLogEvent.StickerDelete,
  },
  createdStatus: 201,
};

/** Any guild's sticker; of those that come with Discord there are none here. */
const getSticker: Endpoint = (call) => {
  const id = idOf(call, 'sticker');
  for (const guildId of call.world.guildIds) {
    const sticker = call.world.guild(guildId)?.shelves.stickers.get(id);
    if (sticker !== undefined) return jsonResponse(200, sticker);
  }
  return apiError(RESTJSONErrorCodes.UnknownSticker);
};

export const STICKER_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  ...resourceEndpoints('/guilds/:guild/stickers', STICKERS),
  'GET /stickers/:sticker': getSticker,
  'GET /sticker-packs': () => jsonResponse(200, { sticker_packs: [] }),
  'GET /sticker-packs/:pack': () => apiError(RESTJSONErrorCodes.UnknownStickerPack),
};

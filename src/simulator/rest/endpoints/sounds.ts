/** The soundboard: a guild's sounds, and those that everybody has. */
import { type APISoundboardSound, AuditLogEvent, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { GUILD_SOUNDS_MAX } from '../../../../protocols/limits.ts';
import { apiError } from '../answers.ts';
import { audio, fractionUpTo, nullable, readFields, snowflake, text } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { allowedBy } from './emojis.ts';
import {
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  guildOfChannel,
  Refusal,
  tell,
} from './endpoint.ts';
import { type Happening, type Resource, resourceEndpoints } from './resource.ts';

const SOUND_KIB = 512;

type SoundBody = {
  readonly name: string;
  readonly sound: string;
  readonly volume: number | null;
  readonly emoji_id: string | null;
  readonly emoji_name: string | null;
};

const EVENTS: Readonly<
  Record<Happening, `GUILD_SOUNDBOARD_SOUND_${'CREATE' | 'UPDATE' | 'DELETE'}`>
> = {
  create: 'GUILD_SOUNDBOARD_SOUND_CREATE',
  update: 'GUILD_SOUNDBOARD_SOUND_UPDATE',
  delete: 'GUILD_SOUNDBOARD_SOUND_DELETE',
};

const SOUNDS: Resource<APISoundboardSound, SoundBody> = {
  name: 'sound',
  shelf: (call) => guildOf(call).shelves.sounds,
  unknown: RESTJSONErrorCodes.UnknownSound,
  fields: {
    name: text(32, 2),
    sound: audio(SOUND_KIB),
    volume: nullable(fractionUpTo(1)),
    emoji_id: nullable(snowflake),
    emoji_name: nullable(text(32)),
  },
  required: ['name', 'sound'],
  room: (call) => {
    const model = guildOf(call);
    if (model.shelves.sounds.list().length < allowedBy(model, GUILD_SOUNDS_MAX)) return;
    throw new Refusal(apiError(RESTJSONErrorCodes.MaximumNumberOfSoundboardSoundsReached));
  },
  make: (call, fields, id) => ({
    name: fields.name ?? '',
    sound_id: id,
    volume: fields.volume ?? 1,
    emoji_id: fields.emoji_id ?? null,
    emoji_name: fields.emoji_name ?? null,
    guild_id: guildOf(call).id,
    available: true,
    user: call.world.bot,
  }),
  change: (_call, sound, { sound: _, volume, ...fields }) => ({
    ...sound,
    ...fields,
    volume: volume === undefined ? sound.volume : (volume ?? 1),
  }),
  tell: (call, sound, happening) => {
    const { id } = guildOf(call);
    const gone = { sound_id: sound.sound_id, guild_id: id };
    tell(call, EVENTS[happening], id, happening === 'delete' ? gone : sound);
  },
  audit: {
    create: AuditLogEvent.SoundboardSoundCreate,
    update: AuditLogEvent.SoundboardSoundUpdate,
    delete: AuditLogEvent.SoundboardSoundDelete,
  },
  createdStatus: 201,
  listed: (items) => ({ items }),
};

/** The six that Discord brings along. */
const DEFAULT_SOUNDS = [
  ['quack', '🦆'],
  ['airhorn', '🔊'],
  ['cricket', '🦗'],
  ['golf clap', '👏'],
  ['sad horn', '🎺'],
  ['ba dum tss', '🥁'],
].map(([name, emoji_name], index) => ({
  name,
  sound_id: String(index + 1),
  volume: 1,
  emoji_id: null,
  emoji_name,
  available: true,
}));

/** Into the voice channel that the bot is in. */
const sendSound: Endpoint = (call) => {
  const channel = channelOf(call);
  const model = guildOfChannel(call, channel);
  const { sound_id: soundId, source_guild_id: sourceId } = finishedForm(formOf(call), (form) =>
    readFields<{ sound_id: string; source_guild_id: string }>(
      form,
      { sound_id: snowflake, source_guild_id: snowflake },
      ['sound_id'],
    ),
  );
  const source = sourceId === undefined ? model : call.world.guild(sourceId);
  const sound = source?.shelves.sounds.get(soundId ?? '');
  const isDefault = DEFAULT_SOUNDS.some(({ sound_id }) => sound_id === soundId);
  if (sound === undefined && !isDefault) return apiError(RESTJSONErrorCodes.UnknownSound, 400);
  const state = model.shelves.voiceStates.get(call.world.bot.id);
  if (state?.channel_id !== channel.id) {
    return apiError(RESTJSONErrorCodes.TargetUserIsNotConnectedToVoice);
  }
  tell(call, 'VOICE_CHANNEL_EFFECT_SEND', model.id, {
    channel_id: channel.id,
    guild_id: model.id,
    user_id: call.world.bot.id,
    sound_id: soundId,
    sound_volume: sound?.volume ?? 1,
  });
  return emptyResponse();
};

export const SOUND_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  ...resourceEndpoints('/guilds/:guild/soundboard-sounds', SOUNDS),
  'GET /soundboard-default-sounds': () => jsonResponse(200, DEFAULT_SOUNDS),
  'POST /channels/:channel/send-soundboard-sound': sendSound,
};

/** Who is in which voice channel of a guild, and whether they may be heard there. */
import {
  type APIVoiceState,
  AuditLogEvent,
  ChannelType,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import { type FieldTable, flag, nullable, readFields, snowflake, time } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  idOf,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';

/** Moves, mutes or deafens somebody who is in a voice channel; null sends them out of it. */
export function moveInVoice(
  call: Call,
  model: GuildModel,
  userId: string,
  change: Partial<Pick<APIVoiceState, 'channel_id' | 'mute' | 'deaf'>>,
): void {
  const { voiceStates, channels } = model.shelves;
  const state = voiceStates.get(userId);
  if (state === undefined) {
    throw new Refusal(apiError(RESTJSONErrorCodes.TargetUserIsNotConnectedToVoice));
  }
  const moved = { ...state, ...change };
  const { channel_id: channelId } = moved;
  const kind = channels.get(channelId ?? '')?.type;
  const isVoice = kind === ChannelType.GuildVoice || kind === ChannelType.GuildStageVoice;
  if (channelId !== null && !isVoice) {
    throw refuseField('channel_id', 'CHANNEL_INVALID', 'Not a voice channel');
  }
  if (channelId === null) voiceStates.delete(userId);
  else voiceStates.put(moved);
  tell(call, 'VOICE_STATE_UPDATE', model.id, moved);
  if (change.channel_id === undefined) return;
  const action = channelId === null ? AuditLogEvent.MemberDisconnect : AuditLogEvent.MemberMove;
  const options = { count: '1', ...(channelId === null ? {} : { channel_id: channelId }) };
  recordAudit(call, { action, target: null, options, guildId: model.id });
}

/** Without the guild and the member, which whoever asks has named. */
function shown({ member: _, ...state }: APIVoiceState): object {
  return state;
}

function stateOf(model: GuildModel, userId: string): APIVoiceState {
  const state = model.shelves.voiceStates.get(userId);
  if (state !== undefined) return state;
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownVoiceState));
}

type StageVoiceBody = {
  readonly channel_id: string;
  readonly suppress: boolean;
  readonly request_to_speak_timestamp: string | null;
};

const STATE_FIELDS: FieldTable<StageVoiceBody> = {
  channel_id: snowflake,
  suppress: flag,
  request_to_speak_timestamp: nullable(time),
};

type UserOf = (call: Call) => string;

const self: UserOf = (call) => call.world.bot.id;
const named: UserOf = (call) => idOf(call, 'user');

const getState =
  (userOf: UserOf): Endpoint =>
  (call) =>
    jsonResponse(200, shown(stateOf(guildOf(call), userOf(call))));

/** Only on stages is there something to ask for. */
const editState =
  (userOf: UserOf): Endpoint =>
  (call) => {
    const model = guildOf(call);
    const fields = finishedForm(formOf(call), (form) => readFields(form, STATE_FIELDS));
    const state = stateOf(model, userOf(call));
    const channel = model.shelves.channels.get(fields.channel_id ?? state.channel_id ?? '');
    if (channel?.id !== state.channel_id || channel?.type !== ChannelType.GuildStageVoice) {
      return apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType);
    }
    const changed = { ...state, ...fields };
    model.shelves.voiceStates.put(changed);
    tell(call, 'VOICE_STATE_UPDATE', model.id, changed);
    return emptyResponse();
  };

export const VOICE_STATE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/voice-states/:user': getState(named),
  'GET /guilds/:guild/voice-states/@me': getState(self),
  'PATCH /guilds/:guild/voice-states/:user': editState(named),
  'PATCH /guilds/:guild/voice-states/@me': editState(self),
};

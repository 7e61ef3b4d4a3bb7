/** Stage instances: stages on which something is going on. The path names one by its channel. */
import {
  type APIStageInstance,
  AuditLogEvent,
  ChannelType,
  RESTJSONErrorCodes,
  StageInstancePrivacyLevel,
} from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import { choice, flag, readFields, snowflake, text } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOfChannel,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';

const TOPIC = text(120, 1);
const PRIVACY = choice(StageInstancePrivacyLevel.Public, StageInstancePrivacyLevel.GuildOnly);

type StageBody = {
  readonly channel_id: string;
  readonly topic: string;
  readonly privacy_level: StageInstancePrivacyLevel;
  readonly send_start_notification: boolean;
  readonly guild_scheduled_event_id: string;
};

const openStage: Endpoint = (call) => {
  const fields = finishedForm(formOf(call), (form) =>
    readFields<StageBody>(
      form,
      {
        channel_id: snowflake,
        topic: TOPIC,
        privacy_level: PRIVACY,
        send_start_notification: flag,
        guild_scheduled_event_id: snowflake,
      },
      ['channel_id', 'topic'],
    ),
  );
  const channel = call.world.channel(fields.channel_id ?? '');
  if (channel === undefined) return apiError(RESTJSONErrorCodes.UnknownChannel);
  if (channel.type !== ChannelType.GuildStageVoice) {
    throw refuseField('channel_id', 'CHANNEL_TYPE_INVALID', 'Channel is not a stage channel.');
  }
  const model = guildOfChannel(call, channel);
  const { stageInstances } = model.shelves;
  if (stageInstances.get(channel.id) !== undefined) {
    return apiError(RESTJSONErrorCodes.TheStageIsAlreadyOpen);
  }
  const instance: APIStageInstance = {
    id: call.world.newId(call.clock.epochMs()),
    guild_id: model.id,
    channel_id: channel.id,
    topic: fields.topic ?? '',
    privacy_level: fields.privacy_level ?? StageInstancePrivacyLevel.GuildOnly,
    discoverable_disabled: true,
    guild_scheduled_event_id: fields.guild_scheduled_event_id ?? '',
  };
  const kept = withoutEvent(instance, fields.guild_scheduled_event_id);
  stageInstances.put(kept);
  tell(call, 'STAGE_INSTANCE_CREATE', model.id, kept);
  audit(call, AuditLogEvent.StageInstanceCreate, model, undefined, kept);
  return jsonResponse(200, kept);
};

/** Discord documents null where there is no event, which the types do not know. */
function withoutEvent(instance: APIStageInstance, eventId: string | undefined): APIStageInstance {
  return { ...instance, guild_scheduled_event_id: eventId ?? null } as APIStageInstance;
}

function audit(
  call: Call,
  action: AuditLogEvent,
  model: GuildModel,
  before: APIStageInstance | undefined,
  after?: APIStageInstance,
): void {
  const { id: target = null, channel_id = '' } = after ?? before ?? {};
  recordAudit(call, { action, target, before, after, options: { channel_id }, guildId: model.id });
}

function stageOf(call: Call): readonly [model: GuildModel, instance: APIStageInstance] {
  const channel = channelOf(call);
  const model = guildOfChannel(call, channel);
  const instance = model.shelves.stageInstances.get(channel.id);
  if (instance !== undefined) return [model, instance];
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownStageInstance));
}

const editStage: Endpoint = (call) => {
  const [model, before] = stageOf(call);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<Pick<StageBody, 'topic' | 'privacy_level'>>(form, {
      topic: TOPIC,
      privacy_level: PRIVACY,
    }),
  );
  const after = { ...before, ...fields };
  model.shelves.stageInstances.put(after);
  tell(call, 'STAGE_INSTANCE_UPDATE', model.id, after);
  audit(call, AuditLogEvent.StageInstanceUpdate, model, before, after);
  return jsonResponse(200, after);
};

const closeStage: Endpoint = (call) => {
  const [model, instance] = stageOf(call);
  model.shelves.stageInstances.delete(instance.channel_id);
  tell(call, 'STAGE_INSTANCE_DELETE', model.id, instance);
  audit(call, AuditLogEvent.StageInstanceDelete, model, instance);
  return emptyResponse();
};

export const STAGE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /stage-instances': openStage,
  'GET /stage-instances/:channel': (call) => jsonResponse(200, stageOf(call)[1]),
  'PATCH /stage-instances/:channel': editStage,
  'DELETE /stage-instances/:channel': closeStage,
};

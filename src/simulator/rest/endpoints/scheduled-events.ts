/** The events that a guild plans. */
import {
  type APIGuildScheduledEvent,
  AuditLogEvent,
  GuildScheduledEventEntityType,
  GuildScheduledEventPrivacyLevel,
  GuildScheduledEventStatus,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { GUILD_SCHEDULED_EVENTS_MAX } from '../../../../protocols/limits.ts';
import { idAt, memberAt, OWNER_ORDINAL, userAt } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { anything, choice, image, nullable, object, snowflake, text, time } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  guildOf,
  queryFlag,
  queryInteger,
  querySnowflake,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';
import { itemOf, type Resource, resourceEndpoints } from './resource.ts';

const USERS_PAGE_MAX = 100;
const IMAGE_KIB = 10_240;

type EventBody = {
  readonly channel_id: string | null;
  readonly entity_metadata: { readonly location?: string } | null;
  readonly name: string;
  readonly privacy_level: GuildScheduledEventPrivacyLevel;
  readonly scheduled_start_time: string;
  readonly scheduled_end_time: string | null;
  readonly description: string | null;
  readonly entity_type: GuildScheduledEventEntityType;
  readonly status: GuildScheduledEventStatus;
  readonly image: string | null;
  readonly recurrence_rule: object | null;
};

const { Scheduled, Active, Completed, Canceled } = GuildScheduledEventStatus;
const { External, StageInstance, Voice } = GuildScheduledEventEntityType;

/** From each status, to which it may change. */
const NEXT: Readonly<Record<number, readonly GuildScheduledEventStatus[]>> = {
  [Scheduled]: [Active, Canceled],
  [Active]: [Completed],
};

const required = (path: string): Refusal =>
  refuseField(path, 'BASE_TYPE_REQUIRED', 'This field is required');

/** Where and when, which depend on each other. */
function checkPlace(call: Call, event: APIGuildScheduledEvent): void {
  const { entity_type: type, channel_id: channelId } = event;
  if (type === External) {
    if (!event.entity_metadata?.location) throw required('entity_metadata.location');
    if (!event.scheduled_end_time) throw required('scheduled_end_time');
    return;
  }
  if (channelId === null) throw required('channel_id');
  if (call.world.channel(channelId) === undefined) {
    throw new Refusal(apiError(RESTJSONErrorCodes.UnknownChannel));
  }
}

function checkTimes(call: Call, event: APIGuildScheduledEvent): void {
  const startMs = Date.parse(event.scheduled_start_time);
  const endMs = Date.parse(event.scheduled_end_time ?? '');
  if (startMs <= call.clock.epochMs()) {
    const code = 'GUILD_SCHEDULED_EVENT_SCHEDULE_PAST';
    throw refuseField('scheduled_start_time', code, 'Cannot schedule event in the past.');
  }
  if (endMs <= startMs) {
    const code = 'GUILD_SCHEDULED_EVENT_SCHEDULE_END_BEFORE_START';
    throw refuseField('scheduled_end_time', code, 'Cannot schedule event to end before start.');
  }
}

/** The event with the fields given; one that moves out of Discord is in no channel. */
function changed(event: APIGuildScheduledEvent, fields: Partial<EventBody>) {
  const merged = { ...event, ...fields };
  const isExternal = merged.entity_type === External;
  // The types tell events apart by where they are, which `checkPlace` looks after.
  return {
    ...merged,
    channel_id: isExternal ? null : merged.channel_id,
    entity_metadata: isExternal ? merged.entity_metadata : null,
  } as APIGuildScheduledEvent;
}

const isOpen = ({ status }: APIGuildScheduledEvent): boolean =>
  status === Scheduled || status === Active;

const EVENTS: Resource<APIGuildScheduledEvent, EventBody> = {
  name: 'event',
  shelf: (call) => guildOf(call).shelves.scheduledEvents,
  unknown: RESTJSONErrorCodes.UnknownGuildScheduledEvent,
  fields: {
    channel_id: nullable(snowflake),
    entity_metadata: nullable(object<{ location: string }>({ location: text(100, 1) })),
    name: text(100, 1),
    privacy_level: choice(GuildScheduledEventPrivacyLevel.GuildOnly),
    scheduled_start_time: time,
    scheduled_end_time: nullable(time),
    description: nullable(text(1_000)),
    entity_type: choice(StageInstance, Voice, External),
    status: choice(Scheduled, Active, Completed, Canceled),
    image: nullable(image(IMAGE_KIB)),
    recurrence_rule: nullable(anything),
  },
  required: ['name', 'privacy_level', 'scheduled_start_time', 'entity_type'],
  room: (call) => {
    const open = guildOf(call).scheduledEvents.filter(isOpen);
    if (open.length < GUILD_SCHEDULED_EVENTS_MAX) return;
    const code = RESTJSONErrorCodes.MaximumNumberOfUncompletedGuildScheduledEventsReached;
    throw new Refusal(apiError(code));
  },
  make: (call, fields, id) => {
    const event = changed(
      {
        id,
        guild_id: guildOf(call).id,
        channel_id: null,
        creator_id: call.world.bot.id,
        creator: call.world.bot,
        name: '',
        description: null,
        scheduled_start_time: '',
        scheduled_end_time: null,
        privacy_level: GuildScheduledEventPrivacyLevel.GuildOnly,
        entity_type: External,
        entity_id: null,
        entity_metadata: { location: '' },
        image: null,
        user_count: 0,
        recurrence_rule: null,
        status: Scheduled,
      },
      { ...fields, status: Scheduled },
    );
    checkPlace(call, event);
    checkTimes(call, event);
    return event;
  },
  guard: (_call, event, happening) => {
    if (happening === 'delete' || isOpen(event)) return;
    throw new Refusal(apiError(RESTJSONErrorCodes.CannotUpdateAFinishedEvent));
  },
  change: (call, event, fields) => {
    const { status } = fields;
    if (status !== undefined && status !== event.status && !NEXT[event.status]?.includes(status)) {
      throw refuseField(
        'status',
        'BASE_TYPE_CHOICES',
        'Invalid Guild Scheduled Event Status Update',
      );
    }
    const after = changed(event, fields);
    checkPlace(call, after);
    if (fields.scheduled_start_time !== undefined) checkTimes(call, after);
    return after;
  },
  tell: (call, event, happening) => {
    const name = { create: 'CREATE', update: 'UPDATE', delete: 'DELETE' } as const;
    tell(call, `GUILD_SCHEDULED_EVENT_${name[happening]}`, event.guild_id, event);
  },
  audit: {
    create: AuditLogEvent.GuildScheduledEventCreate,
    update: AuditLogEvent.GuildScheduledEventUpdate,
    delete: AuditLogEvent.GuildScheduledEventDelete,
  },
  createdStatus: 200,
  show: (call, event) => {
    const { user_count: count, ...rest } = event;
    return queryFlag(call, 'with_user_count') ? { ...rest, user_count: count ?? 0 } : rest;
  },
};

/** As many of the first members as are said to be interested. */
const listUsers: Endpoint = (call) => {
  const model = guildOf(call);
  const event = itemOf(call, EVENTS);
  const { seed } = call.world;
  const limit = queryInteger(call, 'limit', 1, USERS_PAGE_MAX, USERS_PAGE_MAX);
  const [before, after] = [querySnowflake(call, 'before'), querySnowflake(call, 'after')];
  const count = Math.min(event.user_count ?? 0, model.memberCount - OWNER_ORDINAL);
  const all = Array.from({ length: count }, (_, place) => {
    const ordinal = place + OWNER_ORDINAL;
    return { ordinal, id: BigInt(idAt(seed, model.index, ordinal)) };
  }).sort((one, other) => (one.id < other.id ? -1 : 1));
  // With both bounds only `before` counts.
  const page =
    before === undefined
      ? all.filter(({ id }) => id > (after ?? 0n)).slice(0, limit)
      : all.filter(({ id }) => id < before).slice(-limit);
  return jsonResponse(
    200,
    page.map(({ ordinal }) => ({
      guild_scheduled_event_id: event.id,
      user: userAt(seed, model.index, ordinal),
      ...(queryFlag(call, 'with_member') ? { member: memberAt(seed, model, ordinal) } : {}),
    })),
  );
};

export const SCHEDULED_EVENT_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  ...resourceEndpoints('/guilds/:guild/scheduled-events', EVENTS),
  'GET /guilds/:guild/scheduled-events/:event/users': listUsers,
};

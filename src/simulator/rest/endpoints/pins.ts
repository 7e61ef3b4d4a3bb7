/** The pinned messages of a channel, by their routes of today and of before. */
import { type APIChannel, type APIMessage, AuditLogEvent } from 'discord-api-types/v10';
import { intentsFor } from '../../../../protocols/discord/dispatch-events.ts';
import { microsecondTime } from '../../world/people.ts';
import { invalidForm } from '../answers.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import { type Call, channelOf, type Endpoint, guildIdOf } from './endpoint.ts';
import { messageOf } from './messages.ts';

const PINS_PER_PAGE_MAX = 50;

type Pin = { readonly message: APIMessage; readonly sinceMs: number };

/** The latest pin first. */
function pinsOf(call: Call, channel: APIChannel): readonly Pin[] {
  const pins = call.world.messages(channel.id).flatMap((message): Pin[] => {
    const sinceMs = message.pinned ? call.pins.sinceMs(message.id) : null;
    return sinceMs === null ? [] : [{ message, sinceMs }];
  });
  return pins.sort((one, other) => other.sinceMs - one.sinceMs);
}

const listPins: Endpoint = (call) =>
  jsonResponse(
    200,
    pinsOf(call, channelOf(call)).map(({ message }) => message),
  );

const pageOfPins: Endpoint = (call) => {
  const limit = Number(call.query.get('limit') ?? PINS_PER_PAGE_MAX);
  if (!Number.isInteger(limit) || limit < 1 || limit > PINS_PER_PAGE_MAX) {
    const message = `int value should be between 1 and ${PINS_PER_PAGE_MAX}.`;
    return invalidForm([{ path: ['limit'], code: 'NUMBER_TYPE_RANGE', message }]);
  }
  const before = Date.parse(call.query.get('before') ?? '');
  const beforeMs = Number.isNaN(before) ? Number.POSITIVE_INFINITY : before;
  const pins = pinsOf(call, channelOf(call)).filter(({ sinceMs }) => sinceMs < beforeMs);
  const items = pins.slice(0, limit).map(({ message, sinceMs }) => ({
    pinned_at: microsecondTime(sinceMs),
    message,
  }));
  return jsonResponse(200, { items, has_more: pins.length > limit });
};

const pin =
  (isPinned: boolean): Endpoint =>
  (call) => {
    const channel = channelOf(call);
    const message = messageOf(call, channel.id);
    if (message.pinned === isPinned) return emptyResponse();
    if (isPinned) call.pins.add(message.id, call.clock.epochMs());
    else call.pins.delete(message.id);
    call.publish(call.world.recordMessage({ ...message, pinned: isPinned }, 'MESSAGE_UPDATE'));
    tellOfPins(call, channel);
    recordPin(call, channel, message, isPinned);
    return emptyResponse();
  };

function recordPin(call: Call, channel: APIChannel, message: APIMessage, isPinned: boolean): void {
  const guildId = guildIdOf(channel);
  if (guildId === null) return;
  const action = isPinned ? AuditLogEvent.MessagePin : AuditLogEvent.MessageUnpin;
  const options = { channel_id: channel.id, message_id: message.id };
  recordAudit(call, { action, target: message.author.id, options, guildId });
}

function tellOfPins(call: Call, channel: APIChannel): void {
  const guildId = guildIdOf(channel);
  const [latest] = pinsOf(call, channel);
  const t = 'CHANNEL_PINS_UPDATE';
  const d = {
    channel_id: channel.id,
    ...(guildId === null ? {} : { guild_id: guildId }),
    last_pin_timestamp: latest === undefined ? null : microsecondTime(latest.sinceMs),
  };
  call.publish({ t, d, guildId, intents: intentsFor(t, guildId !== null) });
}

export const PIN_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /channels/:channel/messages/pins': pageOfPins,
  'PUT /channels/:channel/messages/pins/:message': pin(true),
  'DELETE /channels/:channel/messages/pins/:message': pin(false),
  'GET /channels/:channel/pins': listPins,
  'PUT /channels/:channel/pins/:message': pin(true),
  'DELETE /channels/:channel/pins/:message': pin(false),
};

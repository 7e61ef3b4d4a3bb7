/** The bot's reactions to messages. */
import { RESTJSONErrorCodes, ReactionType } from 'discord-api-types/v10';
import { intentsFor } from '../../../../protocols/discord/dispatch-events.ts';
import { apiError } from '../answers.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  guildIdOf,
  idOf,
  Refusal,
  requireActive,
} from './endpoint.ts';
import { messageOf } from './messages.ts';

const CUSTOM = /^(?:a:)?(\w{1,32}):(\d{1,20})$/;
const UNICODE =
  /^[\p{Extended_Pictographic}\p{Regional_Indicator}\d#*](?:\p{Emoji}|\u200d|\ufe0f|\u20e3|[\u{e0020}-\u{e007f}])*$/u;
const PLAIN = /^[\d#*]+$/;

type Emoji = { readonly id: string | null; readonly name: string };

function emojiOf(call: Call): Emoji {
  const text = call.values.emoji ?? '';
  const custom = CUSTOM.exec(text);
  if (custom?.[1] !== undefined && custom[2] !== undefined) {
    return { id: custom[2], name: custom[1] };
  }
  if (UNICODE.test(text) && !PLAIN.test(text)) return { id: null, name: text };
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownEmoji));
}

/** A custom emoji is known by its id, whatever it is called. */
const keyOf = (emoji: Emoji): string => emoji.id ?? emoji.name;

type ReactionEvent = 'MESSAGE_REACTION_ADD' | 'MESSAGE_REACTION_REMOVE';

function announce(call: Call, t: ReactionEvent, guildId: string | null, emoji: Emoji): void {
  const d = {
    user_id: call.world.bot.id,
    channel_id: call.values.channel,
    message_id: call.values.message,
    ...(guildId === null ? {} : { guild_id: guildId }),
    emoji,
    burst: false,
    type: ReactionType.Normal,
  };
  call.publish({ t, d, guildId, intents: intentsFor(t, guildId !== null) });
}

const addReaction: Endpoint = (call) => {
  const channel = channelOf(call);
  requireActive(channel);
  const message = messageOf(call, channel.id);
  const emoji = emojiOf(call);
  if (call.reactions.has(message.id, keyOf(emoji))) return emptyResponse();
  if (!call.reactions.add(message.id, keyOf(emoji))) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfReactionsReached);
  }
  announce(call, 'MESSAGE_REACTION_ADD', guildIdOf(channel), emoji);
  return emptyResponse();
};

const removeReaction: Endpoint = (call) => {
  const channel = channelOf(call);
  const message = messageOf(call, channel.id);
  const emoji = emojiOf(call);
  if (call.reactions.remove(message.id, keyOf(emoji))) {
    announce(call, 'MESSAGE_REACTION_REMOVE', guildIdOf(channel), emoji);
  }
  return emptyResponse();
};

/** Here only the bot reacts by this way: of somebody else there is nothing to take away. */
const removeReactionOf: Endpoint = (call) => {
  const isOwn = idOf(call, 'user') === call.world.bot.id;
  if (isOwn) return removeReaction(call);
  messageOf(call, channelOf(call).id);
  emojiOf(call);
  return emptyResponse();
};

type Clearing = 'MESSAGE_REACTION_REMOVE_ALL' | 'MESSAGE_REACTION_REMOVE_EMOJI';

function announceClearing(call: Call, t: Clearing, emoji: Emoji | null): void {
  const guildId = guildIdOf(channelOf(call));
  const d = {
    channel_id: call.values.channel,
    message_id: call.values.message,
    ...(guildId === null ? {} : { guild_id: guildId }),
    ...(emoji === null ? {} : { emoji }),
  };
  call.publish({ t, d, guildId, intents: intentsFor(t, guildId !== null) });
}

const removeEmoji: Endpoint = (call) => {
  const message = messageOf(call, channelOf(call).id);
  const emoji = emojiOf(call);
  if (call.reactions.remove(message.id, keyOf(emoji))) {
    announceClearing(call, 'MESSAGE_REACTION_REMOVE_EMOJI', emoji);
  }
  return emptyResponse();
};

const removeAll: Endpoint = (call) => {
  const message = messageOf(call, channelOf(call).id);
  if (call.reactions.clear(message.id)) {
    announceClearing(call, 'MESSAGE_REACTION_REMOVE_ALL', null);
  }
  return emptyResponse();
};

const listReactions: Endpoint = (call) => {
  const message = messageOf(call, channelOf(call).id);
  const mine = call.reactions.has(message.id, keyOf(emojiOf(call)));
  return jsonResponse(200, mine ? [call.world.bot] : []);
};

const REACTIONS = '/channels/:channel/messages/:message/reactions';
const REACTION = `${REACTIONS}/:emoji`;

export const REACTION_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  [`PUT ${REACTION}/@me`]: addReaction,
  [`DELETE ${REACTION}/@me`]: removeReaction,
  [`DELETE ${REACTION}/:user`]: removeReactionOf,
  [`DELETE ${REACTION}`]: removeEmoji,
  [`DELETE ${REACTIONS}`]: removeAll,
  [`GET ${REACTION}`]: listReactions,
};

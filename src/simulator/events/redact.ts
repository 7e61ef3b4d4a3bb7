/**
 * What a session without MESSAGE_CONTENT does not get to see.
 *
 * Messages lose their text, embeds, attachments, components and poll, as do the messages that they
 * answer or forward. Left alone are messages of the bot, messages to it and messages that mention
 * it.
 */
import type { APIMessage } from 'discord-api-types/v10';
import type { SimulatedEvent } from './event.ts';

/**
 * The event as a session without MESSAGE_CONTENT gets it; the same object when nothing is taken
 * out.
 */
export function redactContent(event: SimulatedEvent, botId: string): SimulatedEvent {
  switch (event.t) {
    case 'MESSAGE_CREATE':
    case 'MESSAGE_UPDATE': {
      if (event.guildId === null) return event;
      const message = event.d as APIMessage;
      const d = redactMessage(message, botId);
      return d === message ? event : { ...event, d };
    }
    case 'AUTO_MODERATION_ACTION_EXECUTION':
      return { ...event, d: { ...event.d, content: '', matched_content: '' } };
    default:
      return event;
  }
}

function redactMessage(message: APIMessage, botId: string): APIMessage {
  if (isVisible(message, botId)) return message;
  const { poll: _, referenced_message, message_snapshots, ...rest } = message;
  return {
    ...rest,
    content: '',
    embeds: [],
    attachments: [],
    components: [],
    ...(referenced_message === undefined
      ? {}
      : { referenced_message: referenced_message && redactMessage(referenced_message, botId) }),
    ...(message_snapshots === undefined
      ? {}
      : {
          message_snapshots: message_snapshots.map((snapshot) => ({
            ...snapshot,
            message: { ...snapshot.message, content: '', embeds: [], attachments: [] },
          })),
        }),
  };
}

function isVisible(message: APIMessage, botId: string): boolean {
  return message.author.id === botId || message.mentions.some(({ id }) => id === botId);
}

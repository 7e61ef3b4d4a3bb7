/**
 * The last messages of the channels that were written to last: bounded both ways, the oldest going
 * first. A message that is gone is as good as deleted.
 */
import type { APIMessage } from 'discord-api-types/v10';
import {
  SIMULATOR_CHANNEL_MESSAGES_MAX,
  SIMULATOR_MESSAGE_CHANNELS_MAX,
} from '../../../protocols/limits.ts';

export class MessageStore {
  /** Channels in the order in which they were last written to; messages from old to new. */
  readonly #channels = new Map<string, APIMessage[]>();

  add(message: APIMessage): void {
    const messages = this.#channels.get(message.channel_id) ?? [];
    this.#channels.delete(message.channel_id);
    this.#channels.set(message.channel_id, messages);
    messages.push(message);
    if (messages.length > SIMULATOR_CHANNEL_MESSAGES_MAX) messages.shift();
    if (this.#channels.size <= SIMULATOR_MESSAGE_CHANNELS_MAX) return;
    const [oldest] = this.#channels.keys();
    if (oldest !== undefined) this.#channels.delete(oldest);
  }

  /** From old to new. */
  list(channelId: string): readonly APIMessage[] {
    return this.#channels.get(channelId) ?? [];
  }

  get(channelId: string, messageId: string): APIMessage | undefined {
    return this.list(channelId).find((message) => message.id === messageId);
  }

  replace(message: APIMessage): void {
    const messages = this.#channels.get(message.channel_id);
    const index = messages?.findIndex((kept) => kept.id === message.id) ?? -1;
    if (messages !== undefined && index >= 0) messages[index] = message;
  }

  drop(channelId: string): void {
    this.#channels.delete(channelId);
  }

  /** Returns whether it was there. */
  delete(channelId: string, messageId: string): boolean {
    const messages = this.#channels.get(channelId);
    const index = messages?.findIndex((kept) => kept.id === messageId) ?? -1;
    if (messages === undefined || index < 0) return false;
    messages.splice(index, 1);
    return true;
  }
}

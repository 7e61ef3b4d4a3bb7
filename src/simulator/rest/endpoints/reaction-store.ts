/** The bot's own reactions, by message; bounded, the message reacted to longest ago goes first. */
import {
  REACTIONS_PER_MESSAGE_MAX,
  SIMULATOR_REACTED_MESSAGES_MAX,
} from '../../../../protocols/limits.ts';

export class Reactions {
  readonly #byMessage = new Map<string, Set<string>>();

  has(messageId: string, emoji: string): boolean {
    return this.#byMessage.get(messageId)?.has(emoji) ?? false;
  }

  /** False when the message has as many different emoji as it may have. */
  add(messageId: string, emoji: string): boolean {
    let emojis = this.#byMessage.get(messageId);
    if (emojis === undefined) {
      const [oldest] = this.#byMessage.keys();
      const full = this.#byMessage.size >= SIMULATOR_REACTED_MESSAGES_MAX;
      if (full && oldest !== undefined) this.#byMessage.delete(oldest);
      emojis = new Set();
      this.#byMessage.set(messageId, emojis);
    }
    if (emojis.size >= REACTIONS_PER_MESSAGE_MAX && !emojis.has(emoji)) return false;
    emojis.add(emoji);
    return true;
  }

  /** Whether there were any. */
  clear(messageId: string): boolean {
    const emojis = this.#byMessage.get(messageId);
    this.#byMessage.delete(messageId);
    return emojis !== undefined && emojis.size > 0;
  }

  /** Whether it was there. */
  remove(messageId: string, emoji: string): boolean {
    return this.#byMessage.get(messageId)?.delete(emoji) ?? false;
  }
}

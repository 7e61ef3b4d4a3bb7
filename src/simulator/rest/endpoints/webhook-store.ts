/**
 * The webhooks of channels, and the interactions that have been answered with a message.
 *
 * Bounded: the webhook made longest ago, and the interaction answered longest ago, go first.
 */
import {
  CHANNEL_WEBHOOKS_MAX,
  SIMULATOR_COUNTERS_MAX,
  SIMULATOR_WEBHOOKS_MAX,
} from '../../../../protocols/limits.ts';

export type StoredWebhook = {
  readonly id: string;
  /** Null where nobody may post through it. */
  readonly token: string | null;
  readonly channelId: string;
  readonly guildId: string | null;
  readonly name: string;
  readonly avatar: string | null;
  /** Where the messages come from that it passes on, as answers show it. */
  readonly follows?: { readonly source_guild: object; readonly source_channel: object };
};

/** Where an interaction's messages go, and the one that answered it. */
export type AnsweredInteraction = {
  readonly channelId: string;
  /** Null when the answer was put off, or taken away again. */
  readonly originalId: string | null;
};

export class Webhooks {
  readonly #byId = new Map<string, StoredWebhook>();
  readonly #interactions = new Map<string, AnsweredInteraction>();

  get(id: string): StoredWebhook | undefined {
    return this.#byId.get(id);
  }

  ofChannel(channelId: string): readonly StoredWebhook[] {
    return [...this.#byId.values()].filter((webhook) => webhook.channelId === channelId);
  }

  ofGuild(guildId: string): readonly StoredWebhook[] {
    return [...this.#byId.values()].filter((webhook) => webhook.guildId === guildId);
  }

  /** False when the channel has as many as it may have. */
  add(webhook: StoredWebhook): boolean {
    if (this.ofChannel(webhook.channelId).length >= CHANNEL_WEBHOOKS_MAX) return false;
    this.#byId.set(webhook.id, webhook);
    forgetOldest(this.#byId, SIMULATOR_WEBHOOKS_MAX);
    return true;
  }

  replace(webhook: StoredWebhook): void {
    this.#byId.set(webhook.id, webhook);
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }

  /** The interaction with that token, once it has been answered. */
  interaction(token: string): AnsweredInteraction | undefined {
    return this.#interactions.get(token);
  }

  answer(token: string, answered: AnsweredInteraction): void {
    this.#interactions.set(token, answered);
    forgetOldest(this.#interactions, SIMULATOR_COUNTERS_MAX);
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

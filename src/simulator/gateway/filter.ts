/**
 * Which sessions get an event, and in which form: routing by shard, intents, and the content that a
 * session without MESSAGE_CONTENT does not see.
 */
import { GatewayIntentBits } from 'discord-api-types/v10';
import type { ShardPair } from '../audit.ts';
import type { SimulatedEvent } from '../events/event.ts';
import { redactContent } from '../events/redact.ts';
import { shardOfGuild } from '../snowflake.ts';
import type { Session } from './session.ts';

/** What belongs to no guild goes to shard 0. */
export function shardOfEvent(event: SimulatedEvent, shardCount: number): number {
  return event.guildId === null ? 0 : shardOfGuild(event.guildId, shardCount);
}

export function ownsGuild(shard: ShardPair, guildId: string): boolean {
  return shardOfGuild(guildId, shard[1]) === shard[0];
}

/** Whether the session's intents let the event through. Routing is the caller's. */
export function isWanted(session: Session, event: SimulatedEvent, botId: string): boolean {
  if (event.guildId !== null && session.isUnavailable(event.guildId)) return false;
  if (event.t === 'THREAD_MEMBERS_UPDATE' && !session.has(GatewayIntentBits.GuildMembers)) {
    return session.has(GatewayIntentBits.Guilds) && concernsThreadMember(event.d, botId);
  }
  if (event.intents === 0 || session.has(event.intents)) return true;
  return event.t === 'GUILD_MEMBER_UPDATE' && idOf(field(event.d, 'user')) === botId;
}

/** The JSON of one event, made once for all sessions that get it, in the two forms there are. */
export class EventJson {
  readonly #event: SimulatedEvent;
  readonly #botId: string;
  #whole: string | undefined;
  #redacted: string | undefined;

  constructor(event: SimulatedEvent, botId: string) {
    this.#event = event;
    this.#botId = botId;
  }

  for(session: Session): string {
    if (session.has(GatewayIntentBits.MessageContent)) return this.#getWhole();
    if (this.#redacted === undefined) {
      const redacted = redactContent(this.#event, this.#botId);
      this.#redacted = redacted === this.#event ? this.#getWhole() : JSON.stringify(redacted.d);
    }
    return this.#redacted;
  }

  #getWhole(): string {
    this.#whole ??= JSON.stringify(this.#event.d);
    return this.#whole;
  }
}

/** Without GUILD_MEMBERS a session hears of a thread's members only when it is about the bot. */
function concernsThreadMember(data: object, botId: string): boolean {
  const added = list(field(data, 'added_members')).some(
    (member) => field(member, 'user_id') === botId,
  );
  return added || list(field(data, 'removed_member_ids')).includes(botId);
}

function idOf(value: unknown): unknown {
  return field(value, 'id');
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/**
 * The commands of a running session and what Discord answers: member chunks, sounds, channel info;
 * voice is in `voice.ts`.
 *
 * A command for a guild that is not the session's shard's gets no answer, as from Discord, and is a
 * breach. Discord answers nothing either to a request for all members without the intent for it.
 */
import {
  ChannelType,
  type GatewayChannelInfoDispatchData,
  GatewayIntentBits,
  GatewayOpcodes,
  type GatewayRateLimitedDispatchData,
  type GatewaySoundboardSoundsDispatchData,
} from 'discord-api-types/v10';
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import {
  MEMBER_LIST_WINDOW_MS,
  MEMBER_REQUEST_NONCE_MAX_BYTES,
} from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import type { MemberRequest, World } from '../world.ts';
import type { ChannelInfoData, ClientFrame, MemberRequestData } from './client-frames.ts';
import type { Connection } from './connection.ts';
import { ownsGuild } from './filter.ts';
import type { Session } from './session.ts';
import { Voice, type VoiceOptions } from './voice.ts';

export type RequestsOptions = VoiceOptions & { readonly clock: Clock };

export class Requests {
  readonly #clock: Clock;
  readonly #world: World;
  readonly #guildIds: ReadonlySet<string>;
  readonly #voice: Voice;
  /** When the members of a guild were listed last; no more entries than there are guilds. */
  readonly #listedMs = new Map<string, number>();

  constructor(options: RequestsOptions) {
    this.#clock = options.clock;
    this.#world = options.world;
    this.#guildIds = new Set(options.world.guildIds);
    this.#voice = new Voice(options);
  }

  answer(connection: Connection, session: Session, frame: ClientFrame): void {
    switch (frame.op) {
      case GatewayOpcodes.RequestGuildMembers:
        if (this.#isOwn(connection, session, frame.d.guild_id)) {
          this.#members(connection, session, frame.d);
        }
        break;
      case GatewayOpcodes.RequestSoundboardSounds:
        for (const guildId of frame.d.guild_ids) {
          if (this.#isOwn(connection, session, guildId)) this.#sounds(session, guildId);
        }
        break;
      case GatewayOpcodes.RequestChannelInfo:
        if (this.#isOwn(connection, session, frame.d.guild_id)) {
          this.#channelInfo(session, frame.d);
        }
        break;
      case GatewayOpcodes.VoiceStateUpdate:
        if (this.#isOwn(connection, session, frame.d.guild_id)) {
          this.#voice.update(session, frame.d);
        }
        break;
      default:
        // A presence has no answer.
        break;
    }
  }

  /** The session is over, and with it what goes on by it. */
  ended(session: Pick<Session, 'id'>): void {
    this.#voice.ended(session);
  }

  #isOwn(connection: Connection, session: Session, guildId: string): boolean {
    if (ownsGuild(session.shard, guildId)) return this.#guildIds.has(guildId);
    const detail = `guild ${guildId} is not of shard [${session.shard.join(', ')}]`;
    connection.breach('command-for-other-shard', detail);
    return false;
  }

  #members(connection: Connection, session: Session, data: MemberRequestData): void {
    const nonce = usableNonce(data.nonce);
    if (data.query === '' && data.user_ids === undefined) {
      if (!session.has(GatewayIntentBits.GuildMembers)) {
        connection.breach('members-without-intent', 'all members asked for without GUILD_MEMBERS');
        return;
      }
      if (data.limit === 0 && !this.#mayList(connection, session, data.guild_id, nonce)) return;
    }
    const request = memberRequest(data, nonce);
    const { intents } = session.settings;
    for (const chunk of this.#world.memberChunks(data.guild_id, request, intents)) {
      session.dispatch('GUILD_MEMBERS_CHUNK', JSON.stringify(chunk));
    }
  }

  /** One list of a guild in 30 s, whichever session asks. */
  #mayList(
    connection: Connection,
    session: Session,
    guildId: string,
    nonce: string | undefined,
  ): boolean {
    const nowMs = this.#clock.nowMs();
    const lastMs = this.#listedMs.get(guildId);
    const waitMs = lastMs === undefined ? 0 : lastMs + MEMBER_LIST_WINDOW_MS - nowMs;
    if (waitMs <= 0) {
      this.#listedMs.set(guildId, nowMs);
      return true;
    }
    connection.breach('members-too-often', `members of guild ${guildId} listed twice in 30 s`);
    const limited: GatewayRateLimitedDispatchData = {
      opcode: GatewayOpcodes.RequestGuildMembers,
      retry_after: waitMs / 1000,
      meta: { guild_id: guildId, ...(nonce === undefined ? {} : { nonce }) },
    };
    session.dispatch('RATE_LIMITED', JSON.stringify(limited));
    return false;
  }

  #sounds(session: Session, guildId: string): void {
    const guild = this.#world.guildCreate(guildId, ALL_INTENTS);
    const data: GatewaySoundboardSoundsDispatchData = {
      guild_id: guildId,
      soundboard_sounds: guild.soundboard_sounds,
    };
    session.dispatch('SOUNDBOARD_SOUNDS', JSON.stringify(data));
  }

  #channelInfo(session: Session, request: ChannelInfoData): void {
    const guild = this.#world.guildCreate(request.guild_id, ALL_INTENTS);
    const voice = guild.channels.filter((channel) => channel.type === ChannelType.GuildVoice);
    const data: GatewayChannelInfoDispatchData = {
      guild_id: request.guild_id,
      channels: voice.map((channel) => ({
        id: channel.id,
        ...(request.fields.includes('status') ? { status: null } : {}),
        ...(request.fields.includes('voice_start_time') ? { voice_start_time: null } : {}),
      })),
    };
    session.dispatch('CHANNEL_INFO', JSON.stringify(data));
  }
}

/** A nonce that is too long, or no string, is ignored. */
function usableNonce(nonce: unknown): string | undefined {
  if (typeof nonce !== 'string') return undefined;
  return Buffer.byteLength(nonce) <= MEMBER_REQUEST_NONCE_MAX_BYTES ? nonce : undefined;
}

function memberRequest(data: MemberRequestData, nonce: string | undefined): MemberRequest {
  return {
    guild_id: data.guild_id,
    ...(data.query === undefined ? {} : { query: data.query }),
    ...(data.limit === undefined ? {} : { limit: data.limit }),
    ...(data.user_ids === undefined ? {} : { user_ids: data.user_ids }),
    ...(data.presences === undefined ? {} : { presences: data.presences }),
    ...(nonce === undefined ? {} : { nonce }),
  };
}

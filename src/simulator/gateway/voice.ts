/**
 * The bot in voice channels: what Discord makes of Update Voice State (op 4).
 *
 * The bot's state stands in its guild beside those of the members: GUILD_CREATE and REST show it,
 * and a channel that is deleted sends the bot out of it. It carries the id of the session that
 * asked for it, and goes with that session, unless another one has asked since. Whoever joins or
 * moves is told of a voice server besides, each time with a new token.
 *
 * What changes nothing, or names no voice channel of the guild, has no answer, as a request that
 * does not succeed has none from Discord. The bot has every permission, so no channel is full.
 */
import {
  type APIVoiceState,
  ChannelType,
  type GatewayVoiceServerUpdateDispatchData,
} from 'discord-api-types/v10';
import { intentsFor } from '../../../protocols/discord/dispatch-events.ts';
import type { Random } from '../../../protocols/ports.ts';
import type { SimulatedEvent } from '../events/event.ts';
import type { GuildModel } from '../world/guild.ts';
import { BOT_ORDINAL, memberAt } from '../world/people.ts';
import type { World } from '../world.ts';
import type { VoiceStateData } from './client-frames.ts';
import { randomHex } from './random-hex.ts';
import type { Session } from './session.ts';

const TOKEN_LENGTH = 16;
const ENDPOINT = 'voice.simulated.invalid:443';

export type VoiceOptions = {
  readonly random: Random;
  readonly world: World;
  /** Shows an event to every session that it is for. */
  readonly publish: (event: SimulatedEvent) => void;
};

type SessionId = Pick<Session, 'id'>;

export class Voice {
  readonly #random: Random;
  readonly #world: World;
  readonly #publish: (event: SimulatedEvent) => void;
  /** The session by which the bot is in a guild's voice; no more entries than there are guilds. */
  readonly #sessions = new Map<string, string>();

  constructor({ random, world, publish }: VoiceOptions) {
    this.#random = random;
    this.#world = world;
    this.#publish = publish;
  }

  update(session: Session, request: VoiceStateData): void {
    const model = this.#world.guild(request.guild_id);
    if (model === undefined) return;
    const before = model.shelves.voiceStates.get(this.#world.bot.id);
    if (request.channel_id === null) {
      if (before !== undefined) this.#leave(model, { ...before, ...flagsOf(request) });
      return;
    }
    const kind = model.shelves.channels.get(request.channel_id)?.type;
    if (kind !== ChannelType.GuildVoice && kind !== ChannelType.GuildStageVoice) return;
    const isElsewhere =
      before?.channel_id !== request.channel_id || before.session_id !== session.id;
    if (!isElsewhere && isSame(before, request)) return;
    const state: APIVoiceState = {
      ...(before ?? this.#newState(model)),
      ...flagsOf(request),
      channel_id: request.channel_id,
      session_id: session.id,
      // Whoever comes to a stage is one of the audience.
      ...(isElsewhere && {
        suppress: kind === ChannelType.GuildStageVoice,
        request_to_speak_timestamp: null,
      }),
    };
    this.#sessions.set(model.id, session.id);
    model.shelves.voiceStates.put(state);
    this.#tell(model, state);
    if (isElsewhere) this.#offerServer(session, model);
  }

  /** The session is over: the bot leaves the channels that it is in by it. */
  ended(session: SessionId): void {
    for (const [guildId, sessionId] of this.#sessions) {
      if (sessionId !== session.id) continue;
      this.#sessions.delete(guildId);
      const model = this.#world.guild(guildId);
      const state = model?.shelves.voiceStates.get(this.#world.bot.id);
      if (model !== undefined && state !== undefined) this.#leave(model, state);
    }
  }

  #leave(model: GuildModel, state: APIVoiceState): void {
    this.#sessions.delete(model.id);
    model.shelves.voiceStates.delete(state.user_id);
    this.#tell(model, { ...state, channel_id: null });
  }

  #newState(model: GuildModel): Omit<APIVoiceState, 'channel_id' | 'session_id'> {
    return {
      guild_id: model.id,
      user_id: this.#world.bot.id,
      member: memberAt(this.#world.seed, model, BOT_ORDINAL),
      deaf: false,
      mute: false,
      self_deaf: false,
      self_mute: false,
      self_video: false,
      suppress: false,
      request_to_speak_timestamp: null,
    };
  }

  #tell({ id: guildId }: GuildModel, state: APIVoiceState): void {
    const t = 'VOICE_STATE_UPDATE';
    this.#publish({ t, d: state, guildId, intents: intentsFor(t, true) });
  }

  #offerServer(session: Session, { id }: GuildModel): void {
    const token = randomHex(this.#random, TOKEN_LENGTH);
    const data: GatewayVoiceServerUpdateDispatchData = { token, guild_id: id, endpoint: ENDPOINT };
    session.dispatch('VOICE_SERVER_UPDATE', JSON.stringify(data));
  }
}

type Flags = Pick<APIVoiceState, 'self_mute' | 'self_deaf'>;

const flagsOf = ({ self_mute, self_deaf }: Flags): Flags => ({ self_mute, self_deaf });

const isSame = (before: Flags, { self_mute, self_deaf }: Flags): boolean =>
  before.self_mute === self_mute && before.self_deaf === self_deaf;

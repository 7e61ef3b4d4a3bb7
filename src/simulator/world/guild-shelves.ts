/** The things of a guild that can be added, changed and deleted: each kind has its own shelf. */
import type {
  APIEmoji,
  APIGuildScheduledEvent,
  APIRole,
  APISoundboardSound,
  APIStageInstance,
  APISticker,
  APIThreadChannel,
  APIVoiceState,
} from 'discord-api-types/v10';
import {
  GUILD_CHANNELS_MAX,
  GUILD_ROLES_MAX,
  SIMULATOR_GUILD_THINGS_MAX,
  SIMULATOR_GUILD_THREADS_MAX,
} from '../../../protocols/limits.ts';
import {
  emojiAt,
  makeRoles,
  makeStageInstances,
  makeVoiceStates,
  scheduledEventAt,
  soundAt,
  stickerAt,
} from './belongings.ts';
import { canHoldThreads, type GuildChannel, threadAt } from './channels.ts';
import { between, listOf, pick, randomOf } from './draw.ts';
import type { Community } from './people.ts';
import type { Place } from './place.ts';
import { Shelf } from './shelf.ts';

export type GuildShelves = {
  readonly roles: Shelf<APIRole>;
  readonly emojis: Shelf<APIEmoji>;
  readonly stickers: Shelf<APISticker>;
  readonly sounds: Shelf<APISoundboardSound>;
  readonly channels: Shelf<GuildChannel>;
  /** The archived ones too. */
  readonly threads: Shelf<APIThreadChannel>;
  /** By channel. */
  readonly stageInstances: Shelf<APIStageInstance>;
  readonly scheduledEvents: Shelf<APIGuildScheduledEvent>;
  /** By user. */
  readonly voiceStates: Shelf<APIVoiceState>;
};

/** The guild whose shelves they are. */
export type ShelfOwner = Community & {
  readonly channelKinds: readonly GuildChannel['type'][];
  channelAt(ordinal: number): GuildChannel | undefined;
  tellOfChange(): void;
};

export function makeGuildShelves(place: Place, model: ShelfOwner, roleCount: number): GuildShelves {
  const { community, memberCount } = place;
  const shelf = <Item extends object>(
    most: number,
    idOf: (item: Item) => string,
    make: () => readonly Item[],
  ) => new Shelf({ most, idOf, make, changed: () => model.tellOfChange() });
  const few = SIMULATOR_GUILD_THINGS_MAX;
  const emojiCount = Math.min(50, Math.round(memberCount / 8));
  const count = (things: number) => (community ? things : 0);
  const channels = () =>
    model.channelKinds
      .map((_, ordinal) => model.channelAt(ordinal))
      .filter((channel) => channel !== undefined);
  return {
    roles: shelf(GUILD_ROLES_MAX, byId, () => makeRoles(place, roleCount)),
    emojis: shelf(few, byId, () => listOf(emojiCount, (ordinal) => emojiAt(place, ordinal))),
    stickers: shelf(few, byId, () => listOf(count(3), (ordinal) => stickerAt(place, ordinal))),
    sounds: shelf(few, bySound, () => listOf(count(4), (ordinal) => soundAt(place, ordinal))),
    channels: shelf(GUILD_CHANNELS_MAX, byId, channels),
    threads: shelf(SIMULATOR_GUILD_THREADS_MAX, byId, () => makeThreads(place, channels())),
    stageInstances: shelf(few, byChannel, () => makeStageInstances(place, channels())),
    scheduledEvents: shelf(few, byId, () =>
      listOf(count(3), (ordinal) => scheduledEventAt(place, ordinal, channels())),
    ),
    voiceStates: shelf(few, byUser, () => makeVoiceStates(place, model, channels())),
  };
}

const byId = ({ id }: { readonly id: string | null }): string => id ?? '';
const bySound = ({ sound_id }: APISoundboardSound): string => sound_id;
const byChannel = ({ channel_id }: APIStageInstance): string => channel_id;
const byUser = ({ user_id }: APIVoiceState): string => user_id;

function makeThreads(place: Place, channels: readonly GuildChannel[]): APIThreadChannel[] {
  const parents = channels.filter(canHoldThreads);
  const random = randomOf(place.seed, place.guildIndex, 27);
  return listOf(place.community ? between(random, 3, 12) : 0, (ordinal) =>
    threadAt(place, ordinal, pick(random, parents), place.memberCount),
  );
}

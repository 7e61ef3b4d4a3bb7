/** What a guild shows to newcomers and outsiders: its widget, welcome screen and onboarding. */
import { ChannelType, PresenceUpdateStatus, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { BOT_ORDINAL, statusAt, userAt } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import {
  anything,
  choice,
  flag,
  listOfSnowflakes,
  nullable,
  objects,
  readFields,
  snowflake,
  text,
} from '../fields.ts';
import { jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  Refusal,
  refuseField,
} from './endpoint.ts';
import { changeGuild } from './guilds.ts';

const WIDGET_MEMBERS_MAX = 100;
/** Discord: of so many channels at least an onboarding consists, and so many can be written in. */
const ONBOARDING_CHANNELS_MIN = 7;
const ONBOARDING_WRITABLE_MIN = 5;

function widgetOf(call: Call) {
  const { widget_enabled: enabled, widget_channel_id: channel_id } = guildOf(call).guild;
  return { enabled: enabled ?? false, channel_id: channel_id ?? null };
}

const editWidget: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<{ enabled: boolean; channel_id: string | null }>(form, {
      enabled: flag,
      channel_id: nullable(snowflake),
    }),
  );
  const { enabled, channel_id: channelId } = { ...widgetOf(call), ...fields };
  if (channelId !== null && model.shelves.channels.get(channelId) === undefined) {
    throw refuseField('channel_id', 'CHANNEL_INVALID', 'Channel does not exist');
  }
  changeGuild(call, model, { widget_enabled: enabled, widget_channel_id: channelId });
  return jsonResponse(200, widgetOf(call));
};

/** Names without ids: whoever looks from outside is not to find out who is there. */
const getWidgetJson: Endpoint = (call) => {
  const model = guildOf(call);
  if (!widgetOf(call).enabled) return apiError(RESTJSONErrorCodes.GuildWidgetDisabled);
  const { seed } = call.world;
  const end = Math.min(model.memberCount, WIDGET_MEMBERS_MAX);
  const members = Array.from({ length: end }, (_, ordinal) => ordinal).filter(
    (ordinal) =>
      ordinal !== BOT_ORDINAL &&
      !model.membership.isGone(ordinal) &&
      statusAt(seed, model.index, ordinal) !== PresenceUpdateStatus.Offline,
  );
  return jsonResponse(200, {
    id: model.id,
    name: model.guild.name,
    instant_invite: null,
    channels: model.channels
      .filter(({ type }) => type === ChannelType.GuildVoice)
      .map(({ id, name, position }) => ({ id, name, position })),
    members: members.map((ordinal, index) => ({
      id: String(index),
      username: userAt(seed, model.index, ordinal).username,
      discriminator: '0000',
      avatar: null,
      status: statusAt(seed, model.index, ordinal),
    })),
    presence_count: members.length,
  });
};

type WelcomeChannel = {
  readonly channel_id: string;
  readonly description: string;
  readonly emoji_id: string | null;
  readonly emoji_name: string | null;
};

type WelcomeBody = {
  readonly enabled: boolean | null;
  readonly welcome_channels: readonly WelcomeChannel[] | null;
  readonly description: string | null;
};

const getWelcomeScreen: Endpoint = (call) => {
  const { documents } = call.records.of(guildOf(call).id);
  const screen = documents.get('welcome-screen');
  if (screen !== undefined) return jsonResponse(200, screen);
  return apiError(RESTJSONErrorCodes.UnknownGuildWelcomeScreen);
};

const editWelcomeScreen: Endpoint = (call) => {
  const model = guildOf(call);
  const { documents } = call.records.of(model.id);
  const { enabled, welcome_channels, description } = finishedForm(formOf(call), (form) =>
    readFields<WelcomeBody>(form, {
      enabled: nullable(flag),
      welcome_channels: nullable(
        objects<WelcomeChannel>(
          5,
          {
            channel_id: snowflake,
            description: text(50, 1),
            emoji_id: nullable(snowflake),
            emoji_name: nullable(text(32)),
          },
          ['channel_id', 'description'],
        ),
      ),
      description: nullable(text(140)),
    }),
  );
  const before = documents.get('welcome-screen') ?? { description: null, welcome_channels: [] };
  const screen = {
    ...before,
    ...(description === undefined ? {} : { description }),
    ...(welcome_channels === undefined
      ? {}
      : {
          welcome_channels: (welcome_channels ?? []).map((channel) => ({
            ...channel,
            emoji_id: channel.emoji_id ?? null,
            emoji_name: channel.emoji_name ?? null,
          })),
        }),
  };
  documents.set('welcome-screen', screen);
  const others = model.guild.features.filter((feature) => feature !== 'WELCOME_SCREEN_ENABLED');
  if (enabled !== undefined && enabled !== null) {
    const features = enabled ? [...others, 'WELCOME_SCREEN_ENABLED' as const] : others;
    changeGuild(call, model, { features: features as typeof model.guild.features });
  }
  return jsonResponse(200, screen);
};

type OnboardingBody = {
  readonly prompts: readonly object[];
  readonly default_channel_ids: readonly string[];
  readonly enabled: boolean;
  readonly mode: number;
};

function onboardingOf(call: Call): OnboardingBody {
  const { id } = guildOf(call);
  const kept = call.records.of(id).documents.get('onboarding');
  return { prompts: [], default_channel_ids: [], enabled: false, mode: 0, ...kept };
}

const getOnboarding: Endpoint = (call) =>
  jsonResponse(200, { guild_id: guildOf(call).id, ...onboardingOf(call) });

const editOnboarding: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) =>
    readFields<OnboardingBody>(form, {
      prompts: anything,
      default_channel_ids: listOfSnowflakes(model.shelves.channels.most),
      enabled: flag,
      mode: choice(0, 1),
    }),
  );
  const onboarding = { ...onboardingOf(call), ...fields };
  const channels = onboarding.default_channel_ids.map((id) => model.shelves.channels.get(id));
  const writable = channels.filter((channel) => channel?.type === ChannelType.GuildText);
  const isEnough =
    channels.length >= ONBOARDING_CHANNELS_MIN && writable.length >= ONBOARDING_WRITABLE_MIN;
  if (onboarding.enabled && !isEnough) {
    const code = RESTJSONErrorCodes.CannotEnableOnboardingRequirementsAreNotMet;
    throw new Refusal(apiError(code));
  }
  call.records.of(model.id).documents.set('onboarding', onboarding);
  return jsonResponse(200, { guild_id: model.id, ...onboarding });
};

export const GUILD_PAGE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/widget': (call) => jsonResponse(200, widgetOf(call)),
  'PATCH /guilds/:guild/widget': editWidget,
  'GET /guilds/:guild/widget.json': getWidgetJson,
  'GET /guilds/:guild/welcome-screen': getWelcomeScreen,
  'PATCH /guilds/:guild/welcome-screen': editWelcomeScreen,
  'GET /guilds/:guild/onboarding': getOnboarding,
  'PUT /guilds/:guild/onboarding': editOnboarding,
};

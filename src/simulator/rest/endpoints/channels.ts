/** Channels themselves, and the sign that somebody is typing in one. */
import type { APIChannel } from 'discord-api-types/v10';
import { intentsFor } from '../../../../protocols/discord/dispatch-events.ts';
import type { GuildChannel } from '../../world/channels.ts';
import { invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { bodyOf, channelOf, type Endpoint, guildIdOf } from './endpoint.ts';

const NAME_MAX = 100;
const TOPIC_MAX = 1_024;

const getChannel: Endpoint = (call) => jsonResponse(200, channelOf(call));

const editChannel: Endpoint = (call) => {
  const channel = channelOf(call);
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  const name = form.string('name', NAME_MAX, 1);
  const topic = form.string('topic', TOPIC_MAX);
  const nsfw = form.boolean('nsfw');
  const position = form.integer('position');
  if (form.errors.length > 0) return invalidForm(form.errors);
  const changes = { name, topic, nsfw, position };
  const changed = Object.fromEntries(
    Object.entries(changes).filter(([, change]) => change !== undefined),
  );
  const edited = { ...channel, ...changed } as APIChannel;
  const guildId = guildIdOf(channel);
  if (guildId !== null) {
    // Of the channels that stand in a guild, the world takes every kind.
    call.world.addChannel(edited as GuildChannel);
    const intents = intentsFor('CHANNEL_UPDATE', true);
    call.publish({ t: 'CHANNEL_UPDATE', d: edited, guildId, intents });
  }
  return jsonResponse(200, edited);
};

const startTyping: Endpoint = (call) => {
  const channel = channelOf(call);
  const guildId = guildIdOf(channel);
  call.publish({
    t: 'TYPING_START',
    d: {
      channel_id: channel.id,
      ...(guildId === null ? {} : { guild_id: guildId }),
      user_id: call.world.bot.id,
      timestamp: Math.floor(call.clock.epochMs() / 1_000),
    },
    guildId,
    intents: intentsFor('TYPING_START', guildId !== null),
  });
  return emptyResponse();
};

export const CHANNEL_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /channels/:channel': getChannel,
  'PATCH /channels/:channel': editChannel,
  'POST /channels/:channel/typing': startTyping,
};

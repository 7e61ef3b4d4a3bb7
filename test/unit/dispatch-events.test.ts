import { GatewayDispatchEvents } from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  intentsFor,
  isDispatchEvent,
} from '../../protocols/discord/dispatch-events.ts';
import { INTENTS, type IntentName } from '../../protocols/discord/intents.ts';

/** Discord's own list, turned round: which events come under which intent. */
const BY_INTENT: Readonly<Record<IntentName, readonly DispatchEventName[]>> = {
  GUILDS: [
    'GUILD_CREATE',
    'GUILD_UPDATE',
    'GUILD_DELETE',
    'GUILD_ROLE_CREATE',
    'GUILD_ROLE_UPDATE',
    'GUILD_ROLE_DELETE',
    'CHANNEL_CREATE',
    'CHANNEL_UPDATE',
    'CHANNEL_DELETE',
    'CHANNEL_PINS_UPDATE',
    'THREAD_CREATE',
    'THREAD_UPDATE',
    'THREAD_DELETE',
    'THREAD_LIST_SYNC',
    'THREAD_MEMBER_UPDATE',
    'THREAD_MEMBERS_UPDATE',
    'STAGE_INSTANCE_CREATE',
    'STAGE_INSTANCE_UPDATE',
    'STAGE_INSTANCE_DELETE',
    'VOICE_CHANNEL_STATUS_UPDATE',
    'VOICE_CHANNEL_START_TIME_UPDATE',
  ],
  GUILD_MEMBERS: [
    'GUILD_MEMBER_ADD',
    'GUILD_MEMBER_UPDATE',
    'GUILD_MEMBER_REMOVE',
    'THREAD_MEMBERS_UPDATE',
  ],
  GUILD_MODERATION: ['GUILD_AUDIT_LOG_ENTRY_CREATE', 'GUILD_BAN_ADD', 'GUILD_BAN_REMOVE'],
  GUILD_EXPRESSIONS: [
    'GUILD_EMOJIS_UPDATE',
    'GUILD_STICKERS_UPDATE',
    'GUILD_SOUNDBOARD_SOUND_CREATE',
    'GUILD_SOUNDBOARD_SOUND_UPDATE',
    'GUILD_SOUNDBOARD_SOUND_DELETE',
    'GUILD_SOUNDBOARD_SOUNDS_UPDATE',
  ],
  GUILD_INTEGRATIONS: [
    'GUILD_INTEGRATIONS_UPDATE',
    'INTEGRATION_CREATE',
    'INTEGRATION_UPDATE',
    'INTEGRATION_DELETE',
  ],
  GUILD_WEBHOOKS: ['WEBHOOKS_UPDATE'],
  GUILD_INVITES: ['INVITE_CREATE', 'INVITE_DELETE'],
  GUILD_VOICE_STATES: ['VOICE_CHANNEL_EFFECT_SEND', 'VOICE_STATE_UPDATE'],
  GUILD_PRESENCES: ['PRESENCE_UPDATE'],
  GUILD_MESSAGES: ['MESSAGE_CREATE', 'MESSAGE_UPDATE', 'MESSAGE_DELETE', 'MESSAGE_DELETE_BULK'],
  GUILD_MESSAGE_REACTIONS: [
    'MESSAGE_REACTION_ADD',
    'MESSAGE_REACTION_REMOVE',
    'MESSAGE_REACTION_REMOVE_ALL',
    'MESSAGE_REACTION_REMOVE_EMOJI',
  ],
  GUILD_MESSAGE_TYPING: ['TYPING_START'],
  DIRECT_MESSAGES: ['MESSAGE_CREATE', 'MESSAGE_UPDATE', 'MESSAGE_DELETE', 'CHANNEL_PINS_UPDATE'],
  DIRECT_MESSAGE_REACTIONS: [
    'MESSAGE_REACTION_ADD',
    'MESSAGE_REACTION_REMOVE',
    'MESSAGE_REACTION_REMOVE_ALL',
    'MESSAGE_REACTION_REMOVE_EMOJI',
  ],
  DIRECT_MESSAGE_TYPING: ['TYPING_START'],
  MESSAGE_CONTENT: [],
  GUILD_SCHEDULED_EVENTS: [
    'GUILD_SCHEDULED_EVENT_CREATE',
    'GUILD_SCHEDULED_EVENT_UPDATE',
    'GUILD_SCHEDULED_EVENT_DELETE',
    'GUILD_SCHEDULED_EVENT_USER_ADD',
    'GUILD_SCHEDULED_EVENT_USER_REMOVE',
  ],
  AUTO_MODERATION_CONFIGURATION: [
    'AUTO_MODERATION_RULE_CREATE',
    'AUTO_MODERATION_RULE_UPDATE',
    'AUTO_MODERATION_RULE_DELETE',
  ],
  AUTO_MODERATION_EXECUTION: ['AUTO_MODERATION_ACTION_EXECUTION'],
  GUILD_MESSAGE_POLLS: ['MESSAGE_POLL_VOTE_ADD', 'MESSAGE_POLL_VOTE_REMOVE'],
  DIRECT_MESSAGE_POLLS: ['MESSAGE_POLL_VOTE_ADD', 'MESSAGE_POLL_VOTE_REMOVE'],
};

function isDirect(intent: IntentName): boolean {
  return intent.startsWith('DIRECT_');
}

describe('dispatch events', () => {
  it('has the 79 documented names, the same as discord-api-types', () => {
    expect(DISPATCH_EVENTS).toHaveLength(79);
    expect([...DISPATCH_EVENTS].sort()).toEqual(Object.values(GatewayDispatchEvents).sort());
  });

  it('tells documented names from others', () => {
    expect(isDispatchEvent('MESSAGE_CREATE')).toBe(true);
    expect(isDispatchEvent('message_create')).toBe(false);
    expect(isDispatchEvent('toString')).toBe(false);
  });

  it.each(DISPATCH_EVENTS)(
    'delivers a %s of a guild under the intents that Discord lists',
    (name) => {
      const listed = Object.entries(BY_INTENT).filter(
        ([intent, events]) => !isDirect(intent as IntentName) && events.includes(name),
      );
      const mask = listed.reduce((bits, [intent]) => bits | INTENTS[intent as IntentName], 0);
      expect(intentsFor(name, true)).toBe(mask);
    },
  );

  it.each(Object.entries(BY_INTENT).filter(([intent]) => isDirect(intent as IntentName)))(
    'delivers what happens outside guilds under %s alone',
    (intent, events) => {
      for (const event of events) {
        expect(intentsFor(event, false)).toBe(INTENTS[intent as IntentName]);
      }
    },
  );

  it('delivers what is listed under no intent always', () => {
    const always = DISPATCH_EVENTS.filter((name) => intentsFor(name, true) === 0);
    expect(always).toEqual([
      'READY',
      'RESUMED',
      'RATE_LIMITED',
      'APPLICATION_COMMAND_PERMISSIONS_UPDATE',
      'CHANNEL_INFO',
      'ENTITLEMENT_CREATE',
      'ENTITLEMENT_UPDATE',
      'ENTITLEMENT_DELETE',
      'GUILD_MEMBERS_CHUNK',
      'SOUNDBOARD_SOUNDS',
      'INTERACTION_CREATE',
      'SUBSCRIPTION_CREATE',
      'SUBSCRIPTION_UPDATE',
      'SUBSCRIPTION_DELETE',
      'USER_UPDATE',
      'VOICE_SERVER_UPDATE',
    ]);
    for (const name of always) expect(intentsFor(name, false)).toBe(0);
  });
});

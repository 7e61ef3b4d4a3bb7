/** Auto moderation and the audit log. */
import {
  type APIAuditLogChange,
  type APIAuditLogOptions,
  type APIAutoModerationRule,
  AuditLogEvent,
  AutoModerationActionType,
  AutoModerationRuleEventType,
  AutoModerationRuleTriggerType,
  ChannelType,
} from 'discord-api-types/v10';
import { between, chance, pick } from '../world/draw.ts';
import type { GuildModel } from '../world/guild.ts';
import { makeId } from '../world/identity.ts';
import { sentence, title, word } from '../world/text.ts';
import type { Made, Maker, Scene } from './scene.ts';

/**
 * Without a message of its own there is still an empty object; discord.js fails where there is
 * none.
 */
const BLOCK_MESSAGE = { type: AutoModerationActionType.BlockMessage, metadata: {} } as const;

export const ruleChange = (scene: Scene): Made<APIAutoModerationRule> => {
  const guild = scene.guild();
  const spam = chance(scene.random, 0.3);
  return {
    d: {
      id: ruleId(scene, guild),
      guild_id: guild.id,
      name: title(scene.random),
      creator_id: guild.ownerId,
      event_type: AutoModerationRuleEventType.MessageSend,
      trigger_type: spam
        ? AutoModerationRuleTriggerType.MentionSpam
        : AutoModerationRuleTriggerType.Keyword,
      trigger_metadata: spam
        ? { mention_total_limit: 20, mention_raid_protection_enabled: true }
        : { keyword_filter: [word(scene.random), `*${word(scene.random)}*`], regex_patterns: [] },
      actions: [
        BLOCK_MESSAGE,
        {
          type: AutoModerationActionType.SendAlertMessage,
          metadata: { channel_id: scene.channelOf(guild, ChannelType.GuildText).id },
        },
      ],
      enabled: chance(scene.random, 0.9),
      exempt_roles: guild.memberRoleIds.slice(0, between(scene.random, 0, 3)),
      exempt_channels: [],
    },
    guildId: guild.id,
  };
};

export const ruleExecution: Maker<'AUTO_MODERATION_ACTION_EXECUTION'> = (scene) => {
  const { random } = scene;
  const guild = scene.guild();
  const keyword = word(random);
  const channelId = scene.channelOf(guild, ChannelType.GuildText).id;
  const alert = chance(random, 0.5);
  const matched = chance(random, 0.8);
  return {
    d: {
      guild_id: guild.id,
      action: alert
        ? { type: AutoModerationActionType.SendAlertMessage, metadata: { channel_id: channelId } }
        : BLOCK_MESSAGE,
      rule_id: ruleId(scene, guild),
      rule_trigger_type: matched
        ? AutoModerationRuleTriggerType.Keyword
        : AutoModerationRuleTriggerType.Spam,
      user_id: scene.user(guild, scene.ordinalIn(guild)).id,
      channel_id: channelId,
      ...(alert ? { alert_system_message_id: scene.newId() } : {}),
      content: `${sentence(random, 6)} ${keyword}`,
      matched_keyword: matched ? keyword : null,
      matched_content: matched ? keyword : null,
    },
    guildId: guild.id,
  };
};

function ruleId(scene: Scene, guild: GuildModel): string {
  return makeId(scene.world.seed, guild.index, 'rule', between(scene.random, 0, 5));
}

type Entry = {
  readonly action_type: AuditLogEvent;
  readonly target_id: string | null;
  readonly changes?: APIAuditLogChange[];
  readonly options?: APIAuditLogOptions;
};

export const auditLogEntry: Maker<'GUILD_AUDIT_LOG_ENTRY_CREATE'> = (scene) => {
  const guild = scene.guild();
  return {
    d: {
      ...entryOf(scene, guild),
      id: scene.newId(),
      user_id: chance(scene.random, 0.95) ? guild.ownerId : null,
      ...(chance(scene.random, 0.3) ? { reason: sentence(scene.random, 5) } : {}),
      guild_id: guild.id,
    },
    guildId: guild.id,
  };
};

function entryOf(scene: Scene, guild: GuildModel): Entry {
  const { random } = scene;
  const target = scene.user(guild, scene.ordinalIn(guild)).id;
  const channelId = scene.channelOf(guild, ChannelType.GuildText).id;
  const role = pick(random, guild.guild.roles);
  switch (between(random, 0, 4)) {
    case 0:
      return {
        action_type: AuditLogEvent.MemberRoleUpdate,
        target_id: target,
        changes: [{ key: '$add', new_value: [{ id: role.id, name: role.name }] }],
      };
    case 1:
      return {
        action_type: AuditLogEvent.ChannelUpdate,
        target_id: channelId,
        changes: [{ key: 'topic', old_value: sentence(random, 3), new_value: title(random) }],
      };
    case 2:
      return {
        action_type: AuditLogEvent.MessageDelete,
        target_id: target,
        options: { channel_id: channelId, count: '1' } as APIAuditLogOptions,
      };
    case 3:
      return { action_type: AuditLogEvent.MemberKick, target_id: target };
    default:
      return {
        action_type: AuditLogEvent.MemberDisconnect,
        target_id: null,
        options: { count: '1' } as APIAuditLogOptions,
      };
  }
}

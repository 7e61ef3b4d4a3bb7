/** The rules of a guild's auto moderation. */
import {
  type APIAutoModerationRule,
  AuditLogEvent,
  AutoModerationActionType,
  AutoModerationRuleEventType,
  AutoModerationRuleTriggerType,
} from 'discord-api-types/v10';
import {
  choice,
  flag,
  listOfSnowflakes,
  listOfTexts,
  object,
  objects,
  snowflake,
  text,
  whole,
} from '../fields.ts';
import { type Call, type Endpoint, guildOf, refuseField, tell } from './endpoint.ts';
import { type Resource, resourceEndpoints } from './resource.ts';

type RuleBody = Omit<APIAutoModerationRule, 'id' | 'guild_id' | 'creator_id'>;

const { Keyword, Spam, KeywordPreset, MentionSpam, MemberProfile } = AutoModerationRuleTriggerType;
const { MessageSend, MemberUpdate } = AutoModerationRuleEventType;
const { BlockMessage, SendAlertMessage, Timeout, BlockMemberInteraction } =
  AutoModerationActionType;

/** Discord: how many rules of each trigger a guild may have. */
const MOST: Readonly<Record<AutoModerationRuleTriggerType, number>> = {
  [Keyword]: 6,
  [Spam]: 1,
  [KeywordPreset]: 1,
  [MentionSpam]: 1,
  [MemberProfile]: 1,
};

const TIMEOUT_MAX_S = 28 * 86_400;

const METADATA = object<NonNullable<APIAutoModerationRule['trigger_metadata']>>({
  keyword_filter: listOfTexts(1_000, 60),
  regex_patterns: listOfTexts(10, 260),
  allow_list: listOfTexts(1_000, 60),
  presets: (form, name) => form.each(name, 3, (below, index) => below.integer(index, 1, 3)),
  mention_total_limit: whole(0, 50),
  mention_raid_protection_enabled: flag,
});

const ACTION = {
  type: choice(BlockMessage, SendAlertMessage, Timeout, BlockMemberInteraction),
  metadata: object({
    channel_id: snowflake,
    duration_seconds: whole(0, TIMEOUT_MAX_S),
    custom_message: text(150),
  }),
};

const RULES: Resource<APIAutoModerationRule, RuleBody> = {
  name: 'rule',
  shelf: (call) => call.records.of(guildOf(call).id).rules,
  fields: {
    name: text(100, 1),
    event_type: choice(MessageSend, MemberUpdate),
    trigger_type: choice(Keyword, Spam, KeywordPreset, MentionSpam, MemberProfile),
    trigger_metadata: METADATA,
    actions: objects(5, ACTION, ['type']),
    enabled: flag,
    exempt_roles: listOfSnowflakes(20),
    exempt_channels: listOfSnowflakes(50),
  },
  required: ['name', 'event_type', 'trigger_type', 'actions'],
  room: (call, { trigger_type: type = Keyword }) => {
    const alike = RULES.shelf(call)
      .list()
      .filter((rule) => rule.trigger_type === type);
    if (alike.length < MOST[type]) return;
    const code = 'AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED';
    throw refuseField('trigger_type', code, `Maximum number of rules of this type: ${MOST[type]}`);
  },
  make: (call, fields, id) => {
    const rule = {
      id,
      guild_id: guildOf(call).id,
      name: '',
      creator_id: call.world.bot.id,
      event_type: MessageSend,
      trigger_type: Keyword,
      trigger_metadata: {},
      actions: [],
      enabled: false,
      exempt_roles: [],
      exempt_channels: [],
      ...fields,
    };
    return checked(call, rule);
  },
  // What sets a rule off is settled when it is made.
  change: (call, rule, { trigger_type: _, ...fields }) => checked(call, { ...rule, ...fields }),
  tell: (call, rule, happening) => {
    const name = { create: 'CREATE', update: 'UPDATE', delete: 'DELETE' } as const;
    tell(call, `AUTO_MODERATION_RULE_${name[happening]}`, rule.guild_id, rule);
  },
  audit: {
    create: AuditLogEvent.AutoModerationRuleCreate,
    update: AuditLogEvent.AutoModerationRuleUpdate,
    delete: AuditLogEvent.AutoModerationRuleDelete,
  },
  createdStatus: 200,
};

/** A rule does something, and what it does can be done. */
function checked(call: Call, rule: APIAutoModerationRule): APIAutoModerationRule {
  if (rule.actions.length === 0) {
    throw refuseField('actions', 'BASE_TYPE_BAD_LENGTH', 'Must be between 1 and 5 in length.');
  }
  for (const [index, { type, metadata }] of rule.actions.entries()) {
    const path = `actions.${index}.metadata`;
    if (type === SendAlertMessage && call.world.channel(metadata?.channel_id ?? '') === undefined) {
      throw refuseField(`${path}.channel_id`, 'BASE_TYPE_REQUIRED', 'This field is required');
    }
    if (type === Timeout && metadata?.duration_seconds === undefined) {
      throw refuseField(`${path}.duration_seconds`, 'BASE_TYPE_REQUIRED', 'This field is required');
    }
  }
  // An action without a metadata of its own is shown with an empty one.
  return { ...rule, actions: rule.actions.map((action) => ({ metadata: {}, ...action })) };
}

export const RULE_ENDPOINTS: Readonly<Record<string, Endpoint>> = resourceEndpoints(
  '/guilds/:guild/auto-moderation/rules',
  RULES,
);

/** Discord's JSON error codes, with the status and the message they come with. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';

export const API_ERRORS = {
  [RESTJSONErrorCodes.UnknownChannel]: [404, 'Unknown Channel'],
  [RESTJSONErrorCodes.UnknownGuild]: [404, 'Unknown Guild'],
  [RESTJSONErrorCodes.UnknownMember]: [404, 'Unknown Member'],
  [RESTJSONErrorCodes.UnknownMessage]: [404, 'Unknown Message'],
  [RESTJSONErrorCodes.UnknownRole]: [404, 'Unknown Role'],
  [RESTJSONErrorCodes.UnknownUser]: [404, 'Unknown User'],
  [RESTJSONErrorCodes.UnknownEmoji]: [400, 'Unknown Emoji'],
  [RESTJSONErrorCodes.UnknownWebhook]: [404, 'Unknown Webhook'],
  [RESTJSONErrorCodes.UnknownApplicationCommand]: [404, 'Unknown application command'],
  [RESTJSONErrorCodes.UnknownBan]: [404, 'Unknown Ban'],
  [RESTJSONErrorCodes.FailedToBanUsers]: [500, 'Failed to ban users'],
  [RESTJSONErrorCodes.InvalidWebhookToken]: [401, 'Invalid Webhook Token'],
  [RESTJSONErrorCodes.MaximumNumberOfWebhooksReached]: [
    400,
    'Maximum number of webhooks reached (15)',
  ],
  [RESTJSONErrorCodes.NotAuthorizedToPerformThisActionOnThisApplication]: [
    403,
    'You are not authorized to perform this action on this application',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfReactionsReached]: [
    400,
    'Maximum number of reactions reached (20)',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfApplicationCommandsReached]: [
    400,
    'Maximum number of application commands reached (100)',
  ],
  [RESTJSONErrorCodes.RequestEntityTooLarge]: [413, 'Request entity too large'],
  [RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged]: [
    400,
    'Interaction has already been acknowledged.',
  ],
  [RESTJSONErrorCodes.MissingAccess]: [403, 'Missing Access'],
  [RESTJSONErrorCodes.CannotEditMessageAuthoredByAnotherUser]: [
    403,
    'Cannot edit a message authored by another user',
  ],
  [RESTJSONErrorCodes.CannotSendAnEmptyMessage]: [400, 'Cannot send an empty message'],
  [RESTJSONErrorCodes.CannotSendMessagesToThisUser]: [403, 'Cannot send messages to this user'],
  [RESTJSONErrorCodes.CannotSendMessagesInNonTextChannel]: [
    400,
    'Cannot send messages in a non-text channel',
  ],
  [RESTJSONErrorCodes.ProvidedTooFewOrTooManyMessagesToDelete]: [
    400,
    'Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.',
  ],
  [RESTJSONErrorCodes.InvalidRecipients]: [400, 'Invalid Recipient(s)'],
  [RESTJSONErrorCodes.InvalidAPIVersion]: [400, 'Invalid API version'],
  [RESTJSONErrorCodes.RequestBodyContainsInvalidJSON]: [
    400,
    'The request body contains invalid JSON.',
  ],
  [RESTJSONErrorCodes.UnknownInvite]: [404, 'Unknown Invite'],
  [RESTJSONErrorCodes.UnknownIntegration]: [404, 'Unknown Integration'],
  [RESTJSONErrorCodes.UnknownPermissionOverwrite]: [404, 'Unknown Overwrite'],
  [RESTJSONErrorCodes.UnknownSKU]: [404, 'Unknown SKU'],
  [RESTJSONErrorCodes.UnknownEntitlement]: [404, 'Unknown Entitlement'],
  [RESTJSONErrorCodes.UnknownGuildTemplate]: [404, 'Unknown guild template'],
  [RESTJSONErrorCodes.UnknownSticker]: [404, 'Unknown sticker'],
  [RESTJSONErrorCodes.UnknownStickerPack]: [404, 'Unknown sticker pack'],
  [RESTJSONErrorCodes.UnknownApplicationCommandPermissions]: [
    404,
    'Unknown application command permissions',
  ],
  [RESTJSONErrorCodes.UnknownVoiceState]: [404, 'Unknown Voice State'],
  [RESTJSONErrorCodes.UnknownStageInstance]: [404, 'Unknown Stage Instance'],
  [RESTJSONErrorCodes.UnknownGuildWelcomeScreen]: [404, 'Unknown Guild Welcome Screen'],
  [RESTJSONErrorCodes.UnknownGuildScheduledEvent]: [404, 'Unknown Guild Scheduled Event'],
  [RESTJSONErrorCodes.UnknownSound]: [404, 'Unknown sound'],
  [RESTJSONErrorCodes.BotsCannotUseThisEndpoint]: [403, 'Bots cannot use this endpoint'],
  [RESTJSONErrorCodes.OnlyBotsCanUseThisEndpoint]: [403, 'Only bots can use this endpoint'],
  [RESTJSONErrorCodes.MaximumNumberOfGuildRolesReached]: [
    400,
    'Maximum number of server roles reached (250)',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfEmojisReached]: [400, 'Maximum number of emojis reached'],
  [RESTJSONErrorCodes.MaximumNumberOfGuildChannelsReached]: [
    400,
    'Maximum number of server channels reached (500)',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfInvitesReached]: [
    400,
    'Maximum number of invites reached (1000)',
  ],
  [RESTJSONErrorCodes.GuildAlreadyHasTemplate]: [400, 'Server already has a template'],
  [RESTJSONErrorCodes.MaximumThreadParticipantsReached]: [
    400,
    'Maximum number of thread participants has been reached (1000)',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfUncompletedGuildScheduledEventsReached]: [
    400,
    'Maximum number of uncompleted guild scheduled events reached (100)',
  ],
  [RESTJSONErrorCodes.MaximumNumberOfStickersReached]: [400, 'Maximum number of stickers reached'],
  [RESTJSONErrorCodes.MaximumNumberOfSoundboardSoundsReached]: [
    400,
    'Maximum number of soundboard sounds reached',
  ],
  [RESTJSONErrorCodes.TargetUserIsNotConnectedToVoice]: [
    400,
    'Target user is not connected to voice.',
  ],
  [RESTJSONErrorCodes.ThisMessageWasAlreadyCrossposted]: [
    400,
    'This message has already been crossposted.',
  ],
  [RESTJSONErrorCodes.TagRequiredToCreateAForumPostInThisChannel]: [
    400,
    'A tag is required to create a forum post in this channel',
  ],
  [RESTJSONErrorCodes.OnlyConsumableSKUsCanBeConsumed]: [
    400,
    'Only consumable SKUs can be consumed',
  ],
  [RESTJSONErrorCodes.CannotExecuteActionOnDMChannel]: [
    403,
    'Cannot execute action on a DM channel',
  ],
  [RESTJSONErrorCodes.GuildWidgetDisabled]: [403, 'Widget Disabled'],
  [RESTJSONErrorCodes.MissingPermissions]: [403, 'Missing Permissions'],
  [RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType]: [
    400,
    'Cannot execute action on this channel type',
  ],
  [RESTJSONErrorCodes.InvalidOAuth2AccessToken]: [400, 'Invalid OAuth2 access token provided'],
  [RESTJSONErrorCodes.InvalidRole]: [400, 'Invalid Role'],
  [RESTJSONErrorCodes.OneOfTheMessagesProvidedWasTooOldForBulkDelete]: [
    400,
    'You can only bulk delete messages that are under 14 days old.',
  ],
  [RESTJSONErrorCodes.InvalidGuild]: [400, 'Invalid Guild'],
  [RESTJSONErrorCodes.InvalidFileUploaded]: [400, 'Invalid file uploaded'],
  [RESTJSONErrorCodes.CannotDeleteChannelRequiredForCommunityGuilds]: [
    400,
    'Cannot delete a channel required for Community guilds',
  ],
  [RESTJSONErrorCodes.InvalidActionOnArchivedThread]: [
    400,
    'Tried to perform an operation on an archived thread, such as editing a message or adding a user to the thread',
  ],
  [RESTJSONErrorCodes.TheStageIsAlreadyOpen]: [400, 'The Stage is already open'],
  [RESTJSONErrorCodes.ThreadAlreadyCreatedForMessage]: [
    400,
    'A thread has already been created for this message',
  ],
  [RESTJSONErrorCodes.ThreadLocked]: [400, 'Thread is locked'],
  [RESTJSONErrorCodes.MaximumActiveThreads]: [400, 'Maximum number of active threads reached'],
  [RESTJSONErrorCodes.CannotUpdateAFinishedEvent]: [400, 'Cannot update a finished event'],
  [RESTJSONErrorCodes.CannotEnableOnboardingRequirementsAreNotMet]: [
    400,
    'Cannot enable onboarding, requirements are not met',
  ],
  [RESTJSONErrorCodes.PollExpired]: [400, 'Poll expired'],
  [RESTJSONErrorCodes.CannotExpireANonPollMessage]: [400, 'Cannot expire a non-poll message'],
  [RESTJSONErrorCodes.WebhooksPostedToForumChannelsMustHaveAThreadNameOrThreadId]: [
    400,
    'Webhooks posted to forum channels must have a thread_name or thread_id',
  ],
  [RESTJSONErrorCodes.WebhooksPostedToForumChannelsCannotHaveBothAThreadNameAndThreadId]: [
    400,
    'Webhooks posted to forum channels cannot have both a thread_name and thread_id',
  ],
  [RESTJSONErrorCodes.WebhooksCanOnlyCreateThreadsInForumChannels]: [
    400,
    'Webhooks can only create threads in forum channels',
  ],
} as const;

export type ApiErrorCode = keyof typeof API_ERRORS;

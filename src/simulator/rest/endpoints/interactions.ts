/** Application commands, and the answer to an interaction. */
import {
  type APIApplicationCommand,
  ApplicationCommandType,
  ChannelType,
  InteractionResponseType,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { APPLICATION_COMMANDS_MAX, SIMULATOR_COUNTERS_MAX } from '../../../../protocols/limits.ts';
import { apiError, invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import type { CommandScope } from './command-store.ts';
import { bodyOf, type Call, type Endpoint, idOf, Refusal } from './endpoint.ts';
import { requireOwnApplication } from './own-application.ts';
import { answerWithMessage } from './webhook-messages.ts';

const NAME_MAX = 32;
const DESCRIPTION_MAX = 100;

function scopeOf(call: Call): CommandScope {
  requireOwnApplication(call);
  if (call.values.guild === undefined) return 'global';
  const guildId = idOf(call, 'guild');
  if (call.world.guild(guildId) === undefined) {
    throw new Refusal(apiError(RESTJSONErrorCodes.MissingAccess));
  }
  return guildId;
}

function checkCommand(form: Form): void {
  if (form.required('name')) form.string('name', NAME_MAX, 1);
  const type = form.integer('type') ?? ApplicationCommandType.ChatInput;
  const isChat = type === ApplicationCommandType.ChatInput;
  if (isChat && form.required('description')) form.string('description', DESCRIPTION_MAX, 1);
  form.list('options', 25);
}

/** The command as Discord keeps it: an id and a version are added, a known name keeps its id. */
function makeCommand(
  call: Call,
  scope: CommandScope,
  fields: Readonly<Record<string, unknown>>,
): APIApplicationCommand {
  const type = fields.type ?? ApplicationCommandType.ChatInput;
  const known = call.commands
    .list(scope)
    .find((command) => command.name === fields.name && command.type === type);
  return {
    description: '',
    default_member_permissions: null,
    nsfw: false,
    ...fields,
    type,
    id: known?.id ?? call.world.newId(call.clock.epochMs()),
    application_id: call.world.application.id,
    version: call.world.newId(call.clock.epochMs()),
    ...(scope === 'global' ? {} : { guild_id: scope }),
  } as APIApplicationCommand;
}

const listCommands: Endpoint = (call) => jsonResponse(200, call.commands.list(scopeOf(call)));

const overwriteCommands: Endpoint = (call) => {
  const scope = scopeOf(call);
  const { value } = bodyOf(call);
  if (!Array.isArray(value)) {
    const message = 'Only iterables may be used in a ListType';
    return invalidForm([{ path: [], code: 'LIST_TYPE_CONVERT', message }]);
  }
  if (value.length > APPLICATION_COMMANDS_MAX) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfApplicationCommandsReached);
  }
  const errors: Form['errors'] = [];
  for (const [index, fields] of value.entries()) {
    checkCommand(new Form(isObject(fields) ? fields : {}, [String(index)], errors));
  }
  if (errors.length > 0) return invalidForm(errors);
  const commands = value.filter(isObject).map((fields) => makeCommand(call, scope, fields));
  call.commands.replace(scope, commands);
  return jsonResponse(200, commands);
};

const createCommand: Endpoint = (call) => {
  const scope = scopeOf(call);
  const { value } = bodyOf(call);
  const fields = isObject(value) ? value : {};
  const form = new Form(fields);
  checkCommand(form);
  if (form.errors.length > 0) return invalidForm(form.errors);
  const command = makeCommand(call, scope, fields);
  const others = call.commands.list(scope).filter(({ id }) => id !== command.id);
  const isNew = others.length === call.commands.list(scope).length;
  if (isNew && others.length >= APPLICATION_COMMANDS_MAX) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfApplicationCommandsReached);
  }
  call.commands.replace(scope, [...others, command]);
  return jsonResponse(isNew ? 201 : 200, command);
};

function commandOf(call: Call): readonly [scope: CommandScope, command: APIApplicationCommand] {
  const scope = scopeOf(call);
  const id = idOf(call, 'command');
  const command = call.commands.list(scope).find((one) => one.id === id);
  if (command !== undefined) return [scope, command];
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownApplicationCommand));
}

const getCommand: Endpoint = (call) => jsonResponse(200, commandOf(call)[1]);

const editCommand: Endpoint = (call) => {
  const [scope, command] = commandOf(call);
  const { value } = bodyOf(call);
  const { id, type } = command;
  // What a command is, and which, is not to be changed.
  const fields = { ...command, ...(isObject(value) ? value : {}), id, type };
  const form = new Form(fields);
  checkCommand(form);
  if (form.errors.length > 0) return invalidForm(form.errors);
  const edited = { ...fields, version: call.world.newId(call.clock.epochMs()) };
  const commands = call.commands.list(scope).map((one) => (one.id === id ? edited : one));
  call.commands.replace(scope, commands);
  return jsonResponse(200, edited);
};

const deleteCommand: Endpoint = (call) => {
  const [scope, { id }] = commandOf(call);
  call.commands.replace(
    scope,
    call.commands.list(scope).filter((one) => one.id !== id),
  );
  return emptyResponse();
};

/** Nobody has set any: that takes a user's token, which the next endpoint says. */
const listPermissions: Endpoint = (call) => {
  scopeOf(call);
  return jsonResponse(200, []);
};

const getPermissions: Endpoint = (call) => {
  commandOf(call);
  return apiError(RESTJSONErrorCodes.UnknownApplicationCommandPermissions);
};

const editPermissions: Endpoint = (call) => {
  commandOf(call);
  return apiError(RESTJSONErrorCodes.BotsCannotUseThisEndpoint);
};

/** Any interaction counts as known; it may be answered once. */
const answerInteraction: Endpoint = (call) => {
  const id = idOf(call, 'interaction');
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  if (!form.required('type') || form.integer('type') === undefined) return invalidForm(form.errors);
  if (call.answered.has(id)) {
    return apiError(RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged);
  }
  const [oldest] = call.answered;
  if (call.answered.size >= SIMULATOR_COUNTERS_MAX && oldest !== undefined) {
    call.answered.delete(oldest);
  }
  const channelId = answeredIn(call);
  const originalId =
    form.integer('type') === InteractionResponseType.ChannelMessageWithSource
      ? answerWithMessage(call, channelId)
      : null;
  call.answered.add(id);
  call.webhooks.answer(call.values.interaction_token ?? '', { channelId, originalId });
  return emptyResponse();
};

/**
 * Interactions come out of nowhere here, so their messages go where the first guild has its texts.
 */
function answeredIn({ world }: Call): string {
  const guild = world.guild(world.guildIds[0] ?? '');
  return guild?.channels.find(({ type }) => type === ChannelType.GuildText)?.id ?? '';
}

const COMMANDS = '/applications/:application/commands';
const GUILD_COMMANDS = '/applications/:application/guilds/:guild/commands';

export const INTERACTION_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  [`GET ${COMMANDS}`]: listCommands,
  [`PUT ${COMMANDS}`]: overwriteCommands,
  [`POST ${COMMANDS}`]: createCommand,
  [`GET ${COMMANDS}/:command`]: getCommand,
  [`PATCH ${COMMANDS}/:command`]: editCommand,
  [`DELETE ${COMMANDS}/:command`]: deleteCommand,
  [`GET ${GUILD_COMMANDS}`]: listCommands,
  [`PUT ${GUILD_COMMANDS}`]: overwriteCommands,
  [`POST ${GUILD_COMMANDS}`]: createCommand,
  [`GET ${GUILD_COMMANDS}/:command`]: getCommand,
  [`PATCH ${GUILD_COMMANDS}/:command`]: editCommand,
  [`DELETE ${GUILD_COMMANDS}/:command`]: deleteCommand,
  [`GET ${GUILD_COMMANDS}/permissions`]: listPermissions,
  [`GET ${GUILD_COMMANDS}/:command/permissions`]: getPermissions,
  [`PUT ${GUILD_COMMANDS}/:command/permissions`]: editPermissions,
  'POST /interactions/:interaction/:interaction_token/callback': answerInteraction,
};

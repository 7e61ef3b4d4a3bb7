/** Who the bot is, where its gateway is, and whom it can see. */
import { createHash } from 'node:crypto';
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { apiError, invalidForm, plainError } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { header, jsonResponse } from '../http.ts';
import { bodyOf, type Call, type Endpoint, idOf } from './endpoint.ts';

const getGateway: Endpoint = (call) => jsonResponse(200, { url: call.gatewayFacts().url });

const getGatewayBot: Endpoint = (call) => {
  const { url, shards, sessionStartLimit } = call.gatewayFacts();
  return jsonResponse(200, { url, shards, session_start_limit: sessionStartLimit });
};

const getCurrentUser: Endpoint = ({ world }) =>
  jsonResponse(200, {
    ...world.bot,
    flags: world.bot.public_flags,
    mfa_enabled: true,
    locale: 'en-US',
    premium_type: 0,
    verified: true,
    email: null,
    bio: '',
  });

const getUser: Endpoint = (call) => {
  const user = call.world.user(idOf(call, 'user'));
  return user === undefined ? apiError(RESTJSONErrorCodes.UnknownUser) : jsonResponse(200, user);
};

/** Opens, or finds, the direct-message channel with a user. */
const createDirectMessage: Endpoint = (call) => {
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  const recipientId = form.required('recipient_id') ? form.snowflake('recipient_id') : undefined;
  if (recipientId === undefined) return invalidForm(form.errors);
  const channel = call.world.directChannels.find(({ recipients }) =>
    recipients?.some((user) => user.id === recipientId),
  );
  if (channel !== undefined) return jsonResponse(200, channel);
  const user = call.world.user(recipientId);
  if (user === undefined || user.id === call.world.bot.id) {
    return apiError(RESTJSONErrorCodes.InvalidRecipients);
  }
  // Only those whom the world gave a channel with the bot have their direct messages open.
  return apiError(RESTJSONErrorCodes.CannotSendMessagesToThisUser);
};

function application({ world }: Call) {
  const owner = world.user(world.guild(world.guildIds[0] ?? '')?.ownerId ?? '') ?? world.bot;
  return {
    id: world.application.id,
    name: world.application.name,
    icon: null,
    description: '',
    type: null,
    summary: '',
    bot_public: true,
    bot_require_code_grant: false,
    terms_of_service_url: null,
    privacy_policy_url: null,
    verify_key: createHash('sha256').update(world.application.id).digest('hex'),
    flags: world.application.flags,
    flags_new: String(world.application.flags),
    hook: true,
    is_monetized: false,
    team: null,
    tags: [],
    redirect_uris: [],
    interactions_endpoint_url: null,
    role_connections_verification_url: null,
    event_webhooks_url: null,
    event_webhooks_status: 1,
    integration_types_config: { 0: {} },
    approximate_guild_count: world.guildIds.length,
    approximate_user_install_count: 0,
    owner: { ...owner, flags: owner.public_flags },
    bot: world.bot,
  };
}

const getCurrentApplication: Endpoint = (call) => jsonResponse(200, application(call));

const AUTHORIZED_FOR_MS = 7 * 86_400_000;

/** What a user's token may do; a bot's is none. */
const getAuthorization: Endpoint = (call) => {
  const scheme = header(call.request.headers, 'authorization') ?? '';
  if (!/^Bearer /i.test(scheme)) return plainError(401);
  const { id, name, icon, description, hook, bot_public, bot_require_code_grant, verify_key } =
    application(call);
  return jsonResponse(200, {
    application: {
      id,
      name,
      icon,
      description,
      hook,
      bot_public,
      bot_require_code_grant,
      verify_key,
    },
    scopes: ['identify'],
    expires: new Date(call.clock.epochMs() + AUTHORIZED_FOR_MS).toISOString(),
    user: call.world.bot,
  });
};

export const ACCOUNT_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /gateway': getGateway,
  'GET /gateway/bot': getGatewayBot,
  'GET /users/@me': getCurrentUser,
  'GET /users/:user': getUser,
  'POST /users/@me/channels': createDirectMessage,
  'GET /applications/@me': getCurrentApplication,
  'GET /oauth2/applications/@me': getCurrentApplication,
  'GET /oauth2/@me': getAuthorization,
};

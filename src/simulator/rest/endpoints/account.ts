/** Who the bot is, where its gateway is, and whom it can see. */
import { type APIUser, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { apiError, invalidForm } from '../answers.ts';
import { image, nullable, readFields, text } from '../fields.ts';
import { Form, isObject } from '../form.ts';
import { header, jsonResponse } from '../http.ts';
import { bodyOf, type Call, type Endpoint, finishedForm, formOf, idOf, tell } from './endpoint.ts';

const USERNAME_MIN = 2;
const USERNAME_MAX = 32;
const IMAGE_KIB = 10_240;

const getGateway: Endpoint = (call) => jsonResponse(200, { url: call.gatewayFacts().url });

const getGatewayBot: Endpoint = (call) => {
  const { url, shards, sessionStartLimit } = call.gatewayFacts();
  return jsonResponse(200, { url, shards, session_start_limit: sessionStartLimit });
};

function currentUser({ world }: Call) {
  return {
    ...world.bot,
    flags: world.bot.public_flags,
    mfa_enabled: true,
    locale: 'en-US',
    premium_type: 0,
    verified: true,
    email: null,
    bio: '',
  };
}

const getCurrentUser: Endpoint = (call) => jsonResponse(200, currentUser(call));

const IMAGE = nullable(image(IMAGE_KIB));

/** How the bot calls itself and what it looks like, everywhere. */
const editCurrentUser: Endpoint = (call) => {
  const fields = finishedForm(formOf(call), (form) =>
    readFields<Pick<APIUser, 'username' | 'avatar'> & { banner: string | null }>(form, {
      username: text(USERNAME_MAX, USERNAME_MIN),
      avatar: IMAGE,
      banner: IMAGE,
    }),
  );
  call.world.editBot(fields);
  const user = currentUser(call);
  tell(call, 'USER_UPDATE', null, user);
  return jsonResponse(200, user);
};

/** Connections with other services are for users; of a user who comes here there are none. */
const getConnections: Endpoint = (call) => {
  const scheme = header(call.request.headers, 'authorization') ?? '';
  if (/^Bearer /i.test(scheme)) return jsonResponse(200, []);
  return apiError(RESTJSONErrorCodes.BotsCannotUseThisEndpoint);
};

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

export const ACCOUNT_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /gateway': getGateway,
  'GET /gateway/bot': getGatewayBot,
  'GET /users/@me': getCurrentUser,
  'PATCH /users/@me': editCurrentUser,
  'GET /users/@me/connections': getConnections,
  'GET /users/:user': getUser,
  'POST /users/@me/channels': createDirectMessage,
};

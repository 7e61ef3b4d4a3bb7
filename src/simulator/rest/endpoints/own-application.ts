/** The application in a path, which can only be the bot's own. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { apiError } from '../answers.ts';
import { type Call, idOf, Refusal } from './endpoint.ts';

export function requireOwnApplication(call: Call): void {
  if (idOf(call, 'application') === call.world.application.id) return;
  const code = RESTJSONErrorCodes.NotAuthorizedToPerformThisActionOnThisApplication;
  throw new Refusal(apiError(code));
}

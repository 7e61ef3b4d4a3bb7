/** Polls within messages. Nobody votes in them but by the traffic, which is not counted. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { microsecondTime } from '../../world/people.ts';
import { apiError, plainError } from '../answers.ts';
import { jsonResponse } from '../http.ts';
import { channelOf, type Endpoint, idOf, queryInteger } from './endpoint.ts';
import { messageOf } from './messages.ts';

const VOTERS_MAX = 100;
const VOTERS_DEFAULT = 25;

const listVoters: Endpoint = (call) => {
  const { poll } = messageOf(call, channelOf(call).id);
  queryInteger(call, 'limit', 1, VOTERS_MAX, VOTERS_DEFAULT);
  const answerId = Number(idOf(call, 'answer'));
  const exists = poll?.answers.some(({ answer_id }) => answer_id === answerId) === true;
  return exists ? jsonResponse(200, { users: [] }) : plainError(404);
};

const endPoll: Endpoint = (call) => {
  const message = messageOf(call, channelOf(call).id);
  const { poll } = message;
  if (poll === undefined) return apiError(RESTJSONErrorCodes.CannotExpireANonPollMessage);
  if (message.author.id !== call.world.bot.id) {
    return apiError(RESTJSONErrorCodes.CannotEditMessageAuthoredByAnotherUser);
  }
  const nowMs = call.clock.epochMs();
  if (poll.results?.is_finalized === true || Date.parse(poll.expiry ?? '') <= nowMs) {
    return apiError(RESTJSONErrorCodes.PollExpired);
  }
  const results = { answer_counts: [], ...poll.results, is_finalized: true };
  const ended = { ...message, poll: { ...poll, expiry: microsecondTime(nowMs), results } };
  call.publish(call.world.recordMessage(ended, 'MESSAGE_UPDATE'));
  return jsonResponse(200, ended);
};

export const POLL_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /channels/:channel/polls/:message/answers/:answer': listVoters,
  'POST /channels/:channel/polls/:message/expire': endPoll,
};

/**
 * The client library: what a bot imports.
 *
 * @module spectacles
 */

export { MembersError, type MembersFailure, SpectaclesError } from '../protocols/errors.ts';
export type { SessionGap } from '../protocols/gateway/gap.ts';
export { Amqp } from './client/amqp.ts';
export type {
  Audience,
  BrokerClientOptions,
  MessageListener,
  MessageOptions,
  SendOptions,
} from './client/broker-types.ts';
export { Ipc, type IpcForkOptions, type IpcOptions } from './client/ipc.ts';
export { Memory, Stdio } from './client/local.ts';
export type { Members } from './client/member-collection.ts';
export { Redis } from './client/redis.ts';
export {
  type MembersOptions,
  type MembersRequest,
  requestMembers,
} from './client/request-members.ts';
export { Rest, type RestResponse, type RestResult } from './client/rest.ts';
export type { Bot } from './services/start-handler.ts';

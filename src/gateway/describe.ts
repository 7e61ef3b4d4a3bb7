/** What happened to a shard, in the words of a log line. */
import { GatewayCloseCodes } from 'discord-api-types/v10';
import type { ConnectionEnd } from '../../protocols/gateway/messages.ts';

export function describeEnd(end: ConnectionEnd): string {
  switch (end.kind) {
    case 'unreachable':
      return `the host cannot be reached: ${end.detail}`;
    case 'closed':
      return `closed with ${describeCode(end.code)}`;
    case 'zombie':
      return 'heartbeats were not acknowledged';
    case 'reconnect':
      return 'Discord asked for a reconnect';
    case 'invalid-session':
      return end.resumable ? 'Discord asked for the session again' : 'Discord ended the session';
    case 'no-answer':
      return 'Discord did not answer';
    case 'garbled':
      return end.detail;
    case 'replay':
      return 'the broker did not take every event';
    case 'crashed':
      return `a fault of our own: ${end.detail}`;
  }
}

/** `4004 (AuthenticationFailed)`; a code without a name stands alone. */
export function describeCode(code: number): string {
  const name = GatewayCloseCodes[code];
  return name === undefined ? String(code) : `${code} (${name})`;
}

/** What the operator has to do about a close code that no retry can heal. */
export function remedyFor(code: number): string {
  switch (code) {
    case GatewayCloseCodes.AuthenticationFailed:
      return 'set token or DISCORD_TOKEN to the bot’s token from the developer portal';
    case GatewayCloseCodes.InvalidShard:
      return 'shards.ids and shards.count do not fit what Discord assigned to the bot';
    case GatewayCloseCodes.ShardingRequired:
      return 'raise shards.count, or leave it out to take what Discord recommends';
    case GatewayCloseCodes.InvalidAPIVersion:
      return 'set gateway_version to a version that Discord supports';
    case GatewayCloseCodes.InvalidIntents:
      return 'check intents or raw_intents: some bit has no meaning to Discord';
    case GatewayCloseCodes.DisallowedIntents:
      return 'enable the privileged intents in the developer portal, or leave them out of intents';
    default:
      return 'see Discord’s list of gateway close codes';
  }
}

/**
 * Commands to the gateway: frames that a bot asks us to send to Discord.
 *
 * Purpose: whoever publishes one, in whatever dialect, it is read into the frame to send and the
 * shard or guild that it is for. There are three forms: the event `SEND` with `{ guild_id, packet:
 * { op, d } }`, the decimal id of a shard with `{ op, d }`, and the event `gateway_send` of
 * discord.js' clients with `{ shardId, payload: { op, d } }`.
 *
 * Inner workings: a frame that came as JSON goes out as the very text it was, byte for byte; one
 * that came as MessagePack is written as JSON with its members in order and its integers exact.
 *
 * Failure: everything that is no command is a CommandRefusedError with the reason `invalid`.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { shardOfGuild } from '../discord/shard-of-guild.ts';
import { CommandRefusedError } from '../errors.ts';
import { COMMAND_BODY_MAX_BYTES, GATEWAY_FRAME_MAX_BYTES, PRESENCE_MAX_BYTES } from '../limits.ts';
import { messageOf } from '../message-of.ts';
import { openBody } from '../wire/body.ts';
import { jsonMembers, writeJson } from '../wire/json-text.ts';
import { parseWide } from '../wire/json-to-message-pack.ts';
import { type CommandFrame, readCommandFrame, show } from './command-shapes.ts';

/** Commands by guild. */
export const SEND_EVENT = 'SEND';
/** What discord.js' clients publish. */
export const DISCORDJS_SEND_EVENT = 'gateway_send';

/** What a request for members is known by when Discord limits it. */
export type MembersRequest = {
  readonly guildId: string;
  readonly nonce: string | undefined;
  /** It asks for all members, which Discord limits by guild. */
  readonly isList: boolean;
};

export type GatewayCommand = {
  readonly op: number;
  /** The frame to send. */
  readonly text: string;
  readonly members?: MembersRequest;
  /** The text of `d`, where it is a presence: to be set again in the next session. */
  readonly presence?: string;
};

/** A command, and the shard that has to send it. */
export type AddressedCommand = { readonly shard: number; readonly command: GatewayCommand };

/** What whoever asked is answered with. */
export type CommandAnswer =
  | { readonly status: 'sent'; readonly shard: number }
  | { readonly status: 'refused'; readonly reason: string; readonly message: string };

/** A value together with the text that stands for it on Discord's socket. */
type Part = { readonly value: unknown; readonly text: string };

const DIGITS = /^\d{1,20}$/;
const utf8 = new TextEncoder();

/** @throws CommandRefusedError */
export function readCommand(event: string, body: Uint8Array, shardCount: number): AddressedCommand {
  const whole = open(body);
  if (event === SEND_EVENT) {
    const shard = shardOfGuild(guildOf(whole), shardCount);
    return { shard, command: read(member(whole, 'packet'), shard, shardCount) };
  }
  if (event === DISCORDJS_SEND_EVENT) {
    const shard = shardOf(field(whole.value, 'shardId'), 'shardId', shardCount);
    return { shard, command: read(member(whole, 'payload'), shard, shardCount) };
  }
  const named = DIGITS.test(event) ? Number(event) : event;
  const shard = shardOf(named, 'the event', shardCount, `${SEND_EVENT} or `);
  return { shard, command: read(whole, shard, shardCount) };
}

function open(body: Uint8Array): Part {
  if (body.length > COMMAND_BODY_MAX_BYTES) {
    throw invalid(`a command of ${body.length} bytes; ${COMMAND_BODY_MAX_BYTES} are allowed`);
  }
  const part = openPart(body);
  if (part !== undefined) return part;
  throw invalid('the command holds something that JSON has not');
}

function openPart(body: Uint8Array): Part | undefined {
  try {
    const { value, json } = openBody(body);
    if (json !== undefined) return { value: parseWide(json), text: json.trim() };
    const text = writeJson(value);
    return text === undefined ? undefined : { value, text };
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

/** A member of a part, with its text as it stands. */
function member({ value, text }: Part, name: string): Part {
  const found = field(value, name);
  if (found === undefined) throw invalid(`${name} is missing; it must be an object with op and d`);
  const last = jsonMembers(text).findLast((candidate) => candidate.name === name);
  return { value: found, text: last?.text ?? '' };
}

function read(packet: Part, shard: number, shardCount: number): GatewayCommand {
  const frame = readCommandFrame(packet.value);
  if ('problem' in frame) throw invalid(frame.problem);
  const { text } = packet;
  refuseDoubles(text);
  refuseLength(text, GATEWAY_FRAME_MAX_BYTES, 'the frame has', 'bytes of UTF-8');
  for (const guildId of guildsOf(frame)) {
    const owner = shardOfGuild(guildId, shardCount);
    if (owner === shard) continue;
    throw invalid(
      `guild ${guildId} is of shard ${owner}, and Discord does not answer for it on shard ${shard}`,
    );
  }
  return { op: frame.op, text, ...particulars(frame, packet) };
}

function particulars(
  frame: CommandFrame,
  packet: Part,
): Pick<GatewayCommand, 'members' | 'presence'> {
  if (frame.op === GatewayOpcodes.PresenceUpdate) {
    const presence = member(packet, 'd').text;
    refuseLength(presence, PRESENCE_MAX_BYTES, 'd of op 3 has', 'bytes, to fit into an IDENTIFY');
    return { presence };
  }
  if (frame.op !== GatewayOpcodes.RequestGuildMembers) return {};
  const { guild_id: guildId, nonce, query, limit } = frame.d;
  return { members: { guildId, nonce, isList: query === '' && limit === 0 } };
}

/** Of a key that stands twice Discord may take the other one than we have looked at. */
function refuseDoubles(text: string): void {
  const names = jsonMembers(text).map(({ name }) => name);
  for (const name of ['op', 'd']) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw invalid(`${name} stands twice`);
  }
}

function refuseLength(text: string, maxBytes: number, what: string, unit: string): void {
  const bytes = utf8.encode(text).length;
  if (bytes > maxBytes) throw invalid(`${what} ${bytes} ${unit}; ${maxBytes} are allowed`);
}

/** The guilds that a frame names: only their own shard is answered for them. */
function guildsOf(frame: CommandFrame): readonly string[] {
  switch (frame.op) {
    case GatewayOpcodes.PresenceUpdate:
      return [];
    case GatewayOpcodes.RequestSoundboardSounds:
      return frame.d.guild_ids;
    default:
      return [frame.d.guild_id];
  }
}

/** Numbers are read where they are exact: a double would be another guild. */
function guildOf({ value }: Part): string {
  const found = field(value, 'guild_id');
  const exact =
    typeof found === 'bigint' || (typeof found === 'number' && Number.isSafeInteger(found));
  const text = exact ? String(found) : found;
  if (typeof text === 'string' && DIGITS.test(text)) return text;
  throw invalid(`guild_id is ${show(found)}; it must be a guild's id, a string of digits`);
}

function shardOf(value: unknown, name: string, shardCount: number, others = ''): number {
  const known = typeof value === 'number' && Number.isInteger(value) && value >= 0;
  if (known && value < shardCount) return value;
  throw invalid(
    `${name} is ${show(value)}; it must be ${others}a shard from 0 to ${shardCount - 1}`,
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function invalid(message: string): CommandRefusedError {
  return new CommandRefusedError('invalid', message);
}

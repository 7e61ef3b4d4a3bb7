/**
 * Reading commands: every dialect that the existing clients publish, and what is refused of them.
 */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardOfGuild } from '../../protocols/discord/shard-of-guild.ts';
import { CommandRefusedError } from '../../protocols/errors.ts';
import { readCommand } from '../../protocols/gateway/commands.ts';
import {
  COMMAND_BODY_MAX_BYTES,
  GATEWAY_FRAME_MAX_BYTES,
  MEMBER_REQUEST_USERS_MAX,
  PRESENCE_MAX_BYTES,
} from '../../protocols/limits.ts';
import { jsonMembers, writeJson } from '../../protocols/wire/json-text.ts';

const SHARDS = 4;
/** Of shard 3. */
const GUILD = String((7n << 22n) | 5n);
const OTHER_GUILD = String(8n << 22n);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const PRESENCE = { since: null, activities: [], status: 'online', afk: false };
const VOICE = { guild_id: GUILD, channel_id: null, self_mute: false, self_deaf: true };
const MEMBERS = { guild_id: GUILD, query: '', limit: 0 };

function refusal(event: string, value: unknown): string {
  const body = value instanceof Uint8Array ? value : encode(value);
  try {
    readCommand(event, body, SHARDS);
  } catch (error) {
    if (error instanceof CommandRefusedError && error.reason === 'invalid') return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

const refusedFrame = (op: unknown, d: unknown): string => refusal('3', { op, d });

describe('a command to the gateway', () => {
  const packet =
    '{ "op":8, "d":{"guild_id":"29360133","query":"\\u00e9","limit":7,"x":9007199254740993} }';
  const whole = `{"packet": ${packet} ,"guild_id":"${GUILD}"}`;

  it.each([
    ['JSON', utf8(whole)],
    ['a MessagePack string of JSON', encode(whole)],
    ['MessagePack bytes of JSON', encode(utf8(whole))],
  ])('GP-50: that is %s goes out as the text it was', (_dialect, body) => {
    const { shard, command } = readCommand('SEND', body, SHARDS);
    expect(shard).toBe(3);
    expect(command.text).toBe(packet);
  });

  it('GP-50: that is a MessagePack map keeps its order, its unknown fields and its integers', () => {
    const d = { z: -0.5, guild_id: GUILD, query: 'é"', limit: 1, wide: 2n ** 63n - 1n, a: [null] };
    const value = { guild_id: GUILD, packet: { new: true, d, op: 8 } };
    const { command } = readCommand('SEND', encode(value, { useBigInt64: true }), SHARDS);
    expect(command.text).toBe(
      `{"new":true,"d":{"z":-0.5,"guild_id":"${GUILD}","query":"é\\"","limit":1,"wide":9223372036854775807,"a":[null]},"op":8}`,
    );
  });

  it('GP-50: keeps whatever JSON is around its op and d', () => {
    const extra = fc.dictionary(
      fc.string().filter((key) => key !== 'op' && key !== 'd'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(extra, fc.integer({ min: 0, max: 3 }), (fields, indent) => {
        const text = JSON.stringify({ ...fields, op: 3, d: PRESENCE }, null, indent);
        fc.pre(utf8(text).length <= GATEWAY_FRAME_MAX_BYTES);
        expect(readCommand('2', utf8(` ${text}\n`), SHARDS).command.text).toBe(text);
      }),
    );
  });

  it('is read from the event of a shard, and from what discord.js clients publish', () => {
    const frame = { op: 4, d: VOICE };
    expect(readCommand('3', encode(frame), SHARDS)).toMatchObject({ shard: 3, command: { op: 4 } });
    const wrapped = { shardId: 3, payload: frame };
    expect(readCommand('gateway_send', encode(wrapped), SHARDS)).toEqual(
      readCommand('3', encode(frame), SHARDS),
    );
  });

  it('GP-49: finds the shard of any guild in 64-bit integers, however its id is written', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.integer({ min: 1, max: 65_536 }),
        (id, count) => {
          const shard = Number((id >> 22n) % BigInt(count));
          expect(shardOfGuild(String(id), count)).toBe(shard);
          const frame = `"packet":{"op":3,"d":${JSON.stringify(PRESENCE)}}`;
          for (const guild of [`"${id}"`, String(id)]) {
            const body = utf8(`{"guild_id":${guild},${frame}}`);
            expect(readCommand('SEND', body, count).shard).toBe(shard);
          }
          const packed = encode(
            { guild_id: id, packet: { op: 3, d: PRESENCE } },
            { useBigInt64: true },
          );
          expect(readCommand('SEND', packed, count).shard).toBe(shard);
        },
      ),
    );
  });

  it('says of requests for members what Discord limits them by', () => {
    const read = (d: object) => readCommand('3', encode({ op: 8, d }), SHARDS).command.members;
    expect(read({ ...MEMBERS, nonce: 'n' })).toEqual({ guildId: GUILD, nonce: 'n', isList: true });
    expect(read({ ...MEMBERS, limit: 5_000 })?.isList).toBe(false);
    expect(read({ ...MEMBERS, query: 'a', limit: 100 })?.isList).toBe(false);
    expect(read({ guild_id: GUILD, user_ids: '1' })?.isList).toBe(false);
  });

  it.each([
    [3, PRESENCE],
    [3, { ...PRESENCE, since: 5, activities: [{ name: 'x', type: 4, state: 'y', new: 1 }] }],
    [4, { ...VOICE, channel_id: '5' }],
    [8, { guild_id: GUILD, user_ids: ['1', '2'], nonce: 'x'.repeat(32), presences: true }],
    [31, { guild_ids: [GUILD] }],
    [43, { guild_id: GUILD, fields: ['status', 'voice_start_time'] }],
  ])('may have op %i', (op, d) => {
    expect(readCommand('3', encode({ op, d }), SHARDS).command.op).toBe(op);
  });

  it.each([[0, 1, 2, 6, 7, 10, 11, '3', null, 3.5, undefined]])(
    'has none of the ops that are not a bot’s to send',
    (...ops) => {
      for (const op of ops) {
        expect(refusedFrame(op, PRESENCE)).toMatch(/^op is .*; it must be one of 3, 4, 8, 31, 43$/);
      }
    },
  );

  const ids = Array.from({ length: MEMBER_REQUEST_USERS_MAX + 1 }, (_, index) => String(index));
  it.each([
    [3, null, 'd of op 3 is null; it must be an object'],
    [3, { ...PRESENCE, afk: 'no' }, 'd.afk of op 3 is "no"; it must be true or false'],
    [
      3,
      { ...PRESENCE, status: 'away' },
      'd.status of op 3 is "away"; it must be one of online, dnd',
    ],
    [
      3,
      { ...PRESENCE, activities: [{}] },
      'd.activities.0.name of op 3 is missing; it must be a string',
    ],
    [4, { ...VOICE, guild_id: 5 }, 'd.guild_id of op 4 is 5; it must be an id, a string of digits'],
    [4, { ...VOICE, channel_id: true }, 'd.channel_id of op 4 is true; it must be an id'],
    [8, { guild_id: GUILD }, 'd.query of op 8 is missing; it must be there, or user_ids'],
    [8, { guild_id: GUILD, query: '' }, 'd.limit of op 8 is missing; it must stand beside query'],
    [8, { ...MEMBERS, user_ids: '1' }, 'd.user_ids of op 8 is "1"; it must not stand beside query'],
    [
      8,
      { ...MEMBERS, query: 'a', limit: 101 },
      'd.limit of op 8 is 101; it must be an integer from 0 to 100',
    ],
    [8, { ...MEMBERS, limit: -1 }, 'd.limit of op 8 is -1; it must be an integer from 0 to 100'],
    [
      8,
      { guild_id: GUILD, user_ids: ids },
      'd.user_ids of op 8 is a list of 101; it must be an id, or up to 100',
    ],
    [8, { ...MEMBERS, nonce: 'é'.repeat(17) }, 'it must be a string of up to 32 bytes'],
    [31, { guild_ids: GUILD }, 'd.guild_ids of op 31 is "29360133"; it must be a list of ids'],
    [
      43,
      { guild_id: GUILD, fields: ['x'] },
      'd.fields.0 of op 43 is "x"; it must be status or voice_start_time',
    ],
    [8, { ...MEMBERS, guild_id: OTHER_GUILD }, `guild ${OTHER_GUILD} is of shard 0`],
    [31, { guild_ids: [GUILD, OTHER_GUILD] }, `guild ${OTHER_GUILD} is of shard 0`],
  ])('is refused with op %i and %o', (op, d, message) => {
    expect(refusedFrame(op, d)).toContain(message);
  });

  it.each([
    ['SEND', { packet: { op: 3, d: PRESENCE } }, 'guild_id is missing; it must be a guild'],
    ['SEND', { guild_id: '12x', packet: {} }, 'guild_id is "12x"; it must be'],
    ['SEND', { guild_id: 2 ** 60, packet: {} }, 'guild_id is 1152921504606847000; it must be'],
    ['SEND', { guild_id: GUILD }, 'packet is missing; it must be an object with op and d'],
    ['SEND', { guild_id: GUILD, packet: [] }, 'the packet is a list of 0; it must be an object'],
    ['gateway_send', { shardId: 4, payload: {} }, 'shardId is 4; it must be a shard from 0 to 3'],
    ['9', { op: 3, d: PRESENCE }, 'the event is 9; it must be SEND or a shard from 0 to 3'],
    ['send', { op: 3, d: PRESENCE }, 'the event is "send"; it must be SEND or a shard from 0 to 3'],
    ['0x1', { op: 3, d: PRESENCE }, 'the event is "0x1"; it must be SEND or a shard from 0 to 3'],
    ['0', 'text', 'the packet is "text"; it must be an object with op and d'],
    ['0', { op: 3, d: PRESENCE, x: new Uint8Array(2) }, 'something that JSON has not'],
    ['0', utf8('{"op":3,'), 'neither MessagePack nor JSON'],
    ['0', utf8(`{"op":2,"d":${JSON.stringify(PRESENCE)},"\\u006fp":3}`), 'op stands twice'],
    ['0', new Uint8Array(0), 'the body is empty'],
    ['0', new Uint8Array(COMMAND_BODY_MAX_BYTES + 1), 'bytes; 65536 are allowed'],
  ])('on %s is refused when it is %o', (event, value, message) => {
    expect(refusal(event, value)).toContain(message);
  });

  it('is refused, whatever bytes it is, and never anything else', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.json().map(utf8),
      fc.json().map((text) => encode(text)),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom('SEND', '0', 'gateway_send'), (body, event) => {
        expect(refusal(event, body)).not.toBe('');
      }),
    );
    expect(refusal('0', utf8(`${'['.repeat(30_000)}${']'.repeat(30_000)}`))).not.toBe('');
  });

  it('GP-44: is measured in bytes of UTF-8, as it will be sent', () => {
    const frame = (characters: number): string =>
      JSON.stringify({ op: 8, d: { ...MEMBERS, query: 'é'.repeat(characters), limit: 1 } });
    const room = Math.floor((GATEWAY_FRAME_MAX_BYTES - utf8(frame(0)).length) / 2);
    expect(readCommand('3', utf8(frame(room)), SHARDS).command.text).toBe(frame(room));
    expect(refusal('3', utf8(frame(room + 1)))).toMatch(
      /^the frame has 409[78] bytes of UTF-8; 4096/,
    );
    const spaced = frame(0).replace('{', `{${' '.repeat(GATEWAY_FRAME_MAX_BYTES)}`);
    expect(refusal('3', utf8(spaced))).toContain('4096 are allowed');
  });

  it('is refused when its presence would be too large for the next IDENTIFY', () => {
    const activities = [{ name: 'x'.repeat(PRESENCE_MAX_BYTES), type: 0 }];
    expect(refusedFrame(3, { ...PRESENCE, activities })).toContain('to fit into an IDENTIFY');
  });
});

describe('the text of JSON', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue());

  it('has the members that a parser finds, each as it stands', () => {
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const members = jsonMembers(JSON.stringify(value, null, indent));
        expect(members.map(({ name, text }) => [name, JSON.parse(text)])).toEqual(
          Object.entries(JSON.parse(JSON.stringify(value))),
        );
      }),
    );
  });

  it('is written as JSON.stringify writes it, bigints besides, and no bytes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(writeJson(value)).toBe(JSON.stringify(value));
      }),
    );
    expect(writeJson({ a: [2n ** 64n - 1n] })).toBe('{"a":[18446744073709551615]}');
    expect(writeJson({ a: new Date(0) })).toBe(JSON.stringify({ a: new Date(0) }));
    expect(writeJson({ a: [new Uint8Array(1)] })).toBeUndefined();
  });
});

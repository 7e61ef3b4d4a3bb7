/**
 * The frames that are replayed: MESSAGE_CREATE of a guild, as Discord writes it, of an exact size.
 *
 * Names, ids, text and roles differ from one message to the next, so that they compress as messages
 * do. Events are counted twice: in `s` those of a session, and in `nonce`, the first field of `d`,
 * those of all sessions together, so that whoever receives the body knows which event it is. Events
 * go to the shards in turn, so the one number follows from the other. Both have seven digits:
 * offsets are the same in every frame.
 */
import { HEARTBEAT_INTERVAL_MAX_MS } from '../../protocols/limits.ts';
import type { Random } from '../../protocols/ports.ts';

/** The number of READY; the first event has the next one. */
export const READY_SEQUENCE = 1_000_000;
/** The number that keeps seven digits. */
export const SEQUENCE_MAX = 9_999_999;

/** The bytes of an event, unless a row is about others. */
export const FRAME_BYTES = 1024;
export const EVENT = 'MESSAGE_CREATE';

const SESSION_HEAD = '3f0c5d2e9b7a4c118e6d0f42ab93';
/** With less room than this a message has the fields only that every event has. */
const WHOLE_MESSAGE_MIN_BYTES = 900;

const NONCE_FIELD = Buffer.from('"nonce":"');
const NONCE_NAME = Buffer.from('nonce');
const SEQUENCE_DIGITS = 7;
const ZERO = 0x30;
const NINE = 0x39;

const WORDS = (
  'the a of to and in is it you that was for on are with as his they be at one have this from or had by ' +
  'hot but some what there we can out other were all your when up use word how said an each she which do ' +
  'their time if will way about many then them would write like so these her long make thing see him two ' +
  'has look more day could go come did my sound no most number who over know water than call first people ' +
  'may down side been now find any new work part take get place made live where after back little only ' +
  'raid loot guild stream emote ping lag patch queue build deploy merge café naïve über señor 日本 🎉 "quoted"'
).split(' ');
const NAMES = [
  'river',
  'Ash',
  'kestrel',
  'Moth',
  'juniper',
  'Quill',
  'tundra',
  'Vesper',
  'onyx',
  'Fern',
];

export function helloFrame(): string {
  // The longest that is taken: next to no heartbeat falls due while a row is measured.
  return JSON.stringify({
    t: null,
    s: null,
    op: 10,
    d: { heartbeat_interval: HEARTBEAT_INTERVAL_MAX_MS, _trace: [] },
  });
}

/** The session of a shard. */
export function sessionOf(shard: number): string {
  return SESSION_HEAD + shard.toString(16).padStart(4, '0');
}

/** The id that our gateway gives to an event, by the number that all sessions share. */
export function idOf(nonce: number, shards: number): string {
  const index = nonce - READY_SEQUENCE - 1;
  return `${sessionOf(index % shards)}:${READY_SEQUENCE + 1 + Math.floor(index / shards)}`;
}

export function readyFrame(gatewayUrl: string, shard = 0, shards = 1): string {
  const user = { id: '80351110224678912', username: 'bench', discriminator: '0', avatar: null };
  return JSON.stringify({
    t: 'READY',
    s: READY_SEQUENCE,
    op: 0,
    d: {
      v: 10,
      user: { ...user, bot: true, flags: 0 },
      session_id: sessionOf(shard),
      resume_gateway_url: gatewayUrl,
      guilds: [],
      shard: [shard, shards],
      application: { id: user.id, flags: 0 },
    },
  });
}

export function messageFrame(sequence: number, random: Random, frameBytes = FRAME_BYTES): Buffer {
  const drawn = drawParts(random);
  const data = frameBytes < WHOLE_MESSAGE_MIN_BYTES ? briefData : messageData;
  const write = (content: string): string =>
    JSON.stringify({ t: EVENT, s: sequence, op: 0, d: data(sequence, content, drawn) });
  const room = frameBytes - Buffer.byteLength(write(''));
  const frame = Buffer.from(write(text(room, random)));
  if (frame.length !== frameBytes) throw new Error(`a frame of ${frame.length} bytes was made`);
  return frame;
}

/** Where the digits of the number stand in every frame: those of `s` and those of `nonce`. */
export function sequenceOffsets(frame: Buffer): readonly [number, number] {
  const nonce = frame.indexOf(NONCE_FIELD) + NONCE_FIELD.length;
  return [frame.indexOf('"s":') + '"s":'.length, nonce];
}

export function writeSequence(sequence: number, target: Uint8Array, offset: number): void {
  let rest = sequence;
  for (let at = offset + SEQUENCE_DIGITS - 1; at >= offset; at--) {
    target[at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/**
 * The number in a published body, be it JSON or MessagePack: the first digits after the field's
 * name.
 */
export function sequenceOf(body: Uint8Array): number {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  let start = bytes.indexOf(NONCE_NAME) + NONCE_NAME.length;
  while (start < bytes.length && !isDigit(bytes[start] ?? 0)) start++;
  let sequence = 0;
  for (let at = start; at < start + SEQUENCE_DIGITS; at++) {
    sequence = sequence * 10 + ((bytes[at] ?? 0) - ZERO);
  }
  return sequence;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

type Drawn = ReturnType<typeof drawParts>;

function drawParts(random: Random) {
  return {
    id: snowflake(random),
    channel: snowflake(random),
    guild: snowflake(random),
    author: snowflake(random),
    roles: [snowflake(random), snowflake(random), snowflake(random)],
    name: `${pick(NAMES, random)}${Math.floor(random() * 1e4)}`,
    avatar: hex(random),
    minute: String(10 + Math.floor(random() * 50)),
  };
}

function briefData(sequence: number, content: string, { id, channel }: Drawn): object {
  return { nonce: String(sequence), id, channel_id: channel, content };
}

function messageData(sequence: number, content: string, drawn: Drawn): object {
  return {
    nonce: String(sequence),
    type: 0,
    tts: false,
    timestamp: `2026-11-20T21:${drawn.minute}:04.418000+00:00`,
    pinned: false,
    mentions: [],
    mention_roles: [],
    mention_everyone: false,
    member: {
      roles: drawn.roles,
      premium_since: null,
      pending: false,
      nick: null,
      mute: false,
      joined_at: `2021-03-07T18:${drawn.minute}:51.120000+00:00`,
      flags: 0,
      deaf: false,
      communication_disabled_until: null,
      avatar: null,
    },
    id: drawn.id,
    flags: 0,
    embeds: [],
    edited_timestamp: null,
    content,
    components: [],
    channel_id: drawn.channel,
    author: {
      username: drawn.name,
      public_flags: 0,
      id: drawn.author,
      global_name: null,
      discriminator: '0',
      avatar: drawn.avatar,
    },
    attachments: [],
    guild_id: drawn.guild,
  };
}

/** Text whose JSON takes exactly `bytes`. */
function text(bytes: number, random: Random): string {
  let content = '';
  let left = bytes;
  for (;;) {
    const word = `${pick(WORDS, random)} `;
    const size = Buffer.byteLength(JSON.stringify(word)) - 2;
    if (size > left) return content + '.'.repeat(left);
    content += word;
    left -= size;
  }
}

function pick(list: readonly string[], random: Random): string {
  return list[Math.floor(random() * list.length)] ?? '';
}

function snowflake(random: Random): string {
  return (
    `1${Math.floor(random() * 1e9)}`.padEnd(10, '0') +
    String(Math.floor(random() * 1e9)).padStart(9, '0')
  );
}

function hex(random: Random): string {
  return Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
}

/**
 * Requests whose right answer is known beforehand, so that one which belongs to another request is
 * told from it; and what became of the messages that they post.
 */
import type { Random } from '../../protocols/ports.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import type { World } from '../../src/simulator/world.ts';

export type Question = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly contentType: string | null;
  readonly body: Uint8Array;
  /** What Discord answers when nothing is wrong. */
  readonly status: number;
  /** Whether an answer of that status is the one to this question. */
  readonly fits: (body: string) => boolean;
  /** The number of the message that it posts. */
  readonly message: number | null;
};

/** Short windows of each kind, so that requests wait often and never for long. */
export const BUCKETS: BucketTable = {
  'POST /channels/:channel/messages': [bucket('post', 'leaky', 5)],
  'GET /channels/:channel/messages': [bucket('list', 'fixed', 8)],
  'GET /channels/:channel/messages/:message': [bucket('get', 'sliding', 6)],
  'POST /channels/:channel/typing': [bucket('typing', 'sliding', 4)],
};

function bucket(name: string, kind: 'leaky' | 'fixed' | 'sliding', limit: number) {
  const window = { kind, limit, windowMs: 1_000 };
  return { name, window, scope: 'user', shown: true, counter: 'split' } as const;
}

const CHANNELS = 24;
const TEXT_CHANNEL = 0;
const LIST_MAX = 100;
/** More than a proxy holds in memory: such a body waits in a file. */
const FILE_BYTES = 300 * 1024;
const FILE_SHARE = 0.03;
const BOUNDARY = 'a-line-that-no-file-contains';

/** How often each message was posted, by its number. */
export class Ledger {
  readonly #times = new Uint8Array(MESSAGES_MAX);
  #count = 0;

  next(): number {
    return this.#count++;
  }

  posted(content: string): void {
    const number = Number(/^message (\d+)$/.exec(content)?.[1]);
    this.#times[number] = this.times(number) + 1;
  }

  times(number: number): number {
    return this.#times[number] ?? 0;
  }

  get count(): number {
    return this.#count;
  }

  get repeated(): readonly number[] {
    return [...this.#times.subarray(0, this.#count).keys()].filter((one) => this.times(one) > 1);
  }
}

const MESSAGES_MAX = 10_000_000;

/** Draws questions about the channels of a world. */
export class Questions {
  readonly ledger = new Ledger();
  readonly channels: readonly string[];
  readonly #guilds: readonly string[];
  readonly #random: Random;

  constructor(world: World, random: Random) {
    this.#random = random;
    this.#guilds = world.guildIds;
    const all = world.guildIds.flatMap((id) => world.guild(id)?.channels ?? []);
    const text = all.filter(({ type }) => type === TEXT_CHANNEL);
    this.channels = text.slice(0, CHANNELS).map(({ id }) => id);
  }

  /** One of each kind that has a bucket, for a channel. */
  ofEachBucket(channel: string): readonly Question[] {
    return [this.list(channel), this.post(channel), typing(channel), absent(channel)];
  }

  any(): Question {
    const channel = this.#of(this.channels);
    const draw = this.#random();
    if (draw < 0.35) return this.post(channel);
    if (draw < 0.6) return this.list(channel);
    if (draw < 0.7) return typing(channel);
    if (draw < 0.8) return absent(channel);
    if (draw < 0.9) return about('channels', channel);
    return about('guilds', this.#of(this.#guilds));
  }

  list(channel: string): Question {
    const limit = 1 + Math.floor(this.#random() * LIST_MAX);
    const fits = (body: string): boolean => {
      const messages: unknown = JSON.parse(body);
      const isOfChannel = (one: unknown): boolean => fieldOf(one, 'channel_id') === channel;
      return Array.isArray(messages) && messages.length <= limit && messages.every(isOfChannel);
    };
    return { ...asking('GET', `/channels/${channel}/messages?limit=${limit}`), fits };
  }

  post(channel: string): Question {
    const message = this.ledger.next();
    const content = `message ${message}`;
    const fits = (body: string): boolean => fieldOf(JSON.parse(body), 'content') === content;
    const asked = { ...asking('POST', `/channels/${channel}/messages`), message, fits };
    const json = JSON.stringify({ content });
    if (this.#random() >= FILE_SHARE) {
      return { ...asked, contentType: 'application/json', body: Buffer.from(json) };
    }
    return { ...asked, contentType: `multipart/form-data; boundary=${BOUNDARY}`, body: form(json) };
  }

  #of<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new RangeError('there is nothing to draw from');
    return item;
  }
}

function asking(method: 'GET' | 'POST', path: string) {
  const body = new Uint8Array();
  return { method, path, contentType: null, body, status: 200, message: null } as const;
}

function typing(channel: string): Question {
  const asked = asking('POST', `/channels/${channel}/typing`);
  return { ...asked, status: 204, fits: (body) => body === '' };
}

/** Of a message that is not there. */
function absent(channel: string): Question {
  const asked = asking('GET', `/channels/${channel}/messages/1`);
  const UNKNOWN_MESSAGE = 10_008;
  const fits = (body: string): boolean => fieldOf(JSON.parse(body), 'code') === UNKNOWN_MESSAGE;
  return { ...asked, status: 404, fits };
}

function about(what: 'channels' | 'guilds', id: string): Question {
  const fits = (body: string): boolean => fieldOf(JSON.parse(body), 'id') === id;
  return { ...asking('GET', `/${what}/${id}`), fits };
}

function form(json: string): Buffer {
  const part = (name: string, type: string): string =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; ${name}\r\nContent-Type: ${type}\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(`${part('name="payload_json"', 'application/json')}${json}\r\n`),
    Buffer.from(part('name="files[0]"; filename="a.bin"', 'application/octet-stream')),
    Buffer.alloc(FILE_BYTES, 'x'),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

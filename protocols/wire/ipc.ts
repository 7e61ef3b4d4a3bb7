/**
 * What a process and its children say to each other over Node's IPC channel.
 *
 * A child opens a link with `hello`, is told `welcome`, and then asks for everything by requests
 * with a number: subscribing, publishing, calling. What it gets to handle carries a tag, under
 * which it is acked, handed back, rejected or answered. Several links may share a channel, and the
 * channel may be used by others too: our messages carry a mark and the name of their link.
 *
 * The channel either clones objects or turns them into JSON, which has no bytes; neither end can
 * ask which. So both say hello with a few bytes, and send bodies as bytes if those arrived as such,
 * and in base64 otherwise.
 *
 * `@spectacles/brokers` and others send plain `{ event, data, key? }` instead. Data that is bytes
 * is an encoded body; anything else is the data itself.
 */
import { z } from 'zod';
import { decodeBody, encodeBody } from './body.ts';
import type { Frame } from './frame.ts';
import { isFields, mapFields } from './message-pack.ts';

const MARK = 'ipc';

const body = z.union([z.custom<Uint8Array>((value) => value instanceof Uint8Array), z.string()]);
const ours = { spectacles: z.literal(MARK), link: z.string() };
const request = { ...ours, ref: z.number() };
const event = z.string();

const fromChild = z.discriminatedUnion('op', [
  z.object({
    ...ours,
    op: z.literal('hello'),
    group: z.string(),
    prefetch: z.number().int().positive(),
    sample: z.unknown(),
  }),
  z.object({ ...ours, op: z.literal('bye') }),
  z.object({ ...request, op: z.literal('subscribe'), event }),
  z.object({ ...request, op: z.literal('unsubscribe'), event }),
  z.object({
    ...request,
    op: z.literal('publish'),
    event,
    body,
    id: z.string(),
    expirationMs: z.number().optional(),
    mandatory: z.boolean().optional(),
  }),
  z.object({
    ...request,
    op: z.literal('call'),
    event,
    body,
    id: z.string(),
    timeoutMs: z.number(),
  }),
  z.object({ ...request, op: z.literal('abandon') }),
  z.object({
    ...ours,
    op: z.literal('events'),
    events: z.array(z.object({ event, body, id: z.string(), shard: z.number().optional() })),
  }),
  z.object({
    ...ours,
    op: z.literal('settle'),
    tag: z.number(),
    how: z.enum(['ack', 'retry', 'reject']),
    reason: z.string().optional(),
  }),
  z.object({ ...ours, op: z.literal('reply'), tag: z.number(), body }),
]);

const fromParent = z.discriminatedUnion('op', [
  z.object({ ...ours, op: z.literal('welcome'), sample: z.unknown() }),
  z.object({ ...request, op: z.literal('done') }),
  z.object({ ...request, op: z.literal('failed'), code: z.string(), message: z.string() }),
  z.object({ ...request, op: z.literal('answer'), body }),
  z.object({
    ...ours,
    op: z.literal('deliver'),
    tag: z.number(),
    event,
    id: z.string().optional(),
    shard: z.number().optional(),
    body,
    wantsReply: z.boolean(),
    attempt: z.number(),
  }),
  z.object({ ...ours, op: z.literal('confirmed'), count: z.number() }),
]);

export type IpcBody = z.infer<typeof body>;
export type ChildMessage = z.infer<typeof fromChild>;
export type ParentMessage = z.infer<typeof fromParent>;

/** A message without what every message has. */
export type Unmarked<Message> = Message extends unknown
  ? Omit<Message, 'spectacles' | 'link'>
  : never;

export function marked<Message extends object>(link: string, message: Message) {
  return { spectacles: MARK, link, ...message } as const;
}

/** Whether a message on the channel is meant for us; what is ours and unreadable is too. */
export function isOurs(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'spectacles') === MARK;
}

export function readChildMessage(value: unknown): ChildMessage | undefined {
  return fromChild.safeParse(value).data;
}

export function readParentMessage(value: unknown): ParentMessage | undefined {
  return fromParent.safeParse(value).data;
}

/** Says by how it arrives whether bytes arrive as bytes. */
export const BYTES_SAMPLE: Uint8Array = Uint8Array.of(0);

export function carriesBytes(sample: unknown): boolean {
  return sample instanceof Uint8Array;
}

export function writeIpcBody(bytes: Uint8Array, asBytes: boolean): IpcBody {
  return asBytes ? bytes : Buffer.from(bytes).toString('base64');
}

export function readIpcBody(given: IpcBody): Uint8Array {
  return typeof given === 'string' ? new Uint8Array(Buffer.from(given, 'base64')) : given;
}

const plain = z.object({
  event: z.string().min(1),
  data: z.unknown().optional(),
  key: z.string().optional(),
});

/** A Buffer after a journey through JSON. */
const jsonBuffer = z.object({
  type: z.literal('Buffer'),
  data: z.array(z.number().int().min(0).max(0xff)),
});

function plainBody(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  const buffer = jsonBuffer.safeParse(data).data;
  return buffer ? Uint8Array.from(buffer.data) : encodeBody(data);
}

/** A message as others send them; undefined for what is none, or has data that no body has. */
export function readPlainMessage(value: unknown): Frame | undefined {
  const message = plain.safeParse(value).data;
  if (message === undefined) return undefined;
  const { event: name, data, key } = message;
  try {
    const frame = { event: name, body: plainBody(data) };
    return key === undefined ? frame : { ...frame, key };
  } catch {
    return undefined;
  }
}

/** A message for others, who do not decode: its data is the value, or bytes where there is none. */
export function writePlainMessage({ event: name, body: bytes, key }: Frame): object {
  const message = { event: name, data: plainData(bytes) };
  return key === undefined ? message : { ...message, key };
}

function plainData(bytes: Uint8Array): unknown {
  try {
    return withDigits(decodeBody(bytes));
  } catch {
    return Buffer.from(bytes);
  }
}

/**
 * Most channels carry JSON, which has no integers of 64 bits and throws at them: they become
 * strings of their digits, as in an answer in JSON.
 */
function withDigits(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(withDigits);
  return isFields(value) ? mapFields(value, withDigits) : value;
}

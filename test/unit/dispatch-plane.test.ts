import { describe, expect, it } from 'vitest';
import { ShardPlane } from '../../actors/shard/dispatch-plane.ts';
import { EventTable, FILTERED } from '../../protocols/gateway/event-table.ts';
import {
  HEARTBEAT_INTERVAL_MAX_MS,
  HEARTBEAT_INTERVAL_MIN_MS,
  UNCONFIRMED_EVENTS_MAX,
} from '../../protocols/limits.ts';
import { RecordingWriter } from '../support/gateway-writer.ts';

const FILTERED_OUT = new Set(['TYPING_START', 'RESUMED']);

type Bench = {
  readonly plane: ShardPlane;
  readonly writer: RecordingWriter;
  readonly counted: string[];
  readonly losses: () => number;
  /** Hands one frame to the plane; an object is written as Discord writes it. */
  take(frame: object | string): unknown;
};

function createBench(): Bench {
  const writer = new RecordingWriter();
  const table = new EventTable(['READY', 'RESUMED', 'MESSAGE_CREATE', 'TYPING_START'], (event) =>
    FILTERED_OUT.has(event) ? FILTERED : writer.route(event),
  );
  const counted: string[] = [];
  const counter = {
    dispatch: (shard: number, entry: { name: string }) => counted.push(`${shard} ${entry.name}`),
    control: (shard: number, op: number) => counted.push(`${shard} op ${op}`),
  };
  let losses = 0;
  const plane = new ShardPlane(3, writer, table, counter, () => losses++);
  const take = (frame: object | string): unknown => {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
    return plane.take(new TextEncoder().encode(text));
  };
  return { plane, writer, counted, losses: () => losses, take };
}

const ready = (session: string, s = 1): object => ({
  t: 'READY',
  s,
  op: 0,
  d: { v: 10, session_id: session, resume_gateway_url: 'wss://resume.test' },
});
const event = (s: number, t = 'MESSAGE_CREATE', d: unknown = { id: s }): object => ({
  t,
  s,
  op: 0,
  d,
});

describe('the data plane of a shard', () => {
  it('publishes READY and the events behind it before any actor has heard of the session', () => {
    const { writer, take, plane } = createBench();
    expect(take(ready('a'))).toEqual({
      frame: { kind: 'ready', sessionId: 'a', resumeUrl: 'wss://resume.test' },
    });
    expect(take(event(2))).toBe('event');
    expect(take(event(3))).toBe('event');
    expect(writer.ids).toEqual(['a:1 READY', 'a:2 MESSAGE_CREATE', 'a:3 MESSAGE_CREATE']);
    expect(writer.written[1]?.body).toBe('{"id":2}');
    expect(writer.written[1]?.origin.shard).toBe(3);
    expect(plane.sequence).toBe(3);
    expect(plane.cursor?.done).toBe(0);
  });

  it('has no place for events that come before a session', () => {
    const { writer, take, plane } = createBench();
    expect(take(event(1))).toEqual({ garbled: 'MESSAGE_CREATE came before READY' });
    expect(writer.written).toEqual([]);
    expect(plane.sequence).toBe(null);
    expect(plane.cursor).toBeUndefined();
  });

  it('GP-64: has no sequence before the first event of a session', () => {
    const { plane, take } = createBench();
    expect(plane.sequence).toBe(null);
    plane.restore({ sessionId: 'a', sequence: 0 });
    expect(plane.sequence).toBe(null);
    take(event(1));
    expect(plane.sequence).toBe(1);
    plane.restore(undefined);
    expect(plane.sequence).toBe(null);
  });

  it('hands the bytes of d to the writer where they lie', () => {
    const { plane, writer } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    const message = new TextEncoder().encode(
      '{"d": {"x" : [1, "é"]} ,"op":0,"s":1,"t":"MESSAGE_CREATE"}',
    );
    expect(plane.take(message)).toBe('event');
    expect(writer.source).toBe(message);
    expect(writer.written[0]?.body).toBe('{"x" : [1, "é"]}');
  });

  it('GP-75: reads frames whatever the order of their keys', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    take('{"d":{"t":"READY","op":7},"s":1,"t":"MESSAGE_CREATE","op":0}');
    take('{"op":0,"d":{"s":99},"t":"MESSAGE_CREATE","s":2}');
    take('{"s":3,"op":0,"t":"MESSAGE_CREATE","d":"\\"op\\":10"}');
    expect(writer.ids).toEqual([1, 2, 3].map((s) => `a:${s} MESSAGE_CREATE`));
    expect(writer.written[2]?.body).toBe('"\\"op\\":10"');
  });

  it('spends nothing on a filtered event but moves on', () => {
    const { plane, writer, counted, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    expect(take(event(11, 'TYPING_START'))).toBe('event');
    expect(writer.source).toBeUndefined();
    expect(plane.cursor).toMatchObject({ received: 11, done: 11 });
    expect(plane.sequence).toBe(11);
    expect(counted).toEqual(['3 TYPING_START']);
  });

  it('GP-66: a filtered event behind an unconfirmed one is not done before it', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    take(event(11));
    take(event(12, 'TYPING_START'));
    expect(plane.cursor?.done).toBe(10);
    writer.written[0]?.origin.confirmed(11);
    expect(plane.cursor?.done).toBe(12);
  });

  it('says refused when the writer does, and stands where it stood', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    take(event(11));
    writer.refusing = true;
    expect(take(event(12))).toBe('refused');
    expect(plane.cursor).toMatchObject({ received: 11, done: 10, unconfirmed: 1 });
    writer.refusing = false;
    expect(take(event(12))).toBe('event');
    expect(writer.ids).toEqual(['a:11 MESSAGE_CREATE', 'a:12 MESSAGE_CREATE']);
  });

  it('asks once for what is missing in between, and takes nothing behind the gap', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    take(event(11));
    expect(take(event(14))).toEqual({ garbled: 'events from 12 to 13 did not come' });
    expect(plane.cursor).toMatchObject({ received: 11, done: 10 });
    plane.cursor?.rewind();
    for (const s of [11, 12, 13, 14]) expect(take(event(s))).toBe('event');
    expect(take(event(20))).toEqual({ garbled: 'events from 15 to 19 did not come' });
    expect(writer.ids.slice(1)).toEqual([11, 12, 13, 14].map((s) => `a:${s} MESSAGE_CREATE`));
  });

  it('lets a gap pass that a resume did not fill, and every later one of that session', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    expect(take(event(14))).toEqual({ garbled: expect.any(String) });
    plane.cursor?.rewind();
    expect(take(event(14))).toBe('event');
    expect(take(event(20, 'TYPING_START'))).toBe('event');
    expect(take(event(30))).toBe('event');
    for (const { origin, sequence } of writer.written) origin.confirmed(sequence);
    expect(plane.cursor?.done).toBe(30);
    plane.restore(undefined);
    expect(take(ready('b'))).toMatchObject({ frame: { kind: 'ready' } });
    expect(take(event(3))).toEqual({ garbled: expect.any(String) });
  });

  it('says refused when too many events are unconfirmed', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    for (let s = 1; s <= UNCONFIRMED_EVENTS_MAX; s++) {
      if (take(event(s)) !== 'event') expect.unreachable(`event ${s} was refused`);
    }
    expect(take(event(UNCONFIRMED_EVENTS_MAX + 1))).toBe('refused');
    expect(writer.written.length).toBe(UNCONFIRMED_EVENTS_MAX);
    expect(plane.cursor?.received).toBe(UNCONFIRMED_EVENTS_MAX);
  });

  it('GP-76: publishes an event once, though it comes twice', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    for (const s of [11, 12, 12, 11, 10, 13]) expect(take(event(s))).toBe('event');
    expect(writer.ids).toEqual([11, 12, 13].map((s) => `a:${s} MESSAGE_CREATE`));
    for (const { origin, sequence } of [...writer.written].reverse()) origin.confirmed(sequence);
    expect(plane.cursor).toMatchObject({ received: 13, done: 13 });
  });

  it('GP-76: publishes again what is asked for again, and only that', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    for (const s of [1, 2, 3]) take(event(s));
    writer.written[0]?.origin.confirmed(1);
    writer.written[2]?.origin.confirmed(3);
    plane.cursor?.rewind();
    expect(plane.sequence).toBe(1);
    for (const s of [2, 3, 4]) take(event(s));
    expect(writer.ids.slice(3)).toEqual([2, 3, 4].map((s) => `a:${s} MESSAGE_CREATE`));
  });

  it('GP-60: publishes events whose names are new, and passes opcodes that are new', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    expect(take(event(1, 'GUILD_PARTY_START'))).toBe('event');
    expect(writer.ids).toEqual(['a:1 GUILD_PARTY_START']);
    expect(take({ op: 99, d: { any: 'thing' }, s: null, t: null })).toEqual({
      frame: { kind: 'unknown', op: 99 },
    });
    expect(take({ op: 12 })).toEqual({ frame: { kind: 'unknown', op: 12 } });
  });

  it('an event without a name is not published, and not in the way', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    expect(take({ op: 0, s: 1, t: null, d: {} })).toBe('event');
    expect(writer.written).toEqual([]);
    expect(plane.cursor?.done).toBe(1);
  });

  it('hands control frames back, each read whole', () => {
    const { take, counted } = createBench();
    const frames = [
      [
        { op: 10, d: { heartbeat_interval: 41_250 } },
        { kind: 'hello', heartbeatIntervalMs: 41_250 },
      ],
      [{ op: 1, d: null }, { kind: 'heartbeat-request' }],
      [{ op: 11 }, { kind: 'heartbeat-ack' }],
      [{ op: 7, d: null }, { kind: 'reconnect' }],
      [
        { op: 9, d: true },
        { kind: 'invalid-session', resumable: true },
      ],
      [
        { op: 9, d: false },
        { kind: 'invalid-session', resumable: false },
      ],
      [
        { op: 9, d: 'true' },
        { kind: 'invalid-session', resumable: false },
      ],
    ] as const;
    for (const [frame, read] of frames) expect(take(frame)).toEqual({ frame: read });
    expect(counted).toEqual([10, 1, 11, 7, 9, 9, 9].map((op) => `3 op ${op}`));
  });

  it('hands RESUMED back and goes on with the session, though its number be the last one', () => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 10 });
    take(event(11));
    expect(take(event(11, 'RESUMED', { _trace: [] }))).toEqual({ frame: { kind: 'resumed' } });
    take(event(12));
    for (const { origin, sequence } of writer.written) origin.confirmed(sequence);
    expect(plane.cursor).toMatchObject({ session: 'a', done: 12 });
  });

  it.each([
    ['not JSON', 'text'],
    ['', 'nothing'],
    ['{"op":0,"t":"MESSAGE_CREATE","d":{}}', 'an event without a sequence'],
    ['{"op":0,"t":"MESSAGE_CREATE","s":1}', 'an event without data'],
    ['{"op":10,"d":{"heartbeat_interval":"x"}}', 'a HELLO of another shape'],
    ['{"op":10,"d":{"heartbeat_interval":0}}', 'a HELLO without an interval'],
    [`{"op":10,"d":{"heartbeat_interval":${HEARTBEAT_INTERVAL_MIN_MS - 1}}}`, 'a HELLO to spin by'],
    [
      `{"op":10,"d":{"heartbeat_interval":${HEARTBEAT_INTERVAL_MAX_MS + 1}}}`,
      'a HELLO to sleep by',
    ],
    ['{"op":10,"d":{"heartbeat_interval":0.001}}', 'a HELLO of a fraction'],
    ['{"op":10,"d":{"heartbeat_interval":1e999}}', 'a HELLO without an end'],
    ['{"op":10,"d":null}', 'a HELLO of nothing'],
    ['{"op":10,"d":{heartbeat_interval:1}}', 'a HELLO that is no JSON'],
    ['{"op":0,"t":"READY","s":1,"d":{"session_id":"a"}}', 'a READY without an address'],
    [
      '{"op":0,"t":"READY","s":1,"d":{"session_id":1,"resume_gateway_url":"x"}}',
      'a READY of numbers',
    ],
  ])('calls %s garbled: %s', (text) => {
    const { plane, writer, take } = createBench();
    plane.restore({ sessionId: 'a', sequence: 5 });
    expect(take(text)).toEqual({ garbled: expect.any(String) });
    expect(writer.written).toEqual([]);
    expect(plane.cursor).toMatchObject({ session: 'a', received: 5, done: 5 });
  });

  it('GP-54: counts a new session from its own beginning', () => {
    const { plane, writer, take, losses } = createBench();
    take(ready('a'));
    for (let s = 2; s <= 900; s++) take(event(s));
    plane.restore(undefined);
    take(ready('b'));
    expect(plane.sequence).toBe(1);
    take(event(2));
    expect(plane.cursor).toMatchObject({ session: 'b', received: 2, done: 0 });
    // What becomes of the old session's events changes nothing in the new one.
    for (const { origin, sequence } of writer.written.slice(0, 900)) {
      if (sequence % 2 === 0) origin.confirmed(sequence);
      else origin.lost(sequence);
    }
    expect(plane.cursor).toMatchObject({ received: 2, done: 0, unconfirmed: 2 });
    expect(losses()).toBe(0);
  });

  it('takes no second session in the middle of one, and goes on with the first', () => {
    const { plane, take } = createBench();
    take(ready('a'));
    take(event(2));
    expect(take(ready('b'))).toEqual({ garbled: 'a session starts in the middle of another' });
    expect(plane.cursor).toMatchObject({ session: 'a', received: 2 });
  });

  it('says that an event of the present session was lost', () => {
    const { plane, writer, take, losses } = createBench();
    plane.restore({ sessionId: 'a', sequence: 0 });
    take(event(1));
    take(event(2));
    writer.written[0]?.origin.lost(1);
    writer.written[1]?.origin.confirmed(2);
    expect(losses()).toBe(1);
    expect(plane.cursor?.done).toBe(0);
  });

  it('GP-12: counts every frame as a sign of life, and GP-63: only dispatches as progress', () => {
    const { plane, take } = createBench();
    take({ op: 10, d: { heartbeat_interval: HEARTBEAT_INTERVAL_MIN_MS } });
    take({ op: 11 });
    take(ready('a'));
    take(event(2, 'TYPING_START'));
    expect(plane.frames).toBe(4);
    expect(plane.dispatches).toBe(2);
  });
});

/**
 * A collection of member chunks under whatever may come of it: chunks in any order, twice, or
 * never, of answers with other numbers of chunks, garbled ones, limits, losses. It ends once, and
 * what it ends with is true.
 */
import type { GatewayGuildMembersChunkDispatchData } from 'discord-api-types/v10';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEMBER_CHUNKS_MAX, MEMBER_REQUEST_REPEATS_MAX } from '../../protocols/limits.ts';
import {
  type MemberEnd,
  type MemberInput,
  type Members,
  openCollection,
  stepCollection,
} from '../../src/client/member-collection.ts';

const DEADLINE_MS = 10_000;

/** A chunk whose only member says which it is, of which answer. */
function chunkOf(index: number, count: number): GatewayGuildMembersChunkDispatchData {
  const member = { user: { id: `${count}:${index}` } };
  const chunk = { guild_id: '1', chunk_index: index, chunk_count: count, not_found: [`${index}`] };
  return { ...chunk, members: [member] } as unknown as GatewayGuildMembersChunkDispatchData;
}

const idsOf = ({ members }: Members): readonly string[] => members.map(({ user }) => user.id);
const allOf = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${count}:${index}`);

type Timed = { readonly input: MemberInput; readonly afterMs: number };

function play(inputs: readonly Timed[]): readonly MemberEnd[] {
  let collection = openCollection(DEADLINE_MS);
  let nowMs = 0;
  const ends: MemberEnd[] = [];
  for (const { input, afterMs } of inputs) {
    nowMs = Math.min(DEADLINE_MS, nowMs + afterMs);
    const step = stepCollection(collection, input, nowMs);
    collection = step.collection;
    if (step.end !== undefined) ends.push(step.end);
  }
  return ends;
}

const chunk: fc.Arbitrary<MemberInput> = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 3 }))
  .map(([count, index]) => ({ type: 'chunk', chunk: chunkOf(index % count, count) }));
const garbledChunk: fc.Arbitrary<MemberInput> = fc
  .constantFrom([-1, 2], [2, 2], [0, 0], [0.5, 2], [Number.NaN, 1], [0, MEMBER_CHUNKS_MAX + 1])
  .map(([index = 0, count = 0]) => ({ type: 'chunk', chunk: chunkOf(index, count) }));
const shard = fc.nat({ max: 2 });
const input: fc.Arbitrary<MemberInput> = fc.oneof(
  { weight: 12, arbitrary: chunk },
  { weight: 1, arbitrary: garbledChunk },
  { weight: 2, arbitrary: shard.map((id) => ({ type: 'sent' as const, shard: id })) },
  { weight: 1, arbitrary: fc.constant({ type: 'refused' as const, message: 'no' }) },
  {
    weight: 2,
    arbitrary: fc.nat({ max: DEADLINE_MS }).map((retryInMs) => {
      return { type: 'limited' as const, retryInMs };
    }),
  },
  {
    weight: 1,
    arbitrary: shard.map((id) => ({ type: 'gap' as const, shard: id, reason: 'it is gone' })),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'disconnected' as const }) },
);
const timed = fc.record({ input, afterMs: fc.nat({ max: 300 }) });
const OVERDUE: Timed = { input: { type: 'overdue' }, afterMs: DEADLINE_MS };

describe('a collection of member chunks', () => {
  it('GP-52: ends exactly once, whatever comes, and complete only with all of one answer', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(fc.array(timed, { maxLength: 40 }), (inputs) => {
        const ends = play([...inputs, OVERDUE, ...inputs, OVERDUE]);
        expect(ends).toHaveLength(1);
        const [end] = ends;
        kinds.add(end?.kind === 'failed' ? end.reason : 'complete');
        if (end?.kind !== 'complete') return;
        const ids = idsOf(end.members);
        expect(ids).toEqual(allOf(ids.length));
        expect(end.members.notFound).toEqual(ids.map((_, index) => String(index)));
      }),
      { numRuns: 3_000 },
    );
    // All ways to end were among them.
    expect([...kinds].toSorted()).toEqual([
      'complete',
      'disconnected',
      'limited',
      'overdue',
      'refused',
      'session-lost',
      'too-large',
    ]);
  });

  it('is complete with the last of all chunks, in any order, however often each comes', () => {
    const chunks = fc.integer({ min: 1, max: 12 }).chain((count) =>
      fc
        .tuple(
          fc.shuffledSubarray(
            Array.from({ length: count }, (_, index) => index),
            { minLength: count },
          ),
          fc.array(fc.nat({ max: count - 1 }), { maxLength: 10 }),
        )
        .map(([order, again]) => ({ count, order, again })),
    );
    fc.assert(
      fc.property(chunks, ({ count, order, again }) => {
        const last = order.at(-1) ?? 0;
        const early = [...order.slice(0, -1), ...again].filter((index) => index !== last);
        const inputOf = (index: number): Timed => ({
          input: { type: 'chunk', chunk: chunkOf(index, count) },
          afterMs: 1,
        });
        expect(play(early.map(inputOf))).toEqual([]);
        const [end] = play([...early, last].map(inputOf));
        expect(end?.kind === 'complete' && idsOf(end.members)).toEqual(allOf(count));
      }),
    );
  });

  it('waits out a limit as long as the gateway asks again and there is time, and not longer', () => {
    const limited = (retryInMs: number): Timed => ({
      input: { type: 'limited', retryInMs },
      afterMs: 1,
    });
    const patient = Array.from({ length: MEMBER_REQUEST_REPEATS_MAX }, () => limited(10));
    expect(play(patient)).toEqual([]);
    expect(play([...patient, limited(10)])).toMatchObject([{ reason: 'limited' }]);
    expect(play([limited(DEADLINE_MS)])).toMatchObject([
      { reason: 'limited', message: expect.stringContaining('try again in 10 s') },
    ]);
    // An answer that begins with the deadline is none in time.
    expect(play([limited(DEADLINE_MS - 1)])).toMatchObject([{ reason: 'limited' }]);
    expect(play([limited(DEADLINE_MS - 2)])).toEqual([]);
  });

  it('says how far it had come when it ends without all', () => {
    const one: Timed = { input: { type: 'chunk', chunk: chunkOf(0, 2) }, afterMs: 1 };
    expect(play([one, OVERDUE])).toMatchObject([
      { message: 'not all chunks came in time (1 of 2 chunks had come)' },
    ]);
    expect(play([OVERDUE])).toMatchObject([{ message: expect.stringContaining('did not send') }]);
    const sent: Timed = { input: { type: 'sent', shard: 0 }, afterMs: 1 };
    expect(play([sent, OVERDUE])).toMatchObject([
      { message: expect.stringContaining('among the events of the gateway') },
    ]);
  });

  it('takes the loss of a session to heart when it is the one that was asked, and after it was', () => {
    const gap: Timed = { input: { type: 'gap', shard: 1, reason: 'expired' }, afterMs: 1 };
    const sent = (id: number): Timed => ({ input: { type: 'sent', shard: id }, afterMs: 1 });
    expect(play([gap, sent(1)])).toEqual([]);
    expect(play([sent(0), gap])).toEqual([]);
    expect(play([sent(1), gap])).toMatchObject([{ reason: 'session-lost' }]);
  });
});

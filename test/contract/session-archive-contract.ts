/** What every store of sessions does, whatever it is made of. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionArchive, SessionClaim } from '../../actors/sessions/ports.ts';
import { SESSION_BATCH_MAX } from '../../protocols/limits.ts';
import type { SessionPlace } from '../../src/gateway/stores/session-place.ts';
import { PLACE, recordOf } from '../support/session-records.ts';

/** One store that several processes open. */
export type StoreBench = {
  open(place: SessionPlace, owner: string): SessionArchive;
  /** The store loses all that it had. */
  wipe(): Promise<void>;
  stop(): Promise<void>;
};

/** Places of a test's own, since a store is shared by the tests. */
function freshPlace(): SessionPlace {
  return { ...PLACE, prefix: randomUUID() };
}

const records = (claims: readonly SessionClaim[]) => claims.map(({ record }) => record);

/** Claims shards that nobody refuses, for a process that has just begun unless it is said. */
async function claimsOf(
  archive: SessionArchive,
  shards: readonly number[],
  ageMs = 0,
): Promise<readonly SessionClaim[]> {
  const { claims, refusals } = await archive.claim({ shards, ageMs });
  expect(refusals).toEqual([]);
  return claims;
}

/**
 * Claims shards. @returns the generation, which is one for all shards that are claimed for the
 * first time
 */
async function claim(
  archive: SessionArchive,
  shards: readonly number[],
  ageMs = 0,
): Promise<number> {
  const generations = (await claimsOf(archive, shards, ageMs)).map(({ generation }) => generation);
  expect(new Set(generations).size).toBe(1);
  return generations[0] ?? 0;
}

export function describeSessionArchive(name: string, start: () => Promise<StoreBench>): void {
  describe(`sessions in ${name}`, () => {
    let bench: StoreBench;
    beforeAll(async () => {
      bench = await start();
    });
    afterAll(() => bench.stop());

    it('are read by the next process as they were saved', async () => {
      const place = freshPlace();
      const first = bench.open(place, 'first process');
      const claimed = await claimsOf(first, [3, 7]);
      const generation = claimed[0]?.generation ?? 0;
      expect(claimed).toEqual([
        { shard: 3, generation, record: undefined },
        { shard: 7, generation, record: undefined },
      ]);
      const strange = recordOf(2 ** 40, { sessionId: '"%d {é}\u2028 \n:fence' });
      const changes = [
        { shard: 3, generation, record: recordOf(12) },
        { shard: 7, generation, record: strange },
      ];
      expect(await first.save({ number: 1, changes })).toEqual([]);
      await first.close();
      const second = bench.open(place, 'second process');
      const again = await claimsOf(second, [7, 3, 4]);
      expect(again.map(({ shard }) => shard)).toEqual([7, 3, 4]);
      expect(records(again)).toEqual([strange, recordOf(12), undefined]);
      for (const { shard, generation: next } of again) {
        if (shard !== 4) expect(next).toBeGreaterThan(generation);
      }
      await second.close();
    });

    it('are keyed by prefix, application, shard count and shard, none mistaken for another', async () => {
      const prefix = randomUUID();
      const places: SessionPlace[] = [];
      for (const end of ['', '1', ':1', ':sessions:1', ':sessions:1:1', '{1}'])
        for (const application of ['1', '11'])
          for (const shardCount of [1, 11, 16])
            places.push({ prefix: `${prefix}${end}`, application, shardCount });
      const shards = [0, 1, 11, 111];
      const archives = places.map((place, index) => bench.open(place, `owner ${index}`));
      const made = (index: number, shard: number) => recordOf(1_000 * index + shard);
      for (const [index, archive] of archives.entries()) {
        const claims = await claimsOf(archive, shards);
        expect(records(claims)).toEqual(shards.map(() => undefined));
        const changes = claims.map(({ shard, generation }) => {
          return { shard, generation, record: made(index, shard) };
        });
        expect(await archive.save({ number: 1, changes })).toEqual([]);
      }
      for (const [index, archive] of archives.entries()) {
        const read = records(await claimsOf(archive, shards));
        expect(read).toEqual(shards.map((shard) => made(index, shard)));
        await archive.close();
      }
    });

    it('are saved by the newest process that has claimed them, and by no older one', async () => {
      const place = freshPlace();
      const older = bench.open(place, 'older/1');
      const newer = bench.open(place, 'newer/2');
      const generation = await claim(older, [0, 1]);
      const next = await claim(newer, [1]);
      const byOlder = [0, 1].map((shard) => ({ shard, generation, record: recordOf(5) }));
      const byNewer = [{ shard: 1, generation: next, record: recordOf(9) }];
      expect(await older.save({ number: 1, changes: byOlder })).toEqual([
        { shard: 1, owner: 'newer/2' },
      ]);
      expect(await newer.save({ number: 1, changes: byNewer })).toEqual([]);
      expect(await older.save({ number: 2, changes: byOlder })).toEqual([
        { shard: 1, owner: 'newer/2' },
      ]);
      // To forget is to save, too.
      const forgets = [{ shard: 1, generation, record: undefined }];
      expect(await older.save({ number: 3, changes: forgets })).toHaveLength(1);
      expect(records(await claimsOf(bench.open(place, 'reader'), [0, 1]))).toEqual([
        recordOf(5),
        recordOf(9),
      ]);
    });

    it('are left to the process that began later when an older one claims after it', async () => {
      const place = freshPlace();
      const older = bench.open(place, 'older');
      const newer = bench.open(place, 'newer');
      const [claimed] = await claimsOf(newer, [1], 1_000.5);
      const change = { shard: 1, generation: claimed?.generation ?? 0, record: recordOf(9) };
      await newer.save({ number: 1, changes: [change] });
      const late = await older.claim({ shards: [0, 1, 2], ageMs: 60_000.5 });
      expect(late.refusals).toEqual([{ shard: 1, owner: 'newer' }]);
      expect(late.claims.map(({ shard }) => shard)).toEqual([0, 2]);
      const changes = [{ ...change, record: recordOf(10) }];
      expect(await newer.save({ number: 2, changes })).toEqual([]);
      expect(await claimsOf(newer, [1], 2_000)).toEqual(changes);
    });

    it('go to the process that began later, though an older one claimed after it had begun', async () => {
      const place = freshPlace();
      const older = bench.open(place, 'older');
      const newer = bench.open(place, 'newer');
      const generation = await claim(older, [0], 600_000);
      const next = await claim(newer, [0], 60_000);
      const save = (archive: SessionArchive, under: number) =>
        archive.save({
          number: 1,
          changes: [{ shard: 0, generation: under, record: recordOf(1) }],
        });
      expect(await save(newer, next)).toEqual([]);
      expect(await save(older, generation)).toEqual([{ shard: 0, owner: 'newer' }]);
      const refusals = [{ shard: 0, owner: 'newer' }];
      const again = await older.claim({ shards: [0], ageMs: 600_000 });
      expect(again).toEqual({ claims: [], refusals });
    });

    it('can be claimed when a clock that was set back has left numbers of the future', async () => {
      const place = freshPlace();
      const aheadMs = Date.now() + 3_600_000;
      const changes = [{ shard: 0, generation: aheadMs, record: recordOf(1) }];
      await bench.open(place, 'before').save({ number: 1, changes });
      const archive = bench.open(place, 'owner');
      expect(await claim(archive, [0], 1_000)).toBe(aheadMs + 1);
      expect(await claim(bench.open(place, 'next'), [0], 1_000)).toBe(aheadMs + 2);
    });

    it('stay claimed when their owner claims them again', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const generation = await claim(archive, [0]);
      const change = { shard: 0, generation, record: recordOf(1) };
      await archive.save({ number: 1, changes: [change] });
      expect(await claimsOf(archive, [0])).toEqual([change]);
      const changes = [{ ...change, record: recordOf(2) }];
      expect(await archive.save({ number: 2, changes })).toEqual([]);
      expect(records(await claimsOf(archive, [0]))).toEqual([recordOf(2)]);
    });

    it('are not set back by a batch that arrives late', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const generation = await claim(archive, [0]);
      const save = (number: number, sequence: number) =>
        archive.save({
          number,
          changes: [{ shard: 0, generation, record: recordOf(sequence) }],
        });
      await save(4, 40);
      expect(await save(3, 30)).toEqual([]);
      expect(records(await claimsOf(archive, [0]))).toEqual([recordOf(40)]);
    });

    it('are forgotten, and the claim is not', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const change = { shard: 0, generation: await claim(archive, [0]) };
      await archive.save({ number: 1, changes: [{ ...change, record: recordOf(1) }] });
      await archive.save({ number: 2, changes: [{ ...change, record: undefined }] });
      const next = bench.open(place, 'next');
      expect(records(await claimsOf(next, [0]))).toEqual([undefined]);
      const late = { ...change, record: recordOf(1) };
      expect(await archive.save({ number: 3, changes: [late] })).toHaveLength(1);
    });

    it.each(['before', 'after'])(
      'are saved by the newest process though the store has lost everything %s its claim',
      async (when) => {
        const place = freshPlace();
        const older = bench.open(place, 'older');
        const newer = bench.open(place, 'newer');
        // Claims again and again, as one that is restarted does.
        for (let start = 0; start < 3; start++) await claimsOf(bench.open(place, `${start}`), [0]);
        const first = await claim(older, [0]);
        if (when === 'before') await bench.wipe();
        // Claims that are made in one millisecond are numbered ahead of the clock.
        await sleep(20);
        const second = await claim(newer, [0]);
        if (when === 'after') await bench.wipe();
        const save = (archive: SessionArchive, generation: number) =>
          archive.save({
            number: 1,
            changes: [{ shard: 0, generation, record: recordOf(generation) }],
          });
        await save(older, first);
        expect(await save(newer, second)).toEqual([]);
        expect(await save(older, first)).toEqual([{ shard: 0, owner: 'newer' }]);
        expect(await claimsOf(newer, [0])).toEqual([
          { shard: 0, generation: second, record: recordOf(second) },
        ]);
      },
    );

    it('are saved a whole batch at a time', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const shards = Array.from({ length: SESSION_BATCH_MAX }, (_, shard) => shard);
      const claims = await claimsOf(archive, shards);
      const changes = claims.map(({ shard, generation }) => {
        return { shard, generation, record: recordOf(shard) };
      });
      expect(await archive.save({ number: 1, changes })).toEqual([]);
      const read = records(await claimsOf(bench.open(place, 'next'), shards));
      expect(read).toEqual(shards.map((shard) => recordOf(shard)));
    });

    it('of processes that save at the same time are all kept', async () => {
      const place = freshPlace();
      const processes = [0, 1, 2, 3].map((shard) => {
        return { shard, archive: bench.open(place, `process ${shard}`) };
      });
      await Promise.all(
        processes.map(async ({ shard, archive }) => {
          const generation = await claim(archive, [shard]);
          for (let number = 1; number <= 10; number++) {
            const changes = [{ shard, generation, record: recordOf(100 * shard + number) }];
            expect(await archive.save({ number, changes })).toEqual([]);
          }
        }),
      );
      const read = records(await claimsOf(bench.open(place, 'reader'), [0, 1, 2, 3]));
      expect(read.map((record) => record?.sequence)).toEqual([10, 110, 210, 310]);
    });
  });
}

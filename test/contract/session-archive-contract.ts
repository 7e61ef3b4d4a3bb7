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

/**
 * Claims shards. @returns the generation, which is one for all shards that are claimed for the
 * first time
 */
async function claim(archive: SessionArchive, shards: readonly number[]): Promise<number> {
  const generations = (await archive.claim(shards)).map(({ generation }) => generation);
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
      const claimed = await first.claim([3, 7]);
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
      const again = await second.claim([7, 3, 4]);
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
        const claims = await archive.claim(shards);
        expect(records(claims)).toEqual(shards.map(() => undefined));
        const changes = claims.map(({ shard, generation }) => {
          return { shard, generation, record: made(index, shard) };
        });
        expect(await archive.save({ number: 1, changes })).toEqual([]);
      }
      for (const [index, archive] of archives.entries()) {
        const read = records(await archive.claim(shards));
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
      expect(records(await bench.open(place, 'reader').claim([0, 1]))).toEqual([
        recordOf(5),
        recordOf(9),
      ]);
    });

    it('stay claimed when their owner claims them again', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const generation = await claim(archive, [0]);
      const change = { shard: 0, generation, record: recordOf(1) };
      await archive.save({ number: 1, changes: [change] });
      expect(await archive.claim([0])).toEqual([change]);
      const changes = [{ ...change, record: recordOf(2) }];
      expect(await archive.save({ number: 2, changes })).toEqual([]);
      expect(records(await archive.claim([0]))).toEqual([recordOf(2)]);
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
      expect(records(await archive.claim([0]))).toEqual([recordOf(40)]);
    });

    it('are forgotten, and the claim is not', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const change = { shard: 0, generation: await claim(archive, [0]) };
      await archive.save({ number: 1, changes: [{ ...change, record: recordOf(1) }] });
      await archive.save({ number: 2, changes: [{ ...change, record: undefined }] });
      const next = bench.open(place, 'next');
      expect(records(await next.claim([0]))).toEqual([undefined]);
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
        for (let start = 0; start < 3; start++) await bench.open(place, `${start}`).claim([0]);
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
        expect(await newer.claim([0])).toEqual([
          { shard: 0, generation: second, record: recordOf(second) },
        ]);
      },
    );

    it('are saved a whole batch at a time', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const shards = Array.from({ length: SESSION_BATCH_MAX }, (_, shard) => shard);
      const claims = await archive.claim(shards);
      const changes = claims.map(({ shard, generation }) => {
        return { shard, generation, record: recordOf(shard) };
      });
      expect(await archive.save({ number: 1, changes })).toEqual([]);
      const read = records(await bench.open(place, 'next').claim(shards));
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
      const read = records(await bench.open(place, 'reader').claim([0, 1, 2, 3]));
      expect(read.map((record) => record?.sequence)).toEqual([10, 110, 210, 310]);
    });
  });
}

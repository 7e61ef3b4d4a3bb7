/** What every store of sessions does, whatever it is made of. */
import { randomUUID } from 'node:crypto';
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
      expect(await first.claim([3, 7])).toEqual([
        { shard: 3, generation: 1, record: undefined },
        { shard: 7, generation: 1, record: undefined },
      ]);
      const strange = recordOf(2 ** 40, { sessionId: '"%d {é}\u2028 \n:fence' });
      const changes = [
        { shard: 3, generation: 1, record: recordOf(12) },
        { shard: 7, generation: 1, record: strange },
      ];
      expect(await first.save({ number: 1, changes })).toEqual([]);
      await first.close();
      const second = bench.open(place, 'second process');
      expect(await second.claim([7, 3, 4])).toEqual([
        { shard: 7, generation: 2, record: strange },
        { shard: 3, generation: 2, record: recordOf(12) },
        { shard: 4, generation: 1, record: undefined },
      ]);
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
        expect(records(await archive.claim(shards))).toEqual(shards.map(() => undefined));
        const changes = shards.map((shard) => {
          return { shard, generation: 1, record: made(index, shard) };
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
      await older.claim([0, 1]);
      await newer.claim([1]);
      const byOlder = [0, 1].map((shard) => ({ shard, generation: 1, record: recordOf(5) }));
      const byNewer = [{ shard: 1, generation: 2, record: recordOf(9) }];
      expect(await older.save({ number: 1, changes: byOlder })).toEqual([
        { shard: 1, owner: 'newer/2' },
      ]);
      expect(await newer.save({ number: 1, changes: byNewer })).toEqual([]);
      expect(await older.save({ number: 2, changes: byOlder })).toEqual([
        { shard: 1, owner: 'newer/2' },
      ]);
      // To forget is to save, too.
      const forgets = [{ shard: 1, generation: 1, record: undefined }];
      expect(await older.save({ number: 3, changes: forgets })).toHaveLength(1);
      expect(records(await bench.open(place, 'reader').claim([0, 1]))).toEqual([
        recordOf(5),
        recordOf(9),
      ]);
    });

    it('stay claimed when their owner claims them again', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      await archive.claim([0]);
      await archive.save({
        number: 1,
        changes: [{ shard: 0, generation: 1, record: recordOf(1) }],
      });
      expect(await archive.claim([0])).toEqual([{ shard: 0, generation: 1, record: recordOf(1) }]);
      const changes = [{ shard: 0, generation: 1, record: recordOf(2) }];
      expect(await archive.save({ number: 2, changes })).toEqual([]);
      expect(records(await archive.claim([0]))).toEqual([recordOf(2)]);
    });

    it('are not set back by a batch that arrives late', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      await archive.claim([0]);
      const save = (number: number, sequence: number) =>
        archive.save({
          number,
          changes: [{ shard: 0, generation: 1, record: recordOf(sequence) }],
        });
      await save(4, 40);
      expect(await save(3, 30)).toEqual([]);
      expect(records(await archive.claim([0]))).toEqual([recordOf(40)]);
    });

    it('are forgotten, and the claim is not', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      await archive.claim([0]);
      const change = { shard: 0, generation: 1 };
      await archive.save({ number: 1, changes: [{ ...change, record: recordOf(1) }] });
      await archive.save({ number: 2, changes: [{ ...change, record: undefined }] });
      const next = bench.open(place, 'next');
      expect(await next.claim([0])).toEqual([{ shard: 0, generation: 2, record: undefined }]);
      const late = { ...change, record: recordOf(1) };
      expect(await archive.save({ number: 3, changes: [late] })).toHaveLength(1);
    });

    it('are taken from a process whose claim the store has lost, with its generation', async () => {
      const place = freshPlace();
      const older = bench.open(place, 'older');
      const newer = bench.open(place, 'newer');
      await older.claim([0]);
      await newer.claim([0]);
      await bench.wipe();
      const save = (archive: SessionArchive, generation: number) =>
        archive.save({
          number: 1,
          changes: [{ shard: 0, generation, record: recordOf(generation) }],
        });
      expect(await save(older, 1)).toEqual([]);
      expect(await save(newer, 2)).toEqual([]);
      expect(await save(older, 1)).toEqual([{ shard: 0, owner: 'newer' }]);
      expect(await newer.claim([0])).toEqual([{ shard: 0, generation: 2, record: recordOf(2) }]);
    });

    it('are saved a whole batch at a time', async () => {
      const place = freshPlace();
      const archive = bench.open(place, 'owner');
      const shards = Array.from({ length: SESSION_BATCH_MAX }, (_, shard) => shard);
      await archive.claim(shards);
      const changes = shards.map((shard) => ({ shard, generation: 1, record: recordOf(shard) }));
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
          await archive.claim([shard]);
          for (let number = 1; number <= 10; number++) {
            const changes = [{ shard, generation: 1, record: recordOf(100 * shard + number) }];
            expect(await archive.save({ number, changes })).toEqual([]);
          }
        }),
      );
      const read = records(await bench.open(place, 'reader').claim([0, 1, 2, 3]));
      expect(read.map((record) => record?.sequence)).toEqual([10, 110, 210, 310]);
    });
  });
}

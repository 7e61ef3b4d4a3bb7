/**
 * What can go wrong with reading Redis streams: hung reads, lost groups, foreign entries, dead
 * consumers.
 */
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import type { Link } from '../../actors/channel/link.ts';
import type { Delivery } from '../../protocols/broker.ts';
import { deadLetterStream } from '../../protocols/wire/redis-slot.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { body, createBench, Inbox, until } from '../support/broker-bench.ts';
import { countedConfig, placeOf } from '../support/redis-bench.ts';
import {
  admin,
  bench,
  counts,
  event,
  group,
  linkBench,
  proxy,
  server,
  setRedisFaultStage,
  throughProxy,
} from '../support/redis-faults.ts';
import { startServer } from '../support/servers.ts';

setRedisFaultStage();

/** Whether a client waits in a blocking command. */
async function isWaiting(): Promise<boolean> {
  return / flags=b /.test(String(await admin.client('LIST')));
}

/** How often the server has run a command. */
async function calls(command: string): Promise<number> {
  const stats = await admin.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** Gives entries to a consumer that never says anything again. */
async function orphan(count: number, consumer = 'dead'): Promise<string[]> {
  await admin.xgroup('CREATE', event, group, '0', 'MKSTREAM').catch(() => undefined);
  // In one piece, so that nobody who waits for entries gets them.
  const together = admin.multi();
  for (let index = 0; index < count; index++) together.xadd(event, '*', 'data', `"${index}"`);
  together.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', event, '>');
  const replies = (await together.exec()) ?? [];
  return replies.slice(0, count).map(([, id]) => String(id));
}

/** As if its consumer had given no sign of it for ten minutes. */
async function makeIdle(consumer: string, id: string): Promise<void> {
  await admin.call('XCLAIM', event, group, consumer, '0', id, 'IDLE', '600000', 'JUSTID');
}

async function pendingCount(): Promise<number> {
  const [pending] = (await admin.xpending(event, group)) as [number];
  return Number(pending);
}

async function deadLetters(): Promise<Record<string, string>[]> {
  const entries = await admin.xrange(deadLetterStream(event), '-', '+');
  return entries.map(([, fields]) => {
    const facts: Record<string, string> = {};
    for (let index = 0; index + 1 < fields.length; index += 2) {
      facts[String(fields[index])] = String(fields[index + 1]);
    }
    return facts;
  });
}

describe('a blocking read over Redis', () => {
  it('R3 R4 R31 that never returns ends its link, by a watchdog and not by the socket', async () => {
    const clock = new VirtualClock();
    const bench = linkBench({ place: placeOf(throughProxy()), clock });
    const link = await bench.open();
    await link.consume(event);
    await until('it waits in its read', isWaiting);
    // The read's own answer is swallowed; the sign of life of the other connection is not.
    proxy.pause();
    clock.advance(9_900);
    expect(bench.counts.of('reads-hung')).toBe(0);
    clock.advance(200);
    await until('it was noticed', () => bench.reasons.length > 0);
    expect(bench.counts.of('reads-hung')).toBe(1);
    expect(bench.reasons[0]).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    link.destroy();
    proxy.resume();
    // What comes next is a new client, which is not held back by what the old one was doing.
    const next = await bench.open();
    await next.consume(event);
    await admin.xadd(event, '*', 'data', '"again"');
    await until('it reads again', () => bench.texts.includes('"again"'));
  });

  it('R3 goes on after its connection was reset, half closed and killed by the server', async () => {
    const config = countedConfig(throughProxy(), group, counts);
    const broker = await bench.open(config);
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const faults = [
      () => proxy.reset(),
      () => proxy.halfClose(),
      () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    ];
    for (const [index, fault] of faults.entries()) {
      await fault();
      await until('it was noticed', () => bench.log.at('warn').length > index);
      await until('it is back', () => broker.state === 'open');
      await admin.xadd(event, '*', 'data', JSON.stringify({ index }));
      await until('it reads', () => inbox.deliveries.length === index + 1);
    }
    expect(inbox.values).toEqual([{ index: 0 }, { index: 1 }, { index: 2 }]);
  });

  it('R1 R24 is woken by what is subscribed to, and R23 reads nothing while there is nothing', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const [first, second] = [new Inbox(), new Inbox()];
    await broker.subscribe(event, first.handler);
    await until('it waits', isWaiting);
    const before = await calls('client\\|unblock');
    await broker.subscribe(`${event}_LATER`, second.handler);
    await broker.publish(`${event}_LATER`, body('later'));
    await until('the later one came', () => second.values.includes('later'));
    expect(await calls('client\\|unblock')).toBeGreaterThan(before);
    await broker.unsubscribe(event);
    await broker.unsubscribe(`${event}_LATER`);
    await until('nothing waits', async () => !(await isWaiting()));
    const idle = await calls('xreadgroup');
    await broker.publish(event, body('waiting'));
    await broker.publish(`${event}_LATER`, body('unread'));
    expect(await calls('xreadgroup')).toBe(idle);
    await broker.subscribe(event, first.handler);
    await until('it reads again', () => first.values.includes('waiting'));
    expect(broker.state).toBe('open');
    expect(second.values).toEqual(['later']);
  });

  it('R29 ends when its master becomes a replica, and begins again when it is a master', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await until('it waits', isWaiting);
    await admin.replicaof('127.0.0.1', '1');
    await until('it was noticed', () => broker.state === 'away');
    await until('it was refused as a replica', () =>
      bench.log.lines.some((line) => String(line.fields.reason).includes('replica')),
    );
    await admin.replicaof('NO', 'ONE');
    await until('it is back', () => broker.state === 'open');
    await broker.publish(event, body('master'));
    await until('it reads', () => inbox.values.includes('master'));
    expect(bench.failures).toEqual([]);
  });
});

describe('pending entries over Redis', () => {
  it('R17 are all taken over from a consumer that died, however many, once each', async () => {
    await orphan(350);
    const bench = linkBench({ claimIdleMs: 60, prefetch: 40 });
    const link = await bench.open();
    await link.consume(event);
    await until('all came', () => bench.deliveries.length >= 350);
    expect(new Set(bench.texts).size).toBe(350);
    await until('all are acked', async () => (await pendingCount()) === 0);
    expect(bench.deliveries).toHaveLength(350);
    expect(bench.counts.of('claimed')).toBe(350);
  });

  it('R17 are found behind however many that others have in hand', async () => {
    const ids = await orphan(1_500, 'working');
    await makeIdle('dead', String(ids.at(-1)));
    const bench = linkBench({ claimIdleMs: 60_000, prefetch: 20 });
    await (await bench.open()).consume(event);
    await until('it came', () => bench.deliveries.length === 1);
    expect(bench.texts).toEqual(['"1499"']);
  });

  it('R18 are neither delivered twice nor taken by others while a handler has them', async () => {
    const held: Delivery[] = [];
    const claimIdleMs = 3_000;
    const [slowTime, rivalTime] = [new VirtualClock(), new VirtualClock()];
    const slow = linkBench({
      claimIdleMs,
      consumer: 'slow',
      clock: slowTime,
      handle: (delivery) => held.push(delivery),
    });
    const rival = linkBench({ claimIdleMs, consumer: 'rival', clock: rivalTime });
    await (await slow.open()).consume(event);
    const id = String(await admin.xadd(event, '*', 'data', '"long"'));
    await until('it is in hand', () => held.length === 1);
    const longPending = async () =>
      (await admin.xpending(event, group, '-', '+', 1, 'slow')) as unknown[][];
    await (await rival.open()).consume(event);
    for (const round of [1, 2]) {
      await makeIdle('slow', id);
      slowTime.advance(claimIdleMs - 1);
      await until('it was shown to be in hand', async () => {
        const [[, , idleMs] = []] = await longPending();
        return Number(idleMs) < claimIdleMs;
      });
      // Who takes an orphan would with it have taken what is in hand, if it were idle.
      const [other = ''] = await orphan(1);
      await makeIdle('dead', other);
      rivalTime.advance(claimIdleMs);
      await until('the orphan was taken', () => rival.counts.of('claimed') === round);
    }
    expect(slow.texts.filter((text) => text === '"long"')).toHaveLength(1);
    expect(rival.texts).not.toContain('"long"');
    // Nor was it counted as delivered again, by which it would one day be taken for poison.
    const [[, owner, , deliveries] = []] = await longPending();
    expect([owner, deliveries]).toEqual(['slow', 1]);
    for (const delivery of held) delivery.ack();
    await until('all are acked', async () => (await pendingCount()) === 0);
  });

  it('R18 are acked by the next link when the connection breaks while a handler has them', async () => {
    const held: Delivery[] = [];
    const bench = linkBench({ handle: (delivery) => held.push(delivery) });
    const link = await bench.open();
    await link.consume(event);
    for (const text of ['acked', 'kept']) await admin.xadd(event, '*', 'data', text);
    await until('both are in hand', () => held.length === 2);
    link.destroy();
    held[0]?.ack();
    const next = await bench.open();
    await next.consume(event);
    await until('one is acked', async () => (await pendingCount()) === 1);
    await admin.xadd(event, '*', 'data', 'new');
    await until('the new one came', () => bench.texts.includes('new'));
    expect(bench.texts).toEqual(['acked', 'kept', 'new']);
    for (const delivery of held) delivery.ack();
    await until('all are acked', async () => (await pendingCount()) === 0);
  });

  it('come by the next link when it breaks while they wait to be delivered again', async () => {
    let link: Link | undefined;
    const bench = linkBench({
      handle(delivery) {
        if (delivery.attempt > 1) delivery.ack();
        else {
          delivery.retry();
          link?.destroy();
        }
      },
    });
    link = await bench.open();
    await link.consume(event);
    await admin.xadd(event, '*', 'data', '1');
    await until('it was handed back', () => bench.deliveries.length === 1);
    await (await bench.open()).consume(event);
    await until('it came again', () => bench.deliveries.length === 2);
    await until('it is acked', async () => (await pendingCount()) === 0);
  });

  it('R19 go to the dead letters after too many deliveries, with the reason', async () => {
    const [id] = await orphan(1);
    // Twenty processes have died of it.
    await admin.call('XCLAIM', event, group, 'dead', '0', String(id), 'RETRYCOUNT', '20');
    const bench = linkBench({ claimIdleMs: 60 });
    await (await bench.open()).consume(event);
    await until('it is dead', () => bench.counts.of('dead-lettered') === 1);
    expect(bench.deliveries).toEqual([]);
    expect(await deadLetters()).toEqual([
      {
        'dead-reason': 'it was delivered 20 times and never acked',
        'dead-group': group,
        'dead-entry': id,
        'dead-deliveries': '21',
        data: '"0"',
      },
    ]);
    expect(await pendingCount()).toBe(0);
  });

  it('R19 tell their handler which delivery it is, and come again after one that hands them back', async () => {
    const bench = linkBench({ handle: (d) => (d.attempt < 3 ? d.retry() : d.ack()) });
    await (await bench.open()).consume(event);
    await admin.xadd(event, '*', 'data', '1', 'id', 'session:7');
    await until('it came three times', () => bench.deliveries.length === 3);
    expect(bench.deliveries.map(({ attempt, id }) => [attempt, id])).toEqual([
      [1, 'session:7'],
      [2, 'session:7'],
      [3, 'session:7'],
    ]);
    await until('it is acked', async () => (await pendingCount()) === 0);
  });

  it('R20 R21 are gone on with by a process that comes back under its name, at once', async () => {
    await orphan(3, 'stable');
    const bench = linkBench({ consumer: 'stable' });
    const link = await bench.open();
    await link.consume(event);
    await until('all came', () => bench.deliveries.length === 3);
    expect(bench.deliveries.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
    await until('all are acked', async () => (await pendingCount()) === 0);
    await link.close(1_000);
    expect(await admin.xinfo('CONSUMERS', event, group)).toEqual([]);
  });

  it('R20 keep their consumer in its group when it stops with something in hand', async () => {
    const bench = linkBench({ consumer: 'leaver', handle: () => undefined });
    const link = await bench.open();
    await link.consume(event);
    await admin.xadd(event, '*', 'data', '1');
    await until('it is in hand', () => bench.deliveries.length === 1);
    await link.close(200);
    link.destroy();
    expect(await pendingCount()).toBe(1);
    expect(JSON.stringify(await admin.xinfo('CONSUMERS', event, group))).toContain('leaver');
  });

  it('R15 R16 that were trimmed are counted and forgotten, and the rest is delivered', async () => {
    const ids = await orphan(4);
    await admin.xdel(event, String(ids[0]), String(ids[2]));
    const bench = linkBench({ claimIdleMs: 60 });
    await (await bench.open()).consume(event);
    await until('the rest came', () => bench.deliveries.length === 2);
    await until('none is pending', async () => (await pendingCount()) === 0);
    expect(bench.texts).toEqual(['"1"', '"3"']);
    expect(bench.counts.of('trimmed-pending')).toBe(2);
  });

  it('R16 that are trimmed while a handler has them are forgotten with its word', async () => {
    const held: Delivery[] = [];
    const bench = linkBench({ handle: (delivery) => held.push(delivery) });
    await (await bench.open()).consume(event);
    const ids = [];
    for (const text of ['back', 'refused']) ids.push(await admin.xadd(event, '*', 'data', text));
    await until('both are in hand', () => held.length === 2);
    for (const id of ids) await admin.xdel(event, String(id));
    held[0]?.retry();
    held[1]?.reject('no good');
    await until('none is pending', async () => (await pendingCount()) === 0);
    expect(bench.deliveries).toHaveLength(2);
    // There is nothing left of it that could be kept.
    expect(await deadLetters()).toEqual([]);
    expect(bench.counts.of('dead-lettered')).toBe(0);
  });
});

describe('bad input over Redis', () => {
  it('R34 goes to the dead letters with the reason, is acked and counted, and the loop goes on', async () => {
    const bench = linkBench({
      handle: (delivery) => {
        if (delivery.body[0] === 0xc1) delivery.reject('its body cannot be decoded');
        else delivery.ack();
      },
    });
    await (await bench.open()).consume(event);
    await admin.xadd(event, '*', 'payload', 'x', 'other', 'y');
    await admin.xadd(event, '*', 'data', Buffer.from([0xc1, 0xff]));
    await admin.xadd(event, '*', ...Array.from({ length: 9_000 }, (_, i) => `field${i}`));
    await admin.xadd(event, '*', 'data', '"good"');
    await until('the good one came', () => bench.texts.includes('"good"'));
    await until('the others are dead', () => bench.counts.of('dead-lettered') === 3);
    const dead = await deadLetters();
    expect(dead.map((facts) => facts['dead-reason'])).toEqual([
      'it has no field data',
      'its body cannot be decoded',
      'it has no field data',
    ]);
    expect(dead[0]).toMatchObject({ payload: 'x', other: 'y' });
    await until('all are acked', async () => (await pendingCount()) === 0);
    expect(bench.reasons).toEqual([]);
  });

  it('R33 stays pending when the dead letters themselves cannot be written, and the loop goes on', async () => {
    await admin.set(deadLetterStream(event), 'in the way');
    const bench = linkBench();
    await (await bench.open()).consume(event);
    await admin.xadd(event, '*', 'payload', 'x');
    await admin.xadd(event, '*', 'data', '"good"');
    await until('the good one came', () => bench.texts.includes('"good"'));
    await until('it was said', () => bench.log.at('warn').length > 0);
    expect(await pendingCount()).toBe(1);
    expect(bench.reasons).toEqual([]);
  });

  it('R37 lets a link open although a key stopped being a stream while Redis was away', async () => {
    const bench = linkBench();
    const link = await bench.open();
    await link.consume(event);
    link.destroy();
    await admin.multi().del(event).set(event, 'a string').exec();
    const next = await bench.open();
    await next.consume(event);
    await next.consume(`${event}_GOOD`);
    await admin.xadd(`${event}_GOOD`, '*', 'data', '"good"');
    await until('the other is read', () => bench.texts.includes('"good"'));
    expect(bench.log.at('error')).toHaveLength(1);
    // Who subscribes to it for the first time is told.
    await expect(
      linkBench()
        .open()
        .then((fresh) => fresh.consume(event)),
    ).rejects.toMatchObject({
      code: 'FATAL',
    });
  });

  it('R37 sets a key aside that stops being a stream, reads the others, and comes back to it', async () => {
    const bench = linkBench({ claimIdleMs: 60 });
    const link = await bench.open();
    await link.consume(event);
    await link.consume(`${event}_GOOD`);
    await admin.multi().del(event).set(event, 'a string').exec();
    await until('it was counted', () => bench.counts.of('wrong-type') === 1);
    await admin.xadd(`${event}_GOOD`, '*', 'data', '"good"');
    await until('the other is read', () => bench.texts.includes('"good"'));
    await admin.del(event);
    await until('it is consumed again', () => bench.log.at('info').length > 0);
    await admin.xadd(event, '*', 'data', '"back"');
    await until('it is read', () => bench.texts.includes('"back"'));
    expect(bench.reasons).toEqual([]);
  });
});

describe('a group over Redis', () => {
  it('R11 R12 R13 is made again at 0 when its server came back empty', async () => {
    const own = await startServer('redis');
    const made = createBench();
    try {
      const broker = await made.open(countedConfig(own.url, group, counts));
      const inbox = new Inbox();
      await broker.subscribe(event, inbox.handler);
      await broker.publish(event, body('before'));
      await until('it came', () => inbox.values.includes('before'));
      await own.kill();
      await until('it was noticed', () => broker.state === 'away');
      await own.restart();
      const other = new Redis(own.url);
      // Somebody publishes before we are back; a group at the end of the stream would miss it.
      await other.xadd(event, '*', 'data', '"first"');
      other.disconnect();
      await until('it came', () => inbox.values.includes('first'));
      expect(inbox.values).toEqual(['before', 'first']);
    } finally {
      await made.stop();
      await own.stop();
    }
  });

  it('R11 is made again as often as it vanishes, without a hot loop, and counted', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    for (let round = 1; round <= 3; round++) {
      await until('the group is there', async () =>
        admin.xgroup('DESTROY', event, group).then(
          (gone) => Number(gone) === 1,
          () => false,
        ),
      );
      await until('it was made again', () => counts.of('groups-recreated') >= round);
    }
    await broker.publish(event, body('after'));
    await until('it came', () => inbox.values.includes('after'));
    expect(counts.of('groups-recreated')).toBeLessThan(10);
    expect(broker.state).toBe('open');
  });

  it('R13 starts at 0 when the stream does not reach as far as what was seen', async () => {
    const bench = linkBench();
    await (await bench.open()).consume(event);
    await admin.xadd(event, '9999999999999-1', 'data', '"far"');
    await until('it came', () => bench.texts.includes('"far"'));
    await admin.del(event);
    await admin.xadd(event, '5-1', 'data', '"near"');
    await until('it came', () => bench.texts.includes('"near"'));
    expect(bench.texts).toEqual(['"far"', '"near"']);
  });
});

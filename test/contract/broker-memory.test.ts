import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivery } from '../../protocols/broker.ts';
import { LOCAL_RETRIES_MAX, RETRY_DELAY_MS } from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { MemoryConsumption } from '../../src/brokers/memory-consumption.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { systemClock } from '../../src/system-clock.ts';
import { type Bench, body, createBench, Inbox, until } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { brokerContract } from './broker-contract.ts';

const hub = new MemoryHub(systemClock);

brokerContract({
  name: 'memory',
  config: (group) => ({ type: 'memory', group, hub, payload: 'json' }),
  subgroupConfig: (group, subgroup) => ({
    type: 'memory',
    group: `${group}:${subgroup}`,
    hub,
    payload: 'json',
  }),
});

describe('the memory broker', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = createBench();
  });

  afterEach(() => bench.stop());

  it('takes a copy of a body, which its sender may go on to use', async () => {
    const broker = await bench.open({ type: 'memory', group: 'copies', hub, payload: 'json' });
    const inbox = new Inbox();
    await broker.subscribe('COPIED', inbox.handler);
    const buffer = Buffer.from(body('before'));
    const published = broker.publish('COPIED', buffer);
    await published;
    buffer.fill(0xc0);
    await until('it is there', () => inbox.deliveries.length === 1);
    expect(inbox.values).toEqual(['before']);
  });

  it('gives a message that is always handed back so often and no more, each time after a while', async () => {
    const clock = new VirtualClock();
    const own = new MemoryHub(clock);
    const log = new RecordingLog();
    const attempts: (number | undefined)[] = [];
    const consumption = new MemoryConsumption({
      ...{ hub: own, group: 'g', clock, log },
      hasRoom: () => true,
      deliver(parts) {
        attempts.push(parts.attempt);
        parts.retry();
      },
    });
    consumption.consume('E');
    own.publish('E', body(1));
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    expect(attempts).toEqual([1]);
    clock.advance(RETRY_DELAY_MS - 1);
    await turn();
    expect(attempts).toEqual([1]);
    for (let round = 0; round < 2 * LOCAL_RETRIES_MAX; round++) {
      clock.advance(RETRY_DELAY_MS);
      await turn();
    }
    expect(attempts).toEqual(
      Array.from({ length: LOCAL_RETRIES_MAX + 1 }, (_, index) => index + 1),
    );
    expect(log.at('warn')).toHaveLength(1);
    expect(consumption.held).toBe(0);
  });

  it('drops the queue of an audience of each with it, and takes what it had no room for', async () => {
    const small = new MemoryHub(systemClock, { maxMessages: 2, maxBytes: 1_000 });
    const config = { type: 'memory', group: 'own', hub: small, payload: 'json' } as const;
    const publisher = await bench.open(config);
    const send = () => publisher.publish('TOLD', body('x'));
    const each = await bench.open({ ...config, audience: 'each', prefetch: 1 });
    const taken: Delivery[] = [];
    // It does not settle what it has, so that two more wait in its queue.
    await each.subscribe('TOLD', (delivery) => void taken.push(delivery));
    await send();
    await until('it has one', () => taken.length === 1);
    for (const _ of 'ab') await send();
    await expect(send()).rejects.toMatchObject({ code: 'PUBLISH_REFUSED' });
    let roomTold = 0;
    small.onRoom(() => {
      roomTold++;
    });
    await each.unsubscribe('TOLD');
    for (const delivery of taken) delivery.ack();
    expect([small.queuesOf('TOLD').length, small.isWanted('TOLD'), roomTold]).toEqual([
      0,
      false,
      1,
    ]);
    await send();
    const again = await bench.open({ ...config, audience: 'each' });
    await again.subscribe('TOLD', () => undefined);
    expect(small.queuesOf('TOLD')).toHaveLength(1);
    await again.close();
    expect(small.queuesOf('TOLD')).toHaveLength(0);
    // A group that others may be of keeps what it has not had yet.
    await publisher.subscribe('TOLD', () => undefined);
    await publisher.unsubscribe('TOLD');
    expect(small.queuesOf('TOLD')).toHaveLength(1);
  });

  it('S7 fails a call whose answerer goes after it has acked', async () => {
    const caller = await bench.open({ type: 'memory', group: 'callers', hub, payload: 'json' });
    const service = await bench.open({ type: 'memory', group: 'services', hub, payload: 'json' });
    let asked = 0;
    await service.subscribe('ASKED', (delivery) => {
      asked += Number(decodeBody(delivery.body));
      delivery.ack();
    });
    const call = caller.call('ASKED', body(1), { timeoutMs: 60_000 });
    await until('it was asked', () => asked === 1);
    await Promise.all([expect(call).rejects.toMatchObject({ code: 'PEER_GONE' }), service.close()]);
  });
});

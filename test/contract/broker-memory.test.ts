import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeBody } from '../../protocols/wire/body.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { systemClock } from '../../src/system-clock.ts';
import { type Bench, body, createBench, Inbox, until } from '../support/broker-bench.ts';
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

/** What outlives the links of a Redis broker: entries in hand, and settlements that wait. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { REDIS_SEEN_STREAMS_MAX, REDIS_SETTLEMENTS_MAX } from '../../protocols/limits.ts';
import {
  type HeldEntry,
  type LedgerLink,
  RedisLedger,
  type Settlement,
} from '../../src/brokers/redis-ledger.ts';
import { Counts } from '../support/redis-bench.ts';

class ScriptedLink implements LedgerLink {
  readonly settled: Settlement[] = [];
  readonly retried: HeldEntry[] = [];
  rooms = 0;
  isLost = false;

  async settle(settlement: Settlement): Promise<void> {
    this.settled.push(settlement);
    if (this.isLost) throw new Error('the connection closed');
  }

  retryLater(entry: HeldEntry): boolean {
    this.retried.push(entry);
    return true;
  }

  async answer(): Promise<void> {}

  room(): void {
    this.rooms++;
  }
}

function entry(id: string) {
  const shown = { data: undefined, messageId: undefined, shard: undefined };
  return { event: 'E', id, ...shown, timeoutAtMs: undefined };
}

function ledgerOf(counts = new Counts()): RedisLedger {
  return new RedisLedger('redis', counts.counter);
}

const hold = (ledger: RedisLedger, id: string, deliveries = 1) =>
  ledger.hold(entry(id), new Uint8Array(), deliveries, 0);

describe('the ledger of a Redis broker', () => {
  it('R18 holds an entry until it is settled, and after that until the server knows', async () => {
    const ledger = ledgerOf();
    const link = new ScriptedLink();
    ledger.attach(link);
    const delivery = hold(ledger, '1-0');
    expect(ledger.has('E', '1-0')).toBe(true);
    expect(ledger.inHand).toBe(1);
    delivery.ack();
    expect(ledger.heldOf('E')).toEqual([]);
    expect(ledger.has('E', '1-0')).toBe(true);
    expect(link.rooms).toBe(1);
    await turn();
    expect(ledger.has('E', '1-0')).toBe(false);
    expect(link.settled).toMatchObject([{ id: '1-0', deadReason: undefined }]);
  });

  it('gives the next link what none was there for, and what the last one was lost with', async () => {
    const ledger = ledgerOf();
    const lost = new ScriptedLink();
    lost.isLost = true;
    ledger.attach(lost);
    hold(ledger, '1-0').ack();
    await turn();
    ledger.detach(lost);
    hold(ledger, '2-0', 3).reject('it is bad');
    const next = new ScriptedLink();
    ledger.attach(next);
    await turn();
    expect(next.settled).toMatchObject([
      { id: '1-0', deadReason: undefined },
      { id: '2-0', deliveries: 3, deadReason: 'it is bad' },
    ]);
    expect(ledger.has('E', '1-0')).toBe(false);
  });

  it('drops and counts settlements above the bound', () => {
    const counts = new Counts();
    const ledger = ledgerOf(counts);
    for (let index = 0; index < REDIS_SETTLEMENTS_MAX + 5; index++) {
      hold(ledger, `${index}-0`).ack();
    }
    expect(counts.of('settlements-dropped')).toBe(5);
    const link = new ScriptedLink();
    ledger.attach(link);
    expect(link.settled).toHaveLength(REDIS_SETTLEMENTS_MAX);
  });

  it('keeps what a link delivers again, and lets go of what is handed back without one', () => {
    const ledger = ledgerOf();
    const link = new ScriptedLink();
    ledger.attach(link);
    hold(ledger, '1-0').retry();
    expect(link.retried).toMatchObject([{ id: '1-0' }]);
    expect(ledger.has('E', '1-0')).toBe(true);
    ledger.detach(link);
    hold(ledger, '2-0').retry();
    expect(ledger.has('E', '2-0')).toBe(false);
  });

  it('sends no answer while there is no link', async () => {
    const delivery = hold(ledgerOf(), '1-0');
    await expect(delivery.reply(new Uint8Array())).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    });
  });

  it('R13 remembers the youngest entry of each stream, of a bounded number of streams', () => {
    const ledger = ledgerOf();
    for (const id of ['9-1', '10-0', '9-2']) ledger.see('E', id);
    expect(ledger.lastSeen('E')).toBe('10-0');
    for (let index = 0; index < REDIS_SEEN_STREAMS_MAX; index++) ledger.see(`E${index}`, '1-0');
    expect(ledger.lastSeen(`E${REDIS_SEEN_STREAMS_MAX - 1}`)).toBeUndefined();
    ledger.see('E', '11-0');
    expect(ledger.lastSeen('E')).toBe('11-0');
  });
});

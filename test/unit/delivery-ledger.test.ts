/**
 * The judges of delivery are judged: each kind of defect is found, and what an interruption brings
 * is not one.
 */
import { encode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import type { EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { DeliveryLedger, type SentEvent } from '../support/delivery-ledger.ts';
import { WatchedWriter } from '../support/delivery-watch.ts';

const SESSION = 'ab12';
const SENT: readonly SentEvent[] = Array.from({ length: 5 }, (_, index) => ({
  sequence: index + 1,
  // The third is of another name, so it stands in another queue.
  event: index === 2 ? 'TYPING_START' : 'MESSAGE_CREATE',
  json: `{"number":${index + 1}}`,
}));

type Arrival = {
  readonly sequence: number;
  readonly generation?: number;
  readonly json?: string;
  readonly session?: string;
};

function judge(
  arrivals: readonly (number | Arrival)[],
  lost: readonly number[] = [],
): readonly string[] {
  const ledger = new DeliveryLedger();
  for (const arrival of arrivals) {
    const { sequence, generation = 0, session = SESSION, json } = asArrival(arrival);
    const body = encode(json ?? SENT[sequence - 1]?.json ?? '{}');
    ledger.arrive(`${session}:${sequence}`, body, generation);
  }
  const sessions = [{ id: SESSION, shard: 3, events: SENT }];
  return ledger.judge(sessions, (_session, sequence) => lost.includes(sequence));
}

function asArrival(arrival: number | Arrival): Arrival {
  return typeof arrival === 'number' ? { sequence: arrival } : arrival;
}

describe('the ledger of a delivery', () => {
  it('has nothing to say of events that all came, in the order of their queues', () => {
    expect(judge([1, 2, 4, 5, 3])).toEqual([]);
  });

  it('takes an id that comes again for a repeat, wherever it stands', () => {
    expect(judge([1, 2, 3, 2, 1, 4, 5, 5])).toEqual([]);
  });

  it('finds what is missing, in the middle and at the end', () => {
    expect(judge([1, 2, 3, 5])).toContain('shard 3: 1 of 5 are missing: 4 MESSAGE_CREATE');
    expect(judge([1, 2, 3, 4])).toEqual(['shard 3: 1 of 5 are missing: 5 MESSAGE_CREATE']);
  });

  it('finds an event that overtook another', () => {
    expect(judge([1, 4, 2, 3, 5])).toEqual([
      'shard 3: 4 came before 2 with no interruption between',
    ]);
  });

  it('forgives a place that the broker had given up, or that went with a link', () => {
    expect(judge([1, 4, 2, 3, 5], [2])).toEqual([]);
    expect(judge([1, { sequence: 4, generation: 1 }, 2, 3, 5])).toEqual([]);
  });

  it('finds another content, the first time and in a repeat', () => {
    expect(judge([1, { sequence: 2, json: '{}' }, 3, 4, 5])).toEqual([
      `${SESSION}:2 is not what was sent`,
    ]);
    expect(judge([1, 2, 3, 4, 5, { sequence: 5, json: '{}' }])).toEqual([
      `${SESSION}:5 came again and brought something else`,
    ]);
  });

  it('finds ids that nobody gave', () => {
    expect(judge([1, 2, 3, 4, 5, { sequence: 1, session: 'ffff' }])).toEqual([
      'events came of a session ffff that there never was',
    ]);
    const ledger = new DeliveryLedger();
    ledger.arrive(undefined, encode('{}'), 0);
    expect(ledger.problems).toEqual(['an event came with the id undefined']);
  });
});

describe('the watch over a writer', () => {
  const origin: EventOrigin = { shard: 3, session: SESSION, confirmed: () => {}, lost: () => {} };

  function watched(): { readonly writer: WatchedWriter; readonly origins: EventOrigin[] } {
    const origins: EventOrigin[] = [];
    const inner: EventWriter = {
      route: () => 0,
      onceRoom: () => {},
      write: (...[, , , , given]) => {
        origins.push(given);
        return true;
      },
    };
    return { writer: new WatchedWriter(inner), origins };
  }

  const write = (writer: WatchedWriter, sequence: number): boolean =>
    writer.write(0, new Uint8Array(10), 0, 10, origin, sequence);

  it('measures what is unconfirmed and knows what was given up', () => {
    const { writer, origins } = watched();
    for (const sequence of [1, 2, 3]) write(writer, sequence);
    origins[0]?.confirmed(1);
    origins[0]?.lost(2);
    write(writer, 4);
    expect([writer.maxEvents, writer.maxBytes, writer.distinct]).toEqual([3, 30, 4]);
    expect([1, 2].map((sequence) => writer.wasLost(SESSION, sequence))).toEqual([false, true]);
    expect(writer.problems).toEqual([]);
  });

  it('finds a number that was left out, and counts returns to an earlier one', () => {
    const { writer } = watched();
    for (const sequence of [1, 2, 1, 2, 3]) write(writer, sequence);
    expect([writer.rewinds, writer.distinct, writer.problems.length]).toEqual([1, 3, 0]);
    write(writer, 5);
    expect(writer.problems).toEqual([`${SESSION}:5 left where 4 was due`]);
  });

  it('finds an event that is settled twice', () => {
    const { writer, origins } = watched();
    write(writer, 1);
    origins[0]?.confirmed(1);
    origins[0]?.lost(1);
    expect(writer.problems).toEqual([`${SESSION}:1 was settled more often than it was taken`]);
  });
});

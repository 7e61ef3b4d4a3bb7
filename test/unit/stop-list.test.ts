import { setImmediate as settle } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BROKER_CLOSE_MS, SERVICE_STOP_MS } from '../../protocols/limits.ts';
import { StopList } from '../../src/services/stop-list.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';

const never = () => new Promise<void>(() => {});

function world() {
  const clock = new VirtualClock();
  const log = new RecordingLog();
  const stops = new StopList(clock, log);
  /** When each part was told to stop, and how long it would be waited for. */
  const told = new Map<string, readonly [atMs: number, withinMs: number]>();
  const add = (what: string, stop: () => Promise<unknown>, reservedMs = 0): void =>
    stops.add(
      what,
      (withinMs) => {
        told.set(what, [clock.nowMs(), withinMs]);
        return stop();
      },
      reservedMs,
    );
  const finish = async (): Promise<number> => {
    const stopped = stops.stop().then(() => clock.nowMs());
    await Promise.race([stopped, clock.advanceSettled(60_000, settle)]);
    return stopped;
  };
  return { clock, log, stops, told, add, finish };
}

describe('a service that stops', () => {
  it('ends the latest first, one after the other', async () => {
    const { clock, told, add, finish } = world();
    const slow = () => new Promise<void>((resolve) => clock.setTimer(100, resolve));
    for (const what of ['first', 'second', 'third']) add(what, slow);
    expect(await finish()).toBe(300);
    expect([...told].map(([what, [atMs]]) => [what, atMs])).toEqual([
      ['third', 0],
      ['second', 100],
      ['first', 200],
    ]);
  });

  it('has one span for all of them, however many hang, and keeps what was reserved', async () => {
    const { told, add, finish, log } = world();
    add('quick', async () => {});
    add('brokers', never, BROKER_CLOSE_MS);
    for (const what of ['proxy', 'handler', 'gateway']) add(what, never);
    expect(await finish()).toBe(SERVICE_STOP_MS);
    const brokersMs = SERVICE_STOP_MS - BROKER_CLOSE_MS;
    expect(told.get('gateway')).toEqual([0, brokersMs]);
    expect(told.get('handler')).toEqual([brokersMs, 0]);
    expect(told.get('proxy')).toEqual([brokersMs, 0]);
    expect(told.get('brokers')).toEqual([brokersMs, BROKER_CLOSE_MS]);
    expect(told.get('quick')).toEqual([SERVICE_STOP_MS, 0]);
    const named = log.lines.map(({ fields }) => fields.what);
    expect(named).toEqual(['gateway', 'handler', 'proxy', 'brokers']);
  });

  it('goes on after a part that failed, and fails with the first of the reasons', async () => {
    const { told, add, finish } = world();
    add('first', async () => {});
    add('second', () => Promise.reject(new Error('the second')));
    add('third', () => Promise.reject(new Error('the third')));
    await expect(finish()).rejects.toThrow('the third');
    expect([...told.keys()]).toEqual(['third', 'second', 'first']);
  });

  it('says why its start failed, even if what had been started does not stop', async () => {
    const { stops, told, add, log } = world();
    add('first', async () => {});
    add('second', () => Promise.reject(new Error('it hangs together')));
    await expect(stops.giveUp(new Error('no broker'))).rejects.toThrow('no broker');
    expect([...told.keys()]).toEqual(['second', 'first']);
    expect(log.lines).toMatchObject([{ fields: { error: { message: 'it hangs together' } } }]);
  });
});

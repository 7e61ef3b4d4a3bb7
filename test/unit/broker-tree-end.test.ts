/** How the tree of a broker ends: closed in order, given up at its start, or failed for good. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FatalError } from '../../protocols/errors.ts';
import { BROKER_CLOSE_MS } from '../../protocols/limits.ts';
import { RecordingOrigin, writeEvent } from '../support/broker-bench.ts';
import { BODY, createBrokerTree, outcome, refuse } from '../support/broker-tree-bench.ts';

describe('the end of the tree of a broker', () => {
  it('A30 does not wait for a link that is lost while it closes', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    writeEvent(broker, 'E', 1, new RecordingOrigin(), 1);
    const closed = outcome(broker.close());
    await world.pass(BROKER_CLOSE_MS / 2);
    expect(closed.value).toBe('pending');
    last().hooks.lost(new Error('reset'));
    await world.pass(0);
    expect(closed.value).toBe('done');
    expect(last().isDestroyed).toBe(true);
  });

  it('answers who unsubscribes in the moment in which it fails for good', async () => {
    const { world, failures, last, start } = createBrokerTree();
    const broker = await start();
    await Promise.all([broker.subscribe('A', () => undefined), world.pass(0)]);
    let ended: { value: unknown } | undefined;
    broker.watch(() => {
      ended = outcome(broker.unsubscribe('A'));
    });
    last().hooks.lost(new FatalError('the user was deleted'));
    await world.pass(0);
    expect(ended?.value).toBe('BROKER_UNAVAILABLE');
    expect(failures).toHaveLength(1);
  });

  it('gives the start up when it is asked to, and leaves nothing behind', async () => {
    const { world, openings, start } = createBrokerTree();
    openings.push(() => new Promise(() => undefined));
    const ending = new AbortController();
    const started = outcome(start(ending.signal));
    await world.pass(1_000);
    expect(started.value).toBe('pending');
    ending.abort(Object.assign(new Error('stop'), { code: 'STOP' }));
    await world.pass(0);
    expect(started.value).toBe('STOP');
    expect(world.system.actors).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('leaves no listener on the signal of a process that lives for long', async () => {
    const { openings, start } = createBrokerTree();
    const { signal } = new AbortController();
    for (const failure of [undefined, refuse, () => Promise.reject(new FatalError('no'))]) {
      openings.push(failure);
      await start(signal).catch(() => undefined);
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends with the reason of the first attempt, or of the loss, when it is not to try again', async () => {
    const { world, failures, openings, openedAtMs, last, start } = createBrokerTree();
    openings.push(refuse);
    await expect(start(undefined, false)).rejects.toThrow('connect ECONNREFUSED');
    const broker = await start(undefined, false);
    last().hooks.lost(new Error('the server hung up'));
    await world.pass(60_000);
    expect(failures.map(({ message }) => message)).toEqual(['the server hung up']);
    expect([broker.state, openedAtMs.length]).toEqual(['away', 2]);
  });

  it('fails to start, or fails later and once, when the broker refuses for good', async () => {
    const { world, failures, openings, last, start } = createBrokerTree();
    openings.push(() => Promise.reject(new FatalError('wrong password')));
    await expect(start()).rejects.toMatchObject({ code: 'FATAL' });
    const broker = await start();
    const waiting = outcome(broker.publish('A', BODY));
    await world.pass(0);
    last().hooks.lost(new FatalError('wrong password'));
    await world.pass(60_000);
    expect(waiting.value).toBe('FATAL');
    expect(failures).toHaveLength(1);
    await expect(broker.publish('A', BODY)).rejects.toMatchObject({ code: 'FATAL' });
    expect(broker.state).toBe('away');
  });

  it('A30 closes in order: takes nothing more, waits for what it has, says goodbye', async () => {
    const { world, links, last, start } = createBrokerTree();
    const broker = await start();
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    const published = outcome(broker.publish('A', BODY));
    await world.pass(0);
    const closed = outcome(broker.close());
    const late = outcome(broker.publish('A', BODY));
    await world.pass(100);
    expect(closed.value).toBe('pending');
    expect(late.value).toBe('BROKER_UNAVAILABLE');
    expect(last().published).toHaveLength(1);
    expect(last().isClosed).toBe(false);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(writeEvent(broker, 'E', 1, origin, 2)).toBe(false);
    last().hooks.confirms.settleOldest(true);
    await world.pass(100);
    expect(closed.value).toBe('done');
    expect(published.value).toBe('done');
    expect(origin.confirmedSequences).toEqual([1]);
    expect([last().isClosed, last().isDestroyed]).toEqual([true, true]);
    await world.pass(600_000);
    expect(links).toHaveLength(1);
  });
});

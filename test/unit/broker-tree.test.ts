/** The links of a broker: how one is opened, taken for lost, and followed by the next. */
import { describe, expect, it } from 'vitest';
import type { Link } from '../../actors/channel/link.ts';
import {
  BROKER_BACKOFF_MAX_MS,
  BROKER_BACKOFF_MIN_MS,
  BROKER_CONNECT_TIMEOUT_MS,
  BROKER_CRASHES_MAX,
  BROKER_SUBSCRIBE_MS,
  BROKER_UNSUBSCRIBE_MS,
  CONFIRM_STALL_MS,
} from '../../protocols/limits.ts';
import { RecordingOrigin, writeEvent } from '../support/broker-bench.ts';
import { createBrokerTree, outcome, refuse, ScriptedLink } from '../support/broker-tree-bench.ts';

describe('the tree of a broker', () => {
  it('opens, consumes, and consumes again on every link after a lost one', async () => {
    const { world, links, last, start } = createBrokerTree();
    const broker = await start();
    const subscribed = outcome(broker.subscribe('A', () => undefined));
    await world.pass(0);
    expect(subscribed.value).toBe('done');
    expect(last().consumed).toEqual(['A']);
    last().hooks.lost(new Error('reset by peer'));
    await world.pass(0);
    expect(broker.state).toBe('away');
    expect(links[0]?.isDestroyed).toBe(true);
    const whileAway = outcome(broker.subscribe('B', () => undefined));
    await world.pass(0);
    expect(whileAway.value).toBe('done');
    await world.pass(BROKER_BACKOFF_MIN_MS);
    expect(broker.state).toBe('open');
    expect(links).toHaveLength(2);
    expect(last().consumed).toEqual(['A', 'B']);
  });

  it('A24 waits longer and longer, up to a bound, and starts over after a stable link', async () => {
    const { world, links, failures, openings, openedAtMs, last, start } = createBrokerTree();
    openings.push(...Array.from({ length: 40 }, () => refuse));
    await start();
    await world.pass(40 * BROKER_BACKOFF_MAX_MS);
    const waits = openedAtMs.slice(1).map((at, index) => at - (openedAtMs[index] ?? 0));
    expect(waits).toHaveLength(40);
    expect(waits[0]).toBeLessThanOrEqual(BROKER_BACKOFF_MIN_MS + 1);
    expect(Math.max(...waits)).toBeLessThanOrEqual(BROKER_BACKOFF_MAX_MS + 1);
    expect(Math.min(...waits.slice(10))).toBeGreaterThanOrEqual(BROKER_BACKOFF_MAX_MS / 2 - 1);
    expect(new Set(waits).size).toBeGreaterThan(30);
    await world.pass(60_000);
    last().hooks.lost(new Error('reset'));
    await world.pass(BROKER_BACKOFF_MIN_MS);
    expect(links).toHaveLength(2);
    expect(failures).toEqual([]);
  });

  it('gives up an opening that hangs, and destroys the link that it brings in the end', async () => {
    const { world, openings, last, start } = createBrokerTree();
    let arrive: (link: Link) => void = () => undefined;
    openings.push(
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    );
    const starting = start();
    await world.pass(BROKER_CONNECT_TIMEOUT_MS + BROKER_BACKOFF_MIN_MS);
    const broker = await starting;
    expect(broker.state).toBe('open');
    const late = new ScriptedLink(last().hooks);
    arrive(late);
    await world.pass(0);
    expect(late.isDestroyed).toBe(true);
    expect(last().isDestroyed).toBe(false);
  });

  it('reports what was not confirmed lost, before it takes more, and hears no late confirms', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    const origin = new RecordingOrigin();
    for (let sequence = 1; sequence <= 5; sequence++) writeEvent(broker, 'E', 1, origin, sequence);
    last().hooks.confirms.settle(2, true);
    const first = last();
    first.hooks.lost(new Error('reset'));
    await world.pass(0);
    expect(origin.confirmedSequences).toEqual([2]);
    expect(origin.lostSequences).toEqual([1, 3, 4, 5]);
    expect(writeEvent(broker, 'E', 1, origin, 6)).toBe(false);
    await world.pass(BROKER_BACKOFF_MIN_MS);
    expect(writeEvent(broker, 'E', 1, origin, 7)).toBe(true);
    first.hooks.confirms.settleThrough(5, true);
    first.hooks.confirms.settleOldest(false);
    expect(origin.settled).toBe(5);
    last().hooks.confirms.settleOldest(true);
    expect(origin.confirmedSequences).toEqual([2, 7]);
  });

  it('A1 takes a link that confirms nothing any more for lost', async () => {
    const { world, links, start } = createBrokerTree();
    const broker = await start();
    const origin = new RecordingOrigin();
    await world.pass(60_000);
    writeEvent(broker, 'E', 1, origin, 1);
    await world.pass(CONFIRM_STALL_MS * 2);
    expect(origin.lostSequences).toEqual([1]);
    expect(links.length).toBeGreaterThan(1);
  });

  it('does not wait for ever for a link that does not say what became of a subscription', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    last().consume = () => new Promise(() => undefined);
    last().cancel = () => new Promise(() => undefined);
    const begun = outcome(broker.subscribe('A', () => undefined));
    await world.pass(BROKER_SUBSCRIBE_MS - 1);
    expect(begun.value).toBe('pending');
    await world.pass(1);
    expect(begun.value).toBe('done');
    await Promise.all([broker.subscribe('B', () => undefined), world.pass(BROKER_SUBSCRIBE_MS)]);
    const ended = outcome(broker.unsubscribe('A'));
    await world.pass(BROKER_UNSUBSCRIBE_MS);
    expect(ended.value).toBe('done');
    // Its successor does what is wanted by then.
    last().hooks.lost(new Error('reset'));
    await world.pass(BROKER_BACKOFF_MAX_MS);
    expect(last().consumed).toEqual(['B']);
  });

  it('restarts a channel that crashes, keeps what was asked of it, and gives up on too many', async () => {
    const { world, links, failures, last, start } = createBrokerTree();
    const broker = await start();
    await Promise.all([broker.subscribe('A', () => undefined), world.pass(0)]);
    const origin = new RecordingOrigin();
    const explosive = {
      ...origin,
      shard: 1,
      session: 's',
      confirmed() {
        throw new Error('a bug');
      },
      lost: () => undefined,
    };
    for (let crash = 1; crash <= BROKER_CRASHES_MAX; crash++) {
      writeEvent(broker, 'E', 1, explosive, crash);
      last().hooks.confirms.settleOldest(true);
      await world.pass(5_000);
      expect(links).toHaveLength(crash + 1);
      expect(last().consumed).toEqual(['A']);
    }
    expect(failures).toEqual([]);
    writeEvent(broker, 'E', 1, explosive, 99);
    last().hooks.confirms.settleOldest(true);
    await world.pass(60_000);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ code: 'FATAL' });
  });
});

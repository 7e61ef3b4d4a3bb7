/** The tree of a broker on virtual time, over a driver whose links do what the test says. */
import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { FatalError, type SpectaclesError } from '../../protocols/errors.ts';
import {
  BROKER_BACKOFF_MAX_MS,
  BROKER_BACKOFF_MIN_MS,
  BROKER_CLOSE_MS,
  BROKER_CONNECT_TIMEOUT_MS,
  BROKER_CRASHES_MAX,
  BROKER_OPERATIONS_MAX,
  BROKER_OPERATIONS_MAX_BYTES,
  BROKER_SUBSCRIBE_MS,
  BROKER_UNSUBSCRIBE_MS,
  CONFIRM_STALL_MS,
  PUBLISH_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { startBroker } from '../../supervisors/broker.ts';
import { type ActorWorld, createActorWorld } from '../support/actor-world.ts';
import { RecordingOrigin, writeEvent } from '../support/broker-bench.ts';

/** A link that does nothing by itself. */
class ScriptedLink implements Link {
  readonly hooks: LinkHooks;
  readonly consumed: string[] = [];
  readonly published: { event: string; id: string; confirm: () => void }[] = [];
  readonly written: number[] = [];
  isDestroyed = false;
  isClosed = false;

  constructor(hooks: LinkHooks) {
    this.hooks = hooks;
  }

  readonly sink = {
    prepare: () => undefined,
    send: (
      _route: number,
      _source: Uint8Array,
      _start: number,
      _end: number,
      _origin: unknown,
      sequence: number,
    ) => {
      this.written.push(sequence);
      return true;
    },
  };

  async consume(event: string): Promise<void> {
    this.consumed.push(event);
  }

  async cancel(event: string): Promise<void> {
    this.consumed.splice(this.consumed.indexOf(event), 1);
  }

  publish(event: string, _body: Uint8Array, id: string): Promise<void> {
    return new Promise((resolve) => {
      this.published.push({ event, id, confirm: resolve });
    });
  }

  call(): Promise<Uint8Array> {
    return new Promise(() => undefined);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

let world: ActorWorld;
let links: ScriptedLink[];
let failures: SpectaclesError[];
/** What the next openings do; a link when there is nothing left. */
let openings: ((() => Promise<Link>) | undefined)[];
let openedAtMs: number[];

const driver: LinkDriver = {
  label: 'the scripted broker',
  async open(hooks) {
    openedAtMs.push(world.clock.nowMs());
    const opening = openings.shift();
    if (opening) return opening();
    const link = new ScriptedLink(hooks);
    links.push(link);
    return link;
  },
};

function last(): ScriptedLink {
  const link = links.at(-1);
  if (!link) throw new Error('no link was opened');
  return link;
}

let ids = 0;

async function start(signal?: AbortSignal, triesAgain = true): Promise<Broker> {
  const { system, clock, log } = world;
  const starting = startBroker({
    driver,
    system,
    clock,
    log,
    makeId: () => `id-${++ids}`,
    onFailure: (error) => failures.push(error),
    triesAgain,
    ...(signal !== undefined && { signal }),
  });
  // It may fail while time passes, and whoever started it is told after that.
  starting.catch(() => undefined);
  await world.pass(0);
  return starting;
}

function outcome(promise: Promise<unknown>): { value: unknown } {
  const seen: { value: unknown } = { value: 'pending' };
  promise.then(
    () => {
      seen.value = 'done';
    },
    (error: SpectaclesError) => {
      seen.value = error.code;
    },
  );
  return seen;
}

const refuse = () => Promise.reject(new Error('connect ECONNREFUSED'));
const BODY = Uint8Array.of(0xc0);

beforeEach(() => {
  world = createActorWorld();
  links = [];
  failures = [];
  openings = [];
  openedAtMs = [];
});

describe('the tree of a broker', () => {
  it('opens, consumes, and consumes again on every link after a lost one', async () => {
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
    openings = Array.from({ length: 40 }, () => refuse);
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
    let arrive: (link: Link) => void = () => undefined;
    openings = [
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    ];
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

  it('sends an unconfirmed publish again under the same id, in order, and fails a call', async () => {
    const broker = await start();
    const first = outcome(broker.publish('A', BODY));
    const call = outcome(broker.call('C', BODY, { timeoutMs: 60_000 }));
    await world.pass(0);
    const { id } = last().published[0] ?? {};
    last().hooks.lost(new Error('reset'));
    await world.pass(0);
    expect(call.value).toBe('BROKER_UNAVAILABLE');
    const second = outcome(broker.publish('B', BODY));
    await world.pass(BROKER_BACKOFF_MIN_MS);
    expect(last().published.map(({ event }) => event)).toEqual(['A', 'B']);
    expect(last().published[0]?.id).toBe(id);
    for (const { confirm } of last().published) confirm();
    await world.pass(0);
    expect([first.value, second.value]).toEqual(['done', 'done']);
  });

  it('A1 settles every operation within its deadline, and takes no more than its bound', async () => {
    const broker = await start();
    const sent = outcome(broker.publish('A', BODY));
    const call = outcome(broker.call('C', BODY, { timeoutMs: 1_000 }));
    await world.pass(1_000);
    expect(call.value).toBe('CALL_TIMEOUT');
    await world.pass(PUBLISH_TIMEOUT_MS);
    expect(sent.value).toBe('PUBLISH_TIMEOUT');
    const many = Array.from({ length: BROKER_OPERATIONS_MAX }, () => broker.publish('A', BODY));
    const settled = Promise.allSettled(many);
    await expect(broker.publish('A', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(PUBLISH_TIMEOUT_MS);
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('A1 takes a link that confirms nothing any more for lost', async () => {
    const broker = await start();
    const origin = new RecordingOrigin();
    await world.pass(60_000);
    writeEvent(broker, 'E', 1, origin, 1);
    await world.pass(CONFIRM_STALL_MS * 2);
    expect(origin.lostSequences).toEqual([1]);
    expect(links.length).toBeGreaterThan(1);
  });

  it('A5 is away while the broker blocks publishers, keeps its link, and goes on', async () => {
    const broker = await start();
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    last().hooks.blocked(true);
    await world.pass(CONFIRM_STALL_MS * 5);
    expect(broker.state).toBe('away');
    expect(writeEvent(broker, 'E', 1, origin, 2)).toBe(false);
    last().hooks.blocked(false);
    await world.pass(0);
    expect(broker.state).toBe('open');
    expect(links).toHaveLength(1);
    last().hooks.confirms.settle(1, true);
    expect(origin.confirmedSequences).toEqual([1]);
  });

  it('A5 sends nothing while publishers are blocked, and what waited afterwards', async () => {
    const broker = await start();
    last().hooks.blocked(true);
    await world.pass(0);
    const late = outcome(broker.publish('LATE', BODY));
    await world.pass(PUBLISH_TIMEOUT_MS);
    // It was never sent, and its sender may know.
    expect(late.value).toBe('BROKER_UNAVAILABLE');
    const waiting = outcome(broker.publish('WAITING', BODY));
    await world.pass(0);
    expect(last().published).toEqual([]);
    last().hooks.blocked(false);
    await world.pass(0);
    expect(last().published.map(({ event }) => event)).toEqual(['WAITING']);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(waiting.value).toBe('done');
  });

  it('takes bodies up to a bound in bytes, and one that is larger alone', async () => {
    const broker = await start();
    const large = new Uint8Array(BROKER_OPERATIONS_MAX_BYTES + 1);
    const alone = outcome(broker.publish('A', large));
    await expect(broker.publish('B', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(0);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(alone.value).toBe('done');
    const half = large.subarray(0, BROKER_OPERATIONS_MAX_BYTES / 2);
    const both = [broker.publish('A', half), broker.publish('B', half)].map(outcome);
    await expect(broker.publish('C', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(0);
    for (const { confirm } of last().published) confirm();
    await world.pass(0);
    expect(both.map(({ value }) => value)).toEqual(['done', 'done']);
  });

  it('A16 A17 refuses a message whose handler throws, at once or later, and lives', async () => {
    const broker = await start();
    const fates: string[] = [];
    const delivery = (event: string): Delivery => ({
      event,
      body: BODY,
      wantsReply: false,
      attempt: 1,
      ack: () => fates.push(`${event} acked`),
      retry: () => fates.push(`${event} handed back`),
      reject: () => fates.push(`${event} refused`),
      reply: async () => undefined,
    });
    const subscribed = Promise.all([
      broker.subscribe('NOW', () => {
        throw new Error('at once');
      }),
      broker.subscribe('LATER', async () => {
        await Promise.resolve();
        throw new Error('later');
      }),
      broker.subscribe('FINE', async (one) => one.ack()),
    ]);
    await world.pass(0);
    await subscribed;
    for (const event of ['NOW', 'LATER', 'FINE']) last().hooks.delivery(delivery(event));
    await world.pass(0);
    expect(fates.sort()).toEqual(['FINE acked', 'LATER refused', 'NOW refused']);
    expect(links).toHaveLength(1);
    expect(broker.state).toBe('open');
  });

  it('A30 does not wait for a link that is lost while it closes', async () => {
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

  it('does not wait for ever for a link that does not say what became of a subscription', async () => {
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

  it('answers who unsubscribes in the moment in which it fails for good', async () => {
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
    openings = [() => new Promise(() => undefined)];
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
    const { signal } = new AbortController();
    for (const failure of [undefined, refuse, () => Promise.reject(new FatalError('no'))]) {
      openings = [failure];
      await start(signal).catch(() => undefined);
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends with the reason of the first attempt, or of the loss, when it is not to try again', async () => {
    openings = [refuse];
    await expect(start(undefined, false)).rejects.toThrow('connect ECONNREFUSED');
    const broker = await start(undefined, false);
    last().hooks.lost(new Error('the server hung up'));
    await world.pass(60_000);
    expect(failures.map(({ message }) => message)).toEqual(['the server hung up']);
    expect([broker.state, openedAtMs.length]).toEqual(['away', 2]);
  });

  it('fails to start, or fails later and once, when the broker refuses for good', async () => {
    openings = [() => Promise.reject(new FatalError('wrong password'))];
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

  it('restarts a channel that crashes, keeps what was asked of it, and gives up on too many', async () => {
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

  it('A30 closes in order: takes nothing more, waits for what it has, says goodbye', async () => {
    const broker = await start();
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    const published = outcome(broker.publish('A', BODY));
    await world.pass(0);
    const closed = outcome(broker.close());
    await world.pass(100);
    expect(closed.value).toBe('pending');
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

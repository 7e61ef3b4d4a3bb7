/**
 * A whole tree of supervisors and workers on virtual time, in which any handler, start or cleanup
 * may throw, reject or take its time, at places drawn from a seed. Whatever happens, the tree comes
 * back, and when it is stopped nothing is left of it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorContext, Behaviour } from '../../actors/runtime.ts';
import { ask } from '../../actors/runtime.ts';
import type { ActorRef, Reply } from '../../protocols/actor.ts';
import { createRandom } from '../../src/random.ts';
import type { Strategy } from '../../supervisors/restart.ts';
import { child, type SupervisedChild, supervisor } from '../../supervisors/supervisor.ts';
import { createActorWorld } from '../support/actor-world.ts';

type Work =
  | { readonly type: 'work' }
  | { readonly type: 'tick' }
  | { readonly type: 'helper-ended' }
  | { readonly type: 'echo'; readonly reply: Reply<string> };

/** How often each kind of fault is drawn; all zero once the storm is over. */
type Storm = { raging: boolean; readonly random: () => number };

type Counts = { sent: number; handled: number; started: number; stopped: number };

function fault(storm: Storm, where: string): void {
  if (storm.raging && storm.random() < 0.08) throw new Error(`fault in ${where}`);
}

/** A worker with a timer and a helper of its own, all of whose parts may fail. */
function worker(storm: Storm, counts: Counts): Behaviour<number, Work> {
  const helper: Behaviour<null, Work> = {
    start: () => null,
    receive(state) {
      counts.handled += 1;
      fault(storm, 'helper');
      return state;
    },
  };
  const startHelper = (context: ActorContext<Work>): ActorRef<Work> =>
    context.spawn('helper', helper, () => ({ type: 'helper-ended' }));
  return {
    start(context) {
      const helperRef = startHelper(context);
      helperRef.tell({ type: 'work' });
      counts.sent += 1;
      context.after('tick', 50, { type: 'tick' });
      fault(storm, 'start');
      counts.started += 1;
      return 0;
    },
    receive(state, message, context) {
      // Ticks and ends of helpers are no messages of anybody: they are no dead letters either.
      if (message.type === 'work' || message.type === 'echo') counts.handled += 1;
      fault(storm, message.type);
      if (message.type === 'tick') context.after('tick', 50, { type: 'tick' });
      if (message.type === 'helper-ended') startHelper(context);
      if (message.type === 'echo') message.reply.ok(context.self.path);
      if (!storm.raging || storm.random() < 0.7) return state + 1;
      return Promise.resolve().then(() => {
        fault(storm, `${message.type}, later`);
        return state + 1;
      });
    },
    async stop() {
      counts.stopped += 1;
      fault(storm, 'stop');
      await null;
      fault(storm, 'stop, later');
    },
  };
}

const backoff = { initialMs: 10, maxMs: 100, factor: 2, jitter: 0.5, stableMs: 1_000 };
/** The leaves may use up their budget, so that supervisors fail too; the top never does. */
const tight = { maxRestarts: 3, windowMs: 500 };
const endless = { maxRestarts: 1_000_000, windowMs: 1 };

async function runStorm(seed: number, strategies: readonly [Strategy, Strategy]): Promise<void> {
  const world = createActorWorld(seed);
  const random = createRandom(seed);
  const storm: Storm = { raging: true, random };
  const counts: Counts = { sent: 0, handled: 0, started: 0, stopped: 0 };
  const references = new Map<string, ActorRef<Work>>();
  const leaf = (id: string): SupervisedChild =>
    child<number, Work>({
      id,
      create: () => worker(storm, counts),
      onReference(reference) {
        if (reference === undefined) references.delete(id);
        else references.set(id, reference);
      },
    });
  const branch = (id: string): SupervisedChild =>
    child({
      id,
      create: () =>
        supervisor({
          strategy: strategies[1],
          intensity: tight,
          backoff,
          children: [leaf(`${id}-1`), leaf(`${id}-2`), leaf(`${id}-3`)],
        }),
    });
  let topEnded = 0;
  const children = [branch('x'), branch('y')];
  world.system.spawn(
    'top',
    supervisor({ strategy: strategies[0], intensity: endless, backoff, children }),
    () => {
      topEnded += 1;
    },
  );
  const asked: Promise<unknown>[] = [];
  const stale = new Set<ActorRef<Work>>();
  for (let round = 0; round < 60; round += 1) {
    for (const reference of references.values()) stale.add(reference);
    for (const reference of stale) {
      reference.tell({ type: 'work' });
      const answer = ask<Work, string>(reference, (reply) => ({ type: 'echo', reply }), 25);
      counts.sent += 2;
      asked.push(answer.catch((error: unknown) => error));
    }
    if (stale.size > 12) stale.clear();
    await world.pass(Math.floor(random() * 40));
  }
  storm.raging = false;
  await world.pass(5_000);

  // Every question got one fate, and the tree is whole again: top, 2 branches, 6 workers, 6
  // helpers.
  await Promise.all(asked);
  expect(topEnded).toBe(0);
  expect(world.system.actors).toBe(15);
  expect([...references.keys()].sort()).toEqual(['x-1', 'x-2', 'x-3', 'y-1', 'y-2', 'y-3']);
  for (const [id, reference] of references) {
    const answer = ask<Work, string>(reference, (reply) => ({ type: 'echo', reply }), 1_000);
    expect(await answer).toBe(`top/${id[0]}/${id}`);
  }
  // Nothing leaks: the timers are the six workers' ticks, and every worker but six was cleaned up.
  expect(world.clock.pendingTimers).toBe(6);
  expect(counts.started - counts.stopped).toBe(6);
  expect(counts.started).toBeGreaterThan(6);
  // Each message was handled once, or is counted as a dead letter.
  counts.sent += references.size;
  expect(counts.handled + world.system.deadLetters).toBe(counts.sent);
  expect(world.system.deadLetters).toBeGreaterThan(0);

  await world.system.stop();
  expect(topEnded).toBe(1);
  expect(world.system.actors).toBe(0);
  expect(world.clock.pendingTimers).toBe(0);
  expect(counts.started).toBe(counts.stopped);
  await world.system.idle();
}

describe('a tree in which anything may throw', () => {
  const strategies = fc.constantFrom<Strategy>('one-for-one', 'rest-for-one', 'one-for-all');

  it('recovers, loses count of nothing, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), strategies, strategies, (seed, upper, lower) =>
        runStorm(seed, [upper, lower]),
      ),
      { numRuns: 40 },
    );
  });
});

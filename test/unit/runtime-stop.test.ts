/**
 * The stop of a tree of actors: in which order, who is told, and what becomes of what is queued.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ActorContext } from '../../actors/runtime.ts';
import type { Exit } from '../../protocols/actor.ts';
import { createActorWorld, createGate } from '../support/actor-world.ts';
import { type Script, scripted, unheeded } from '../support/scripted-actor.ts';

describe('stopping', () => {
  it('goes through the whole tree in reverse order, each cleanup awaited before the next begins', async () => {
    const { system, clock } = createActorWorld();
    const seen: string[] = [];
    const slow = (name: string) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await turn();
      seen.push(`${name} ends`);
    };
    system.spawn('one', scripted(slow('one')));
    system.spawn('two', scripted(slow('two'))).tell((context) => {
      context.spawn('a', scripted(slow('a')), unheeded).tell((inner) => {
        inner.spawn('a1', scripted(slow('a1')), unheeded);
      });
      context.spawn('b', scripted(slow('b')), unheeded);
    });
    await system.idle();
    expect(system.actors).toBe(5);
    await system.stop();
    const order = ['b', 'a1', 'a', 'two', 'one'];
    expect(seen).toEqual(order.flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(system.actors).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps to the places of the siblings, not to who was started last', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    system.spawn('parent', scripted()).tell((context) => {
      for (const [name, place] of [
        ['c', 2],
        ['a', 0],
        ['b1', 1],
        ['b2', 1],
      ] as const) {
        context.spawn(
          name,
          scripted(() => void seen.push(name)),
          unheeded,
          { place },
        );
      }
    });
    await system.idle();
    await system.stop();
    expect(seen).toEqual(['c', 'b2', 'b1', 'a']);
  });

  it('stops those that share a place together, and no other', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const gate = createGate();
    const slow = (name: string) => async () => {
      seen.push(`${name} begins`);
      await gate.opened;
      seen.push(`${name} ends`);
    };
    system.spawn('parent', scripted()).tell((context) => {
      for (const [name, place] of [
        ['first', 0],
        ['left', 1],
        ['right', 1],
      ] as const) {
        context.spawn(name, scripted(slow(name)), unheeded, { place });
      }
    });
    await system.idle();
    const stopped = system.stop();
    await system.idle();
    expect(seen).toEqual(['right begins', 'left begins']);
    gate.open();
    await stopped;
    expect(seen.slice(2)).toEqual(['right ends', 'left ends', 'first begins', 'first ends']);
  });

  it('tells the parent, and the listener of the system, after the cleanup', async () => {
    const { system } = createActorWorld();
    const seen: unknown[] = [];
    const parent = system.spawn('parent', scripted(), (exit) => seen.push(exit));
    parent.tell(async (context) => {
      const child = context.spawn(
        'child',
        scripted(() => void seen.push('cleaned')),
        (exit) => () => {
          seen.push(exit);
        },
      );
      await context.stop(child);
      seen.push('stop resolved');
      await context.stop(child);
    });
    await system.idle();
    expect(seen).toEqual(['cleaned', 'stop resolved', { kind: 'stopped' }]);
    await system.stop();
    expect(seen.at(-1)).toEqual({ kind: 'stopped' });
  });

  it('runs the cleanup once, however often and for whatever reasons the actor is ended', async () => {
    const { system } = createActorWorld();
    const exits: Exit[] = [];
    const gate = createGate();
    const contexts: ActorContext<Script>[] = [];
    const actor = system.spawn(
      'a',
      scripted((exit) => {
        exits.push(exit);
        return gate.opened;
      }),
    );
    actor.tell((context) => {
      contexts.push(context);
      context.finish('first');
    });
    await system.idle();
    contexts[0]?.finish('second');
    const stopped = [system.stop(), system.stop()];
    await turn();
    gate.open();
    await Promise.all(stopped);
    expect(exits).toEqual([{ kind: 'finished', reason: 'first' }]);
  });

  it('drops what is queued, as dead letters, and handles nothing more', async () => {
    const { system, log } = createActorWorld();
    const seen: string[] = [];
    const actor = system.spawn('a', scripted());
    actor.tell(() => void seen.push('handled'));
    actor.tell(() => void seen.push('handled'));
    await system.stop();
    actor.tell(() => void seen.push('handled'));
    await system.idle();
    expect(seen).toEqual([]);
    expect(system.deadLetters).toBe(3);
    expect(log.at('debug')).toMatchObject([
      { fields: { actor: 'a', messages: 2 } },
      { fields: { actor: 'a', type: 'function' } },
    ]);
  });

  it('handles nothing more from the moment of the stop, however long the cleanup takes', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const seen: string[] = [];
    const actor = system.spawn(
      'a',
      scripted(() => gate.opened),
    );
    for (let count = 0; count < 3; count += 1) actor.tell(() => void seen.push('handled'));
    const stopped = system.stop();
    for (let count = 0; count < 6; count += 1) await turn();
    expect(seen).toEqual([]);
    gate.open();
    await stopped;
    expect(system.deadLetters).toBe(3);
  });

  it('logs a cleanup that fails, and goes on', async () => {
    const { system, log } = createActorWorld();
    system.spawn(
      'sync',
      scripted(() => {
        throw new Error('one');
      }),
    );
    system.spawn(
      'async',
      scripted(() => Promise.reject(new Error('two'))),
    );
    await system.stop();
    expect(log.at('error')).toMatchObject([
      { fields: { actor: 'async', error: new Error('two') }, message: 'cleanup failed' },
      { fields: { actor: 'sync', error: new Error('one') }, message: 'cleanup failed' },
    ]);
    expect(system.actors).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import type { ActorContext } from '../../actors/runtime.ts';
import type { Exit } from '../../protocols/actor.ts';
import { ACTOR_TIMERS_MAX } from '../../protocols/limits.ts';
import { createActorWorld } from '../support/actor-world.ts';
import { type Script, scripted, unheeded } from '../support/scripted-actor.ts';

describe('the timers of an actor', () => {
  it('bring their message once, when due, under their own names', async () => {
    const { system, clock, pass } = createActorWorld();
    const seen: [string, number][] = [];
    const note =
      (what: string): Script =>
      () =>
        void seen.push([what, clock.nowMs()]);
    system.spawn('a', scripted()).tell((context) => {
      context.after('late', 20, note('late'));
      context.after('early', 10, note('early'));
    });
    await pass(100);
    expect(seen).toEqual([
      ['early', 10],
      ['late', 20],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are replaced when armed again, and silent when cancelled', async () => {
    const { system, clock, pass } = createActorWorld();
    const seen: [string, number][] = [];
    const note =
      (what: string): Script =>
      () =>
        void seen.push([what, clock.nowMs()]);
    system.spawn('a', scripted()).tell((context) => {
      context.after('x', 10, note('first'));
      context.after('x', 15, note('second'));
      context.after('y', 10, note('cancelled'));
      context.cancel('y');
      context.cancel('never armed');
    });
    await system.idle();
    expect(clock.pendingTimers).toBe(1);
    await pass(100);
    expect(seen).toEqual([['second', 15]]);
  });

  it('are silent after a cancel even if their message is queued already', async () => {
    const { system, clock } = createActorWorld();
    const seen: string[] = [];
    const contexts: ActorContext<Script>[] = [];
    const actor = system.spawn('a', scripted());
    actor.tell((context) => {
      contexts.push(context);
      context.after('cancelled', 10, () => void seen.push('cancelled'));
      context.after('armed again', 10, () => void seen.push('the old message'));
      context.after('kept', 10, () => void seen.push('kept'));
    });
    await system.idle();
    actor.tell((context) => {
      context.cancel('cancelled');
      context.after('armed again', 5, () => void seen.push('the new message'));
    });
    clock.advance(10);
    await system.idle();
    expect(seen).toEqual(['kept']);
    clock.advance(5);
    await system.idle();
    expect(seen).toEqual(['kept', 'the new message']);
    expect(system.deadLetters).toBe(0);
  });

  it('may be armed by their own message', async () => {
    const { system, clock, pass } = createActorWorld();
    const atMs: number[] = [];
    const tick: Script = (context) => {
      atMs.push(clock.nowMs());
      context.after('tick', 10, tick);
    };
    system.spawn('a', scripted()).tell(tick);
    await pass(35);
    expect(atMs).toEqual([0, 10, 20, 30]);
    await system.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('die with their incarnation and never reach the next one', async () => {
    const { system, clock, pass } = createActorWorld();
    const seen: string[] = [];
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      const start = (name: string): void => {
        const child = context.spawn('child', scripted(), () => () => start('second'));
        child.tell((context) => context.after('timer', 10, () => void seen.push(name)));
        if (name === 'first') child.tell((context) => context.finish('done'));
      };
      start('first');
    });
    await pass(50);
    expect(seen).toEqual(['second']);
    expect(system.deadLetters).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are dropped without a dead letter when they fired but the actor stopped before their turn', async () => {
    const { system, clock } = createActorWorld();
    const seen: string[] = [];
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      const child = context.spawn('child', scripted(), unheeded);
      child.tell((context) => context.after('timer', 10, () => void seen.push('fired')));
    });
    await system.idle();
    clock.advance(10);
    await system.stop();
    await system.idle();
    expect(seen).toEqual([]);
    expect(system.deadLetters).toBe(0);
  });

  it('cannot be armed after the end', async () => {
    const { system, clock } = createActorWorld();
    const contexts: ActorContext<Script>[] = [];
    system.spawn('a', scripted()).tell((context) => void contexts.push(context));
    await system.idle();
    await system.stop();
    contexts[0]?.after('late', 10, () => {});
    expect(clock.pendingTimers).toBe(0);
    contexts[0]?.cancel('late');
  });

  it('are bounded in number, and refuse a delay that is none', async () => {
    const { system, clock } = createActorWorld();
    const exits: Exit[] = [];
    system
      .spawn('many', scripted(), (exit) => exits.push(exit))
      .tell((context) => {
        for (let count = 0; count <= ACTOR_TIMERS_MAX; count += 1)
          context.after(`${count}`, 10, () => {});
      });
    system
      .spawn('odd', scripted(), (exit) => exits.push(exit))
      .tell((context) => {
        context.after('odd', Number.NaN, () => {});
      });
    await system.idle();
    expect(exits).toMatchObject([
      { kind: 'crashed', error: { name: 'RangeError' } },
      { kind: 'crashed', error: { name: 'RangeError' } },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });
});

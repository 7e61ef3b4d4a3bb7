/**
 * The stop of actors that take their time: a handler that waits, and a cleanup that does not end.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ActorContext, Behaviour } from '../../actors/runtime.ts';
import type { ActorRef, Exit } from '../../protocols/actor.ts';
import {
  ACTOR_HANDLER_DEADLINE_MS,
  ACTOR_STOP_HOOK_DEADLINE_MS,
  ACTOR_TREE_STOP_DEADLINE_MS,
} from '../../protocols/limits.ts';
import { createActorWorld, createGate } from '../support/actor-world.ts';
import { type Script, scripted, unheeded } from '../support/scripted-actor.ts';

/** A promise that nobody settles. */
const never = (): Promise<void> => new Promise(() => {});

describe('stopping an actor whose handler waits', () => {
  it('N7: waits for the handler, then cleans up once with the state it returned', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const seen: string[] = [];
    const actor = system.spawn<string, string>('a', {
      start: () => 'before',
      async receive() {
        await gate.opened;
        return 'after';
      },
      stop: (state) => void seen.push(state),
    });
    actor.tell('go');
    await turn();
    const stopped = system.stop();
    await turn();
    expect(seen).toEqual([]);
    gate.open();
    await stopped;
    expect(seen).toEqual(['after']);
  });

  it('N7: tells of a crash of that handler, and cleans up once', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const exits: Exit[] = [];
    const cleaned: Exit[] = [];
    const actor = system.spawn(
      'a',
      scripted((exit) => void cleaned.push(exit)),
      (exit) => exits.push(exit),
    );
    actor.tell(() => gate.opened);
    await turn();
    const stopped = system.stop();
    await turn();
    gate.fail(new Error('boom'));
    await stopped;
    await turn();
    expect(exits).toEqual([{ kind: 'crashed', error: new Error('boom') }]);
    expect(cleaned).toEqual(exits);
  });

  it('still lets that handler start children, and stops them next', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const seen: string[] = [];
    const actor = system.spawn(
      'a',
      scripted(() => void seen.push('parent cleaned')),
      (exit) => seen.push(exit.kind),
    );
    actor.tell(async (context) => {
      await gate.opened;
      context.spawn(
        'late',
        scripted(() => void seen.push('late cleaned')),
        unheeded,
      );
      context.after('timer', 1, () => {});
    });
    await turn();
    const stopped = system.stop();
    gate.open();
    await stopped;
    expect(seen).toEqual(['late cleaned', 'parent cleaned', 'stopped']);
  });

  it('abandons it after the deadline, says so, and whatever it does later changes nothing', async () => {
    const { system, clock, log } = createActorWorld();
    const gates = [createGate(), createGate()];
    const seen: string[] = [];
    const contexts: ActorContext<Script>[] = [];
    for (const [index, gate] of gates.entries()) {
      const name = `actor ${index}`;
      const actor = system.spawn(
        name,
        scripted(() => void seen.push(`${name} cleaned`)),
      );
      actor.tell((context) => {
        contexts.push(context);
        return gate.opened;
      });
    }
    await turn();
    const stopped = system.stop();
    clock.advance(ACTOR_HANDLER_DEADLINE_MS - 1);
    await turn();
    expect(seen).toEqual([]);
    clock.advance(1);
    await turn();
    expect(seen).toEqual(['actor 1 cleaned']);
    clock.advance(ACTOR_HANDLER_DEADLINE_MS);
    await stopped;
    expect(seen).toEqual(['actor 1 cleaned', 'actor 0 cleaned']);
    expect(log.at('warn').map((line) => line.fields.actor)).toEqual(['actor 1', 'actor 0']);
    await system.idle();
    gates[0]?.open();
    gates[1]?.fail(new Error('late'));
    await turn();
    expect(() => contexts[0]?.spawn('late', scripted(), unheeded)).toThrow('its parent has ended');
    await system.idle();
    expect(system.actors).toBe(0);
    expect(seen).toHaveLength(2);
    expect(log.at('error')).toMatchObject([{ fields: { actor: 'actor 1' } }]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('an abandoned handler', () => {
  for (const outcome of ['ends', 'fails'] as const) {
    it(`that ${outcome} during the cleanup changes neither the exit nor what counts as idle`, async () => {
      const { system, clock } = createActorWorld();
      const [handler, cleanup, other] = [createGate(), createGate(), createGate()];
      const seen: unknown[] = [];
      const hanging: Behaviour<string, string> = {
        start: () => 'kept',
        receive: () => handler.opened.then(() => 'too late'),
        stop: async (state, exit) => {
          await cleanup.opened;
          seen.push(state, exit);
        },
      };
      const parent = system.spawn('parent', scripted());
      parent.tell(async (context) => {
        const child = context.spawn('child', hanging, (exit) => () => void seen.push(exit));
        child.tell('go');
        await turn();
        void context.stop(child);
      });
      await turn();
      await turn();
      clock.advance(ACTOR_HANDLER_DEADLINE_MS);
      await turn();
      if (outcome === 'ends') handler.open();
      else handler.fail(new Error('too late'));
      await turn();

      let idle = false;
      parent.tell(() => other.opened);
      const settled = system.idle().then(() => {
        idle = true;
      });
      for (let count = 0; count < 4; count += 1) await turn();
      expect(idle).toBe(false);
      other.open();
      await settled;

      cleanup.open();
      await system.idle();
      expect(seen).toEqual(['kept', { kind: 'stopped' }, { kind: 'stopped' }]);
    });
  }
});

describe('deadlines', () => {
  it('bound a cleanup that does not end', async () => {
    const { system, clock, log } = createActorWorld();
    system.spawn('a', scripted(never));
    const stopped = system.stop();
    await turn();
    clock.advance(ACTOR_STOP_HOOK_DEADLINE_MS - 1);
    await turn();
    expect(system.actors).toBe(1);
    clock.advance(1);
    await stopped;
    expect(system.actors).toBe(0);
    expect(log.at('warn')).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('bound the stop of a whole tree, however deep and wide, and every cleanup is still begun', async () => {
    const { system, clock, log } = createActorWorld();
    const begun: string[] = [];
    const hang = (name: string) => (): Promise<void> => {
      begun.push(name);
      return never();
    };
    const deepen =
      (name: string, depth: number): Script =>
      (context) => {
        if (depth === 0) return;
        const inner = `${name}.${depth}`;
        context.spawn(inner, scripted(hang(inner)), unheeded).tell(deepen(inner, depth - 1));
      };
    for (const name of ['x', 'y', 'z'])
      system.spawn(name, scripted(hang(name))).tell(deepen(name, 4));
    await system.idle();
    expect(system.actors).toBe(15);
    let resolved = false;
    const stopped = system.stop().then(() => {
      resolved = true;
    });
    await turn();
    for (let passedMs = 0; passedMs < ACTOR_TREE_STOP_DEADLINE_MS; passedMs += 1_000) {
      expect(resolved).toBe(false);
      clock.advance(1_000);
      await turn();
    }
    await stopped;
    expect(system.actors).toBe(0);
    expect(begun).toHaveLength(15);
    expect(begun.at(0)).toBe('z.4.3.2.1');
    expect(begun.at(-1)).toBe('x');
    expect(clock.pendingTimers).toBe(0);
    expect(log.at('warn').some((line) => line.message.includes('took too long'))).toBe(true);
  });

  it('of one child may be tighter than the general ones, and bound its descendants too', async () => {
    const { system, clock, log } = createActorWorld();
    const seen: string[] = [];
    const children: ActorRef<Script>[] = [];
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      const child = context.spawn('child', scripted(never), unheeded, { shutdownMs: 100 });
      children.push(child);
      child.tell((inner) => {
        inner.spawn('grandchild', scripted(never), unheeded);
      });
    });
    await system.idle();
    parent.tell(async (context) => {
      for (const child of children) await context.stop(child);
      seen.push('stopped');
    });
    await turn();
    clock.advance(99);
    await turn();
    expect(seen).toEqual([]);
    clock.advance(1);
    await system.idle();
    expect(seen).toEqual(['stopped']);
    expect(system.actors).toBe(1);
    expect(log.at('warn')).toMatchObject([
      { fields: { actor: 'parent/child', withinMs: 100 } },
      { fields: { actor: 'parent/child/grandchild' } },
      { fields: { actor: 'parent/child' } },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('of one child may be longer, and then its cleanup may take that long', async () => {
    const { system, clock } = createActorWorld();
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      const shutdownMs = ACTOR_STOP_HOOK_DEADLINE_MS + 1_000;
      context.spawn('child', scripted(never), unheeded, { shutdownMs });
    });
    await system.idle();
    void system.stop();
    await turn();
    clock.advance(ACTOR_STOP_HOOK_DEADLINE_MS + 999);
    await turn();
    expect(system.actors).toBe(2);
    clock.advance(1);
    await turn();
    expect(system.actors).toBe(0);
  });

  it('also bound what a crash or a finish sets off', async () => {
    const { system, clock } = createActorWorld();
    const exits: Exit[] = [];
    const actor = system.spawn('a', scripted(never), (exit) => exits.push(exit));
    actor.tell((context) => {
      for (const name of ['b', 'c', 'd']) context.spawn(name, scripted(never), unheeded);
      throw new Error('boom');
    });
    await system.idle();
    await clock.advanceSettled(ACTOR_TREE_STOP_DEADLINE_MS, () => system.idle());
    expect(exits).toMatchObject([{ kind: 'crashed' }]);
    expect(system.actors).toBe(0);
  });

  it('fit into each other, and into the 10 s in which a process ends', () => {
    const oneActorMs = ACTOR_HANDLER_DEADLINE_MS + ACTOR_STOP_HOOK_DEADLINE_MS;
    expect(oneActorMs).toBeLessThan(ACTOR_TREE_STOP_DEADLINE_MS);
    expect(ACTOR_TREE_STOP_DEADLINE_MS).toBeLessThan(10_000);
  });
});

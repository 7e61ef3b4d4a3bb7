import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { ActorContext, Behaviour } from '../../actors/runtime.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Exit } from '../../protocols/actor.ts';
import { SpawnRefusedError } from '../../protocols/errors.ts';
import { ACTOR_NAME_MAX_LENGTH } from '../../protocols/limits.ts';
import { createActorWorld, createGate } from '../support/actor-world.ts';
import { type Script, scripted, unheeded } from '../support/scripted-actor.ts';

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

describe('messages', () => {
  it('are handled in the order of sending, one at a time, also while a handler waits', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const gate = createGate();
    const actor = system.spawn('a', scripted());
    actor.tell(async () => {
      seen.push('first begins');
      await gate.opened;
      seen.push('first ends');
    });
    actor.tell(() => {
      seen.push('second');
    });
    const other = system.spawn('b', scripted());
    other.tell(() => {
      seen.push('other');
      gate.open();
    });
    await system.idle();
    expect(seen).toEqual(['first begins', 'other', 'first ends', 'second']);
  });

  it('carry the state from one handler to the next, from whatever start made', async () => {
    const { system } = createActorWorld();
    const states: string[] = [];
    const actor = system.spawn<string, string>('a', {
      start: ({ self }) => self.path,
      receive: (state, message) => {
        states.push(state);
        return message === 'late' ? Promise.resolve(`${state}+late`) : `${state}+${message}`;
      },
    });
    for (const message of ['x', 'late', 'y']) actor.tell(message);
    await system.idle();
    expect(states).toEqual(['a', 'a+x', 'a+x+late']);
  });

  it('may be anything, nothing included', async () => {
    const { system } = createActorWorld();
    const seen: unknown[] = [];
    const actor = system.spawn<null, unknown>('a', {
      start: () => null,
      receive(state, message) {
        seen.push(message);
        return state;
      },
    });
    for (const message of [undefined, null, 0, '', false]) actor.tell(message);
    await system.idle();
    expect(seen).toEqual([undefined, null, 0, '', false]);
  });

  it('that an actor sends itself while it starts are handled after its start', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    system.spawn<string, string>('a', {
      start({ self }) {
        self.tell('hello');
        seen.push('start');
        return '';
      },
      receive(state, message) {
        seen.push(message);
        return state;
      },
    });
    await system.idle();
    expect(seen).toEqual(['start', 'hello']);
  });
});

describe('a crash', () => {
  for (const [title, fault] of [
    [
      'a throw',
      (): void => {
        throw new Error('boom');
      },
    ],
    ['a rejection', (): Promise<void> => Promise.reject(new Error('boom'))],
  ] as const) {
    it(`by ${title} in receive stops the actor and is told to whoever started it`, async () => {
      const { system, log } = createActorWorld();
      const exits: Exit[] = [];
      const actor = system.spawn('a', scripted(), (exit) => exits.push(exit));
      let handledAfter = false;
      actor.tell(fault);
      actor.tell(() => {
        handledAfter = true;
      });
      await system.idle();
      expect(exits).toEqual([{ kind: 'crashed', error: new Error('boom') }]);
      expect(handledAfter).toBe(false);
      expect(system.actors).toBe(0);
      expect(system.deadLetters).toBe(1);
      expect(log.at('error')).toMatchObject([{ fields: { actor: 'a', error: new Error('boom') } }]);
    });
  }

  it('is told to the parent as a message, after the children have stopped and the cleanup is done', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const parent = system.spawn('parent', scripted());
    const note = (what: string) => () => {
      seen.push(what);
    };
    parent.tell((context) => {
      const child = context.spawn('child', scripted(note('child cleaned')), (exit) =>
        note(`parent told: ${exit.kind}`),
      );
      child.tell((childContext) => {
        childContext.spawn('first', scripted(note('first cleaned')), unheeded);
        childContext.spawn('second', scripted(note('second cleaned')), unheeded);
        throw new Error('boom');
      });
    });
    await system.idle();
    expect(seen).toEqual([
      'second cleaned',
      'first cleaned',
      'child cleaned',
      'parent told: crashed',
    ]);
    expect(system.actors).toBe(1);
  });

  it('in start leaves no zombie: children and timers go, no state is cleaned up, the parent is told', async () => {
    const { system, clock } = createActorWorld();
    const seen: string[] = [];
    const parent = system.spawn('parent', scripted());
    const faulty: Behaviour<null, Script> = {
      start(context) {
        context.spawn(
          'inner',
          scripted(() => void seen.push('inner cleaned')),
          unheeded,
        );
        context.after('timer', 1_000, () => {});
        context.self.tell(() => void seen.push('handled'));
        throw new Error('no start');
      },
      receive: (state) => state,
      stop: () => void seen.push('cleaned without a state'),
    };
    parent.tell((context) => {
      const child = context.spawn('child', faulty, (exit) => () => {
        seen.push(exit.kind);
        // The name is free again, so that it can be started anew.
        context.spawn('child', scripted(), unheeded);
      });
      child.tell(() => void seen.push('handled'));
    });
    await system.idle();
    expect(seen).toEqual(['inner cleaned', 'crashed']);
    expect(system.actors).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('of the message about a child is a crash of the parent', async () => {
    const { system } = createActorWorld();
    const exits: Exit[] = [];
    const parent = system.spawn('parent', scripted(), (exit) => exits.push(exit));
    parent.tell((context) => {
      const child = context.spawn('child', scripted(), () => {
        throw new Error('onExit');
      });
      child.tell((context) => context.finish('done'));
    });
    await system.idle();
    expect(exits).toEqual([{ kind: 'crashed', error: new Error('onExit') }]);
    expect(system.actors).toBe(0);
  });

  it('changes nothing for siblings and their mailboxes', async () => {
    const { system } = createActorWorld();
    const seen: number[] = [];
    const steady = system.spawn('steady', scripted());
    const faulty = system.spawn('faulty', scripted());
    for (let index = 0; index < 4; index += 1) {
      steady.tell(() => void seen.push(index));
      faulty.tell(() => {
        throw new Error('boom');
      });
    }
    await system.idle();
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  it('is survived by the system even if the listener for the end or the log fails', async () => {
    const { clock } = createActorWorld();
    const fail = (): never => {
      throw new Error('log is broken');
    };
    const system = createActorSystem({
      name: 'test',
      clock,
      random: () => 0,
      log: { error: fail, warn: fail, info: fail, debug: fail },
    });
    const actor = system.spawn('a', scripted(), fail);
    actor.tell(fail);
    actor.tell(() => {});
    await system.idle();
    expect(system.actors).toBe(0);
    expect(() => actor.tell(() => {})).not.toThrow();
    await system.stop();
  });
});

describe('finish', () => {
  it('ends the actor after the current message, with the reason', async () => {
    const { system } = createActorWorld();
    const seen: unknown[] = [];
    const actor = system.spawn('a', scripted(), (exit) => seen.push(exit));
    actor.tell(async (context) => {
      context.finish({ why: 'closed' });
      context.finish({ why: 'the second word does not count' });
      await null;
      seen.push('end of message');
    });
    actor.tell(() => void seen.push('next message'));
    await system.idle();
    expect(seen).toEqual(['end of message', { kind: 'finished', reason: { why: 'closed' } }]);
  });

  it('works from start, and outside a handler', async () => {
    const { system } = createActorWorld();
    const reasons: unknown[] = [];
    const note = (exit: Exit): void => {
      reasons.push(exit.kind === 'finished' ? exit.reason : exit);
    };
    const starting: Behaviour<null, string> = {
      start(context) {
        context.finish('in start');
        return null;
      },
      receive: (state) => state,
    };
    system.spawn('a', starting, note);
    const contexts: ActorContext<Script>[] = [];
    system.spawn('b', scripted(), note).tell((context) => void contexts.push(context));
    await system.idle();
    expect(reasons).toEqual(['in start']);
    contexts[0]?.finish('later');
    await system.idle();
    expect(reasons).toEqual(['in start', 'later']);
  });

  it('is overruled by a crash of the same message', async () => {
    const { system } = createActorWorld();
    const exits: Exit[] = [];
    system
      .spawn('a', scripted(), (exit) => exits.push(exit))
      .tell((context) => {
        context.finish('fine');
        throw new Error('not fine');
      });
    await system.idle();
    expect(exits).toEqual([{ kind: 'crashed', error: new Error('not fine') }]);
  });
});

describe('names', () => {
  it('may hold anything a bucket key holds, and stay readable in the path', async () => {
    const { system } = createActorWorld();
    const paths: string[] = [];
    const parent = system.spawn('proxy', scripted());
    const names = ['GET /channels/:id~1', 'größe 100%', 'a.1', 'a', 'A', 'line\nbreak', '\ud800'];
    parent.tell((context) => {
      for (const name of names) {
        const child = context.spawn(name, scripted(), unheeded);
        child.tell(() => void paths.push(child.path));
      }
    });
    await system.idle();
    expect(paths).toEqual([
      'proxy/GET %2Fchannels%2F:id~1',
      'proxy/größe 100%25',
      'proxy/a.1',
      'proxy/a',
      'proxy/A',
      'proxy/line%0Abreak',
      'proxy/\ud800',
    ]);
  });

  it('are refused when empty or too long', () => {
    const { system } = createActorWorld();
    expect(() => system.spawn('', scripted())).toThrow(SpawnRefusedError);
    expect(() => system.spawn('x'.repeat(ACTOR_NAME_MAX_LENGTH + 1), scripted())).toThrow(
      `1 to ${ACTOR_NAME_MAX_LENGTH}`,
    );
    system.spawn('x'.repeat(ACTOR_NAME_MAX_LENGTH), scripted());
    expect(system.actors).toBe(1);
  });

  it('are taken until the cleanup is done, and a reference never reaches the successor', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const seen: string[] = [];
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      const old = context.spawn(
        'child',
        scripted(() => gate.opened),
        () => () => {
          const successor = context.spawn('child', scripted(), unheeded);
          old.tell(() => void seen.push('reached by the old reference'));
          successor.tell(() => void seen.push('reached by the new one'));
        },
      );
      void context.stop(old);
      expect(() => context.spawn('child', scripted(), unheeded)).toThrow('is not done yet');
    });
    await system.idle();
    expect(seen).toEqual([]);
    gate.open();
    await system.idle();
    expect(seen).toEqual(['reached by the new one']);
    expect(system.deadLetters).toBe(1);
  });

  it('may be the same in two systems', async () => {
    const worlds = [createActorWorld(), createActorWorld()];
    const seen: number[] = [];
    worlds.forEach(({ system }, index) => {
      system.spawn('a', scripted()).tell(() => void seen.push(index));
    });
    for (const { system } of worlds) await system.idle();
    await worlds[0]?.system.stop();
    expect(worlds[1]?.system.actors).toBe(1);
    expect(seen).toEqual([0, 1]);
  });
});

describe('a tree', () => {
  it('refuses children of an actor that has ended, and of a stopped system', async () => {
    const { system } = createActorWorld();
    const contexts: ActorContext<Script>[] = [];
    const actor = system.spawn('a', scripted());
    actor.tell((context) => {
      contexts.push(context);
      context.finish('done');
    });
    await system.idle();
    expect(() => contexts[0]?.spawn('late', scripted(), unheeded)).toThrow(SpawnRefusedError);
    contexts[0]?.after('late', 1, () => {});
    await system.stop();
    expect(() => system.spawn('b', scripted())).toThrow('the system has stopped');
    expect(system.actors).toBe(0);
  });

  it('lets nobody stop what is not its child', async () => {
    const { system } = createActorWorld();
    const exits: Exit[] = [];
    const stranger = system.spawn('stranger', scripted());
    system
      .spawn('a', scripted(), (exit) => exits.push(exit))
      .tell(async (context) => {
        await context.stop(stranger);
      });
    await system.idle();
    expect(exits).toMatchObject([
      { kind: 'crashed', error: { message: 'stranger is no child of a' } },
    ]);
    expect(system.actors).toBe(1);
  });

  it('keeps no state alive through a reference to an actor that has ended', async () => {
    const { system } = createActorWorld();
    let released: WeakRef<object> | undefined;
    const actor = system.spawn<object, null>('a', {
      start() {
        const state = { large: true };
        released = new WeakRef(state);
        return state;
      },
      receive: (state) => state,
    });
    await system.stop();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(released?.deref()).toBeUndefined();
    expect(actor.path).toBe('a');
  });
});

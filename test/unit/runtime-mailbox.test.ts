import { describe, expect, it } from 'vitest';
import type { ActorRef } from '../../protocols/actor.ts';
import { ACTOR_MAILBOX_MAX_MESSAGES, ACTOR_TURN_MAX_MESSAGES } from '../../protocols/limits.ts';
import { createActorWorld, createGate } from '../support/actor-world.ts';
import { type Script, scripted, unheeded } from '../support/scripted-actor.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a full mailbox', () => {
  it('drops what comes, never throws into the sender, and keeps what it had', async () => {
    const { system, log } = createActorWorld();
    let handled = 0;
    const count: Script = () => {
      handled += 1;
    };
    const actor = system.spawn('a', scripted());
    for (let sent = 0; sent < ACTOR_MAILBOX_MAX_MESSAGES + 3; sent += 1) actor.tell(count);
    expect(system.deadLetters).toBe(3);
    await system.idle();
    expect(handled).toBe(ACTOR_MAILBOX_MAX_MESSAGES);
    expect(log.at('warn')).toMatchObject([
      { fields: { actor: 'a', type: 'function', maxMessages: ACTOR_MAILBOX_MAX_MESSAGES } },
    ]);
    actor.tell(count);
    await system.idle();
    expect(handled).toBe(ACTOR_MAILBOX_MAX_MESSAGES + 1);
  });

  it('warns once a burst: again only when it has been half empty in between', async () => {
    const { system, log } = createActorWorld();
    const actor = system.spawn('a', scripted());
    let waiting = 0;
    let held = { at: 0, gate: createGate() };
    const count: Script = () => {
      waiting -= 1;
      return waiting === held.at ? held.gate.opened : undefined;
    };
    const fill = (): void => {
      for (; waiting < ACTOR_MAILBOX_MAX_MESSAGES; waiting += 1) actor.tell(count);
      actor.tell(count);
    };
    /** Lets the actor handle messages until so many are left, and holds it there. */
    const drainTo = async (left: number): Promise<void> => {
      held.gate.open();
      held = { at: left, gate: createGate() };
      while (waiting > left) await turn();
    };
    fill();
    await drainTo(ACTOR_MAILBOX_MAX_MESSAGES / 2 + 1);
    fill();
    expect(log.at('warn')).toHaveLength(1);
    await drainTo(ACTOR_MAILBOX_MAX_MESSAGES / 2);
    fill();
    expect(log.at('warn')).toHaveLength(2);
    expect(system.deadLetters).toBe(3);
  });

  it('still takes the end of a child and the firing of a timer', async () => {
    const { system, clock } = createActorWorld();
    const seen: string[] = [];
    const children: ActorRef<Script>[] = [];
    const gate = createGate();
    const actor = system.spawn('a', scripted());
    actor.tell((context) => {
      children.push(context.spawn('child', scripted(), () => () => void seen.push('child ended')));
      context.after('timer', 10, () => void seen.push('timer'));
      return gate.opened;
    });
    await turn();
    for (let sent = 0; sent <= ACTOR_MAILBOX_MAX_MESSAGES; sent += 1) actor.tell(() => {});
    expect(system.deadLetters).toBe(1);
    children[0]?.tell((context) => context.finish('done'));
    await turn();
    clock.advance(10);
    gate.open();
    await system.idle();
    expect(seen.sort()).toEqual(['child ended', 'timer']);
  });
});

describe('a turn', () => {
  it('ends after so many messages, and others have theirs', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const [busy, other] = [system.spawn('busy', scripted()), system.spawn('other', scripted())];
    for (let sent = 0; sent <= ACTOR_TURN_MAX_MESSAGES; sent += 1) {
      busy.tell(() => void seen.push('busy'));
    }
    other.tell(() => void seen.push('other'));
    await system.idle();
    expect(seen.indexOf('other')).toBe(ACTOR_TURN_MAX_MESSAGES);
    expect(seen).toHaveLength(ACTOR_TURN_MAX_MESSAGES + 2);
  });

  it('has no room for what its actor tells itself in it, nor for what waits for a handler', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const [busy, other] = [system.spawn('busy', scripted()), system.spawn('other', scripted())];
    busy.tell(({ self }) => self.tell(() => void seen.push('told itself')));
    busy.tell(async () => {
      await turn();
      seen.push('awaited');
    });
    busy.tell(() => void seen.push('behind'));
    other.tell(() => void seen.push('other'));
    await system.idle();
    expect(seen).toEqual(['other', 'awaited', 'behind', 'told itself']);
  });
});

describe('dead letters', () => {
  it('are logged by their type alone, never by what they carry', async () => {
    const { system, log } = createActorWorld();
    const actor = system.spawn<null, unknown>('a', { start: () => null, receive: () => null });
    await system.stop();
    class Command {
      token = 'secret';
    }
    const bare: object = Object.create(null);
    const letters = [
      { type: 'identify', token: 'secret' },
      { kind: 'request', body: 'secret' },
      { type: 7, token: 'secret' },
      new Command(),
      bare,
      'secret',
      undefined,
      null,
      { type: 'x'.repeat(1_000) },
    ];
    for (const letter of letters) actor.tell(letter);
    expect(system.deadLetters).toBe(letters.length);
    expect(log.lines.map((line) => line.fields.type)).toEqual([
      'identify',
      'request',
      'Object',
      'Command',
      'object',
      'string',
      'undefined',
      'object',
      'x'.repeat(64),
    ]);
    expect(JSON.stringify(log.lines)).not.toContain('secret');
  });

  it('do not include the ends of children that a stopping parent no longer needs to know', async () => {
    const { system } = createActorWorld();
    const parent = system.spawn('parent', scripted());
    parent.tell((context) => {
      for (const name of ['a', 'b', 'c']) context.spawn(name, scripted(), unheeded);
    });
    await system.idle();
    await system.stop();
    expect(system.deadLetters).toBe(0);
  });
});

describe('idle', () => {
  it('comes after the last message of a chain through many actors', async () => {
    const { system } = createActorWorld();
    let hops = 0;
    const actors: ActorRef<Script>[] = [];
    const hop: Script = async () => {
      await null;
      hops += 1;
      if (hops < 500) actors[hops % actors.length]?.tell(hop);
    };
    for (const name of ['a', 'b', 'c']) actors.push(system.spawn(name, scripted()));
    actors[0]?.tell(hop);
    await system.idle();
    expect(hops).toBe(500);
  });

  it('waits for a handler that waits for input, and for all who ask', async () => {
    const { system } = createActorWorld();
    const gate = createGate();
    const seen: string[] = [];
    system.spawn('a', scripted()).tell(async () => {
      await gate.opened;
      seen.push('handled');
    });
    const idle = [system.idle(), system.idle()].map(async (settled) => {
      await settled;
      seen.push('idle');
    });
    await turn();
    await turn();
    expect(seen).toEqual([]);
    gate.open();
    await Promise.all(idle);
    expect(seen).toEqual(['handled', 'idle', 'idle']);
  });

  it('comes after what a message sets off outside its handler, as far as that goes without input', async () => {
    const { system } = createActorWorld();
    const seen: string[] = [];
    const actor = system.spawn('a', scripted());
    actor.tell(({ self }) => {
      void (async () => {
        for (let step = 0; step < 50; step += 1) await null;
        self.tell(() => void seen.push('result'));
      })();
    });
    await system.idle();
    expect(seen).toEqual(['result']);
  });

  it('holds when nothing was ever sent, after crashes, and after the stop', async () => {
    const { system } = createActorWorld();
    await system.idle();
    const actor = system.spawn('a', scripted());
    for (let count = 0; count < 5; count += 1) {
      actor.tell(() => {
        throw new Error('boom');
      });
    }
    await system.idle();
    await system.stop();
    await system.idle();
    expect(system.deadLetters).toBe(4);
  });
});

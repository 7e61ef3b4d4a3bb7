/**
 * What nact 7.6.2 itself does where it bites. Each of these is the reason for a piece of the
 * runtime: when one fails after an upgrade, that piece may go.
 */

import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { dispatch, query, type Ref, spawn, start, stop } from 'nact';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGate } from '../support/actor-world.ts';

type Order = () => void | Promise<void>;

/**
 * How long after its start the process of N5 is watched; alive, it would end after a twentieth of
 * it.
 */
const FROZEN_MS = 2_000;

let system: Ref<never>;
beforeEach(() => {
  system = start();
});
afterEach(() => {
  stop(system);
});

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await turn();
}

describe('nact', () => {
  it('N1: a stopped parent leaves its children unstopped: their queue is handled, afterStop never runs', async () => {
    let handled = 0;
    let parentCleaned = 0;
    let childCleaned = 0;
    const parent = spawn(system, () => null, 'parent', {
      afterStop: () => {
        parentCleaned += 1;
      },
    });
    const count = (): void => {
      handled += 1;
    };
    const child = spawn(parent, count, 'child', {
      afterStop: () => {
        childCleaned += 1;
      },
    });
    dispatch(child, 'queued');
    stop(parent);
    await turns(4);
    expect(parentCleaned).toBe(1);
    expect(childCleaned).toBe(0);
    expect(handled).toBe(1);
  });

  it('N2: resetAll lets two handlers of one busy actor run at once', async () => {
    const gate = createGate();
    let running = 0;
    let atOnce = 0;
    const parent = spawn(system, () => null, 'parent');
    const busy = spawn(
      parent,
      async () => {
        running += 1;
        atOnce = Math.max(atOnce, running);
        await gate.opened;
        running -= 1;
      },
      'busy',
    );
    const faulty = spawn(
      parent,
      () => {
        throw new Error('boom');
      },
      'faulty',
      { onCrash: (_message, _error, context) => context.resetAll },
    );
    for (const message of [1, 2, 3]) dispatch(busy, message);
    await turns(2);
    expect(atOnce).toBe(1);
    dispatch(faulty, 'go');
    await turns(4);
    expect(atOnce).toBe(2);
    gate.open();
    await turns(4);
  });

  it('N3: an escalation answered with resume leaves the child deaf', async () => {
    const seen: string[] = [];
    const parent = spawn(system, () => null, 'parent', {
      onCrash: (_message, _error, context) => context.resume,
    });
    const child = spawn(
      parent,
      (_state: undefined, message: string) => {
        seen.push(message);
        if (message === 'bad') throw new Error('boom');
        return undefined;
      },
      'child',
      { onCrash: (_message, _error, context) => context.escalate },
    );
    dispatch(child, 'good');
    dispatch(child, 'bad');
    dispatch(child, 'good');
    await turns(8);
    dispatch(child, 'good');
    await turns(8);
    expect(seen).toEqual(['good', 'bad']);
  });

  it('N5: a reset after a start that throws freezes the process', async () => {
    const fixture = fileURLToPath(new URL('./fixtures/nact-frozen-start.mjs', import.meta.url));
    const child = spawnProcess(process.execPath, [fixture], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') setTimeout(() => child.kill('SIGKILL'), FROZEN_MS);
      said += text;
    });
    // One that is alive says so and ends by itself with status 0 long before it is killed.
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(said).toBe('starting\n');
  });

  it('N7: a stop during a handler runs afterStop before the handler ends, and again if it then throws', async () => {
    const gate = createGate();
    const seen: string[] = [];
    const actor = spawn(
      system,
      async () => {
        await gate.opened;
        seen.push('handler ends');
        throw new Error('boom');
      },
      'actor',
      {
        onCrash: (_message, _error, context) => context.stop,
        afterStop: () => void seen.push('afterStop'),
      },
    );
    dispatch(actor, 'go');
    await turns(2);
    stop(actor);
    await turns(2);
    expect(seen).toEqual(['afterStop']);
    gate.open();
    await turns(4);
    expect(seen).toEqual(['afterStop', 'handler ends', 'afterStop']);
  });

  it('N9: a query with a timeout of 2^31 ms gives up at once', async () => {
    const gate = createGate();
    const actor = spawn(system, (_state: undefined, order: Order) => order(), 'actor');
    const answer = query(actor, () => () => gate.opened, 2 ** 31);
    await expect(answer).rejects.toThrow('Query Timeout');
    gate.open();
    await turn();
  });
});

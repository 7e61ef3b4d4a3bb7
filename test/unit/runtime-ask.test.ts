import { describe, expect, it } from 'vitest';
import { ask, type Behaviour } from '../../actors/runtime.ts';
import type { ActorRef, Reply } from '../../protocols/actor.ts';
import {
  ActorStoppedError,
  AskTimeoutError,
  BrokerUnavailableError,
  MailboxFullError,
} from '../../protocols/errors.ts';
import { ACTOR_ASKS_MAX, ACTOR_MAILBOX_MAX_MESSAGES } from '../../protocols/limits.ts';
import { createActorWorld, createGate } from '../support/actor-world.ts';

type Question = { readonly what: string; readonly reply: Reply<string> };

/** Answers by what it is asked; keeps what is `kept` until it stops. */
function oracle(gate: Promise<void> = Promise.resolve()): Behaviour<Reply<string>[], Question> {
  return {
    start: () => [],
    receive(kept, { what, reply }) {
      if (what === 'keep') return [...kept, reply];
      if (what === 'wait') {
        return gate.then(() => {
          reply.ok('waited');
          return kept;
        });
      }
      if (what === 'fail') reply.fail(new BrokerUnavailableError('away'));
      if (what === 'crash') throw new Error('boom');
      reply.ok(`answer to ${what}`);
      reply.ok('a second answer');
      reply.fail(new BrokerUnavailableError('too late'));
      return kept;
    },
    stop(kept, exit) {
      for (const reply of kept) reply.ok(`answered at the end: ${exit.kind}`);
    },
  };
}

function asking(actor: ActorRef<Question>, what: string, timeoutMs = 1_000): Promise<string> {
  const answer = ask<Question, string>(actor, (reply) => ({ what, reply }), timeoutMs);
  // A test may look at the answer later than it comes.
  answer.catch(() => {});
  return answer;
}

describe('ask', () => {
  it('resolves with the first answer, and leaves no timer', async () => {
    const { system, clock } = createActorWorld();
    const actor = system.spawn('a', oracle());
    expect(await asking(actor, 'this')).toBe('answer to this');
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects with what the target failed it with', async () => {
    const { system, clock } = createActorWorld();
    const actor = system.spawn('a', oracle());
    await expect(asking(actor, 'fail')).rejects.toThrow(new BrokerUnavailableError('away'));
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects when the time is up, and the late answer is ignored', async () => {
    const { system, clock } = createActorWorld();
    const gate = createGate();
    const actor = system.spawn('oracle', oracle(gate.opened));
    const answer = asking(actor, 'wait', 250);
    clock.advance(250);
    await expect(answer).rejects.toThrow(new AskTimeoutError('oracle', 250));
    gate.open();
    await system.idle();
    expect(await asking(actor, 'more')).toBe('answer to more');
  });

  it('rejects at once when the target is gone already', async () => {
    const { system } = createActorWorld();
    const actor = system.spawn('a', oracle());
    await system.stop();
    const answer = asking(actor, 'this');
    await expect(answer).rejects.toThrow(ActorStoppedError);
    await expect(answer).rejects.toMatchObject({ code: 'ACTOR_STOPPED', retryable: true });
    expect(system.deadLetters).toBe(1);
  });

  it('rejects at once when the target crashes, asked before, queued and kept questions alike', async () => {
    const { system, clock } = createActorWorld();
    const actor = system.spawn('a', oracle());
    const answers = ['keep', 'crash', 'queued'].map((what) => asking(actor, what));
    for (const answer of answers) await expect(answer).rejects.toThrow(ActorStoppedError);
    expect(clock.nowMs()).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets an actor answer in its cleanup what it kept, and gives up at once what it never saw', async () => {
    const { system, clock } = createActorWorld();
    const gate = createGate();
    const actor = system.spawn('a', oracle(gate.opened));
    const kept = asking(actor, 'keep');
    const waiting = asking(actor, 'wait');
    const unseen = asking(actor, 'unseen');
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const stopped = system.stop();
    await expect(unseen).rejects.toThrow(ActorStoppedError);
    gate.open();
    await stopped;
    expect(await waiting).toBe('waited');
    expect(await kept).toBe('answered at the end: stopped');
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up what the cleanup left open', async () => {
    const { system } = createActorWorld();
    const actor = system.spawn<null, Question>('a', { start: () => null, receive: () => null });
    const answer = asking(actor, 'this');
    await system.idle();
    await system.stop();
    await expect(answer).rejects.toThrow(ActorStoppedError);
  });

  it('rejects when the mailbox is full, or too many questions are open', async () => {
    const { system, clock } = createActorWorld();
    const full = system.spawn('full', oracle());
    for (let count = 0; count < ACTOR_MAILBOX_MAX_MESSAGES; count += 1) {
      full.tell({ what: '', reply: { ok() {}, fail() {} } });
    }
    await expect(asking(full, 'this')).rejects.toThrow(MailboxFullError);
    await system.idle();
    const keeping = system.spawn('keeping', oracle());
    for (let count = 0; count < ACTOR_ASKS_MAX; count += 1) void asking(keeping, 'keep');
    // The mailbox is empty again, but the questions are still open.
    await system.idle();
    await expect(asking(keeping, 'this')).rejects.toThrow(MailboxFullError);
    await system.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects when the question cannot be put, and leaves nothing behind', async () => {
    const { system, clock } = createActorWorld();
    const actor = system.spawn('a', oracle());
    const failing = ask<Question, string>(
      actor,
      () => {
        throw new Error('no question');
      },
      1_000,
    );
    await expect(failing).rejects.toThrow('no question');
    expect(clock.pendingTimers).toBe(0);
    await expect(asking(actor, 'this', Number.NaN)).rejects.toThrow(RangeError);
    await expect(asking({ path: 'x', tell() {} }, 'this')).rejects.toThrow('not started by this');
  });
});

/**
 * The sessions actor: takes what the shards have saved to the archive, off their way.
 *
 * Shards write to the desk and never hear of this actor. It claims the shards, hands what was
 * stored to the desk, and from then on saves what has changed, in batches. It stops after the
 * shards, so that their last word is saved: what is under way is awaited, and the rest is sent as
 * fast as the archive takes it, within SESSION_FLUSH_MS. An archive that is away costs nothing but
 * memory, one record a shard.
 */

import { SESSION_FLUSH_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { within } from '../deadline.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import type { LostSession, SessionDesk } from './desk.ts';
import {
  type SessionsEffect,
  type SessionsFacts,
  type SessionsInput,
  type SessionsState,
  type SessionsStep,
  startSessions,
  stepSessions,
} from './machine.ts';
import type { SessionArchive, SessionRefusal } from './ports.ts';

/** What the rest of the gateway hears of the sessions. */
export type SessionsNotice =
  /** Every shard is claimed, or refused, and what was stored is loaded. */
  | { readonly kind: 'claimed' }
  | { readonly kind: 'lost'; readonly sessions: readonly LostSession[] }
  | { readonly kind: 'saved'; readonly shards: number }
  /** A newer process has these shards: they are not saved by this one any more. */
  | { readonly kind: 'fenced'; readonly refusals: readonly SessionRefusal[] }
  | { readonly kind: 'away'; readonly error: unknown }
  | { readonly kind: 'back'; readonly awayMs: number }
  /** The actor ends, and so many shards have changes that nobody will save. */
  | { readonly kind: 'unsaved'; readonly shards: number };

export type SessionsOptions = {
  readonly archive: SessionArchive;
  readonly desk: SessionDesk;
  /** When the process began, on its monotonic clock. */
  readonly beganAtMs: number;
  /** Must not throw. */
  readonly onNotice: (notice: SessionsNotice) => void;
};

type Shell = {
  readonly options: SessionsOptions;
  readonly context: ActorContext<SessionsInput>;
  machine: SessionsState;
  /** Settles when what is under way has been done or has failed; never rejects. */
  underWay: Promise<unknown>;
  lastError: unknown;
  isStopping: boolean;
};

export function sessions(options: SessionsOptions): Behaviour<Shell, SessionsInput> {
  return {
    start(context) {
      const step = startSessions(factsOf(options, context));
      const shell: Shell = {
        options,
        context,
        machine: step.state,
        underWay: Promise.resolve(),
        lastError: undefined,
        isStopping: false,
      };
      run(step, shell);
      return shell;
    },

    receive(shell, message, context) {
      run(stepSessions(shell.machine, message, factsOf(options, context)), shell);
      return shell;
    },

    async stop(shell, exit) {
      if (exit.kind === 'crashed') return;
      shell.isStopping = true;
      await within(shell.context.clock, SESSION_FLUSH_MS, flush(shell));
      const { unsaved: shards } = options.desk;
      if (shards > 0) options.onNotice({ kind: 'unsaved', shards });
    },
  };
}

function factsOf(
  { desk }: SessionsOptions,
  { clock, random }: ActorContext<SessionsInput>,
): SessionsFacts {
  const { isClaimed, unsaved } = desk;
  return { isClaimed, unsaved, nowMs: clock.nowMs(), random: random() };
}

function run({ state, effects }: SessionsStep, shell: Shell): void {
  shell.machine = state;
  for (const effect of effects) runEffect(effect, shell);
}

function runEffect(effect: SessionsEffect, shell: Shell): void {
  const { context, options } = shell;
  switch (effect.type) {
    case 'claim':
      perform(claim(options, context.clock), shell);
      break;
    case 'save':
      perform(save(options), shell);
      break;
    case 'arm':
      context.after('due', effect.delayMs, { type: 'due' });
      break;
    case 'away':
      options.onNotice({ kind: 'away', error: shell.lastError });
      break;
    case 'back':
      options.onNotice({ kind: 'back', awayMs: effect.awayMs });
      break;
  }
}

function perform(work: Promise<void>, shell: Shell): void {
  const tell = (type: 'done' | 'failed'): void => {
    if (!shell.isStopping) shell.context.self.tell({ type });
  };
  shell.underWay = work.then(
    () => tell('done'),
    (error: unknown) => {
      shell.lastError = error;
      tell('failed');
    },
  );
}

async function claim(options: SessionsOptions, clock: Clock): Promise<void> {
  const { archive, desk, beganAtMs, onNotice } = options;
  const ageMs = clock.nowMs() - beganAtMs;
  const answer = await archive.claim({ shards: desk.unclaimed(), ageMs });
  const lost = desk.adopt(answer, clock.epochMs());
  const { refusals } = answer;
  if (refusals.length > 0) onNotice({ kind: 'fenced', refusals });
  if (lost.length > 0) onNotice({ kind: 'lost', sessions: lost });
  if (desk.isClaimed) onNotice({ kind: 'claimed' });
}

async function save({ archive, desk, onNotice }: SessionsOptions): Promise<void> {
  const batch = desk.batch();
  const refusals = await archive.save(batch);
  desk.settle(batch, refusals);
  onNotice({ kind: 'saved', shards: batch.changes.length - refusals.length });
  if (refusals.length > 0) onNotice({ kind: 'fenced', refusals });
}

/** Saves all there is, until it is done or the archive fails. */
async function flush({ options, context, underWay }: Shell): Promise<void> {
  await underWay;
  const { desk } = options;
  try {
    while (desk.unsaved > 0) {
      if (desk.isClaimed) await save(options);
      else await claim(options, context.clock);
    }
  } catch {
    // What could not be saved is counted and told by the caller.
  }
}

/**
 * The tree of the stored sessions: one actor, which starts before the shards and stops after them.
 *
 * Starting waits until what was stored is loaded. An archive that is away is waited for within
 * SESSION_LOAD_TIMEOUT_MS, and then the shards start without it: what is read later is told as
 * lost. One that refuses for good ends the start, as a mistake in the configuration does.
 *
 * Failure: an actor that crashes is started again and finds everything on the desk. One that
 * crashes too often is given up: the shards go on, and `onFailure` is told that nothing is saved
 * any more.
 */

import type { ActorSystem, Behaviour } from '../actors/runtime.ts';
import { type SessionsNotice, sessions } from '../actors/sessions/actor.ts';
import { SessionDesk } from '../actors/sessions/desk.ts';
import type { SessionArchive } from '../actors/sessions/ports.ts';
import type { SessionStore } from '../actors/shard/ports.ts';
import { FatalError } from '../protocols/errors.ts';
import { SESSION_LOAD_TIMEOUT_MS } from '../protocols/limits.ts';
import type { Clock } from '../protocols/ports.ts';
import { child, type SupervisorMessage, type SupervisorState, supervisor } from './supervisor.ts';

export type SessionsTreeOptions = {
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly clock: Clock;
  readonly archive: SessionArchive;
  /** Those of this process. */
  readonly shards: readonly number[];
  /** Gives the start up. */
  readonly signal: AbortSignal;
  readonly onNotice: (notice: SessionsNotice) => void;
  readonly onFailure: (error: unknown) => void;
};

export type SessionsTree = {
  readonly store: SessionStore;
  /** How many shards have changed since they were last saved. */
  readonly unsaved: () => number;
  /** Whether the archive was there in time. */
  readonly isLoaded: boolean;
  /** Saves the last words of the shards, which have stopped, and closes the archive. */
  stop(): Promise<void>;
};

/** Rejects with the FatalError of an archive that refuses for good, or with the signal's reason. */
export async function startSessionsTree(options: SessionsTreeOptions): Promise<SessionsTree> {
  const desk = new SessionDesk(options.shards);
  const beganAtMs = options.clock.nowMs();
  let hear: (notice: SessionsNotice) => void = () => undefined;
  const loading = loaded(options, (listener) => {
    hear = listener;
  });
  const archivist = child({
    id: 'archivist',
    create: () =>
      sessions({
        archive: options.archive,
        desk,
        beganAtMs,
        onNotice: (notice) => {
          options.onNotice(notice);
          hear(notice);
        },
      }),
  });
  const stop = spawn(options, supervisor({ strategy: 'one-for-one', children: [archivist] }));
  try {
    const isLoaded = await loading;
    desk.open();
    return { store: desk, unsaved: () => desk.unsaved, isLoaded, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @returns what stops the tree, after whose end, however it comes, the archive is closed */
function spawn(
  { system, archive, onFailure }: SessionsTreeOptions,
  behaviour: Behaviour<SupervisorState, SupervisorMessage>,
): () => Promise<void> {
  let closed = (): void => {};
  const ended = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const tree = system.spawn('sessions', behaviour, (exit) => {
    if (exit.kind === 'crashed') onFailure(exit.error);
    void archive.close().then(closed);
  });
  return () => {
    tree.tell({ type: 'retire' });
    return ended;
  };
}

/** Resolves with whether everything was loaded in time. */
function loaded(
  { clock, signal }: SessionsTreeOptions,
  listen: (listener: (notice: SessionsNotice) => void) => void,
): Promise<boolean> {
  return new Promise<boolean>((resolve, reject) => {
    const settle = (outcome: () => void) => (): void => {
      timer.cancel();
      signal.removeEventListener('abort', giveUp);
      outcome();
    };
    const giveUp = settle(() => reject(signal.reason));
    const timer = clock.setTimer(
      SESSION_LOAD_TIMEOUT_MS,
      settle(() => resolve(false)),
    );
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    listen((notice) => {
      if (notice.kind === 'claimed') settle(() => resolve(true))();
      const isRefused = notice.kind === 'away' && notice.error instanceof FatalError;
      if (isRefused) settle(() => reject(notice.error))();
    });
  });
}

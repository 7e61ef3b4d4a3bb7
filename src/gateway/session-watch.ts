/**
 * Hears what becomes of the stored sessions: says it in the log, counts it, and has consumers told
 * of sessions that were stored and are not resumed.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { SessionsNotice } from '../../actors/sessions/actor.ts';
import type { LostSession } from '../../actors/sessions/desk.ts';
import { FatalError } from '../../protocols/errors.ts';
import { SESSION_LOAD_TIMEOUT_MS, SESSION_RESUMABLE_MS } from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import type { ShardWatch } from './shard-watch.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

const REASONS: Readonly<Record<LostSession['why'], string>> = {
  expired: `it was saved more than ${SESSION_RESUMABLE_MS / MINUTE_MS} minutes ago`,
  late: 'the session store was away when the gateway started',
};

export class SessionWatch {
  readonly #label: string;
  readonly #log: Log;
  readonly #shards: Pick<ShardWatch, 'lost'>;
  readonly #up: Gauge;
  readonly #saves: Counter<'result'>;
  #isLoaded = false;
  #unsaved: () => number = () => 0;

  /** @param label what a person calls the store */
  constructor(label: string, registry: Registry, shards: Pick<ShardWatch, 'lost'>, log: Log) {
    this.#label = label;
    this.#log = log;
    this.#shards = shards;
    const registers = [registry];
    this.#up = new Gauge({
      name: 'gateway_session_store_up',
      help: 'Whether the last operation on the session store succeeded: 1 or 0',
      registers,
    });
    this.#saves = new Counter({
      name: 'gateway_session_saves_total',
      help: "Saves of a shard's session, by result: saved, or fenced off by a newer process",
      labelNames: ['result'],
      registers,
    });
    const watch = this;
    new Gauge({
      name: 'gateway_sessions_unsaved',
      help: 'Shards whose session has changed since it was last saved',
      registers,
      collect() {
        this.set(watch.#unsaved());
      },
    });
  }

  readonly see = (notice: SessionsNotice): void => {
    switch (notice.kind) {
      case 'claimed':
        this.#isLoaded = true;
        this.#up.set(1);
        break;
      case 'saved':
        this.#up.set(1);
        this.#saves.inc({ result: 'saved' }, notice.shards);
        break;
      case 'lost':
        for (const { shard, record, why } of notice.sessions) {
          this.#shards.lost(shard, record, REASONS[why]);
        }
        break;
      case 'fenced':
        this.#fenced(notice.refusals);
        break;
      case 'away':
        this.#away(notice.error);
        break;
      case 'back':
        this.#up.set(1);
        this.#log.info(
          { store: this.#label, awayMs: Math.round(notice.awayMs) },
          'the session store is back',
        );
        break;
      case 'unsaved':
        this.#log.warn(
          { store: this.#label, shards: notice.shards },
          'stopped with sessions that could not be saved: what was saved last is resumed',
        );
        break;
    }
  };

  /** The shards start: what is read from now on comes too late. */
  started(isLoaded: boolean, unsaved: () => number): void {
    this.#unsaved = unsaved;
    if (isLoaded) return;
    this.#isLoaded = true;
    this.#log.warn(
      { store: this.#label },
      'the session store is still away: the shards start new sessions',
    );
  }

  /** The actor is gone for good. */
  readonly fail = (error: unknown): void => {
    this.#up.set(0);
    this.#log.error({ error }, 'sessions are not saved any more, after too many faults of our own');
  };

  #away(error: unknown): void {
    this.#up.set(0);
    if (this.#isLoaded) {
      const what = error instanceof FatalError ? 'refuses us' : 'is away';
      this.#log.warn(
        { store: this.#label, error },
        `the session store ${what}: sessions are kept in memory until it takes them again`,
      );
    } else if (!(error instanceof FatalError)) {
      // One that refuses for good is not waited for: it ends the start, which tells why.
      this.#log.warn(
        { store: this.#label, error },
        `the session store is away: waiting for it, at most ${SESSION_LOAD_TIMEOUT_MS / SECOND_MS} s`,
      );
    }
  }

  #fenced(refusals: Extract<SessionsNotice, { kind: 'fenced' }>['refusals']): void {
    this.#saves.inc({ result: 'fenced' }, refusals.length);
    const shards = refusals.map(({ shard }) => shard);
    const owners = [...new Set(refusals.map(({ owner }) => owner))];
    this.#log.error(
      { shards, owners },
      'another gateway with these shards was started later and has their sessions: they end here; stop one of the two, or give each its own shards.ids',
    );
  }
}

/** What the shard machine knows, hears and does. */
import type { BackoffState } from '../../protocols/backoff.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import type { ConnectionEnd, ShardMessage } from '../../protocols/gateway/messages.ts';

type Phase =
  /** Waits for the broker: events would have nowhere to go. */
  | 'paused'
  /** Waits out its back-off. */
  | 'waiting'
  /** Stands in the governor's line, without a socket. */
  | 'queued'
  /** Has a socket that is not greeted yet. */
  | 'connecting'
  /** Is greeted and waits for the permit to identify. */
  | 'greeted'
  /** Has sent IDENTIFY or RESUME. */
  | 'starting'
  | 'ready'
  /** Discord will not have this shard as it is configured. */
  | 'failed';

export type ShardState = {
  readonly phase: Phase;
  readonly session: { readonly sessionId: string; readonly resumeUrl: string } | undefined;
  /** The session's own host could not be reached; the main one is tried until things are stable. */
  readonly hostDemoted: boolean;
  /** The number of the latest connection; words of any other change nothing (GP-15). */
  readonly generation: number;
  /** Resumes in a row that came to nothing: no event of them was done. */
  readonly failedResumes: number;
  /** How far all was done when a resume was last judged. */
  readonly judgedDone: number;
  readonly backoff: BackoffState;
  readonly broker: BrokerState;
};

/** What the rest of the gateway hears of a shard. */
export type ShardNotice =
  | { readonly kind: 'ready'; readonly sessionId: string }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'latency'; readonly milliseconds: number }
  /**
   * Not ready any more; `nextInMs` until it tries again, undefined if that is when the broker is
   * back.
   */
  | { readonly kind: 'down'; readonly end: ConnectionEnd; readonly nextInMs: number | undefined }
  /** A session died: events after this sequence of it may never have been seen. */
  | {
      readonly kind: 'session-lost';
      readonly end: ConnectionEnd;
      readonly sessionId: string;
      readonly sequence: number;
    }
  | { readonly kind: 'failed'; readonly code: number; readonly detail: string }
  /** A newer process has the shard: this one has ended, and its session lives on there. */
  | { readonly kind: 'fenced'; readonly owner: string };

export type ShardEffect =
  | { readonly type: 'connect'; readonly generation: number; readonly host: 'main' | 'session' }
  | { readonly type: 'identify' | 'resume' | 'replay' }
  | { readonly type: 'governor'; readonly word: 'request' | 'prepared' | 'used' | 'release' }
  | { readonly type: 'arm'; readonly timer: 'retry' | 'settled'; readonly delayMs: number }
  | { readonly type: 'disarm'; readonly timer: 'retry' | 'settled' }
  | { readonly type: 'save' }
  /** The session is dead, because of this end. */
  | { readonly type: 'forget'; readonly end: ConnectionEnd }
  | { readonly type: 'notice'; readonly notice: ShardNotice };

export type ShardStep = { readonly state: ShardState; readonly effects: readonly ShardEffect[] };

/** The messages that change the machine; what the others ask the shell does by itself. */
export type MachineMessage = Exclude<
  ShardMessage,
  { readonly type: 'save' | 'command' | 'commands-due' | 'fenced' }
>;

/** Without the references, which only the shell uses. */
export type ShardInput =
  | Exclude<MachineMessage, { readonly type: 'governor' }>
  | { readonly type: 'governor' };

/** What the connection machine knows, reads and does. */
import type { Draft } from 'immer';
import type { Reply } from '../../protocols/actor.ts';
import type { GatewayCommand } from '../../protocols/gateway/commands.ts';
import type {
  ConnectionEnd,
  ConnectionReport,
  SessionRecord,
} from '../../protocols/gateway/messages.ts';

type Phase = 'opening' | 'greeting' | 'greeted' | 'starting' | 'live' | 'closing' | 'ended';

export type ConnectionState = {
  readonly phase: Phase;
  /** Why it will end; set with `closing`. */
  readonly ending: ConnectionEnd | undefined;
  /** 0 until HELLO. */
  readonly heartbeatIntervalMs: number;
  /** Whether the last heartbeat of our own rhythm has been acknowledged. */
  readonly acknowledged: boolean;
  readonly beatAtMs: number;
  /** Frames received when the last heartbeat left. */
  readonly framesAtBeat: number;
  /** Dispatches received when the deadline was last granted. */
  readonly dispatchesAtDeadline: number;
  /** When the answer to IDENTIFY or RESUME is waited for no longer, whatever else comes in. */
  readonly giveUpAtMs: number;
  /** IDENTIFY was sent, and not RESUME: until READY has come there is no session to go back to. */
  readonly isNew: boolean;
  /** The broker has no room: nothing is read from the socket, so no ACK can be seen either. */
  readonly held: boolean;
  /** When each frame of the last window was sent. */
  readonly sentAtMs: readonly number[];
};

type ConnectionTimer = 'heartbeat-due' | 'deadline' | 'hold-overdue';

export type ConnectionEffect =
  | { readonly type: 'send-heartbeat' }
  | { readonly type: 'send-identify' }
  | { readonly type: 'send-resume'; readonly session: SessionRecord }
  | {
      readonly type: 'send-command';
      readonly id: number;
      readonly command: GatewayCommand;
      readonly done: Reply<void> | undefined;
    }
  | { readonly type: 'close'; readonly code: number }
  | { readonly type: 'terminate' }
  | { readonly type: 'arm'; readonly timer: ConnectionTimer; readonly delayMs: number }
  | { readonly type: 'disarm'; readonly timer: ConnectionTimer }
  /** Stop reading; try what was held back; read again. */
  | { readonly type: 'pause' | 'drain' | 'resume-reading' }
  | { readonly type: 'report'; readonly report: ConnectionReport }
  /** The connection is over; why stands in `state.ending`. */
  | { readonly type: 'end' };

/** What the shell reads for each step. */
export type ConnectionFacts = {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  /** Frames of any kind received so far, and how many of them were dispatches. */
  readonly frames: number;
  readonly dispatches: number;
};

export type ConnectionStep = {
  readonly state: ConnectionState;
  readonly effects: readonly ConnectionEffect[];
};

/** The state as one step changes it. */
export type Work = Draft<ConnectionState>;
export type Effects = readonly ConnectionEffect[];

export const NOTHING: Effects = [];

/**
 * What the actors of the gateway say to each other.
 *
 * A shard owns a session and decides; a connection owns one socket and ends; the identify governor
 * hands out permits. A connection is named by its generation, and every word of it carries that
 * number: a shard ignores any generation but its latest.
 */
import type { ActorRef, Reply } from '../actor.ts';
import type { BrokerState } from '../broker.ts';
import type { CommandRefusedError } from '../errors.ts';
import type { GatewayCommand } from './commands.ts';
import type { ControlFrame } from './frames.ts';
import type { SessionStarts, TakeAnswer } from './identify.ts';

/** What is needed to resume a session. */
export type SessionRecord = {
  readonly sessionId: string;
  /**
   * The highest sequence up to which every event is done: confirmed by the broker, or filtered out.
   */
  readonly sequence: number;
  readonly resumeUrl: string;
  readonly shardCount: number;
  readonly savedAtEpochMs: number;
};

/** Why a connection ended. The shard's next step depends on nothing else. */
export type ConnectionEnd =
  /** It never came to HELLO: refused, handshake failed, or silence. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** The peer or the network closed it; 1006 stands for no close frame. */
  | { readonly kind: 'closed'; readonly code: number; readonly detail: string }
  /** Heartbeats were not acknowledged. */
  | { readonly kind: 'zombie' }
  /** Discord asked for a reconnect (op 7). */
  | { readonly kind: 'reconnect' }
  /** Discord refused the session or the IDENTIFY (op 9). */
  | { readonly kind: 'invalid-session'; readonly resumable: boolean }
  /** Neither READY nor RESUMED came, nor any event on the way to it. */
  | { readonly kind: 'no-answer' }
  /** A frame could not be decompressed or read. */
  | { readonly kind: 'garbled'; readonly detail: string }
  /** The broker took an event no longer, or lost one; Discord has to send it again. */
  | { readonly kind: 'replay' }
  /** The connection's own code failed. */
  | { readonly kind: 'crashed'; readonly detail: string };

export type ConnectionMessage =
  | { readonly type: 'opened' }
  | { readonly type: 'frame'; readonly frame: ControlFrame }
  | { readonly type: 'closed'; readonly code: number; readonly detail: string }
  | { readonly type: 'unreachable'; readonly detail: string }
  | { readonly type: 'garbled'; readonly detail: string }
  /**
   * More had to be held back than may be, or the broker lost an event: Discord has to send it
   * again.
   */
  | { readonly type: 'replay' }
  /** The writer refused an event; there is room again; all that was held back has been taken. */
  | { readonly type: 'held' | 'room' | 'released' | 'hold-overdue' }
  /** From the shard, once HELLO has come: start a session, or continue one. */
  | { readonly type: 'identify' }
  | { readonly type: 'resume'; readonly session: SessionRecord }
  /** From the shard: write this command. `done` is told when it is written, unless nobody waits. */
  | {
      readonly type: 'send';
      readonly id: number;
      readonly command: GatewayCommand;
      readonly done: Reply<void> | undefined;
    }
  | { readonly type: 'heartbeat-due' }
  | { readonly type: 'deadline' }
  /** The data plane threw: a programming error, which the actor makes its own. */
  | { readonly type: 'fault'; readonly error: unknown };

/** What a connection tells its shard while it lives. */
export type ConnectionReport =
  | { readonly kind: 'greeted' }
  | { readonly kind: 'identified' }
  /** What Discord said, passed on as it was. */
  | Extract<ControlFrame, { readonly kind: 'ready' | 'resumed' | 'members-limited' }>
  | { readonly kind: 'latency'; readonly milliseconds: number }
  /** A command was written to the socket, or was not: it may be tried again after `retryInMs`. */
  | { readonly kind: 'written'; readonly id: number }
  | { readonly kind: 'unwritten'; readonly id: number; readonly retryInMs: number };

export type ShardMessage =
  | { readonly type: 'report'; readonly generation: number; readonly report: ConnectionReport }
  | {
      readonly type: 'ended';
      readonly generation: number;
      readonly end: ConnectionEnd;
      /** How far all was done by then. */
      readonly done: number;
    }
  /** From the commands actor. `fate` is told once; it fails with a CommandRefusedError. */
  | {
      readonly type: 'command';
      readonly command: GatewayCommand;
      readonly expiresAtMs: number;
      readonly fate: Reply<void>;
    }
  /** A waiting command may go, or its time is up. */
  | { readonly type: 'commands-due' }
  /** The governor: this shard is next, so open a socket; then: send IDENTIFY now. */
  | { readonly type: 'prepare' }
  | { readonly type: 'permitted' }
  | { readonly type: 'governor'; readonly governor: ActorRef<IdentifyMessage> }
  | { readonly type: 'broker'; readonly state: BrokerState }
  /** An event of the present session was lost on its way through the broker. */
  | { readonly type: 'lost' }
  /** A newer process has claimed the shard. */
  | { readonly type: 'fenced'; readonly owner: string }
  | { readonly type: 'retry' }
  | { readonly type: 'settled' }
  | { readonly type: 'save' };

export type IdentifyMessage =
  | { readonly type: 'request'; readonly shard: number; readonly from: ActorRef<ShardMessage> }
  /** The shard's socket has said HELLO: it can send the moment it may. */
  | { readonly type: 'prepared'; readonly shard: number }
  /** The IDENTIFY has been sent: the window starts now. */
  | { readonly type: 'used'; readonly shard: number }
  /** The shard does not need its place any more; nothing was sent. */
  | { readonly type: 'release'; readonly shard: number }
  /** The shard was called, or permitted, and has not been heard of for too long. */
  | { readonly type: 'overdue' | 'silent'; readonly shard: number }
  /** Time has come to look who may go. */
  | { readonly type: 'due' }
  /** What the ledger said to an attempt; undefined when it failed or said nothing in time. */
  | {
      readonly type: 'answer';
      readonly attempt: number;
      readonly answer: TakeAnswer | undefined;
    }
  /** Whether the ledger is there, asked for nobody's permit. */
  | { readonly type: 'reached'; readonly isThere: boolean }
  /** The ledger was told something, and failed. */
  | { readonly type: 'unheard' }
  /** Discord's own word on session starts; undefined when it could not be had. */
  | { readonly type: 'word'; readonly word: SessionStarts | undefined };

export type CommandsMessage =
  /** Commands have come in on the broker, and wait in the inbox. */
  | { readonly type: 'deliveries' }
  /** Try this one again: its shard was being restarted. */
  | { readonly type: 'again'; readonly id: number }
  | { readonly type: 'settled'; readonly id: number; readonly fate: CommandFate };

/** What became of a command. */
export type CommandFate =
  /** `shard-lost`: the shard's actor ended before it had one. */
  | { readonly kind: 'sent' | 'handed-back' | 'shard-lost' }
  /** Another gateway has taken it over, and has answered for it if somebody waited. */
  | { readonly kind: 'forwarded'; readonly answer: Uint8Array | undefined }
  | { readonly kind: 'refused'; readonly error: CommandRefusedError };

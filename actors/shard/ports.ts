/** What a shard needs of the world. */
import type { EventWriter } from '../../protocols/broker.ts';
import type { EventTable } from '../../protocols/gateway/event-table.ts';
import type { Identity } from '../../protocols/gateway/frames.ts';
import type { SessionRecord } from '../../protocols/gateway/messages.ts';
import type { Decompressor, SocketFactory } from '../connection/ports.ts';
import type { FrameCounter } from './dispatch-plane.ts';
import type { ShardNotice } from './state.ts';

/** Where sessions outlive the actors, and perhaps the process. None of these waits or throws. */
export interface SessionStore {
  load(shard: number): SessionRecord | undefined;
  save(shard: number, record: SessionRecord): void;
  forget(shard: number): void;
  /**
   * Calls `listener` once with the name of the newer process that has claimed the shard: nothing of
   * it is saved from then on. The latest listener of a shard counts; it is called at once when that
   * has happened.
   */
  onFenced(shard: number, listener: (owner: string) => void): void;
}

/** The presence that a shard was given last while it ran; it is set again with each new session. */
export type PresenceMemory = {
  /** The text of `d`; undefined when it was given none. */
  readonly last: () => string | undefined;
  readonly remember: (presence: string) => void;
  readonly forget: () => void;
};

/** What every shard of a gateway shares. */
export type ShardWorld = {
  readonly shardCount: number;
  readonly identity: Identity;
  /** The address that GET /gateway/bot gave at the start, without parameters. */
  readonly mainUrl: string;
  /** Adds the version, encoding and compression, the same for each host (GP-61). */
  readonly connectUrl: (host: string) => string;
  readonly sockets: SocketFactory;
  readonly createDecompressor: () => Decompressor;
  readonly writer: EventWriter;
  readonly events: EventTable;
  readonly counter: FrameCounter;
  readonly onSent: (shard: number, op: number) => void;
  readonly sessions: SessionStore;
  /** Hears what becomes of each shard. Must not throw. */
  readonly onNotice: (shard: number, notice: ShardNotice) => void;
};

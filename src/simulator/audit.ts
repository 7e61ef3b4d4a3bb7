/**
 * What clients did to the simulated Discord: the evidence a test judges them by.
 *
 * Each kind of record has a ring of its own, so that a flood of heartbeats never pushes out the one
 * IDENTIFY that matters, and a counter that stays exact after the ring has forgotten. A breach is
 * what Discord punishes or forbids; a run without breaches is what a client must reach. Tokens are
 * never put in here: records carry names, numbers, and the data of commands that hold no secret.
 */
import { SIMULATOR_AUDIT_RECORDS_MAX } from '../../protocols/limits.ts';

/** `[shard_id, num_shards]`, as Discord writes it. */
export type ShardPair = readonly [id: number, count: number];

/** The two doors of the gateway: the one `/gateway` names and the one READY names. */
export type GatewayHost = 'main' | 'resume';

export type BreachName =
  /** Frames. */
  | 'unknown-opcode'
  | 'undecodable-frame'
  | 'frame-too-large'
  | 'invalid-payload'
  | 'frame-before-hello'
  | 'not-authenticated'
  | 'rate-limited'
  | 'unsupported-parameters'
  | 'invalid-version'
  | 'unknown-path'
  /** Starting a session. */
  | 'authentication-failed'
  | 'already-authenticated'
  | 'invalid-shard'
  | 'sharding-required'
  | 'invalid-intents'
  | 'disallowed-intents'
  | 'identify-concurrency'
  | 'identify-budget'
  | 'identify-on-resume-url'
  | 'identify-after-invalid-session'
  /** Continuing one. */
  | 'resume-parameters'
  | 'session-token-mismatch'
  | 'invalid-sequence'
  /** Staying alive. */
  | 'heartbeat-missed'
  | 'heartbeat-sequence'
  | 'heartbeat-request-ignored'
  /** Commands. */
  | 'command-for-other-shard'
  | 'members-without-intent'
  | 'members-too-often';

export type AuditRecords = {
  connect: {
    readonly connection: number;
    readonly host: GatewayHost;
    readonly version: string | null;
    readonly encoding: string | null;
    readonly compress: string | null;
  };
  'handshake-refused': { readonly host: GatewayHost | null; readonly how: string };
  frame: { readonly connection: number; readonly op: number | null; readonly bytes: number };
  heartbeat: { readonly connection: number; readonly sequence: number | null };
  identify: {
    readonly connection: number;
    readonly shard: ShardPair;
    /** `shard_id % max_concurrency`. */
    readonly key: number;
    readonly intents: number;
    readonly accepted: boolean;
  };
  resume: {
    readonly connection: number;
    readonly host: GatewayHost;
    readonly session: string;
    readonly sequence: number;
    readonly outcome: 'resumed' | 'invalid-session' | 'refused' | 'unanswered';
    /** Events sent again. */
    readonly replayed: number;
  };
  command: { readonly connection: number; readonly op: number; readonly data: unknown };
  close: {
    readonly connection: number;
    readonly by: 'client' | 'server' | 'network';
    /** 1006 stands for an end without a close frame, 1005 for a close frame without a code. */
    readonly code: number;
    readonly shard: ShardPair | null;
    readonly session: string | null;
  };
  'session-start': { readonly session: string; readonly shard: ShardPair };
  'session-end': {
    readonly session: string;
    readonly shard: ShardPair;
    readonly why: 'closed-by-client' | 'expired' | 'invalidated' | 'budget' | 'evicted';
    /** The number of its latest event, sent or not. */
    readonly sequence: number;
  };
  fault: { readonly fault: string; readonly shard: number | null; readonly struck: number };
  breach: {
    readonly name: BreachName;
    readonly detail: string;
    readonly connection: number | null;
    readonly shard: ShardPair | null;
  };
};

export type AuditKind = keyof AuditRecords;

/** A record with the moment it was made, on the simulator's clock. */
export type AuditRecord<Kind extends AuditKind> = AuditRecords[Kind] & { readonly atMs: number };

export type Breach = AuditRecord<'breach'>;

type Ring = { count: number; readonly kept: AuditRecord<AuditKind>[] };

export class Audit {
  readonly #nowMs: () => number;
  readonly #maxRecords: number;
  readonly #rings = new Map<AuditKind, Ring>();

  constructor(nowMs: () => number, maxRecords = SIMULATOR_AUDIT_RECORDS_MAX) {
    this.#nowMs = nowMs;
    this.#maxRecords = maxRecords;
  }

  record<Kind extends AuditKind>(kind: Kind, record: AuditRecords[Kind]): void {
    const ring = this.#ring(kind);
    const entry: AuditRecord<AuditKind> = { ...record, atMs: this.#nowMs() };
    ring.kept[ring.count % this.#maxRecords] = entry;
    ring.count++;
  }

  /** How many records of this kind were ever made. */
  count(kind: AuditKind): number {
    return this.#rings.get(kind)?.count ?? 0;
  }

  /** The records of this kind that are still kept, the oldest first. */
  of<Kind extends AuditKind>(kind: Kind): readonly AuditRecord<Kind>[] {
    const ring = this.#rings.get(kind);
    if (ring === undefined) return [];
    const start = ring.count > this.#maxRecords ? ring.count % this.#maxRecords : 0;
    // A ring holds records of its own kind alone: `record` is the only writer.
    const kept = ring.kept as unknown as readonly AuditRecord<Kind>[];
    return [...kept.slice(start), ...kept.slice(0, start)];
  }

  /** Everything Discord would punish or forbids; a well-behaved client leaves this empty. */
  get breaches(): readonly Breach[] {
    return this.of('breach');
  }

  /** The names of the kept breaches, in order. */
  get breachNames(): readonly BreachName[] {
    return this.breaches.map((breach) => breach.name);
  }

  #ring(kind: AuditKind): Ring {
    let ring = this.#rings.get(kind);
    if (ring === undefined) {
      ring = { count: 0, kept: [] };
      this.#rings.set(kind, ring);
    }
    return ring;
  }
}

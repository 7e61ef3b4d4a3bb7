/**
 * What has arrived at a consumer, by the ids of the events, and whether it is what was sent.
 *
 * For each session it notes in which order numbers arrived for the first time, over which of the
 * consumer's links, and a checksum of what came with them; an id that comes again is a repeat, and
 * must bring the same. `judge` compares that with what the simulated Discord has numbered.
 *
 * Order: a consumer has one stream or queue for each event name, so it sees the order of one
 * shard's events of one name. There a number may be passed over only by an interruption: it was
 * given up by the broker once, or it is the first arrival over a new link of the consumer's, whose
 * old link took the missing one with it.
 */
import { crc32 } from 'node:zlib';
import { decode } from '@msgpack/msgpack';

const ID = /^([0-9a-f]+):(\d+)$/;
const PROBLEMS_MAX = 20;
const INITIAL_CAPACITY = 1_024;

/** One numbered event, as Discord sent it. */
export type SentEvent = {
  readonly sequence: number;
  readonly event: string;
  readonly json: string;
};

export type SentSession = {
  readonly id: string;
  readonly shard: number;
  /** From 1 on without a gap, as far as they have to arrive. */
  readonly events: readonly SentEvent[];
};

type Arrival = { readonly sequence: number; readonly generation: number };

class SessionLedger {
  readonly arrivals: Arrival[] = [];
  /** Indexed by sequence. */
  #checksums = new Uint32Array(INITIAL_CAPACITY);
  #arrived = new Uint8Array(INITIAL_CAPACITY);

  has(sequence: number): boolean {
    return this.#arrived[sequence] === 1;
  }

  checksum(sequence: number): number {
    return this.#checksums[sequence] ?? 0;
  }

  note(arrival: Arrival, checksum: number): void {
    const { sequence } = arrival;
    if (sequence >= this.#arrived.length) this.#grow(sequence);
    this.#arrived[sequence] = 1;
    this.#checksums[sequence] = checksum;
    this.arrivals.push(arrival);
  }

  #grow(sequence: number): void {
    const capacity = Math.max(sequence + 1, this.#arrived.length * 2);
    const arrived = new Uint8Array(capacity);
    const checksums = new Uint32Array(capacity);
    arrived.set(this.#arrived);
    checksums.set(this.#checksums);
    this.#arrived = arrived;
    this.#checksums = checksums;
  }
}

/** A body in the mode `json`: a MessagePack string that holds Discord's own bytes. */
function jsonOf(body: Uint8Array): string {
  const value: unknown = decode(body);
  if (typeof value !== 'string') throw new Error(`a body holds ${typeof value}, and no string`);
  return value;
}

export class DeliveryLedger {
  readonly problems: string[] = [];
  /** Different events that have arrived. */
  distinct = 0;
  repeats = 0;
  readonly #sessions = new Map<string, SessionLedger>();

  /** @param generation how many links the consumer has had */
  arrive(id: string | undefined, body: Uint8Array, generation: number): void {
    const [, session, digits] = ID.exec(id ?? '') ?? [];
    if (session === undefined) {
      this.#complain(`an event came with the id ${id}`);
      return;
    }
    const sequence = Number(digits);
    const ledger = this.#session(session);
    const checksum = crc32(jsonOf(body));
    if (!ledger.has(sequence)) {
      ledger.note({ sequence, generation }, checksum);
      this.distinct++;
      return;
    }
    this.repeats++;
    if (ledger.checksum(sequence) !== checksum) {
      this.#complain(`${id} came again and brought something else`);
    }
  }

  /** How many different events of that session have arrived. */
  arrived(session: string): number {
    return this.#sessions.get(session)?.arrivals.length ?? 0;
  }

  /**
   * All that is not as it should be; empty when everything sent has arrived, whole and in order.
   */
  judge(
    sessions: readonly SentSession[],
    wasLost: (session: string, sequence: number) => boolean,
  ): readonly string[] {
    const known = new Set(sessions.map(({ id }) => id));
    for (const id of this.#sessions.keys()) {
      if (!known.has(id)) this.#complain(`events came of a session ${id} that there never was`);
    }
    for (const session of sessions) {
      this.#judgeContent(session);
      this.#judgeOrder(session, wasLost);
    }
    return this.problems;
  }

  #judgeContent({ id, shard, events }: SentSession): void {
    const ledger = this.#session(id);
    const missing = events.filter(({ sequence }) => !ledger.has(sequence));
    if (missing.length > 0) {
      const shown = missing.slice(0, 5).map(({ sequence, event }) => `${sequence} ${event}`);
      this.#complain(
        `shard ${shard}: ${missing.length} of ${events.length} are missing: ${shown.join(', ')}`,
      );
    }
    for (const { sequence, json } of events) {
      if (ledger.has(sequence) && ledger.checksum(sequence) !== crc32(json)) {
        this.#complain(`${id}:${sequence} is not what was sent`);
      }
    }
  }

  #judgeOrder(
    { id, shard, events }: SentSession,
    wasLost: (session: string, sequence: number) => boolean,
  ): void {
    const lanes = new Map<string, Lane>();
    const laneOf = new Map<number, { readonly lane: Lane; readonly place: number }>();
    for (const { sequence, event } of events) {
      const lane = lanes.get(event) ?? new Lane();
      lanes.set(event, lane);
      laneOf.set(sequence, { lane, place: lane.sequences.push(sequence) - 1 });
    }
    for (const { sequence, generation } of this.#session(id).arrivals) {
      const found = laneOf.get(sequence);
      if (found === undefined) continue;
      const passed = found.lane.arrive(found.place, generation);
      const unexcused = passed.filter((passedOver) => !wasLost(id, passedOver));
      if (unexcused.length > 0) {
        this.#complain(
          `shard ${shard}: ${sequence} came before ${unexcused.slice(0, 5).join(', ')} with no interruption between`,
        );
      }
    }
  }

  #session(id: string): SessionLedger {
    let ledger = this.#sessions.get(id);
    if (ledger === undefined) {
      ledger = new SessionLedger();
      this.#sessions.set(id, ledger);
    }
    return ledger;
  }

  #complain(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  }
}

/** The events of one name of one session, in the order in which they were sent. */
class Lane {
  readonly sequences: number[] = [];
  #next = 0;
  #generation: number | undefined;

  /** @returns the numbers that were passed over, unless the consumer has a new link since */
  arrive(place: number, generation: number): readonly number[] {
    const sameLink = this.#generation === generation;
    const passed = sameLink ? this.sequences.slice(this.#next, place) : [];
    this.#generation = generation;
    this.#next = Math.max(this.#next, place + 1);
    return passed;
  }
}

/**
 * What clients did to the simulated REST API: the evidence a test judges them by.
 *
 * Counters are exact however long the run; lists keep the latest records. Identities are numbered
 * in the order in which they came, and what is shown of a path is its template and the id of its
 * channel, guild or webhook: no token is ever put in here.
 */
import { SIMULATOR_AUDIT_RECORDS_MAX, SIMULATOR_COUNTERS_MAX } from '../../../protocols/limits.ts';
import type { LimitScope } from './answers.ts';

export type RequestRecord = {
  readonly atMs: number;
  /** `METHOD template`. */
  readonly route: string;
  /** The channel, guild or webhook that the path begins with, without a token; or nothing. */
  readonly resource: string;
  /** `identity 1`, `identity 2` … in order of appearance; `address` for who showed no token. */
  readonly identity: string;
  readonly status: number;
  /** Who answered: the API, or the servers in front of it. */
  readonly by: 'api' | 'front';
};

/** Something Discord punishes. */
export type RestBreach = {
  readonly atMs: number;
  readonly name: LimitScope | 'hidden' | 'unauthorized' | 'forbidden' | 'banned';
  readonly route: string;
  readonly identity: string;
  /** The bucket that was overdrawn. */
  readonly bucket?: string;
};

export type PostedRecord = {
  readonly atMs: number;
  readonly channelId: string;
  readonly messageId: string;
  readonly authorId: string;
  readonly content: string;
};

class Recent<Item> {
  #items: Item[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  push(item: Item): void {
    this.#items.push(item);
    // Cutting half of twice the bound costs one move an item.
    if (this.#items.length >= 2 * this.#max) this.#items = this.#items.slice(-this.#max);
  }

  list(): readonly Item[] {
    return this.#items.slice(-this.#max);
  }
}

export class RestAudit {
  readonly #requests: Recent<RequestRecord>;
  readonly #breaches: Recent<RestBreach>;
  readonly #posted: Recent<PostedRecord>;
  readonly #statuses = new Map<string, number>();
  readonly #breachCounts = new Map<string, number>();
  readonly #identities = new Map<string, string>();
  #requestCount = 0;
  /** Told of each message when it is posted; must not throw. */
  onPosted: ((record: PostedRecord) => void) | undefined;

  constructor(maxRecords = SIMULATOR_AUDIT_RECORDS_MAX) {
    this.#requests = new Recent(maxRecords);
    this.#breaches = new Recent(maxRecords);
    this.#posted = new Recent(maxRecords);
  }

  /** The name under which an identity stands here. */
  nameOf(identity: string): string {
    const known = this.#identities.get(identity);
    if (known !== undefined) return known;
    // Identities come from the simulator's own list of tokens, so few are ever numbered.
    const name = `identity ${this.#identities.size + 1}`;
    if (this.#identities.size < SIMULATOR_COUNTERS_MAX) this.#identities.set(identity, name);
    return name;
  }

  request(record: RequestRecord): void {
    this.#requestCount++;
    this.#requests.push(record);
    const key = `${record.status} ${record.route}`;
    this.#statuses.set(key, (this.#statuses.get(key) ?? 0) + 1);
  }

  breach(breach: RestBreach): void {
    this.#breaches.push(breach);
    this.#breachCounts.set(breach.name, (this.#breachCounts.get(breach.name) ?? 0) + 1);
  }

  message(record: PostedRecord): void {
    this.#posted.push(record);
    this.onPosted?.(record);
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  /** The latest requests, the oldest first. */
  get requests(): readonly RequestRecord[] {
    return this.#requests.list();
  }

  /** What a well-behaved client leaves empty. */
  get breaches(): readonly RestBreach[] {
    return this.#breaches.list();
  }

  /** The latest messages that were posted over REST, the oldest first. */
  get posted(): readonly PostedRecord[] {
    return this.#posted.list();
  }

  breachCount(name: RestBreach['name']): number {
    return this.#breachCounts.get(name) ?? 0;
  }

  /** How many answers had this status; of one route, `METHOD template`, or of all. */
  answers(status: number, route?: string): number {
    if (route !== undefined) return this.#statuses.get(`${status} ${route}`) ?? 0;
    let sum = 0;
    for (const [key, count] of this.#statuses) if (key.startsWith(`${status} `)) sum += count;
    return sum;
  }
}

/**
 * Counts, over all proxies that send from one address, what Discord bans an address for.
 *
 * Purpose: Discord counts bad answers by address, over every token and every process behind it. A
 * proxy knows of its own only; those that share their limits tell each other.
 *
 * Inner workings. In the store is an entry for each proxy (`actors/guard/fleet-count.ts`). Every
 * SHARED_POLL_MS a proxy looks what the others have counted, and tells what it knows if any of that
 * is not there. If another was first, it takes over what is there and tells again. A proxy that is
 * started anew finds there what its predecessor counted.
 *
 * Failure modes. A proxy that cannot reach the store counts on with what it knows of the others,
 * and takes them to do as badly as itself: of what is left of the budget it uses its share. So do
 * those together of all of it, while one of them is taken to be alone. A store that has forgotten,
 * or whose clock was set, is told again by each what it knows, also of those that are no more. What
 * others counted within the last SHARED_POLL_MS is not known here, which the room above
 * INVALID_REQUESTS_STOP has to bear.
 */
import {
  type FleetCount,
  pruned,
  readFleetCount,
  writeFleetCount,
} from '../actors/guard/fleet-count.ts';
import {
  addedSince,
  NOTHING_COUNTED,
  type SlidingCount,
  shifted,
  sumOf,
  type WindowShape,
} from '../actors/guard/sliding-count.ts';
import { SHARED_POLL_MS } from '../protocols/limits.ts';
import type { Clock, Timer } from '../protocols/ports.ts';
import type { SharedLimits } from '../protocols/shared-limits.ts';

export type AddressCountOptions = {
  readonly limits: SharedLimits;
  readonly shape: WindowShape;
  readonly clock: Clock;
  /** What others have counted, in our own time, has changed. */
  heard(elsewhere: SlidingCount): void;
};

export class AddressCount {
  readonly #options: AddressCountOptions;
  readonly #place: string;
  /** What the store is known to have, in its own time. */
  #stored: FleetCount = new Map();
  /** What others have counted, in the store's time; some of them may be no more. */
  #others: FleetCount = new Map();
  /** The store's time less ours, and how often it had forgotten everything, when that was true. */
  #offsetMs: number;
  #forgotten: number;
  #version = '';
  /** What this proxy has counted, in our own time. */
  #own: SlidingCount = NOTHING_COUNTED;
  #changes = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: AddressCountOptions) {
    this.#options = options;
    const { address, offsetMs, standing } = options.limits;
    this.#place = `invalid ${address}`;
    this.#offsetMs = offsetMs;
    this.#forgotten = standing.forgotten;
    void this.#exchange();
  }

  /** What this proxy has counted, in our own time. */
  tell(own: SlidingCount): void {
    this.#own = own;
    if (!this.#options.limits.standing.together) this.#hear();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Rejects never, since `exchange` does not. */
  async #exchange(): Promise<void> {
    const { limits, shape, clock } = this.#options;
    if (limits.standing.together) this.#keepTime();
    const all = this.#all();
    const isNews = [...all].some(([proxy]) => this.#untold(all, proxy).length > 0);
    const version = `${++this.#changes} ${limits.proxy}`;
    const keptMs = shape.windowMs + 2 * shape.slotMs;
    const answer = await limits.exchange(this.#place, {
      expected: this.#version,
      next: isNews ? { version, text: writeFleetCount(all), keptMs } : null,
      waitsFor: null,
      hadTurn: false,
    });
    if (this.#isStopped) return;
    if (answer?.kept === true && isNews) {
      this.#version = version;
      this.#stored = all;
    } else if (answer?.kept === false) {
      this.#version = answer.version;
      this.#stored = readFleetCount(answer.text);
      const others = [...this.#stored].filter(([proxy]) => proxy !== limits.proxy);
      this.#others = new Map([...this.#others, ...others]);
    }
    this.#stored = pruned(this.#stored, shape, this.#storeMs);
    this.#others = pruned(this.#others, shape, this.#storeMs);
    this.#hear();
    const isLate = answer?.kept === false && isNews;
    this.#timer = clock.setTimer(isLate ? 0 : SHARED_POLL_MS, () => void this.#exchange());
  }

  /** Follows the store's clock: a little while it runs, and by any span once it has been set. */
  #keepTime(): void {
    const { limits, shape } = this.#options;
    const { forgotten } = limits.standing;
    if (forgotten !== this.#forgotten) {
      const movedMs = limits.offsetMs - this.#offsetMs;
      const moved = [...this.#others].map(
        ([proxy, slots]) => [proxy, shifted(slots, shape, movedMs)] as const,
      );
      this.#others = new Map(moved);
      this.#forgotten = forgotten;
    }
    this.#offsetMs = limits.offsetMs;
  }

  get #storeMs(): number {
    return this.#options.clock.nowMs() + this.#offsetMs;
  }

  /** What the store should have. */
  #all(): FleetCount {
    const { limits, shape } = this.#options;
    const mine = shifted(this.#own, shape, this.#offsetMs);
    return pruned(new Map([...this.#others, [limits.proxy, mine]]), shape, this.#storeMs);
  }

  /** What the store lacks of it, in its time. */
  #untold(all: FleetCount, proxy: string): SlidingCount {
    const of = (fleet: FleetCount) => fleet.get(proxy) ?? NOTHING_COUNTED;
    return addedSince(of(all), of(this.#stored));
  }

  #hear(): void {
    const { limits, shape, heard } = this.#options;
    const { together, share } = limits.standing;
    const ours = (slots: SlidingCount): SlidingCount => shifted(slots, shape, -this.#offsetMs);
    const others = [...this.#others.values()].map(ours);
    // What those who do not hear us may do, by what is done here that they do not hear.
    const untold = this.#untold(this.#all(), limits.proxy);
    const unheard = together ? [this.#own, ...others] : [ours(untold)];
    heard(sumOf([...others, ...unheard.map((slots) => timed(slots, 1 / share - 1))]));
  }
}

function timed(slots: SlidingCount, factor: number): SlidingCount {
  if (factor === 0) return NOTHING_COUNTED;
  return slots.map(({ fromMs, count }) => ({ fromMs, count: Math.ceil(count * factor) }));
}

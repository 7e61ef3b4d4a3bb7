/**
 * Counts, over all proxies that send from one address, what Discord bans an address for.
 *
 * Purpose: Discord counts bad answers by address, over every token and every process behind it. A
 * proxy knows of its own only; those that share their limits tell each other.
 *
 * Inner workings. In the store is an entry for each proxy (`actors/guard/fleet-count.ts`). Every
 * SHARED_POLL_MS a proxy looks what the others have counted, and tells what it has itself if that
 * is news. If another was first, it takes over what is there and tells again. A proxy that is
 * started anew finds there what its predecessor counted.
 *
 * Failure modes. A proxy that cannot reach the store counts on with what it knows of the others,
 * and takes them to do as badly as itself: of what is left of the budget it uses its share. So do
 * those together of all of it, while one of them is taken to be alone. A store that has forgotten
 * is told again, by each what it knows. What others counted within the last SHARED_POLL_MS is not
 * known here, which the room above INVALID_REQUESTS_STOP has to bear.
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
  /** In the store's time. */
  #others: FleetCount = new Map();
  #version = '';
  /** What this proxy has counted, and what of it the store knows; in our own time. */
  #own: SlidingCount = NOTHING_COUNTED;
  #told: SlidingCount = NOTHING_COUNTED;
  #changes = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: AddressCountOptions) {
    this.#options = options;
    this.#place = `invalid ${options.limits.address}`;
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
    const own = this.#own;
    const isNews = addedSince(own, this.#told).length > 0;
    const version = `${++this.#changes} ${limits.proxy}`;
    const text = writeFleetCount(this.#all(own));
    const answer = await limits.exchange(this.#place, {
      expected: this.#version,
      next: isNews ? { version, text, keptMs: shape.windowMs + 2 * shape.slotMs } : null,
      waitsFor: null,
      hadTurn: false,
    });
    if (this.#isStopped) return;
    if (answer?.kept === true && isNews) {
      this.#version = version;
      this.#told = own;
    } else if (answer?.kept === false) {
      const there = readFleetCount(answer.text);
      this.#version = answer.version;
      this.#others = new Map([...this.#others, ...there]);
      if (!there.has(limits.proxy)) this.#told = NOTHING_COUNTED;
    }
    this.#others = pruned(this.#others, shape, clock.nowMs() + limits.offsetMs);
    this.#hear();
    const isLate = answer?.kept === false && isNews;
    this.#timer = clock.setTimer(isLate ? 0 : SHARED_POLL_MS, () => void this.#exchange());
  }

  #all(own: SlidingCount): FleetCount {
    const { limits, shape, clock } = this.#options;
    const mine = shifted(own, shape, limits.offsetMs);
    const all = new Map([...this.#others, [limits.proxy, mine]]);
    return pruned(all, shape, clock.nowMs() + limits.offsetMs);
  }

  #hear(): void {
    const { limits, shape, heard } = this.#options;
    const { together, share } = limits.standing;
    const others = [...this.#others]
      .filter(([proxy]) => proxy !== limits.proxy)
      .map(([, slots]) => shifted(slots, shape, -limits.offsetMs));
    // What those who do not hear us may do, by what is done here that they do not hear.
    const unheard = together ? [this.#own, ...others] : [addedSince(this.#own, this.#told)];
    heard(sumOf([...others, ...unheard.map((slots) => timed(slots, 1 / share - 1))]));
  }
}

function timed(slots: SlidingCount, factor: number): SlidingCount {
  if (factor === 0) return NOTHING_COUNTED;
  return slots.map(({ fromMs, count }) => ({ fromMs, count: Math.ceil(count * factor) }));
}

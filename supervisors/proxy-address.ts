/**
 * Counts, over all proxies that send from one address, what Discord bans an address for.
 *
 * Purpose: Discord counts bad answers by address, over every token and every process behind it. A
 * proxy knows of its own only; those that share their limits tell each other.
 *
 * Inner workings. In the store is an entry for each proxy (`actors/guard/fleet-count.ts`). Every
 * SHARED_POLL_MS a proxy looks what the others have counted, and tells what it has itself if its
 * entry lacks any of that. If another was first, it takes over what is there and tells again. A
 * proxy that is started anew finds there what its predecessor counted.
 *
 * Failure modes. A proxy that cannot reach the store counts on with what it knows of the others,
 * and takes them to do as badly as itself: of what is left of the budget it uses its share. So do
 * those together of all of it, while one of them is taken to be alone. A store that has forgotten,
 * or whose clock was set, is told again by each what it knows. What others counted within the last
 * SHARED_POLL_MS is not known here, which the room above INVALID_REQUESTS_STOP has to bear.
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
  #version = '';
  /** What this proxy has counted, in our own time. */
  #own: SlidingCount = NOTHING_COUNTED;
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
    const all = this.#all();
    const isNews = this.#untold(all).length > 0;
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
      this.#stored = new Map([...this.#others(), ...readFleetCount(answer.text)]);
    }
    this.#stored = pruned(this.#stored, shape, this.#storeMs);
    this.#hear();
    const isLate = answer?.kept === false && isNews;
    this.#timer = clock.setTimer(isLate ? 0 : SHARED_POLL_MS, () => void this.#exchange());
  }

  get #storeMs(): number {
    return this.#options.clock.nowMs() + this.#options.limits.offsetMs;
  }

  #others(): readonly (readonly [proxy: string, slots: SlidingCount])[] {
    return [...this.#stored].filter(([proxy]) => proxy !== this.#options.limits.proxy);
  }

  /** What the store should have. */
  #all(): FleetCount {
    const { limits, shape } = this.#options;
    const mine = shifted(this.#own, shape, limits.offsetMs);
    return pruned(new Map([...this.#others(), [limits.proxy, mine]]), shape, this.#storeMs);
  }

  /** What of our own the store lacks, in its time. */
  #untold(all: FleetCount): SlidingCount {
    const mine = (fleet: FleetCount) => fleet.get(this.#options.limits.proxy) ?? NOTHING_COUNTED;
    return addedSince(mine(all), mine(this.#stored));
  }

  #hear(): void {
    const { limits, shape, heard } = this.#options;
    const { together, share } = limits.standing;
    const ours = (slots: SlidingCount): SlidingCount => shifted(slots, shape, -limits.offsetMs);
    const others = this.#others().map(([, slots]) => ours(slots));
    // What those who do not hear us may do, by what is done here that they do not hear.
    const unheard = together ? [this.#own, ...others] : [ours(this.#untold(this.#all()))];
    heard(sumOf([...others, ...unheard.map((slots) => timed(slots, 1 / share - 1))]));
  }
}

function timed(slots: SlidingCount, factor: number): SlidingCount {
  if (factor === 0) return NOTHING_COUNTED;
  return slots.map(({ fromMs, count }) => ({ fromMs, count: Math.ceil(count * factor) }));
}

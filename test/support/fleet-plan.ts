/**
 * What a random schedule of several proxies that share their limits consists of: the plan of one
 * proxy, who of them is asked what, and what goes wrong between them and their store.
 */
import { Draw, drawPlan, type ProxyPlan } from './proxy-plan.ts';
import type { Breach } from './store-way.ts';

export type StoreFault = {
  readonly atMs: number;
  readonly forMs: number;
  /** Null: all of them. */
  readonly proxy: number | null;
  readonly effect:
    | { readonly kind: 'cut'; readonly breach: Breach }
    | { readonly kind: 'slow'; readonly byMs: number }
    /** It is away, and has nothing when it is back. */
    | { readonly kind: 'lose' };
};

/** As `kill -9`; its place is taken by a new one, or by nobody. */
export type Kill = { readonly atMs: number; readonly proxy: number; readonly replacedMs: number };

export type FleetPlan = ProxyPlan & {
  readonly proxies: number;
  /** Which proxy each request is for. */
  readonly askers: readonly number[];
  readonly storeMs: number;
  readonly wordLoss: number;
  /**
   * How many proxies each is told there are: one that comes while the store is away knows of no
   * other.
   */
  readonly proxiesMin: number;
  readonly storeFaults: readonly StoreFault[];
  readonly kills: readonly Kill[];
  /** Whose actors crash. */
  readonly crasher: number;
  /** When the store's clock is set, ahead or back. */
  readonly storeSteps: readonly { readonly atMs: number; readonly byMs: number }[];
};

/** So that the same seed draws something else than the plan of one proxy does. */
const STREAM = 2 ** 31;

export function drawFleetPlan(seed: number, epochMs: number): FleetPlan {
  const plan = drawPlan(seed, epochMs);
  const draw = new Draw(seed + STREAM);
  const proxies = draw.between(2, 3);
  const { spanMs } = plan;
  const some = (most: number, share: number): number =>
    draw.chance(share) ? draw.between(1, most) : 0;
  return {
    ...plan,
    proxies,
    proxiesMin: proxies,
    askers: plan.requests.map(() => draw.below(proxies)),
    storeMs: draw.of([0, 2, 10]),
    wordLoss: draw.of([0, 0.2, 1]),
    storeFaults: Array.from({ length: some(3, 0.5) }, () => faultOf(draw, proxies, spanMs)),
    // One is always left.
    kills: Array.from({ length: some(proxies - 1, 0.4) }, (_, proxy) => ({
      atMs: draw.below(spanMs),
      proxy,
      replacedMs: draw.chance(0.5) ? draw.below(5_000) : Number.POSITIVE_INFINITY,
    })),
    crasher: draw.below(proxies),
    storeSteps: Array.from({ length: some(2, 0.3) }, () => ({
      atMs: draw.below(spanMs),
      byMs: draw.of([-3_600_000, -2_000, -50, 50, 2_000, 3_600_000]),
    })),
  };
}

function faultOf(draw: Draw, proxies: number, spanMs: number): StoreFault {
  const effects: readonly StoreFault['effect'][] = [
    { kind: 'cut', breach: 'refusing' },
    { kind: 'cut', breach: 'silent' },
    // Beyond what a clock can be told through, too.
    { kind: 'slow', byMs: draw.of([5, 20, 200, 3_000]) },
    { kind: 'lose' },
  ];
  const effect = draw.of(effects);
  return {
    effect,
    atMs: draw.below(spanMs),
    forMs: draw.below(20_000),
    proxy: effect.kind === 'lose' || draw.chance(0.5) ? null : draw.below(proxies),
  };
}

/**
 * A request on its way through the proxy.
 *
 * Purpose: to hold what must survive the crash of a bucket's actor: the request, whether it waits,
 * flies or has landed, and the promise that its door waits for.
 *
 * Inner workings: `waiting` until launched, `flying` until it lands, `landed` until the bucket
 * either settles it or lets it wait again. What has landed stays here until then, so that a bucket
 * which crashes in between loses nothing. Only the first call of `settle` counts.
 *
 * Failure modes: an answer that nobody will get is discarded, so that its connection is free again.
 */
import type { Clock } from '../../protocols/ports.ts';
import type {
  Landed,
  Landing,
  ProxyMetrics,
  Refused,
  RestOutcome,
  RestRequest,
  SendGuard,
  Sending,
  Ticket,
  Upstream,
  UpstreamResult,
} from '../../protocols/proxy.ts';
import { landingOf } from './landing.ts';

export type TicketServices = {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly metrics: ProxyMetrics;
  readonly guard: SendGuard;
};

type Phase =
  | { readonly kind: 'waiting'; readonly sinceMs: number }
  | { readonly kind: 'flying'; readonly sending: Sending }
  | { readonly kind: 'landed'; readonly landing: Landing };

/** The fate of a request that landing is the end of. */
export function outcomeOf(landing: Landing): RestOutcome {
  if (landing.kind === 'refused') return landing;
  if (landing.kind === 'answer') return { kind: 'answered', answer: landing.answer };
  return { kind: 'failed', error: landing.failure.error };
}

export class RestTicket implements Ticket {
  readonly id: number;
  readonly request: RestRequest;
  readonly deadlineMs: number | null;
  readonly sendByMs: number | null;
  readonly outcome: Promise<RestOutcome>;
  /** Crashes of its bucket that it has lived through. */
  crashes = 0;
  readonly #services: TicketServices;
  readonly #settled: () => void;
  #phase: Phase;
  #waitedMs = 0;
  #mayHaveArrived = false;
  #landed: (landing: Landing) => void = () => {};
  #resolve: ((outcome: RestOutcome) => void) | null = null;

  /** `settled` is called once, when the fate is decided. */
  constructor(id: number, request: RestRequest, services: TicketServices, settled: () => void) {
    const nowMs = services.clock.nowMs();
    this.id = id;
    this.request = request;
    const never = Number.POSITIVE_INFINITY;
    const { timeoutMs, sendWithinMs } = request;
    const withinMs = Math.min(timeoutMs ?? never, sendWithinMs ?? never);
    this.deadlineMs = timeoutMs === null ? null : nowMs + timeoutMs;
    this.sendByMs = withinMs === never ? null : nowMs + withinMs;
    this.#services = services;
    this.#settled = settled;
    this.#phase = { kind: 'waiting', sinceMs: nowMs };
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get phase(): Phase {
    return this.#phase;
  }

  launch(landed: (landing: Landing) => void, written: () => void): void {
    if (this.#phase.kind !== 'waiting') throw new Error(`request ${this.id} is sent twice`);
    const sentMs = this.#services.clock.nowMs();
    this.#waitedMs += sentMs - this.#phase.sinceMs;
    const refused = this.#refused();
    if (refused !== null) {
      this.#phase = { kind: 'landed', landing: refused };
      landed(refused);
      return;
    }
    this.#landed = landed;
    const sending = this.#services.upstream.send(this.request, written);
    this.#phase = { kind: 'flying', sending };
    void sending.result.then((result) => this.#arrive(result, sentMs));
  }

  /** From now on `landed` is told how the flight ends. */
  redirect(landed: (landing: Landing) => void): void {
    this.#landed = landed;
  }

  /** Breaks a flight off; it still lands. */
  abort(): void {
    if (this.#phase.kind === 'flying') this.#phase.sending.abort();
  }

  waitAgain(): void {
    if (this.#phase.kind !== 'landed') return;
    const { landing } = this.#phase;
    const sinceMs = this.#services.clock.nowMs();
    if (landing.kind === 'answer') landing.answer.discard();
    this.#phase = { kind: 'waiting', sinceMs };
  }

  settle(outcome: RestOutcome): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    // The fate first, so that it stands whatever goes wrong in what follows from it. A bucket that
    // was started anew does not know of the attempts before.
    const sent = outcome.kind === 'timed-out' && (outcome.sent || this.#mayHaveArrived);
    resolve(sent ? { ...outcome, sent } : outcome);
    this.#settled();
    this.#count(outcome);
    // What landed is either this very outcome or of no use any more.
    if (outcome.kind !== 'answered') this.waitAgain();
  }

  /** Why it must not take off after all. Nobody waits for one whose fate is decided already. */
  #refused(): Refused | null {
    if (this.#resolve === null) return { kind: 'refused', reason: 'stopping', retryAfterMs: 0 };
    return this.#services.guard.launch(this.id, this.request);
  }

  #arrive(result: UpstreamResult, sentMs: number): void {
    const { clock, metrics } = this.#services;
    const { method, template } = this.request.route;
    const landedMs = clock.nowMs();
    if (result.kind === 'failure' && !result.failure.unsent) this.#mayHaveArrived = true;
    if (result.kind === 'answer') {
      metrics.requestLatency(method, template, (landedMs - sentMs) / 1_000);
    }
    const landed = landingOf(result);
    if (landed instanceof Promise) void landed.then((one) => this.#land({ ...one, landedMs }));
    else this.#land({ ...landed, landedMs });
  }

  #land(landing: Landed & { readonly landedMs: number }): void {
    const { metrics, guard } = this.#services;
    const { method, template } = this.request.route;
    if (landing.limited !== undefined) metrics.limited(method, template, landing.limited.by);
    guard.landed(this.id, this.request, landing);
    this.#phase = { kind: 'landed', landing };
    // Nobody may be left to say so: the bucket that gave up this flight may have crashed since.
    if (this.#resolve === null) this.waitAgain();
    this.#landed(landing);
  }

  #count(outcome: RestOutcome): void {
    const { metrics } = this.#services;
    const { method, template } = this.request.route;
    if (outcome.kind === 'answered') {
      metrics.responded(method, template, outcome.answer.status);
      metrics.ratelimitLatency(method, template, this.#waitedMs / 1_000);
      return;
    }
    metrics.unanswered(method, template, outcome.kind);
    if (outcome.kind === 'refused') metrics.refused(method, template, outcome.reason);
  }
}

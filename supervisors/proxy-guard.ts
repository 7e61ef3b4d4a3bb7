/**
 * The guard of the proxy's tree: what must not be sent, however much room its bucket and its gate
 * have.
 *
 * Purpose: Discord bans an address, without a word before, that goes on asking what it was refused.
 * The guard remembers what Discord has refused, over all identities, since they share the address:
 * how much of it there was of late, which tokens it does not know, which webhooks are gone. Of
 * other proxies behind the same address it is told (`proxy-address.ts`).
 *
 * Inner workings: a request is looked at when it comes in, so that it is refused at once, and again
 * in the moment of its sending, since it may have waited meanwhile. The second look counts it as
 * being in the air. What lands is heard, and if from then on more is refused than before, the tree
 * is told, which looks at everything that waits. The decisions are in `actors/guard/`: pure, plain
 * values.
 *
 * Failure modes: what is kept here is lost with the process; a new one that shares its limits with
 * nobody starts with an empty budget, which the room above INVALID_REQUESTS_STOP has to bear. Of a
 * webhook only a hash is kept.
 */
import { createHash } from 'node:crypto';
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { Budget, BudgetLevel, BudgetRules } from '../actors/guard/budget.ts';
import * as budgets from '../actors/guard/budget.ts';
import { ExpiringSet } from '../actors/guard/expiring-set.ts';
import {
  belowAtMs,
  countedAt,
  countOne,
  NOTHING_COUNTED,
  type SlidingCount,
  type WindowShape,
} from '../actors/guard/sliding-count.ts';
import {
  hear,
  lockedForMs,
  passLock,
  type TokenEvidence,
  type TokenLock,
} from '../actors/guard/token-lock.ts';
import * as limits from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import type {
  Landed,
  ProxyMetrics,
  RefusalReason,
  Refused,
  RestRequest,
  SendGuard,
} from '../protocols/proxy.ts';

/** So many requests in so long, of one family of routes, over all identities. */
export type FamilyLimit = { readonly count: number; readonly windowMs: number };
export type FamilyLimits = ReadonlyMap<string, FamilyLimit>;

export type GuardServices = {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  readonly familyLimits?: FamilyLimits;
  /** What was counted here towards a ban of the address. */
  counted?(spent: SlidingCount): void;
  /** More is refused than before: of one identity, or, without one, of anybody. */
  closed(identity: string | null): void;
};

/** How the guard stands, for whoever watches the proxy. */
export type GuardStanding = {
  readonly level: BudgetLevel;
  /** Answers that count towards a ban, in the window that Discord counts in. */
  readonly invalidRequests: number;
  /** When the level is `stopped`: how long until something may be sent again. */
  readonly stoppedForMs: number;
  readonly lockedTokens: number;
  readonly deadWebhooks: number;
};

export const INVALID: BudgetRules = {
  windowMs: limits.INVALID_REQUEST_WINDOW_MS,
  slotMs: limits.INVALID_REQUEST_SLOT_MS,
  limit: limits.INVALID_REQUESTS_PER_WINDOW,
  warnAt: limits.INVALID_REQUESTS_WARN,
  shedAt: limits.INVALID_REQUESTS_SHED,
  stopAt: limits.INVALID_REQUESTS_STOP,
  spares: null,
};

const SHARED: BudgetRules = {
  windowMs: limits.SHARED_LIMITED_WINDOW_MS,
  slotMs: limits.SHARED_LIMITED_SLOT_MS,
  limit: Number.POSITIVE_INFINITY,
  warnAt: limits.SHARED_LIMITED_WARN,
  shedAt: limits.SHARED_LIMITED_SHED,
  stopAt: limits.SHARED_LIMITED_STOP,
  spares: 'high',
};

const LEVELS: readonly BudgetLevel[] = ['well', 'warned', 'shedding', 'stopped'];

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;

/** Codes of a 401 that mean the token; others mean that it may not do this one thing. */
const TOKEN_CODES: ReadonlySet<number | undefined> = new Set([
  undefined,
  RESTJSONErrorCodes.GeneralError,
  RESTJSONErrorCodes.Unauthorized,
  RESTJSONErrorCodes.InvalidToken,
]);

type Watched = { budget: Budget; level: BudgetLevel; readonly rules: BudgetRules };

export class ProxyGuard implements SendGuard {
  readonly #services: GuardServices;
  readonly #invalid: Watched = { budget: budgets.UNSPENT, level: 'well', rules: INVALID };
  readonly #shared: Watched = { budget: budgets.UNSPENT, level: 'well', rules: SHARED };
  readonly #tokens = new Map<string, TokenLock>();
  readonly #webhooks = new ExpiringSet(limits.DEAD_WEBHOOK_MS, limits.DEAD_WEBHOOKS_MAX);
  readonly #families = new Map<string, SlidingCount>();
  /**
   * A server in front of Discord blocks us: gates wait that out, and what passes no gate is
   * refused.
   */
  #edgeUntilMs = 0;

  constructor(services: GuardServices) {
    this.#services = services;
  }

  /** Why the request would not be sent now; null if it would. */
  look(request: RestRequest): Refused | null {
    const nowMs = this.#services.clock.nowMs();
    const { priority, identity, route } = request;
    const refuse = (reason: RefusalReason, retryAfterMs: number): Refused | null =>
      retryAfterMs > 0 ? { kind: 'refused', reason, retryAfterMs } : null;
    const invalidMs = budgets.waitOf(this.#invalid.budget, INVALID, priority, nowMs);
    const sharedMs = budgets.waitOf(this.#shared.budget, SHARED, priority, nowMs);
    const webhook = webhookOf(request);
    const webhookMs = webhook === null ? 0 : this.#webhooks.leftMs(webhook, nowMs);
    const tokenMs = showsBotToken(request) ? lockedForMs(this.#lockOf(identity, nowMs), nowMs) : 0;
    return (
      refuse('unknown-webhook', webhookMs) ??
      refuse('unauthorized', tokenMs) ??
      refuse('invalid-requests', invalidMs) ??
      refuse('shared-limits', sharedMs) ??
      refuse('family-limit', this.#familyWaitMs(route.family, nowMs)) ??
      refuse('long-wait', route.globalExempt ? this.#edgeUntilMs - nowMs : 0)
    );
  }

  launch(id: number, request: RestRequest): Refused | null {
    const refused = this.look(request);
    if (refused !== null) return refused;
    const nowMs = this.#services.clock.nowMs();
    const { identity, route } = request;
    this.#invalid.budget = budgets.sent(this.#invalid.budget);
    const limit = this.#services.familyLimits?.get(route.family);
    if (limit !== undefined) {
      const slots = this.#families.get(route.family) ?? NOTHING_COUNTED;
      this.#families.set(route.family, countOne(slots, shapeOf(limit), nowMs));
    }
    if (showsBotToken(request)) {
      this.#setLock(identity, passLock(this.#lockOf(identity, nowMs), id));
    }
    return null;
  }

  landed(id: number, request: RestRequest, landing: Landed): void {
    const nowMs = this.#services.clock.nowMs();
    this.#invalid.budget = budgets.landed(this.#invalid.budget);
    const status = landing.kind === 'answer' ? landing.answer.status : null;
    const { limited } = landing;
    const isShared = limited?.by === 'shared';
    if (limited?.by === 'edge') {
      this.#edgeUntilMs = Math.max(this.#edgeUntilMs, nowMs + limited.waitMs);
    }
    if (status === TOO_MANY_REQUESTS && isShared) this.#spend(this.#shared, nowMs);
    else if (status === UNAUTHORIZED || status === FORBIDDEN || status === TOO_MANY_REQUESTS) {
      this.#services.metrics.invalid(status);
      this.#spend(this.#invalid, nowMs);
      this.#services.counted?.(this.#invalid.budget.spent);
    }
    if (showsBotToken(request)) this.#hearOfToken(id, request, landing, nowMs);
    const webhook = webhookOf(request);
    if (
      webhook !== null &&
      status === NOT_FOUND &&
      landing.code === RESTJSONErrorCodes.UnknownWebhook
    ) {
      this.#webhooks.add(webhook, nowMs);
    }
  }

  /** What other proxies at this address have counted towards a ban. */
  noteElsewhere(elsewhere: SlidingCount): void {
    this.#invalid.budget = { ...this.#invalid.budget, elsewhere };
    this.#weigh(this.#invalid, this.#services.clock.nowMs());
  }

  get standing(): GuardStanding {
    const nowMs = this.#services.clock.nowMs();
    const { budget } = this.#invalid;
    return {
      level: budgets.levelOf(budget, INVALID, nowMs),
      invalidRequests: countedAt(budgets.allOf(budget), INVALID, nowMs),
      stoppedForMs: belowAtMs(budgets.allOf(budget), INVALID, INVALID.stopAt, nowMs) - nowMs,
      lockedTokens: [...this.#tokens.keys()].filter((one) => this.#lockOf(one, nowMs)).length,
      deadWebhooks: this.#webhooks.sizeAt(nowMs),
    };
  }

  #spend(watched: Watched, nowMs: number): void {
    watched.budget = budgets.spend(watched.budget, watched.rules, nowMs);
    this.#weigh(watched, nowMs);
  }

  #weigh(watched: Watched, nowMs: number): void {
    const before = watched.level;
    watched.level = budgets.levelOf(watched.budget, watched.rules, nowMs);
    if (LEVELS.indexOf(watched.level) <= LEVELS.indexOf(before)) return;
    this.#tell(watched, nowMs);
    if (watched.level !== 'warned') this.#services.closed(null);
  }

  #tell({ budget, rules, level }: Watched, nowMs: number): void {
    const { log } = this.#services;
    const count = countedAt(budgets.allOf(budget), rules, nowMs);
    const facts = { count, windowMs: rules.windowMs, level };
    if (rules === SHARED) log.warn(facts, 'shared limits refuse very much of what is sent');
    else if (level === 'stopped') log.error(facts, 'nothing is sent: Discord is about to ban us');
    else log.warn(facts, 'Discord refuses much of what is sent, and bans who goes on');
  }

  #hearOfToken(id: number, request: RestRequest, landing: Landed, nowMs: number): void {
    const { identity } = request;
    const before = this.#tokens.get(identity) ?? null;
    const after = hear(before, id, evidenceOf(landing), nowMs);
    if (after === before) return;
    this.#setLock(identity, after);
    const { log, closed } = this.#services;
    if (after === null) log.info({}, 'Discord knows the token of an identity again');
    else {
      if (before === null) {
        const facts = { path: request.route.template, waitMs: after.waitMs };
        log.error(facts, 'Discord does not know the token of an identity: it is locked');
      }
      closed(identity);
    }
  }

  #lockOf(identity: string, nowMs: number): TokenLock | null {
    const lock = this.#tokens.get(identity);
    if (lock === undefined) return null;
    const unusedMs = nowMs - lock.probeAtMs;
    if (lock.probe !== null || unusedMs < limits.TOKEN_LOCK_UNUSED_MS) return lock;
    this.#tokens.delete(identity);
    return null;
  }

  #setLock(identity: string, lock: TokenLock | null): void {
    if (lock === null) {
      this.#tokens.delete(identity);
      return;
    }
    this.#tokens.set(identity, lock);
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > limits.TOKEN_LOCKS_MAX && oldest !== undefined) {
      this.#tokens.delete(oldest);
    }
  }

  #familyWaitMs(family: string, nowMs: number): number {
    const limit = this.#services.familyLimits?.get(family);
    if (limit === undefined) return 0;
    const slots = this.#families.get(family) ?? NOTHING_COUNTED;
    return belowAtMs(slots, shapeOf(limit), limit.count, nowMs) - nowMs;
  }
}

const shapeOf = ({ windowMs }: FamilyLimit): WindowShape => ({
  windowMs,
  slotMs: Math.ceil(windowMs / limits.FAMILY_WINDOW_SLOTS),
});

/**
 * Whether the answer tells something of a bot's token. Other schemes fail for other reasons, as
 * Basic does on the OAuth routes, and what needs no token is answered whatever it is.
 */
function showsBotToken({ headers, route }: RestRequest): boolean {
  if (route.unauthenticated) return false;
  return headers.some(([name, value]) => name === 'authorization' && /^Bot /i.test(value));
}

function evidenceOf(landing: Landed): TokenEvidence {
  if (landing.kind === 'failure') return 'nothing';
  const { status } = landing.answer;
  if (status === UNAUTHORIZED) return TOKEN_CODES.has(landing.code) ? 'refused' : 'nothing';
  // A 403 or 429 may come from the servers in front of Discord, which know no tokens.
  const tellsNothing =
    status === FORBIDDEN || status === TOO_MANY_REQUESTS || status >= SERVER_ERROR;
  return tellsNothing ? 'nothing' : 'known';
}

/**
 * What stands for the webhook that a request names by id and token. The one of an interaction is
 * not meant: it also is unknown before the interaction's first answer, and afterwards no more.
 */
function webhookOf({ route }: RestRequest): string | null {
  const { family, tokenInPath, globalExempt, major } = route;
  if (family !== 'webhooks' || !tokenInPath || globalExempt) return null;
  return createHash('sha256').update(major).digest('base64');
}

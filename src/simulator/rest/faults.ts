/**
 * What goes wrong between a client and the API: a typed list of faults, each with when and where it
 * strikes. The first one that strikes decides; latency adds up on top of whatever happens.
 */

import { ConfigurationError } from '../../../protocols/errors.ts';
import { SIMULATOR_FAULTS_MAX } from '../../../protocols/limits.ts';
import type { Random } from '../../../protocols/ports.ts';
import {
  frontError,
  frontForbidden,
  frontLimited,
  page1010,
  page1015,
  plainError,
  tooManyRequests,
} from './answers.ts';
import { emptyResponse, type RestResponse } from './http.ts';

export type RestFaultEffect =
  /** The answer takes this long. */
  | { readonly kind: 'latency'; readonly minMs: number; readonly maxMs: number }
  /** The connection breaks before the request is read: the API never counts it. */
  | { readonly kind: 'lost-request' }
  /** The API does what was asked, and the connection breaks before the answer. */
  | { readonly kind: 'lost-response' }
  /** A server error: of the API with JSON, or of the front with HTML. Not counted. */
  | { readonly kind: 'error'; readonly status: 500 | 502 | 503 | 504; readonly html?: boolean }
  /** The front's fixed 429, with neither a time nor a bucket. */
  | { readonly kind: 'front-429' }
  /** Cloudflare's page 1015. */
  | { readonly kind: 'page-1015'; readonly retryAfterMs?: number }
  /** Cloudflare's 403: its page 1010, or JSON with code 40333. */
  | { readonly kind: 'front-403'; readonly json?: boolean }
  /** A 429 of the API out of the blue. */
  | {
      readonly kind: 'limited';
      readonly scope: 'user' | 'shared' | 'global';
      readonly retryAfterMs: number;
    }
  /** Headers of an answer that was otherwise right, replaced; null takes one away. */
  | { readonly kind: 'headers'; readonly set: Readonly<Record<string, string | null>> };

export type RestFault = {
  readonly effect: RestFaultEffect;
  /** `METHOD template`; every route if it is left out. */
  readonly route?: string;
  /** Of each request it could strike; 1 if it is left out. */
  readonly probability?: number;
  /** When, on the simulator's clock; always if it is left out. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** How often in all; without end if it is left out. */
  readonly times?: number;
};

type Armed = { readonly fault: RestFault; left: number };

/** The answer that a fault gives in the API's place; undefined when the API is to answer. */
export function answerOfFault(
  effect: RestFaultEffect,
): { readonly response: RestResponse; readonly by: 'api' | 'front' } | undefined {
  switch (effect.kind) {
    case 'lost-request':
      return { response: { ...emptyResponse(), delivery: 'destroy' }, by: 'front' };
    case 'error':
      return effect.html === true
        ? { response: frontError(effect.status), by: 'front' }
        : { response: plainError(effect.status), by: 'api' };
    case 'front-429':
      return { response: frontLimited(), by: 'front' };
    case 'page-1015':
      return { response: page1015(effect.retryAfterMs ?? null), by: 'front' };
    case 'front-403':
      return { response: effect.json === true ? frontForbidden() : page1010(), by: 'front' };
    case 'limited':
      return { response: tooManyRequests(effect.scope, effect.retryAfterMs, []), by: 'api' };
    default:
      return undefined;
  }
}

/** What strikes one request. */
export type Struck = {
  readonly effect: Exclude<RestFaultEffect, { kind: 'latency' }> | undefined;
  readonly delayMs: number;
};

export class RestFaults {
  readonly #random: Random;
  #armed: Armed[] = [];

  constructor(random: Random, faults: readonly RestFault[] = []) {
    this.#random = random;
    for (const fault of faults) this.add(fault);
  }

  add(fault: RestFault): void {
    if (this.#armed.length >= SIMULATOR_FAULTS_MAX) {
      throw new ConfigurationError(`faults: at most ${SIMULATOR_FAULTS_MAX} are allowed at once`);
    }
    this.#armed.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#armed = [];
  }

  strike(route: string, nowMs: number): Struck {
    let effect: Struck['effect'];
    let delayMs = 0;
    for (const armed of this.#armed) {
      const isLatency = armed.fault.effect.kind === 'latency';
      if ((effect !== undefined && !isLatency) || !this.#strikes(armed, route, nowMs)) continue;
      armed.left--;
      if (armed.fault.effect.kind === 'latency') {
        const { minMs, maxMs } = armed.fault.effect;
        delayMs += minMs + this.#random() * (maxMs - minMs);
      } else {
        effect = armed.fault.effect;
      }
    }
    if (this.#armed.some(({ left }) => left <= 0)) {
      this.#armed = this.#armed.filter(({ left }) => left > 0);
    }
    return { effect, delayMs };
  }

  #strikes({ fault, left }: Armed, route: string, nowMs: number): boolean {
    if (left <= 0 || (fault.route !== undefined && fault.route !== route)) return false;
    if (nowMs < (fault.fromMs ?? Number.NEGATIVE_INFINITY)) return false;
    if (nowMs >= (fault.untilMs ?? Number.POSITIVE_INFINITY)) return false;
    return fault.probability === undefined || this.#random() < fault.probability;
  }
}

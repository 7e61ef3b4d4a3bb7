/**
 * The simulated Discord's REST API: a deterministic core that takes requests and time from outside.
 *
 * Purpose: to judge clients. Every limit is enforced as Discord enforces it, whether its headers
 * tell of it or not, and what a client did wrong stands in the audit.
 *
 * Inner workings: a request passes the servers in front of Discord (bans, signatures, faults), then
 * the API's gate (version, route, the limit of all routes, token), then its route's buckets, and
 * only then its endpoint. Each step may answer; what is answered there counts nothing further on.
 *
 * Failure modes: none of its own. A request that makes no sense gets the answer Discord would give;
 * `handle` throws only if the simulator itself is broken.
 */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { parsePath, type Route, routeOf } from '../../../protocols/discord/routes.ts';
import { PathRefusedError } from '../../../protocols/errors.ts';
import type { Clock, Random } from '../../../protocols/ports.ts';
import type { SimulatedEvent } from '../events/event.ts';
import type { Credentials } from '../gateway/credentials.ts';
import type { GatewayFacts } from '../gateway/gateway.ts';
import type { World } from '../world.ts';
import { apiError, page1010, page1015, plainError, tooManyRequests } from './answers.ts';
import { type Caller, callerOf } from './caller.ts';
import { ApplicationRecords } from './endpoints/application-records.ts';
import { Bans } from './endpoints/ban-store.ts';
import { Commands } from './endpoints/command-store.ts';
import { Refusal, type Surroundings } from './endpoints/endpoint.ts';
import { Pins } from './endpoints/pin-store.ts';
import { Reactions } from './endpoints/reaction-store.ts';
import { Records } from './endpoints/records.ts';
import { SearchIndex } from './endpoints/search-index.ts';
import { ENDPOINTS } from './endpoints/table.ts';
import { Webhooks } from './endpoints/webhook-store.ts';
import { answerOfFault, type RestFault, RestFaults } from './faults.ts';
import {
  emptyResponse,
  header,
  jsonResponse,
  type RestRequest,
  type RestResponse,
  withHeaders,
} from './http.ts';
import { InvalidRequests } from './invalid-requests.ts';
import { bucketTable, REST_DEFAULTS, type RestOptions } from './options.ts';
import { RateLimiter, type ShownBucket } from './rate-limiter.ts';
import { classOf } from './request-class.ts';
import { RestAudit, type RestBreach } from './rest-audit.ts';

export type RestPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly world: World;
  /** Shared with the gateway, so that a token which was reset works nowhere. */
  readonly credentials: Credentials;
  readonly gatewayFacts: () => GatewayFacts;
  /** Gets the events that requests cause. */
  readonly publish: (event: SimulatedEvent) => void;
};

/** One request on its way through the steps. */
type Visit = {
  readonly request: RestRequest;
  readonly nowMs: number;
  readonly route: Route;
  readonly segments: readonly string[];
  readonly hasApi: boolean;
  readonly version: number | undefined;
  readonly query: string;
  /** `METHOD template`. */
  readonly label: string;
  readonly caller: Caller;
};

type Answer = { readonly response: RestResponse; readonly by: 'api' | 'front' };

/** What a user's token may be used for. */
const BEARER_ROUTES = /^\/(?:users\/@me|oauth2\/@me)(?:\/|$)/;

export class SimulatedRest {
  readonly audit = new RestAudit();
  readonly #options: RestOptions;
  readonly #ports: RestPorts;
  readonly #limiter: RateLimiter;
  readonly #invalid: InvalidRequests;
  readonly #faults: RestFaults;
  readonly #forbidden = new Set<string>();
  readonly #surroundings: Surroundings;

  constructor(ports: RestPorts, options: Partial<RestOptions> = {}) {
    this.#options = { ...REST_DEFAULTS, ...options };
    this.#ports = ports;
    this.#limiter = new RateLimiter(bucketTable(this.#options), this.#options.global);
    this.#invalid = new InvalidRequests(this.#options.invalidRequests);
    this.#faults = new RestFaults(ports.random, this.#options.faults);
    const { clock, world, gatewayFacts, publish } = ports;
    this.#surroundings = {
      clock,
      world,
      gatewayFacts,
      publish,
      audit: this.audit,
      bearerTokens: this.#options.bearerTokens,
      forbiddenChannels: this.#forbidden,
      pins: new Pins(),
      reactions: new Reactions(),
      bans: new Bans(),
      commands: new Commands(),
      webhooks: new Webhooks(),
      records: new Records(),
      application: new ApplicationRecords(),
      searchIndex: new SearchIndex(),
      answered: new Set(),
    };
  }

  /** Adds a fault to those that may strike. */
  inject(fault: RestFault): void {
    this.#faults.add(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** Takes the bot's access to a channel away: 403, code 50001. */
  forbidChannel(channelId: string): void {
    this.#forbidden.add(channelId);
  }

  allowChannel(channelId: string): void {
    this.#forbidden.delete(channelId);
  }

  /** What the address has spent of its invalid requests in the last window. */
  invalidRequests(address: string): number {
    return this.#invalid.count(address, this.#ports.clock.nowMs());
  }

  handle(request: RestRequest): RestResponse {
    const visit = this.#visit(request);
    if (visit === undefined) return plainError(400);
    const ban = this.#invalid.bannedForMs(request.remoteAddress, visit.nowMs);
    if (ban !== undefined) return this.#record(visit, { response: page1015(ban), by: 'front' });
    if (!this.#isWelcome(request)) {
      return this.#record(visit, { response: page1010(), by: 'front' });
    }
    const { effect, delayMs } = this.#faults.strike(visit.label, visit.nowMs);
    const faulty = effect === undefined ? undefined : answerOfFault(effect);
    let { response, by } = faulty ?? this.#api(visit);
    if (effect?.kind === 'headers') response = withHeaders(response, effect.set);
    if (effect?.kind === 'lost-response') response = { ...response, delivery: 'destroy' };
    if (request.method === 'HEAD') response = { ...response, body: new Uint8Array(0) };
    return this.#record(visit, { response: { ...response, delayMs }, by });
  }

  #visit(request: RestRequest): Visit | undefined {
    try {
      const path = parsePath(request.path);
      const route = routeOf(request.method === 'HEAD' ? 'GET' : request.method, path.segments);
      return {
        request,
        nowMs: this.#ports.clock.nowMs(),
        route,
        segments: path.segments,
        hasApi: path.api,
        version: path.version,
        query: path.query,
        label: `${route.method} ${route.template}`,
        caller: callerOf(request, this.#ports.credentials, this.#options.bearerTokens),
      };
    } catch (error) {
      if (error instanceof PathRefusedError) return undefined;
      throw error;
    }
  }

  #isWelcome(request: RestRequest): boolean {
    const userAgent = header(request.headers, 'user-agent')?.trim() ?? '';
    if (this.#options.userAgent === 'any') return true;
    if (this.#options.userAgent === 'present') return userAgent !== '';
    return userAgent.startsWith('DiscordBot (');
  }

  /** The API's gate: what is refused here never reaches a bucket. */
  #api(visit: Visit): Answer {
    const api = (response: RestResponse): Answer => ({ response, by: 'api' });
    const { route, caller, version, nowMs } = visit;
    if (!visit.hasApi) return api(plainError(404));
    if (version !== undefined && !this.#options.apiVersions.includes(version)) {
      return api(apiError(RESTJSONErrorCodes.InvalidAPIVersion));
    }
    if (!route.known) return api(plainError(404));
    if (!route.methods.includes(route.method)) return api(plainError(405));
    // An interaction's endpoint is left alone by the global limit unless a token is shown there.
    if (!route.globalExempt || caller.kind !== 'none') {
      const waitMs = this.#limiter.takeGlobal(caller.identity, nowMs);
      if (waitMs !== undefined) {
        this.#breach(visit, 'global');
        return api(tooManyRequests('global', waitMs, []));
      }
    }
    if (!isAuthorized(route, caller)) return api(plainError(401));
    return api(this.#limited(visit));
  }

  /** The route's buckets, and behind them the endpoint. */
  #limited(visit: Visit): RestResponse {
    const { route, caller, request, nowMs } = visit;
    const values = valuesOf(route, visit.segments);
    const kind = classOf(route, values, request, this.#ports.clock.epochMs());
    const identity = route.tokenInPath ? 'path' : caller.identity;
    const verdict = this.#limiter.takeBuckets(identity, route, kind, nowMs);
    if (!verdict.passed) {
      this.#breach(visit, verdict.hidden ? 'hidden' : verdict.scope, verdict.bucket);
      const headers = this.#headers(verdict.shown, 429, nowMs);
      return tooManyRequests(verdict.scope, verdict.retryAfterMs, headers, verdict.code);
    }
    const response = this.#endpoint(visit, values);
    const headers = this.#headers(verdict.shown, response.status, nowMs);
    return { ...response, headers: [...response.headers, ...headers] };
  }

  #headers(shown: ShownBucket | undefined, status: number, nowMs: number) {
    if (shown === undefined) return [];
    return this.#limiter.headers(shown, status, nowMs, this.#ports.clock.epochMs());
  }

  #endpoint(visit: Visit, values: Readonly<Record<string, string>>): RestResponse {
    const stub = this.#options.stubs[visit.label];
    if (stub !== undefined) {
      return stub.body === undefined
        ? { ...emptyResponse(), status: stub.status }
        : jsonResponse(stub.status, stub.body);
    }
    const endpoint = ENDPOINTS.get(visit.label);
    if (endpoint === undefined) return plainError(501);
    const query = new URLSearchParams(visit.query);
    try {
      return endpoint({ ...this.#surroundings, request: visit.request, values, query });
    } catch (error) {
      if (error instanceof Refusal) return error.response;
      throw error;
    }
  }

  #record(visit: Visit, { response, by }: Answer): RestResponse {
    const { request, route, nowMs, label, caller } = visit;
    this.audit.request({
      atMs: nowMs,
      route: label,
      resource: route.major.split(':').slice(0, 2).join(':'),
      identity: this.#nameOf(caller),
      status: response.status,
      by,
    });
    if (by === 'front') return response;
    const { status } = response;
    if (status === 401) this.#breach(visit, 'unauthorized');
    if (status === 403) this.#breach(visit, 'forbidden');
    const isShared = header(response.headers, 'x-ratelimit-scope') === 'shared';
    if (status === 401 || status === 403 || (status === 429 && !isShared)) {
      if (this.#invalid.note(request.remoteAddress, nowMs)) this.#breach(visit, 'banned');
    }
    return response;
  }

  #breach(visit: Visit, name: RestBreach['name'], bucket?: string): void {
    const { nowMs: atMs, label: route, caller } = visit;
    const identity = this.#nameOf(caller);
    this.audit.breach({ atMs, name, route, identity, ...(bucket === undefined ? {} : { bucket }) });
  }

  #nameOf(caller: Caller): string {
    const isToken = caller.kind === 'bot' || caller.kind === 'bearer';
    return isToken ? this.audit.nameOf(caller.identity) : 'address';
  }
}

function isAuthorized(route: Route, caller: Caller): boolean {
  if (route.unauthenticated || caller.kind === 'bot') return true;
  return caller.kind === 'bearer' && BEARER_ROUTES.test(route.template);
}

/** What stands in the path where the template has a placeholder. */
function valuesOf(route: Route, segments: readonly string[]): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [index, name] of route.template.split('/').slice(1).entries()) {
    if (name.startsWith(':')) values[name.slice(1)] = segments[index] ?? '';
  }
  return values;
}

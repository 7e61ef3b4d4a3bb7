/**
 * The proxy's tree in front of the simulated REST API, on virtual time: the network between them
 * has latency that differs each time, and loses what it is told to lose. The API's audit is the
 * judge.
 */

import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { UpstreamError } from '../../protocols/errors.ts';
import type { Priority } from '../../protocols/lanes.ts';
import { INTERACTION_ANSWER_MS } from '../../protocols/limits.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import {
  ANONYMOUS,
  bodyOfBytes,
  type ProxyMetrics,
  REPEATABLE_METHODS,
  type RestAnswer,
  type RestMethod,
  type RestOutcome,
  type RestRequest,
  type Sending,
  type Upstream,
  type UpstreamResult,
} from '../../protocols/proxy.ts';
import type { SharedLimits } from '../../protocols/shared-limits.ts';
import { createRandom } from '../../src/random.ts';
import { Credentials } from '../../src/simulator/gateway/credentials.ts';
import type { RestResponse } from '../../src/simulator/rest/http.ts';
import type { RestOptions } from '../../src/simulator/rest/options.ts';
import { SimulatedRest } from '../../src/simulator/rest/simulated-rest.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { type ProxyTree, type Submission, startProxyTree } from '../../supervisors/proxy.ts';
import type { FamilyLimits } from '../../supervisors/proxy-guard.ts';
import { RecordingLog } from './recording-log.ts';
import { sendingOf } from './sending.ts';

export const TOKENS = ['token-of-bot-one', 'token-of-bot-two'] as const;

export type Network = {
  /** Each way takes between these two. */
  readonly minMs: number;
  readonly maxMs: number;
  /** The share of answers that never arrive; the API has counted their requests. */
  readonly answerLoss: number;
  /** The share of requests that never arrive. */
  readonly requestLoss?: number;
  /** The share of requests that no connection is to be had for: they are certainly not sent. */
  readonly refusal?: number;
  /** The longest wait for a connection; there is always one unless this is given. */
  readonly connectMs?: number;
};

export const QUIET_NETWORK: Network = { minMs: 5, maxMs: 5, answerLoss: 0 };

export const NO_METRICS: ProxyMetrics = {
  requested: () => {},
  responded: () => {},
  unanswered: () => {},
  requestLatency: () => {},
  ratelimitLatency: () => {},
  limited: () => {},
  invalid: () => {},
  refused: () => {},
};

/** How long a client waits for an answer that was lost. */
const LOST_AFTER_MS = 2_000;

export type Send = {
  readonly atMs: number;
  readonly target: string;
  readonly method: string;
  readonly identity: string;
  /** Where it came from. */
  readonly address: string;
  /** What the API answered, whether or not the answer arrived. */
  status: number | null;
  response: RestResponse | null;
  /** What its sender got, and when. */
  end: 'answered' | 'lost' | 'unsent' | null;
  endedMs: number | null;
};

export class SimulatedUpstream implements Upstream {
  /** Every send, in order. */
  readonly sends: Send[] = [];
  network: Network;
  /** Answers whose body nobody has read or discarded yet. */
  open = 0;
  readonly #address: string;
  readonly #rest: SimulatedRest;
  readonly #clock: VirtualClock;
  readonly #random: Random;

  constructor(
    rest: SimulatedRest,
    clock: VirtualClock,
    random: Random,
    network: Network,
    address: string,
  ) {
    this.#address = address;
    this.#rest = rest;
    this.#clock = clock;
    this.#random = random;
    this.network = network;
  }

  send(request: RestRequest, written: () => void): Sending {
    return sendingOf((signal) => this.#send(request, written, signal));
  }

  async close(): Promise<void> {}

  #send(request: RestRequest, written: () => void, signal: AbortSignal): Promise<UpstreamResult> {
    const { method, target, identity } = request;
    const asked = { atMs: this.#clock.nowMs(), target, method, identity, address: this.#address };
    const send: Send = { ...asked, status: null, response: null, end: null, endedMs: null };
    this.sends.push(send);
    return new Promise((resolve) => {
      const end = (how: 'lost' | 'unsent'): void => {
        this.#end(send, how);
        resolve(failure(how));
      };
      signal.addEventListener('abort', () => end('lost'));
      const { refusal = 0, requestLoss = 0, connectMs = 0 } = this.network;
      const waitMs = connectMs === 0 ? 0 : this.#random() * connectMs;
      if (refusal > 0 && this.#random() < refusal) {
        this.#later(() => end('unsent'));
        return;
      }
      if (waitMs === 0) written();
      else this.#clock.setTimer(waitMs, written);
      if (requestLoss > 0 && this.#random() < requestLoss) {
        this.#clock.setTimer(LOST_AFTER_MS, () => end('lost'));
        return;
      }
      this.#later(() => {
        const response = this.#rest.handle({
          method: request.method,
          path: request.target,
          headers: request.headers,
          body: contentOf(request),
          remoteAddress: this.#address,
        });
        send.status = response.status;
        send.response = response;
        const lost = response.delivery === 'destroy' || this.#random() < this.network.answerLoss;
        if (lost) this.#clock.setTimer(LOST_AFTER_MS, () => end('lost'));
        else {
          this.#later(() => {
            if (signal.aborted) return;
            this.#end(send, 'answered');
            resolve(this.#answer(request, response));
          }, response.delayMs);
        }
      }, waitMs);
    });
  }

  #end(send: Send, how: 'answered' | 'lost' | 'unsent'): void {
    send.end ??= how;
    send.endedMs ??= this.#clock.nowMs();
  }

  #later(callback: () => void, extraMs = 0): void {
    const { minMs, maxMs } = this.network;
    this.#clock.setTimer(minMs + this.#random() * (maxMs - minMs) + extraMs, callback);
  }

  #answer(request: RestRequest, response: RestResponse): UpstreamResult {
    this.open += 1;
    let isOpen = true;
    const done = (): void => {
      if (isOpen) this.open -= 1;
      isOpen = false;
    };
    async function* body(): AsyncGenerator<Uint8Array> {
      yield response.body;
      done();
    }
    const answer: RestAnswer = {
      status: response.status,
      headers: response.headers,
      url: `http://simulator${request.target}`,
      body: body(),
      discard: done,
    };
    return { kind: 'answer', answer };
  }
}

function contentOf({ body }: RestRequest): Uint8Array {
  const content = body?.read() ?? new Uint8Array();
  if (content instanceof Uint8Array) return content;
  throw new TypeError('the simulated upstream takes only bodies that are there already');
}

function failure(how: 'lost' | 'unsent'): UpstreamResult {
  const error = new UpstreamError(`the simulated network failed (${how})`);
  return { kind: 'failure', failure: { error, unsent: how === 'unsent' } };
}

export type Sent = {
  readonly id: number;
  readonly request: RestRequest;
  readonly submittedMs: number;
  readonly submission: Submission;
  outcome: RestOutcome | null;
  settledMs: number | null;
};

/**
 * The clock as the actors see it: reading it may crash whoever does, which is how tests crash an
 * actor in the middle of its work.
 */
export class CrashingClock implements Clock {
  /** Part of a file's path, such as `actors/bucket/actor`: who crashes. */
  where = '';
  /** Whether this reading crashes; undefined: none does. */
  crashes: (() => boolean) | undefined;
  count = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    if (this.crashes !== undefined && new Error().stack?.includes(this.where) && this.crashes()) {
      this.count += 1;
      throw new Error('a crash that the test asked for');
    }
    return this.#clock.nowMs();
  }

  epochMs(): number {
    return this.#clock.epochMs();
  }

  setTimer(delayMs: number, callback: () => void) {
    return this.#clock.setTimer(delayMs, callback);
  }
}

/** One proxy in front of the API, and all that was asked of it. */
export type ProxyStage = {
  readonly system: ActorSystem;
  readonly actorClock: CrashingClock;
  readonly upstream: SimulatedUpstream;
  /** Where Discord sees its requests come from. */
  readonly address: string;
  readonly tree: ProxyTree;
  /** Submits a request; its number stands in its query. */
  send(method: RestMethod, path: string, options?: SendOptions): Sent;
  readonly sent: readonly Sent[];
};

export type ProxyWorld = ProxyStage & {
  readonly clock: VirtualClock;
  readonly log: RecordingLog;
  pass(ms: number): Promise<void>;
  readonly rest: SimulatedRest;
  readonly credentials: Credentials;
};

export type SendOptions = {
  readonly token?: string | null;
  readonly timeoutMs?: number;
  readonly body?: Uint8Array;
  readonly priority?: Priority;
  /** What its client says of it; what its method says, unless given. */
  readonly repeatable?: boolean;
  /** Instead of the token's: what stands in Authorization, and the identity. */
  readonly authorization?: string;
};

/** What a proxy is given, besides its place in the world. */
export type ProxyStageOptions = {
  readonly network?: Network;
  readonly globalLimit?: number;
  readonly familyLimits?: FamilyLimits;
  readonly metrics?: ProxyMetrics;
  /** The tree reads the clock that crashes too, so that an actor can crash within what it does. */
  readonly crashesWithin?: boolean;
  readonly sharedLimits?: SharedLimits;
  /** Where Discord sees its requests come from. */
  readonly address?: string;
};

/** What all proxies of a world have in common. */
export type ProxySurroundings = {
  readonly clock: VirtualClock;
  readonly log: RecordingLog;
  readonly random: Random;
  readonly rest: SimulatedRest;
  /** The number of the next request. */
  nextId(): number;
};

/** Starts a proxy whose own clock is `ownClock`. */
export function createProxyStage(
  { clock, log, random, rest, nextId }: ProxySurroundings,
  name: string,
  ownClock: Clock,
  options: ProxyStageOptions,
): ProxyStage {
  const { network = QUIET_NETWORK, globalLimit = 50, address = '192.0.2.1' } = options;
  const { metrics = NO_METRICS, familyLimits = new Map(), sharedLimits } = options;
  const actorClock = new CrashingClock(ownClock);
  const system = createActorSystem({ name, clock: actorClock, random, log });
  const upstream = new SimulatedUpstream(rest, clock, random, network, address);
  const limits = { globalLimit, familyLimits, ...(sharedLimits && { sharedLimits }) };
  const treeClock = options.crashesWithin === true ? actorClock : ownClock;
  const tree = startProxyTree({ system, upstream, clock: treeClock, log, metrics, ...limits });
  const sent: Sent[] = [];
  const send = (method: RestMethod, path: string, sending: SendOptions = {}): Sent => {
    const id = nextId();
    const request = requestOf(method, `${path}?n=${id}`, sending);
    const submission = tree.submit(request);
    const record: Sent = {
      id,
      request,
      submittedMs: clock.nowMs(),
      submission,
      outcome: null,
      settledMs: null,
    };
    sent.push(record);
    void submission.outcome.then((outcome) => {
      if (record.outcome !== null) throw new Error(`request ${id} has two fates`);
      record.outcome = outcome;
      record.settledMs = clock.nowMs();
      if (outcome.kind === 'answered') outcome.answer.discard();
    });
    return record;
  };
  return { system, actorClock, upstream, address, tree, send, sent };
}

/** The API, and what every proxy before it shares. */
export function createSurroundings(
  options: Partial<RestOptions> & { readonly seed?: number },
): ProxySurroundings & { readonly credentials: Credentials } {
  const { seed = 1 } = options;
  const clock = new VirtualClock();
  const random = createRandom(seed);
  const credentials = new Credentials(TOKENS);
  const startEpochMs = clock.epochMs();
  // Discord's clock does not step when ours does.
  const discordClock: Clock = {
    nowMs: () => clock.nowMs(),
    epochMs: () => startEpochMs + clock.nowMs(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  };
  const ports = {
    clock: discordClock,
    random,
    world: createWorld({ seed, guildCount: 1, startEpochMs }),
    credentials,
    gatewayFacts: () => {
      throw new Error('not asked for');
    },
    publish: () => {},
  };
  const rest = new SimulatedRest(ports, options);
  let requests = 0;
  const nextId = (): number => requests++;
  return { clock, log: new RecordingLog(), random, rest, credentials, nextId };
}

export function createProxyWorld(
  options: Partial<RestOptions> & ProxyStageOptions & { readonly seed?: number } = {},
): ProxyWorld {
  const surroundings = createSurroundings(options);
  const { clock, log, rest, credentials } = surroundings;
  const stage = createProxyStage(surroundings, 'test', clock, options);
  const pass = (ms: number): Promise<void> => clock.advanceSettled(ms, () => stage.system.idle());
  return { ...stage, clock, log, pass, rest, credentials };
}

export function requestOf(method: RestMethod, target: string, options: SendOptions): RestRequest {
  const { token = TOKENS[0], timeoutMs = null, body = null } = options;
  const authorization = options.authorization ?? (token === null ? undefined : `Bot ${token}`);
  const route = resolveRoute(method, `/api/v10${target}`);
  const whole = `/api/v10${target}`;
  const headers: [string, string][] = [['user-agent', 'DiscordBot (https://example.org, 1)']];
  if (authorization !== undefined) headers.push(['authorization', authorization]);
  if (body !== null) headers.push(['content-type', 'application/json']);
  return {
    method,
    target: whole,
    route,
    headers,
    body: body && bodyOfBytes(body),
    identity: options.authorization ?? token ?? ANONYMOUS,
    timeoutMs,
    sendWithinMs: route.family === 'interactions' ? INTERACTION_ANSWER_MS : null,
    priority: options.priority ?? (route.globalExempt ? 'high' : 'normal'),
    repeatable: options.repeatable ?? REPEATABLE_METHODS.has(method),
  };
}

/**
 * The status Discord answered with, or the kind of another outcome, or null while there is none.
 */
export function fate(sent: Sent): number | string | null {
  if (sent.outcome === null) return null;
  return sent.outcome.kind === 'answered' ? sent.outcome.answer.status : sent.outcome.kind;
}

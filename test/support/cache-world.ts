/**
 * The proxy's cache between clients and a model of Discord, on virtual time.
 *
 * The model's state is a version for each thing; an answer has the versions of what it shows, and
 * the token it was asked with. A client knows which versions there were before it asked: those that
 * a write's answer or an event has told of. `tooOld` lists answers that had less than that.
 */
import { changedByEvent } from '../../protocols/discord/cache-events.ts';
import { UpstreamError } from '../../protocols/errors.ts';
import type { Random } from '../../protocols/ports.ts';
import type {
  HeaderList,
  RestAnswer,
  RestMethod,
  RestOutcome,
  RestRequest,
  Upstream,
  UpstreamResult,
} from '../../protocols/proxy.ts';
import {
  CACHE_HEADER,
  type CacheBounds,
  type CacheRules,
  RestCache,
} from '../../src/proxy/cache/rest-cache.ts';
import { SentUpstream } from '../../src/proxy/cache/sent-upstream.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { ProxyTree, Submission } from '../../supervisors/proxy.ts';
import { sendingOf } from './sending.ts';
import { NO_METRICS, requestOf, type SendOptions } from './simulated-upstream.ts';

/** What an answer shows. */
export const READS: Readonly<Record<string, readonly string[]>> = {
  '/channels/11': ['c11'],
  '/channels/11/messages?limit=2': ['messages'],
  '/guilds/1/channels': ['c11', 'c12'],
  '/guilds/1/roles': ['roles'],
  '/guilds/1': ['guild', 'roles'],
  '/guilds/1?with_counts=true': ['guild', 'roles'],
  '/guilds/1/members/21': ['member'],
  '/users/@me': ['me'],
  '/channels/12': ['c12'],
};

/** What a write changes. */
export const WRITES: Readonly<Record<string, readonly string[]>> = {
  'PATCH /channels/11': ['c11', 'c12'],
  'DELETE /channels/12/permissions/5': ['c12'],
  'PATCH /guilds/1/channels': ['c11', 'c12'],
  'POST /channels/11/messages': ['messages'],
  'POST /webhooks/5/secret': ['messages'],
  'PATCH /guilds/1/roles/5': ['roles'],
  'DELETE /guilds/1/roles/5': ['roles', 'member', 'c11', 'c12'],
  'PATCH /guilds/1': ['guild'],
  'PUT /guilds/1/members/21/roles/5': ['member'],
  'PATCH /users/@me': ['me', 'member'],
};

/** What others change, and the event that says so. */
export const EVENTS: readonly (readonly [
  event: string,
  data: unknown,
  things: readonly string[],
])[] = [
  ['CHANNEL_UPDATE', { id: '11', guild_id: '1' }, ['c11']],
  ['CHANNEL_DELETE', { id: '12', guild_id: '1' }, ['c12']],
  ['GUILD_ROLE_UPDATE', { guild_id: '1', role: { id: '5' } }, ['roles']],
  ['GUILD_ROLE_DELETE', { guild_id: '1', role_id: '5' }, ['roles', 'member', 'c11', 'c12']],
  ['GUILD_MEMBER_UPDATE', { guild_id: '1', user: { id: '21' } }, ['member']],
  ['GUILD_UPDATE', { id: '1' }, ['guild']],
  ['USER_UPDATE', { id: '21' }, ['me', 'member']],
  ['GUILD_CREATE', { id: '1' }, ['guild', 'roles', 'member', 'c11', 'c12']],
  // No number of the client's, but what Discord may send one day.
  ['GUILD_UPDATE', {}, ['guild', 'roles', 'member', 'c11', 'c12', 'me']],
];

export type CacheWorldOptions = {
  readonly seed: number;
  readonly rules: CacheRules;
  readonly bounds?: CacheBounds;
  /** The shares of sends that fail, of bodies that break off, of bodies that are long. */
  readonly failing?: number;
  readonly breaking?: number;
  readonly long?: number;
  /** The longest that a request waits for its turn. */
  readonly waitMs?: number;
  readonly latencyMs?: number;
};

export const LONG_BODY_BYTES = 4_000;

/** In which the model says at once what a write has changed. */
const WRITTEN_HEADER = 'x-written';

export type Asking = SendOptions & {
  readonly cancelAfterMs?: number;
  readonly headers?: HeaderList;
};

type Versions = Map<string, number>;

/** One request of a client and what came of it. */
export type Asked = {
  readonly request: RestRequest;
  readonly submission: Submission;
  readonly askedMs: number;
  readonly isCancelled: () => boolean;
  readonly fates: RestOutcome['kind'][];
  settledMs: number | null;
  status: number | null;
  lookup: string | undefined;
  body: { readonly token: string; readonly versions: Readonly<Record<string, number>> } | null;
};

export class CacheWorld {
  readonly clock = new VirtualClock();
  readonly cache: RestCache;
  readonly sends: RestRequest[] = [];
  readonly asked: Asked[] = [];
  readonly tooOld: string[] = [];
  readonly faults: string[] = [];
  readonly lookups = new Map<string, number>();
  /** Answers that nobody has read or discarded. */
  open = 0;
  readonly #options: Required<Omit<CacheWorldOptions, 'bounds'>>;
  readonly #random: Random;
  readonly #state: Versions = new Map();
  /** What anybody may have heard of. */
  readonly #known: Versions = new Map();
  readonly #upstream: SentUpstream;

  constructor(options: CacheWorldOptions) {
    this.#options = { failing: 0, breaking: 0, long: 0, waitMs: 0, latencyMs: 40, ...options };
    this.#random = createRandom(options.seed);
    const model: Upstream = {
      send: (request) => sendingOf((signal) => this.#answer(request, signal)),
      close: async () => {},
    };
    this.#upstream = new SentUpstream(model);
    const tree: Pick<ProxyTree, 'submit'> = { submit: (request) => this.#queue(request) };
    this.cache = new RestCache({
      tree,
      rules: options.rules,
      clock: this.clock,
      metrics: NO_METRICS,
      cacheMetrics: {
        looked: (_path, lookup) => {
          this.lookups.set(lookup, (this.lookups.get(lookup) ?? 0) + 1);
        },
        dropped: () => {},
      },
      ...(options.bounds !== undefined && { bounds: options.bounds }),
    });
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceSettled(ms, settled);
  }

  ask(method: RestMethod, path: string, options: Asking = {}): Asked {
    const plain = requestOf(method, path, options);
    const request = { ...plain, headers: [...plain.headers, ...(options.headers ?? [])] };
    const floor = new Map(this.floor());
    const submission = this.cache.submit(request);
    let isCancelled = false;
    const asked: Asked = {
      request,
      submission,
      askedMs: this.clock.nowMs(),
      isCancelled: () => isCancelled,
      fates: [],
      settledMs: null,
      status: null,
      lookup: undefined,
      body: null,
    };
    this.asked.push(asked);
    void submission.outcome.then((outcome) => this.#settled(asked, outcome, floor));
    const { cancelAfterMs } = options;
    if (cancelAfterMs !== undefined) {
      this.clock.setTimer(cancelAfterMs, () => {
        isCancelled = asked.settledMs === null;
        submission.cancel();
      });
    }
    return asked;
  }

  /** What an answer must not be older than: by default what has been heard of. */
  floor: () => ReadonlyMap<string, number> = () => this.#known;

  get state(): ReadonlyMap<string, number> {
    return this.#state;
  }

  /** Somebody else changes something; the event comes after `afterMs`, or never. */
  changeElsewhere(index: number, afterMs: number | null, knownAtMs?: number): void {
    const [event, data, things] = EVENTS[index % EVENTS.length] ?? [];
    if (event === undefined || things === undefined) return;
    const versions = this.#raise(things);
    if (afterMs !== null) {
      this.clock.setTimer(afterMs, () => {
        this.cache.change(changedByEvent(event, data));
        this.#hear(versions);
      });
    } else if (knownAtMs !== undefined) {
      this.clock.setTimer(knownAtMs - this.clock.nowMs(), () => this.#hear(versions));
    }
  }

  #raise(things: readonly string[]): Versions {
    const versions: Versions = new Map();
    for (const thing of things) {
      const version = (this.#state.get(thing) ?? 0) + 1;
      this.#state.set(thing, version);
      versions.set(thing, version);
    }
    return versions;
  }

  #hear(versions: ReadonlyMap<string, number>): void {
    for (const [thing, version] of versions) {
      this.#known.set(thing, Math.max(version, this.#known.get(thing) ?? 0));
    }
  }

  #draw(maxMs: number): number {
    return Math.floor(this.#random() * (maxMs + 1));
  }

  /** Stands for the tree: requests wait, are sent, time out, are cancelled, are refused. */
  #queue(request: RestRequest): Submission {
    const abort = new AbortController();
    let settle: (outcome: RestOutcome) => void = () => {};
    let isSent = false;
    let isOver = false;
    const outcome = new Promise<RestOutcome>((resolve) => {
      settle = (ending) => {
        if (isOver && ending.kind === 'answered') ending.answer.discard();
        isOver = true;
        timer?.cancel();
        resolve(ending);
      };
    });
    const { timeoutMs } = request;
    const timer =
      timeoutMs === null
        ? null
        : this.clock.setTimer(timeoutMs, () => {
            settle({ kind: 'timed-out', waitMs: null, failing: false, sent: isSent });
            abort.abort();
          });
    if (this.#random() < this.#options.failing / 2) {
      settle({ kind: 'refused', reason: 'full', retryAfterMs: 1 });
      return { outcome, cancel: () => {} };
    }
    this.clock.setTimer(this.#draw(this.#options.waitMs), () => {
      if (isOver) return;
      isSent = true;
      const sending = this.#upstream.send(request, () => {});
      abort.signal.addEventListener('abort', () => sending.abort());
      void sending.result.then((result) => {
        if (result.kind === 'answer') settle({ kind: 'answered', answer: result.answer });
        else settle({ kind: 'failed', error: result.failure.error });
      });
    });
    const cancel = (): void => {
      settle({ kind: 'cancelled' });
      abort.abort();
    };
    return { outcome, cancel };
  }

  /** The model's API: what it does, it does in the middle of the way there and back. */
  #answer(request: RestRequest, signal: AbortSignal): Promise<UpstreamResult> {
    this.sends.push(request);
    const { latencyMs, failing } = this.#options;
    const fails = this.#random() < failing;
    return new Promise((resolve) => {
      const error = new UpstreamError('the model failed');
      const failure = { kind: 'failure', failure: { error, unsent: false } } as const;
      signal.addEventListener('abort', () => resolve(failure));
      this.clock.setTimer(this.#draw(latencyMs), () => {
        const [versions, status] = this.#serve(request);
        this.clock.setTimer(this.#draw(latencyMs), () => {
          if (fails || signal.aborted) resolve(failure);
          else resolve({ kind: 'answer', answer: this.#answerOf(request, status, versions) });
        });
      });
    });
  }

  /** Versions and status. */
  #serve({ method, target }: RestRequest): [versions: object, status: number] {
    const path = target.replace('/api/v10', '');
    const things = method === 'GET' ? READS[path] : WRITES[`${method} ${path}`];
    if (things === undefined) return [{}, 404];
    if (method !== 'GET') return [Object.fromEntries(this.#raise(things)), 200];
    const versions = things.map((thing) => [thing, this.#state.get(thing) ?? 0]);
    return [Object.fromEntries(versions), 200];
  }

  #answerOf(request: RestRequest, status: number, written: object): RestAnswer {
    const token = tokenOf(request);
    this.open += 1;
    let isOpen = true;
    const done = (): void => {
      if (isOpen) this.open -= 1;
      isOpen = false;
    };
    const padding = this.#random() < this.#options.long ? ' '.repeat(LONG_BODY_BYTES) : '';
    const bytes = new TextEncoder().encode(JSON.stringify({ token, versions: written }) + padding);
    const breaks = request.method === 'GET' && this.#random() < this.#options.breaking;
    const wait = (): Promise<void> =>
      new Promise((resolve) => this.clock.setTimer(this.#draw(15), resolve));
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        const middle = Math.floor(bytes.length / 2);
        yield bytes.subarray(0, middle);
        await wait();
        if (breaks) throw new Error('broken off');
        yield bytes.subarray(middle);
      } finally {
        done();
      }
    }
    const headers: [string, string][] = [['x-ratelimit-remaining', '3']];
    if (request.method !== 'GET') headers.push([WRITTEN_HEADER, JSON.stringify(written)]);
    return { status, headers, url: `http://model${request.target}`, body: body(), discard: done };
  }

  async #settled(
    asked: Asked,
    outcome: RestOutcome,
    floor: ReadonlyMap<string, number>,
  ): Promise<void> {
    asked.fates.push(outcome.kind);
    asked.settledMs = this.clock.nowMs();
    if (outcome.kind !== 'answered') return;
    const { answer } = outcome;
    asked.status = answer.status;
    asked.lookup = answer.headers.find(([name]) => name === CACHE_HEADER)?.[1];
    const isLimited = answer.headers.some(([name]) => name.startsWith('x-ratelimit-'));
    if (isLimited === (asked.lookup === 'hit'))
      this.faults.push('limits of a hit, or none elsewhere');
    const written = answer.headers.find(([name]) => name === WRITTEN_HEADER)?.[1];
    if (written !== undefined) this.#hear(new Map(Object.entries(JSON.parse(written))));
    const text = await textOf(answer);
    // Broken off, as it was for whoever asked Discord.
    if (text === null) return;
    asked.body = JSON.parse(text);
    this.#judge(asked, floor);
  }

  #judge({ request, body, lookup }: Asked, floor: ReadonlyMap<string, number>): void {
    if (body === null) return;
    const own = tokenOf(request);
    if (body.token !== own) this.faults.push(`${own} got the answer of ${body.token}`);
    if (request.method !== 'GET') return;
    for (const [thing, version] of Object.entries(body.versions)) {
      const known = floor.get(thing) ?? 0;
      if (version < known)
        this.tooOld.push(`${lookup} ${request.target}: ${thing} ${version}<${known}`);
    }
  }
}

const tokenOf = ({ headers }: RestRequest): string =>
  headers.find(([name]) => name === 'authorization')?.[1] ?? '';

async function textOf(answer: RestAnswer): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of answer.body) chunks.push(chunk);
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Promises that wait for no timer have settled by then. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

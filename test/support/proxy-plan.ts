/**
 * What a random schedule of the proxy consists of, all of it drawn from a seed: Discord's limits,
 * the network, who asks for what and when, and what goes wrong. `proxy-schedule.ts` plays it.
 */
import type { Priority } from '../../protocols/lanes.ts';
import type { Random } from '../../protocols/ports.ts';
import type { RestMethod } from '../../protocols/proxy.ts';
import { createRandom } from '../../src/random.ts';
import type { BucketSpec, BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import type { RestFault, RestFaultEffect } from '../../src/simulator/rest/faults.ts';
import type { Stub } from '../../src/simulator/rest/options.ts';
import { makeSnowflake } from '../../src/simulator/snowflake.ts';
import type { FamilyLimits } from '../../supervisors/proxy-guard.ts';
import { type Network, TOKENS } from './simulated-upstream.ts';

const CHANNELS = '/channels/:channel';
const REACTION = `${CHANNELS}/messages/:message/reactions/:emoji/@me`;
const INTERACTION = 'aW50ZXJhY3Rpb246';
const UNKNOWN_WEBHOOK = 10_015;
const UNKNOWN_TOKEN = 'token-that-nobody-knows';
const EMOJI = '%F0%9F%91%8D';

/** A route that schedules ask; `anonymous` ones carry no token. */
type Asked = {
  readonly method: RestMethod;
  readonly template: string;
  readonly anonymous: boolean;
  path(draw: Draw, major: number, bornEpochMs: number): string;
};

const bot = (method: RestMethod, template: string, path: Asked['path']): Asked => ({
  method,
  template,
  anonymous: false,
  path,
});
const bare = (method: RestMethod, template: string, path: Asked['path']): Asked => ({
  ...bot(method, template, path),
  anonymous: true,
});

const LIST = bot('GET', `${CHANNELS}/messages`, (_, id) => `/channels/${id}/messages`);
const POST = bot('POST', `${CHANNELS}/messages`, (_, id) => `/channels/${id}/messages`);
const EDIT = bot('PATCH', CHANNELS, (_, id) => `/channels/${id}`);
const REACT = bot('PUT', REACTION, (_, id) => `/channels/${id}/messages/9/reactions/${EMOJI}/@me`);
const UNREACT = bot('DELETE', REACTION, REACT.path);
const ERASE = bot('DELETE', `${CHANNELS}/messages/:message`, (draw, id, bornEpochMs) => {
  const ageMs = draw.chance(0.2) ? 15 * 86_400_000 : draw.below(20_000);
  return `/channels/${id}/messages/${makeSnowflake(bornEpochMs - ageMs, 1)}`;
});
const ME = bot('GET', '/users/@me', () => '/users/@me');
const INVITE = bot('GET', '/invites/:code', (draw) => `/invites/code-${draw.below(9)}`);
const KICK = bot('DELETE', '/guilds/:guild/members/:user', (_, id) => `/guilds/${id}/members/7`);
const HOOK = bare('POST', '/webhooks/:webhook/:token', (_, id) => `/webhooks/${id}/secret`);
const GONE = bare('POST', '/webhooks/:webhook/:token/slack', (_, id) => `/webhooks/${id}/x/slack`);
const REPLY = bare(
  'PATCH',
  '/webhooks/:webhook/:interaction_token/messages/@original',
  (_, id) => `/webhooks/${id}/${INTERACTION}/messages/@original`,
);
const CALLBACK = bare(
  'POST',
  '/interactions/:interaction/:interaction_token/callback',
  (_, id) => `/interactions/${id}/${INTERACTION}/callback`,
);
const GATEWAY = bare('GET', '/gateway', () => '/gateway');

/** Routes that may have one name are asked together. */
const FAMILIES: readonly (readonly Asked[])[] = [
  [LIST, POST],
  [LIST, POST],
  [REACT, UNREACT],
  [REACT, UNREACT, POST],
  [EDIT],
  [ERASE],
  [INVITE],
  [KICK],
  [HOOK],
  [GONE],
  [REPLY],
  [CALLBACK],
  [GATEWAY],
];

export const labelOf = ({ method, template }: Pick<Asked, 'method' | 'template'>): string =>
  `${method} ${template}`;

export type PlannedRequest = {
  readonly atMs: number;
  readonly method: RestMethod;
  readonly path: string;
  readonly token: string | null;
  readonly priority: Priority | null;
  readonly body: Uint8Array | null;
  readonly timeoutMs: number | null;
  /** How long after it came in its client goes away. */
  readonly cancelAfterMs: number | null;
};

export type PlannedCrash = {
  readonly atMs: number;
  readonly actor: 'bucket' | 'global';
  /** Readings of the clock that it lives through first. */
  readonly skip: number;
};

export type ProxyPlan = {
  readonly seed: number;
  readonly spanMs: number;
  readonly globalLimit: number;
  readonly tokens: readonly string[];
  readonly buckets: BucketTable;
  readonly stubs: Readonly<Record<string, Stub>>;
  readonly network: Network;
  readonly familyLimits: FamilyLimits;
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly RestFault[];
  readonly crashes: readonly PlannedCrash[];
  readonly steps: readonly { readonly atMs: number; readonly deltaMs: number }[];
  readonly drainAtMs: number | null;
};

/** Readable draws from one stream. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  of<Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('there is nothing to draw from');
    return item;
  }
}

export const HOUR_MS = 3_600_000;
export const UNKNOWN_IDENTITY = UNKNOWN_TOKEN;

/** The plan of a seed. `epochMs` is what the wall clock shows at its beginning. */
export function drawPlan(seed: number, epochMs: number): ProxyPlan {
  const draw = new Draw(seed);
  const asked = [...new Set([...draw.of(FAMILIES), ...draw.of(FAMILIES)])];
  const tokens: readonly string[] = draw.chance(0.5) ? [TOKENS[0]] : TOKENS;
  const spanMs = draw.of([500, 3_000, 10_000, 30_000]);
  const isRough = draw.chance(0.5);
  const timesOf = (most: number, share: number): number[] =>
    draw.chance(share)
      ? Array.from({ length: draw.between(1, most) }, () => draw.below(spanMs))
      : [];
  const plan: ProxyPlan = {
    seed,
    spanMs,
    tokens,
    globalLimit: draw.chance(0.3) ? 50 : draw.between(2, 12),
    buckets: bucketsOf(draw, asked),
    stubs: stubsOf(draw, asked),
    network: networkOf(draw, isRough),
    familyLimits: new Map(
      draw.chance(0.5) ? [['invites', { count: draw.between(2, 6), windowMs: 5_000 }]] : [],
    ),
    requests: requestsOf(draw, asked, tokens, spanMs, epochMs),
    faults: isRough ? faultsOf(draw, asked, spanMs) : [],
    crashes: timesOf(3, 0.3).map((atMs) => ({
      atMs,
      actor: draw.chance(0.7) ? 'bucket' : 'global',
      skip: draw.below(12),
    })),
    steps: timesOf(2, 0.3).map((atMs) => ({ atMs, deltaMs: draw.of([HOUR_MS, -HOUR_MS]) })),
    drainAtMs: draw.chance(0.1) ? draw.below(spanMs) : null,
  };
  // A crash takes along who waits for a connection: these are counted from then on.
  const connectMs = plan.crashes.length === 0 && draw.chance(0.3) ? draw.between(50, 1_000) : 0;
  return { ...plan, network: { ...plan.network, connectMs } };
}

function networkOf(draw: Draw, isRough: boolean): Network {
  const minMs = draw.between(1, 30);
  const maxMs = minMs + draw.of([0, 20, 200]);
  const share = (): number => (isRough && draw.chance(0.3) ? draw.of([0.02, 0.2]) : 0);
  return { minMs, maxMs, answerLoss: share(), requestLoss: share(), refusal: share() };
}

function bucketsOf(draw: Draw, asked: readonly Asked[]): BucketTable {
  const counter = draw.chance(0.5) ? 'joint' : 'split';
  const common = { ...specOf(draw, 'common'), counter } as const;
  const table: Record<string, readonly BucketSpec[]> = {};
  for (const one of asked) {
    const label = labelOf(one);
    if (one === ME || one === CALLBACK || one === GATEWAY) table[label] = [];
    else if (one === ERASE) {
      const recent = { ...specOf(draw, 'recent'), class: 'recent' } as const;
      table[label] = [recent, { ...specOf(draw, 'old'), class: 'old' }];
    } else if (one === EDIT) {
      const rename = { ...specOf(draw, 'rename'), class: 'name-or-topic', shown: false } as const;
      table[label] = [specOf(draw, label), rename];
    } else table[label] = limitsOf(draw, label, common);
  }
  return { ...table, [labelOf(ME)]: [] };
}

function limitsOf(draw: Draw, label: string, common: BucketSpec): readonly BucketSpec[] {
  if (draw.chance(0.1)) return [];
  const shown = draw.chance(0.6) ? common : specOf(draw, label);
  if (draw.chance(0.85)) return [shown];
  const hidden = { ...specOf(draw, `${label} hidden`), shown: false };
  return [shown, draw.chance(0.3) ? { ...hidden, revealed: true } : hidden];
}

function specOf(draw: Draw, name: string): BucketSpec {
  const kind = draw.of(['fixed', 'leaky', 'sliding'] as const);
  const window = { kind, limit: draw.between(1, 6), windowMs: draw.between(250, 6_000) };
  const scope = draw.chance(0.1) ? 'shared' : 'user';
  const spec = { name, window, scope, shown: true, counter: 'split' } as const;
  return draw.chance(0.1) ? { ...spec, aliases: { notFound: `${name} 404` } } : spec;
}

function stubsOf(draw: Draw, asked: readonly Asked[]): Readonly<Record<string, Stub>> {
  const stubs: Record<string, Stub> = { [labelOf(ME)]: { status: 200, body: {} } };
  for (const one of asked) {
    const status = draw.chance(0.85) ? 200 : draw.of([204, 403, 404, 500]);
    stubs[labelOf(one)] = status === 204 ? { status } : { status, body: { code: 50_000 } };
  }
  return { ...stubs, [labelOf(GONE)]: { status: 404, body: { code: UNKNOWN_WEBHOOK } } };
}

function requestsOf(
  draw: Draw,
  asked: readonly Asked[],
  tokens: readonly string[],
  spanMs: number,
  epochMs: number,
): PlannedRequest[] {
  const majors = draw.between(1, 2);
  const impatience = draw.of([0, 0, 0.2]);
  const strangers = draw.chance(0.1) ? 0.2 : 0;
  const lanes = draw.chance(0.4);
  const requests = Array.from({ length: draw.between(4, 24) }, (): PlannedRequest => {
    const one = draw.of(asked);
    const atMs = draw.below(spanMs);
    const token = draw.chance(strangers) ? UNKNOWN_TOKEN : draw.of(tokens);
    const text = draw.chance(0.5) ? '{"name":"a"}' : '{"nsfw":true}';
    return {
      atMs,
      method: one.method,
      path: one.path(draw, draw.between(1, majors), epochMs + atMs),
      token: one.anonymous ? null : token,
      priority: lanes ? draw.of(['high', 'normal', 'bulk'] as const) : null,
      body: one === EDIT ? new TextEncoder().encode(text) : null,
      timeoutMs: draw.chance(impatience) ? draw.below(4_000) : null,
      cancelAfterMs: draw.chance(impatience) ? draw.below(3_000) : null,
    };
  });
  return requests.sort((one, other) => one.atMs - other.atMs);
}

function faultsOf(draw: Draw, asked: readonly Asked[], spanMs: number): RestFault[] {
  return Array.from({ length: draw.between(0, 4) }, () => {
    const fromMs = draw.below(spanMs);
    const route = draw.chance(0.5) ? { route: labelOf(draw.of(asked)) } : {};
    const untilMs = fromMs + draw.below(spanMs);
    const often = { probability: draw.of([0.3, 1]), times: draw.between(1, 6) };
    return { effect: effectOf(draw), fromMs, untilMs, ...often, ...route };
  });
}

function effectOf(draw: Draw): RestFaultEffect {
  const waitMs = draw.chance(0.03) ? 2 * HOUR_MS : draw.between(100, 20_000);
  const effects: readonly RestFaultEffect[] = [
    { kind: 'latency', minMs: 0, maxMs: draw.of([100, 5_000]) },
    { kind: 'lost-request' },
    { kind: 'lost-response' },
    { kind: 'error', status: draw.of([500, 502, 503, 504] as const), html: draw.chance(0.5) },
    { kind: 'limited', scope: draw.of(['user', 'shared'] as const), retryAfterMs: waitMs },
    { kind: 'limited', scope: 'global', retryAfterMs: draw.between(100, 5_000) },
    { kind: 'front-403', json: draw.chance(0.5) },
  ];
  if (draw.chance(0.9)) return draw.of(effects);
  return draw.chance(0.5) ? { kind: 'front-429' } : { kind: 'page-1015', retryAfterMs: waitMs };
}

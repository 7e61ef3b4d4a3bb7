/** A simulated REST API on virtual time, and a client that shows what it got in a readable form. */
import { createRandom } from '../../src/random.ts';
import type { SimulatedEvent } from '../../src/simulator/events/event.ts';
import { Credentials } from '../../src/simulator/gateway/credentials.ts';
import type { RestOptions } from '../../src/simulator/rest/options.ts';
import { SimulatedRest } from '../../src/simulator/rest/simulated-rest.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';

export const TOKEN = 'first-token';
export const OTHER_TOKEN = 'second-token';
export const START_EPOCH_MS = 1_700_000_000_000;

export type Sent = {
  readonly token?: string | null;
  readonly authorization?: string;
  readonly json?: unknown;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly address?: string;
};

export type Got = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body parsed, or undefined when it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly json: any;
  readonly delivery: 'answer' | 'destroy';
  readonly delayMs: number;
};

export class RestBench {
  readonly clock = new VirtualClock(START_EPOCH_MS);
  readonly world = createWorld({ seed: 7, guildCount: 3, startEpochMs: START_EPOCH_MS });
  readonly credentials = new Credentials([TOKEN, OTHER_TOKEN]);
  readonly events: SimulatedEvent[] = [];
  readonly rest: SimulatedRest;

  constructor(options: Partial<RestOptions> = {}) {
    const { clock, world, credentials } = this;
    this.rest = new SimulatedRest(
      {
        clock,
        world,
        credentials,
        random: createRandom(11),
        gatewayFacts: () => ({
          url: 'ws://127.0.0.1:4100',
          shards: 4,
          sessionStartLimit: { total: 1000, remaining: 990, reset_after: 5, max_concurrency: 2 },
        }),
        publish: (event) => this.events.push(event),
      },
      options,
    );
  }

  /** Text channels of different guilds. */
  get channels(): readonly [string, string] {
    const [first, second] = this.world.guildIds.map(
      (id) => this.world.guild(id)?.channels.find(({ type }) => type === 0)?.id,
    );
    if (first === undefined || second === undefined) throw new Error('the world has no channels');
    return [first, second];
  }

  send(method: string, path: string, sent: Sent = {}): Got {
    const token = sent.token === undefined ? TOKEN : sent.token;
    const authorization = sent.authorization ?? (token === null ? undefined : `Bot ${token}`);
    const headers: Record<string, string> = {
      'user-agent': 'DiscordBot (https://example.org, 1.0)',
      ...(authorization === undefined ? {} : { authorization }),
      ...(sent.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...sent.headers,
    };
    const body = sent.json === undefined ? (sent.body ?? '') : JSON.stringify(sent.json);
    const response = this.rest.handle({
      method,
      path: path.startsWith('/api') ? path : `/api/v10${path}`,
      headers: Object.entries(headers),
      body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
      remoteAddress: sent.address ?? '127.0.0.1',
    });
    const text = new TextDecoder().decode(response.body);
    const got = Object.fromEntries(response.headers);
    const isJson = got['content-type'] === 'application/json' && text !== '';
    return {
      status: response.status,
      headers: got,
      text,
      json: isJson ? JSON.parse(text) : undefined,
      delivery: response.delivery,
      delayMs: response.delayMs,
    };
  }

  post(channelId: string, content: string, sent: Sent = {}): Got {
    return this.send('POST', `/channels/${channelId}/messages`, { json: { content }, ...sent });
  }
}

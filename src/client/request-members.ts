/**
 * `requestMembers(broker, request)`: the members of a guild, or some of them, by way of the
 * gateway.
 *
 * The request goes to the gateway as a command with a nonce of its own, and the chunks of the
 * answer are collected by it. Clients of one group share the events among them, so each would see
 * some of the chunks: the broker has to be one that gets every event (`audience: 'each'`), and one
 * that does not is refused.
 *
 * Inner workings: a broker has one set of listeners for all requests, made with the first of them,
 * and kept, since what is consumed has to be consumed before the request is sent. Chunks of other
 * clients' requests are passed by.
 *
 * Failure: every request ends by its deadline at the latest. What ends it early is in
 * `member-collection.ts`; it rejects with a `MembersError` that says which it was. At
 * MEMBER_REQUESTS_MAX unanswered requests of one broker a new one is refused.
 */
import { randomUUID } from 'node:crypto';
import {
  GatewayDispatchEvents,
  GatewayOpcodes,
  type GatewayRateLimitedDispatchData,
  type GatewayRequestGuildMembersData,
} from 'discord-api-types/v10';
import { ConfigurationError, MembersError } from '../../protocols/errors.ts';
import { type CommandAnswer, SEND_EVENT } from '../../protocols/gateway/commands.ts';
import { GAP_EVENT, type SessionGap } from '../../protocols/gateway/gap.ts';
import {
  MEMBER_REQUEST_TIMEOUT_MS,
  MEMBER_REQUESTS_MAX,
  TIMER_MAX_MS,
} from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Clock } from '../../protocols/ports.ts';
import { systemClock } from '../system-clock.ts';
import { type BrokerClient, DISCONNECTED } from './broker-client.ts';
import type { MessageOptions } from './broker-types.ts';
import {
  type MemberCollection,
  type MemberEnd,
  type MemberInput,
  type Members,
  openCollection,
  stepCollection,
} from './member-collection.ts';

type WithoutNonce<Data> = Data extends unknown ? Omit<Data, 'nonce'> : never;

/** What Discord documents of Request Guild Members; the nonce is ours. */
export type MembersRequest = WithoutNonce<GatewayRequestGuildMembersData>;

export type MembersOptions = {
  /** Milliseconds until the request is given up; two and a half minutes unless given. */
  readonly timeout?: number;
};

/** A request that has no end yet. */
type Open = {
  collection: MemberCollection;
  readonly settle: (end: MemberEnd) => void;
};

const collectors = new WeakMap<BrokerClient, MemberCollector>();

/**
 * Resolves with all that Discord answers, in its order.
 * @param broker one that gets every event, made with `audience: 'each'`
 * @throws MembersError, whose `reason` says why there is no complete answer
 */
export async function requestMembers(
  broker: BrokerClient,
  request: MembersRequest,
  { timeout = MEMBER_REQUEST_TIMEOUT_MS }: MembersOptions = {},
): Promise<Members> {
  if (broker.audience !== 'each') {
    throw new ConfigurationError(
      "requestMembers needs a broker that gets every event, made with { audience: 'each' }: clients of one group share them, and each would see some of the members",
    );
  }
  if (!(timeout > 0 && timeout <= TIMER_MAX_MS)) {
    throw new ConfigurationError(
      `timeout is ${timeout}; allowed are milliseconds above 0, up to ${TIMER_MAX_MS}`,
    );
  }
  const collector = collectors.get(broker) ?? new MemberCollector(broker, systemClock);
  collectors.set(broker, collector);
  return collector.request(request, timeout);
}

class MemberCollector {
  readonly #broker: BrokerClient;
  readonly #clock: Clock;
  /** By nonce. */
  readonly #open = new Map<string, Open>();
  #subscribing: Promise<void> | undefined;

  constructor(broker: BrokerClient, clock: Clock) {
    this.#broker = broker;
    this.#clock = clock;
    broker.on(GatewayDispatchEvents.GuildMembersChunk, (chunk, { ack }) => {
      if (chunk.nonce !== undefined) this.#tell(chunk.nonce, { type: 'chunk', chunk });
      return ack();
    });
    broker.on(GatewayDispatchEvents.RateLimited, (limit, { ack }) => {
      this.#limited(limit);
      return ack();
    });
    broker.on(GAP_EVENT, ({ shard, reason }: SessionGap, { ack }: MessageOptions) => {
      this.#tellAll({ type: 'gap', shard, reason });
      return ack();
    });
    broker.on('close', () => this.#tellAll({ type: 'disconnected' }));
    broker.on(DISCONNECTED, () => {
      this.#subscribing = undefined;
      this.#tellAll({ type: 'disconnected' });
    });
  }

  request(request: MembersRequest, timeoutMs: number): Promise<Members> {
    if (this.#open.size >= MEMBER_REQUESTS_MAX) {
      const message = `${this.#open.size} requests for members have no answer yet; try again later`;
      return Promise.reject(new MembersError('full', message));
    }
    const nonce = randomUUID().replaceAll('-', '');
    const members = this.#expect(nonce, timeoutMs);
    // What goes wrong on the way is told to the collection, and so to whoever waits.
    void this.#send({ ...request, nonce }, timeoutMs);
    return members;
  }

  #expect(nonce: string, timeoutMs: number): Promise<Members> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(timeoutMs, () => this.#tell(nonce, { type: 'overdue' }));
      const settle = (end: MemberEnd): void => {
        timer.cancel();
        this.#open.delete(nonce);
        if (end.kind === 'complete') resolve(end.members);
        else reject(new MembersError(end.reason, end.message));
      };
      const collection = openCollection(this.#clock.nowMs() + timeoutMs);
      this.#open.set(nonce, { collection, settle });
    });
  }

  async #send(d: MembersRequest & { readonly nonce: string }, timeoutMs: number): Promise<void> {
    const { nonce, guild_id } = d;
    const packet = { op: GatewayOpcodes.RequestGuildMembers, d };
    try {
      await this.#subscribe();
      const answer = await this.#broker.call(
        SEND_EVENT,
        { guild_id, packet },
        { timeout: timeoutMs, mandatory: true },
      );
      this.#tell(nonce, readAnswer(answer));
    } catch (error) {
      const message = messageOf(error);
      this.#tell(nonce, { type: 'refused', message });
    }
  }

  /** A failed attempt is not kept: the next request tries again. */
  #subscribe(): Promise<void> {
    this.#subscribing ??= this.#broker
      .subscribe([
        GatewayDispatchEvents.GuildMembersChunk,
        GatewayDispatchEvents.RateLimited,
        GAP_EVENT,
      ])
      .catch((error: unknown) => {
        this.#subscribing = undefined;
        throw error;
      });
    return this.#subscribing;
  }

  #limited({ opcode, retry_after: seconds, meta }: GatewayRateLimitedDispatchData): void {
    if (opcode !== GatewayOpcodes.RequestGuildMembers || meta.nonce === undefined) return;
    this.#tell(meta.nonce, { type: 'limited', retryInMs: seconds * 1_000 });
  }

  #tellAll(input: MemberInput): void {
    for (const nonce of [...this.#open.keys()]) this.#tell(nonce, input);
  }

  #tell(nonce: string, input: MemberInput): void {
    const open = this.#open.get(nonce);
    if (open === undefined) return;
    const step = stepCollection(open.collection, input, this.#clock.nowMs());
    open.collection = step.collection;
    if (step.end !== undefined) open.settle(step.end);
  }
}

function readAnswer(value: unknown): MemberInput {
  const answer = value as Partial<CommandAnswer> | null | undefined;
  if (answer?.status === 'sent') return { type: 'sent', shard: Number(answer.shard) };
  if (answer?.status === 'refused') return { type: 'refused', message: String(answer.message) };
  return { type: 'refused', message: 'what answered is no gateway' };
}

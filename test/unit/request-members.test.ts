/** `requestMembers` over a hub in memory, with a gateway that is played by another client. */
import type { GatewayGuildMembersChunkDispatchData } from 'discord-api-types/v10';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationError, MembersError } from '../../protocols/errors.ts';
import { MEMBER_REQUESTS_MAX } from '../../protocols/limits.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import type { AudienceOptions } from '../../src/client/broker-types.ts';
import { Memory } from '../../src/client/local.ts';
import { requestMembers } from '../../src/client/request-members.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';

const GUILD = '41771983423143937';
const REQUEST = { guild_id: GUILD, query: '', limit: 0 };

type Asked = { readonly guild_id: string; readonly packet: { readonly op: number; readonly d: D } };
type D = { readonly guild_id: string; readonly nonce: string };

let hub: MemoryHub;
let clients: Memory[];
let gateway: Memory;
/** What the gateway was asked, in order. */
let asked: D[];
let answer: unknown;

function client(group: string, options: AudienceOptions = {}): Memory {
  const made = new Memory(group, { hub, ...options });
  clients.push(made);
  return made;
}

function chunk(nonce: string, index: number, count: number): object {
  const id = `${nonce}-${index}`;
  return {
    ...{ guild_id: GUILD, chunk_index: index, chunk_count: count, nonce },
    members: [{ user: { id } }],
  };
}

const say = (nonce: string, index: number, count: number): Promise<void> =>
  gateway.publish('GUILD_MEMBERS_CHUNK', chunk(nonce, index, count));

/** Of the `index`th request. */
async function nonceOf(index: number): Promise<string> {
  await until('the gateway was asked', () => asked.length > index);
  return asked[index]?.nonce ?? '';
}

async function reasonOf(request: Promise<unknown>): Promise<string> {
  const error = await request.catch((reason: unknown) => reason);
  return error instanceof MembersError ? error.reason : String(error);
}

beforeEach(async () => {
  hub = new MemoryHub(systemClock);
  clients = [];
  asked = [];
  answer = { status: 'sent', shard: 3 };
  gateway = client('gateway');
  gateway.on('SEND', (data: Asked, { ack, reply }) => {
    asked.push(data.packet.d);
    void reply(answer);
    void ack();
  });
  await gateway.subscribe('SEND');
});

afterEach(async () => {
  for (const each of clients) await each.disconnect();
});

describe('requestMembers', () => {
  it('collects the chunks of each request, though all come to all who ask', async () => {
    const brokers = [client('bots', { audience: 'each' }), client('bots', { audience: 'each' })];
    // A worker of the same group, and one of the broker's own listeners, take nothing away.
    const worker = client('bots');
    const seen: GatewayGuildMembersChunkDispatchData[] = [];
    worker.on('GUILD_MEMBERS_CHUNK', (data, { ack }) => {
      seen.push(data);
      void ack();
    });
    await worker.subscribe('GUILD_MEMBERS_CHUNK');
    const requests = [0, 1, 2].map((index) => {
      const broker = brokers[index % 2];
      if (broker === undefined) throw new Error('no broker');
      return requestMembers(broker, REQUEST);
    });
    const nonces = [await nonceOf(0), await nonceOf(1), await nonceOf(2)];
    expect(new Set(nonces).size).toBe(3);
    expect(asked[0]).toEqual({ ...REQUEST, nonce: expect.stringMatching(/^.{1,32}$/) });
    for (const index of [2, 0, 0, 1]) for (const nonce of nonces) await say(nonce, index, 3);
    const found = await Promise.all(requests);
    const ids = found.map(({ members }) => members.map(({ user }) => user.id).join(' '));
    expect(ids.toSorted()).toEqual(
      nonces.map((nonce) => [0, 1, 2].map((index) => `${nonce}-${index}`).join(' ')).toSorted(),
    );
    await until('the worker has its copy', () => seen.length === 12);
  });

  it('refuses a broker that shares the events with others, and says what to do', async () => {
    const refused = requestMembers(client('bots'), REQUEST);
    await expect(refused).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refused).rejects.toThrow("{ audience: 'each' }");
    for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const request = requestMembers(client('bots', { audience: 'each' }), REQUEST, { timeout });
      await expect(request).rejects.toThrow(`timeout is ${timeout}`);
    }
    expect(asked).toEqual([]);
  });

  it('GP-52: ends when it was refused, limited, lost or cut off, and at its deadline', async () => {
    const broker = client('bots', { audience: 'each' });
    answer = { status: 'refused', reason: 'unowned', message: 'nobody has shard 3' };
    await expect(requestMembers(broker, REQUEST)).rejects.toMatchObject({
      code: 'MEMBERS',
      reason: 'refused',
      message: 'the request was not sent: nobody has shard 3',
    });
    answer = 'no gateway';
    expect(await reasonOf(requestMembers(broker, REQUEST))).toBe('refused');
    answer = { status: 'sent', shard: 3 };

    const short = reasonOf(requestMembers(broker, REQUEST, { timeout: 200 }));
    await say(await nonceOf(2), 0, 2);
    expect(await short).toBe('overdue');

    const limited = reasonOf(requestMembers(broker, REQUEST));
    await gateway.publish('RATE_LIMITED', {
      ...{ opcode: 8, retry_after: 3_600 },
      meta: { guild_id: GUILD, nonce: await nonceOf(3) },
    });
    expect(await limited).toBe('limited');

    let isOver = false;
    const lost = reasonOf(requestMembers(broker, REQUEST)).finally(() => {
      isOver = true;
    });
    await nonceOf(4);
    const gap = (shard: number) =>
      gateway.publish('SPECTACLES_GAP', { shard, session: 's', sequence: 1, reason: 'expired' });
    await gap(2);
    // The answer and the news come on different ways: until the one is there the other is repeated.
    await until('it has heard of the loss', async () => {
      await gap(3);
      return isOver;
    });
    expect(await lost).toBe('session-lost');

    const cut = reasonOf(requestMembers(broker, REQUEST));
    await nonceOf(5);
    await broker.disconnect();
    expect(await cut).toMatch(/disconnected|refused/);

    // A client that is used again consumes again.
    const again = requestMembers(broker, REQUEST);
    await say(await nonceOf(6), 0, 1);
    expect((await again).members).toHaveLength(1);
  });

  it('tries again to consume the answers when that has failed', async () => {
    let isRefused = true;
    class Fickle extends Memory {
      override subscribe(events: string | Iterable<string>): Promise<void> {
        if (isRefused) return Promise.reject(new RangeError('no right to consume'));
        return super.subscribe(events);
      }
    }
    const broker = new Fickle('bots', { hub, audience: 'each' });
    clients.push(broker);
    await expect(requestMembers(broker, REQUEST)).rejects.toMatchObject({
      reason: 'refused',
      message: expect.stringContaining('no right to consume'),
    });
    expect(asked).toEqual([]);
    isRefused = false;
    const again = requestMembers(broker, REQUEST);
    await say(await nonceOf(0), 0, 1);
    expect((await again).members).toHaveLength(1);
  });

  it('keeps no process alive for a deadline of what has ended', async () => {
    const broker = client('bots', { audience: 'each' });
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const ended = 30;
    const before = timers();
    for (let index = 0; index < ended; index++) {
      const request = requestMembers(broker, REQUEST);
      await say(await nonceOf(index), 0, 1);
      await request;
    }
    expect(timers() - before).toBeLessThan(ended / 2);
  });

  it('refuses more requests at a time than its bound', async () => {
    const broker = client('bots', { audience: 'each' });
    const waiting = Array.from({ length: MEMBER_REQUESTS_MAX }, () =>
      reasonOf(requestMembers(broker, REQUEST)),
    );
    expect(await reasonOf(requestMembers(broker, REQUEST))).toBe('full');
    await broker.disconnect();
    await Promise.all(waiting);
  });
});

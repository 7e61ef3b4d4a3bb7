/**
 * The RPC door, delivery by delivery: what each is answered with, and how often it is carried out.
 */
import { encode } from '@msgpack/msgpack';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Delivery } from '../../protocols/broker.ts';
import { UpstreamError } from '../../protocols/errors.ts';
import { CONSUMER_PREFETCH } from '../../protocols/limits.ts';
import type {
  RestOutcome,
  RestRequest,
  Sending,
  Upstream,
  UpstreamResult,
} from '../../protocols/proxy.ts';
import {
  decodeProxyAnswer,
  encodeProxyRequest,
  type ProxyAnswer,
  type ProxyRequest,
} from '../../protocols/wire/proxy.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { rpcDoor } from '../../src/proxy/rpc-door.ts';
import { createRandom } from '../../src/random.ts';
import { openProxyBroker } from '../../src/services/broker.ts';
import { systemClock } from '../../src/system-clock.ts';
import { type ProxyTree, startProxyTree } from '../../supervisors/proxy.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { sendingOf } from '../support/sending.ts';
import { NO_METRICS } from '../support/simulated-upstream.ts';

/** Answers everything with 200 at once, but for what it is told to hold. */
class ScriptedUpstream implements Upstream {
  readonly sent: RestRequest[] = [];
  holds: (request: RestRequest) => boolean = () => false;
  fails = false;
  readonly #held: (() => void)[] = [];

  send(request: RestRequest): Sending {
    return sendingOf((signal) => this.#send(request, signal));
  }

  #send(request: RestRequest, signal: AbortSignal): Promise<UpstreamResult> {
    this.sent.push(request);
    if (this.fails) {
      const failure = { error: new UpstreamError('discord.com is away'), unsent: false };
      return Promise.resolve({ kind: 'failure', failure });
    }
    if (!this.holds(request)) return Promise.resolve(answerTo(request));
    return new Promise((resolve) => {
      this.#held.push(() => resolve(answerTo(request)));
      const failure = { error: new UpstreamError('broken off'), unsent: false };
      signal.addEventListener('abort', () => resolve({ kind: 'failure', failure }));
    });
  }

  release(): void {
    this.holds = () => false;
    for (const release of this.#held.splice(0)) release();
  }

  async close(): Promise<void> {}
}

function answerTo({ target }: RestRequest): UpstreamResult {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{}');
  }
  const answer = { status: 200, headers: [], url: `http://x${target}`, body: body() };
  return { kind: 'answer', answer: { ...answer, discard: () => undefined } };
}

type Tried = {
  readonly answer: ProxyAnswer | undefined;
  readonly end: 'acked' | 'handed back' | undefined;
};

function openDoor(change: (tree: ProxyTree) => Pick<ProxyTree, 'submit'> = (tree) => tree) {
  const log = new RecordingLog();
  const random = createRandom(1);
  const system = createActorSystem({ name: 'test', clock: systemClock, random, log });
  const upstream = new ScriptedUpstream();
  const limits = { globalLimit: 50, familyLimits: new Map() };
  const ports = { clock: systemClock, log, metrics: NO_METRICS, ...limits };
  const tree = startProxyTree({ system, upstream, ...ports });
  onTestFinished(async () => {
    upstream.release();
    await tree.stop();
    await system.stop();
  });
  const admission = { token: undefined, timeoutMs: undefined };
  const door = rpcDoor({
    tree: change(tree),
    admission,
    apiVersion: 10,
    clock: systemClock,
    log,
  });
  const deliver = (body: Uint8Array, parts: Partial<Delivery> = {}): Promise<Tried> =>
    new Promise((resolve) => {
      let answer: ProxyAnswer | undefined;
      door.handler({
        event: 'REQUEST',
        body,
        wantsReply: true,
        attempt: 1,
        ack: () => resolve({ answer, end: 'acked' }),
        retry: () => resolve({ answer, end: 'handed back' }),
        reject: () => undefined,
        reply: async (bytes) => {
          answer = decodeProxyAnswer(bytes);
        },
        ...parts,
      });
    });
  const ask = (request: ProxyRequest, parts: Partial<Delivery> = {}): Promise<Tried> =>
    deliver(encodeProxyRequest(request), parts);
  return { upstream, tree, system, log, deliver, ask };
}

const GET = { method: 'GET', path: '/users/@me' };
const POST = { method: 'POST', path: '/channels/1/messages', body: Buffer.from('{"content":"a"}') };

describe('the nine statuses', () => {
  it('are given each for its reason, with a sentence that names the part', async () => {
    const { upstream, deliver, ask } = openDoor();
    const sentence = async (tried: Promise<Tried>): Promise<string> => {
      const { answer, end } = await tried;
      expect(end).toBe('acked');
      return `${answer?.status} ${answer?.status === 0 ? '' : answer?.body}`;
    };
    expect(await sentence(ask(GET))).toMatch(/^0 /);
    expect(await sentence(deliver(new Uint8Array([0xc1])))).toMatch(/^2 ./);
    expect(await sentence(deliver(encode(7)))).toMatch(/^2 .*map.*array/);
    expect(await sentence(deliver(encode({ ...GET, timeout: 'soon' })))).toMatch(/^2 .*timeout/);
    expect(await sentence(deliver(encode({ method: 'GET' })))).toMatch(/^3 .*path/);
    expect(await sentence(ask({ ...GET, path: '/a/../b' }))).toMatch(/^3 .*dot segment/);
    expect(await sentence(deliver(encode({ ...GET, query: [1] })))).toMatch(/^4 .*query/);
    expect(await sentence(deliver(encode({ ...GET, query: { a: {} } })))).toMatch(/^4 .*query\.a/);
    expect(await sentence(deliver(encode({ path: '/x' })))).toMatch(/^5 .*method/);
    expect(await sentence(ask({ ...GET, method: 'BREW' }))).toMatch(/^5 .*BREW/);
    expect(await sentence(deliver(encode({ ...GET, headers: 'x' })))).toMatch(/^6 .*headers/);
    expect(await sentence(ask({ ...GET, headers: { 'a b': 'c' } }))).toMatch(/^6 .*a b/);
    expect(await sentence(ask({ ...GET, timeoutMs: 0 }))).toMatch(/^8 .*not sent/);
    upstream.fails = true;
    expect(await sentence(ask(POST))).toMatch(/^7 .*away/);
    expect(upstream.sent).toHaveLength(2);
  });

  it('have one for a failure of the proxy itself, whose reason stands in the log alone', async () => {
    const { ask, log } = openDoor((tree) => ({
      ...tree,
      submit: () => {
        throw new Error('a secret of the machine room');
      },
    }));
    const { answer } = await ask(GET);
    expect([answer?.status, answer?.body]).toEqual([1, 'the proxy failed; its log says why']);
    expect(log.at('error')).toHaveLength(1);
  });

  it('say why a request was out of time, and whether Discord may have seen it', async () => {
    const late = { kind: 'timed-out', failing: false, sent: false } as const;
    const said = async (outcome: RestOutcome): Promise<string> => {
      const { ask } = openDoor(() => ({
        submit: () => ({ outcome: Promise.resolve(outcome), cancel: () => undefined }),
      }));
      const { answer } = await ask(GET);
      return `${answer?.status} ${answer?.status === 0 ? '' : answer?.body}`;
    };
    const limit = 'its turn would come after 0.400 s, longer than its timeout: not sent';
    expect(await said({ ...late, waitMs: 400 })).toBe(`8 ${limit}`);
    const failing = await said({ ...late, waitMs: 400, failing: true });
    expect(failing).toBe(`8 Discord answers with errors: ${limit}`);
    expect(await said({ ...late, waitMs: null })).toMatch(/^8 .*not sent$/);
    for (const waitMs of [null, 400]) {
      expect(await said({ ...late, waitMs, sent: true })).toMatch(/^8 .*may have seen it$/);
    }
  });

  it('are given to requests in every dialect', async () => {
    const { upstream, deliver } = openDoor();
    const timeout = [{ secs: 5, nanos: 0 }, [5, 0], { secs: 5n, nanos: 1n }];
    for (const one of timeout) {
      const map = { method: 'get', path: 'users/@me', query: null, body: null, timeout: one };
      const array = ['GET', '/users/@me', null, null, { 'X-A': 'b' }, one];
      for (const request of [map, array]) {
        const bytes = encode(request, { useBigInt64: true });
        expect((await deliver(bytes)).answer?.status).toBe(0);
      }
    }
    const late = ['GET', '/users/@me', null, null, null, { secs: 0, nanos: 0 }];
    expect((await deliver(encode(late))).answer?.status).toBe(8);
    expect(upstream.sent).toHaveLength(6);
    expect(new Set(upstream.sent.map(({ target }) => target))).toEqual(
      new Set(['/api/v10/users/@me']),
    );
  });
});

describe('deliveries that come again', () => {
  it('P78: are carried out only if a repeat does no harm, and answered in any case', async () => {
    const { upstream, ask } = openDoor();
    const again = { attempt: 2 };
    const { answer, end } = await ask(POST, again);
    expect(end).toBe('acked');
    expect(answer?.status).toBe(7);
    expect(answer?.body).toContain('may have seen it');
    expect((await ask({ ...POST, method: 'PATCH' }, again)).answer?.status).toBe(7);
    expect(upstream.sent).toHaveLength(0);
    const nonce = Buffer.from('{"content":"a","nonce":"1","enforce_nonce":true}');
    const loose = Buffer.from('{"content":"a","nonce":"1"}');
    expect((await ask({ ...POST, body: loose }, again)).answer?.status).toBe(7);
    for (const harmless of [
      GET,
      { ...POST, idempotent: true },
      { ...POST, body: nonce },
      { ...POST, method: 'PUT' },
      { ...POST, method: 'DELETE' },
    ]) {
      expect((await ask(harmless, again)).answer?.status).toBe(0);
    }
    expect(upstream.sent).toHaveLength(5);
    // The same message twice is carried out once, while the first is under way and after it.
    const named = { id: 'message-1' };
    upstream.holds = () => true;
    const first = ask(POST, named);
    await until('it is in the air', () => upstream.sent.length === 6);
    const second = ask(POST, { ...named, ...again });
    upstream.release();
    expect((await first).answer?.status).toBe(0);
    expect((await second).answer).toEqual((await first).answer);
    expect((await ask(POST, { ...named, ...again })).answer).toEqual((await first).answer);
    expect(upstream.sent).toHaveLength(6);
    // Another message under the same name is another message.
    expect((await ask({ ...POST, path: '/channels/2/messages' }, named)).answer?.status).toBe(0);
    expect(upstream.sent).toHaveLength(7);
  });

  it('are not made by a proxy that stops: it hands back only what may be repeated', async () => {
    const { upstream, tree, ask } = openDoor();
    upstream.holds = () => true;
    const flying = ask(POST);
    await until('one is in the air', () => upstream.sent.length === 1);
    const waiting = ask(POST);
    const path = POST.path;
    const readings = [ask({ ...GET, path }), ask({ ...GET, path })];
    await until('they wait', () => tree.requests === 4 && upstream.sent.length === 2);
    const drained = tree.drain(60_000);
    expect((await waiting).answer?.body).toContain('not sent');
    expect(await Promise.race(readings)).toEqual({ answer: undefined, end: 'handed back' });
    upstream.release();
    await drained;
    expect((await flying).answer?.status).toBe(0);
    expect(upstream.sent).toHaveLength(2);
  });
});

describe('a bucket that is blocked', () => {
  it('does not keep the others at the broker, however many requests wait for it', async () => {
    const { upstream, tree, system, log } = openDoor();
    const hub = new MemoryHub(systemClock);
    const load = (source: Parameters<typeof loadProxyConfig>[0]) => loadProxyConfig(source);
    const { config } = await loadText(load, '[broker]\ntype = "redis"\ngroup = "proxy"');
    const registry = new Registry();
    const surroundings = { system, clock: systemClock, log };
    const own = { ...surroundings, hub, registry, onFailure: () => undefined, name: 'served' };
    const broker = await openProxyBroker(
      { ...config, broker: { ...config.broker, type: 'memory' } },
      own,
    );
    const memory = { type: 'memory', group: 'proxy', hub, payload: 'raw' } as const;
    const caller = await createBroker(memory, { ...surroundings, name: 'caller' });
    onTestFinished(async () => {
      await caller.close();
      await broker?.close();
    });
    const admission = { token: undefined, timeoutMs: undefined };
    const door = rpcDoor({ tree, admission, apiVersion: 10, clock: systemClock, log });
    await broker?.subscribe('REQUEST', door.handler);
    upstream.holds = ({ method }) => method === 'POST';
    const call = (request: ProxyRequest) =>
      caller.call('REQUEST', encodeProxyRequest(request), { timeoutMs: 60_000 });
    const blocked = Array.from({ length: 3_000 }, () => call(POST));
    const settled = Promise.allSettled(blocked);
    // More than a subscription gets that says nothing of it.
    await until('they wait', () => tree.requests > CONSUMER_PREFETCH);
    expect(decodeProxyAnswer(await call(GET)).status).toBe(0);
    // What the bucket has no room for is told so at once.
    const last = await blocked.at(-1);
    expect(last && decodeProxyAnswer(last)).toMatchObject({ status: 7 });
    expect(last && String(decodeProxyAnswer(last).body)).toContain('try again after');
    upstream.holds = () => false;
    await tree.stop();
    upstream.release();
    await broker?.close();
    await caller.close();
    await settled;
  });
});

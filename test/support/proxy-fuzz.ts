/** Throws mutated requests at the proxy's doors, and says what each of them was answered with. */
import { connect } from 'node:net';
import { Encoder, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import type { Delivery } from '../../protocols/broker.ts';
import type { RestRequest } from '../../protocols/proxy.ts';
import { decodeProxyAnswer } from '../../protocols/wire/proxy.ts';
import { listen } from '../../src/listen.ts';
import { BodyStore } from '../../src/proxy/body-store.ts';
import { httpDoor } from '../../src/proxy/http-door.ts';
import { rpcDoor } from '../../src/proxy/rpc-door.ts';
import { systemClock } from '../../src/system-clock.ts';
import type { Submission } from '../../supervisors/proxy.ts';
import { mutated } from './mutations.ts';
import { ANY_PORT } from './raw-http.ts';
import { RecordingLog } from './recording-log.ts';

/** How often each status came; a request that got none counts as `none`. */
export type Statuses = Map<string, number>;

export type Fuzzed = {
  readonly statuses: Statuses;
  /** What the proxy said went wrong in itself. */
  readonly log: RecordingLog;
  /** What a request that is in order got, after all the others. */
  readonly last: string;
};

/** Everything that passes a door is answered at once. */
const TREE = {
  submit(request: RestRequest): Submission {
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{}');
    }
    const url = `http://x${request.target}`;
    const answer = { status: 200, headers: [], url, body: body(), discard: () => undefined };
    return { outcome: Promise.resolve({ kind: 'answered', answer }), cancel: () => undefined };
  },
};

const ADMISSION = { token: 'of-the-proxy', timeoutMs: 60_000 };
const CHANNEL = '/channels/41771983423143937/messages';

const texts = (lines: readonly string[]): Uint8Array[] =>
  lines.map((line) => Buffer.from(line, 'latin1'));

const RPC_SEEDS = [
  { method: 'GET', path: '/users/@me', query: { limit: '5' }, headers: { Authorization: 'Bot a' } },
  {
    method: 'POST',
    path: CHANNEL,
    body: Buffer.from('{"content":"a"}'),
    timeout: { secs: 5, nanos: 9 },
  },
  ['PATCH', `/api/v9${CHANNEL}/1`, null, new Uint8Array(40), { a: 'b' }, [5, 0]],
].map((request) => encode(request));
const RPC_TOKENS = [
  ...texts(['../', '%2e%2e', 'method', 'path', '__proto__', 'timeout', 'body', '{"']),
  encode({ secs: -1, nanos: 1e300 }),
  encode([[[[[]]]]]),
  encode(null),
  encode('\ud800x'),
  encode(2 ** 63),
];

/** Requests that can be decoded, and whose parts are right, nearly right, or anything at all. */
const ANYTHING = fc.anything({
  maxDepth: 2,
  values: [
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 5 }),
  ],
});
const WIDE = new Encoder({ useBigInt64: true });
const MISSHAPEN = fc
  .record(
    {
      method: fc.oneof(fc.constantFrom('GET', 'post', 'PATCH', 'BREW', ''), ANYTHING),
      path: fc.oneof(
        fc.constantFrom('/users/@me', CHANNEL, 'a/../b', '/%00'),
        fc.webPath(),
        ANYTHING,
      ),
      query: fc.oneof(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), ANYTHING),
      body: fc.oneof(fc.uint8Array({ maxLength: 40 }), ANYTHING),
      headers: fc.oneof(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), ANYTHING),
      timeout: fc.oneof(fc.record({ secs: fc.double(), nanos: fc.double() }), ANYTHING),
    },
    { requiredKeys: ['method', 'path'] },
  )
  .map((request) => Buffer.from(WIDE.encode(request)));

export async function fuzzRpc(requests: number, seed: number): Promise<Fuzzed> {
  const log = new RecordingLog();
  const statuses: Statuses = new Map();
  const options = { tree: TREE, admission: ADMISSION, apiVersion: 10, clock: systemClock, log };
  const door = rpcDoor(options);
  const ask = (body: Uint8Array): Promise<string> =>
    new Promise((resolve) => {
      let status = 'none';
      const delivery: Delivery = {
        event: 'REQUEST',
        body,
        wantsReply: true,
        attempt: 1,
        ack: () => resolve(status),
        retry: () => resolve('handed back'),
        reject: () => resolve('rejected'),
        reply: async (bytes) => {
          const answer = decodeProxyAnswer(bytes);
          status = answer.status === 0 || answer.body.length > 5 ? String(answer.status) : 'mute';
        },
      };
      door.handler(delivery);
    });
  const sent = fc.oneof(mutated(RPC_SEEDS, RPC_TOKENS), MISSHAPEN);
  await inBatches(sent, requests, seed, statuses, ask);
  const [first = new Uint8Array()] = RPC_SEEDS;
  return { statuses, log, last: await ask(first) };
}

const HTTP_SEEDS = texts([
  `GET /api/v10/users/@me?limit=5 HTTP/1.1\r\nHost: x\r\nAuthorization: Bot a\r\nConnection: close\r\n\r\n`,
  `POST /api/v10${CHANNEL} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"content":"a"}`,
  `PATCH /api/v9${CHANNEL}/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n`,
  `PUT /api/channels/1/messages/2/reactions/%F0%9F%91%8D/@me HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n`,
]);
const HTTP_TOKENS = texts([
  ...['../', '%2e%2e/', '//', '%', '?', '#', '\r\n', '\n', '\0', ' ', ':', 'HTTP/1.0', 'HTTP/2.0'],
  ...[
    'Content-Length: 3\r\n',
    'Content-Length: 99999999999999\r\n',
    'Transfer-Encoding: chunked\r\n',
  ],
  ...['Transfer-Encoding: gzip\r\n', 'Connection: upgrade, host\r\n', 'Upgrade: websocket\r\n'],
  ...[
    'Expect: 100-continue\r\n',
    'Expect: x\r\n',
    'Host: y\r\n',
    'CONNECT ',
    'PRI * HTTP/2.0\r\n\r\n',
  ],
  ...['ffffffffffffffff\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(5_000)],
]);

export async function fuzzHttp(requests: number, seed: number): Promise<Fuzzed> {
  const log = new RecordingLog();
  const statuses: Statuses = new Map();
  const server = httpDoor({
    tree: TREE,
    bodies: new BodyStore(),
    admission: ADMISSION,
    log,
    patience: { headMs: 600, requestMs: 600, stallMs: 300 },
  });
  const port = await listen(server, ANY_PORT);
  const ask = (bytes: Uint8Array): Promise<string> => statusOf(port, bytes);
  await inBatches(mutated(HTTP_SEEDS, HTTP_TOKENS), requests, seed, statuses, ask);
  const [first = new Uint8Array()] = HTTP_SEEDS;
  const last = await ask(first);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { statuses, log, last };
}

const STATUS = /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n/;

/** The status of the first answer on a connection of its own; the connection is left then. */
function statusOf(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('latin1').on('data', (chunk) => {
      received += chunk;
      if (STATUS.test(received)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(STATUS.exec(received)?.[1] ?? 'none'));
  });
}

const BATCH = 500;

async function inBatches(
  requests: fc.Arbitrary<Buffer>,
  count: number,
  seed: number,
  statuses: Statuses,
  ask: (bytes: Uint8Array) => Promise<string>,
): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    const batch = fc.sample(requests, {
      numRuns: Math.min(BATCH, count - done),
      seed: seed + done,
    });
    for (const status of await Promise.all(batch.map(ask))) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }
}

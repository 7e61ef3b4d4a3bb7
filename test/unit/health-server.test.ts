/** The server that operators look at: what it answers to whom, and that nobody keeps it open. */
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Readiness, startHealthServer } from '../../src/metrics/health-server.ts';

const HOST = '127.0.0.1';

async function start(readiness: () => Readiness = () => ({ ready: true, detail: 'all is well' })) {
  const registry = new Registry();
  const place = { host: HOST, port: 0, setting: 'metrics.addr', endpoint: '/metrics' };
  const server = await startHealthServer({ ...place, registry, readiness });
  onTestFinished(() => server.close());
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://${HOST}:${server.port}${path}`, { method });
    return { status: answer.status, text: await answer.text() };
  };
  return { server, ask };
}

describe('the health server', () => {
  it('says whether the service is ready, and in its status too', async () => {
    let ready = false;
    const { ask } = await start(() => ({ ready, detail: ready ? 'well' : 'it waits' }));
    expect(await ask('/readyz?verbose')).toEqual({ status: 503, text: 'it waits\n' });
    expect(await ask('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    ready = true;
    expect(await ask('/readyz')).toEqual({ status: 200, text: 'well\n' });
  });

  it('answers GET and HEAD, and nothing else', async () => {
    const { ask } = await start();
    expect(await ask('/readyz', 'HEAD')).toEqual({ status: 200, text: '' });
    expect((await ask('/metrics', 'POST')).status).toBe(405);
    expect((await ask('/nothing')).status).toBe(404);
  });

  it('closes at once though somebody has not finished asking', async () => {
    const { server, ask } = await start();
    const client = connect(server.port, HOST);
    onTestFinished(() => void client.destroy());
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.resume().on('error', () => undefined);
    client.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
    // What came after it is answered, so its connection has been taken.
    await ask('/healthz');
    await server.close();
    await closed;
  });
});

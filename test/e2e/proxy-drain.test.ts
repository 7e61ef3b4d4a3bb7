/**
 * `spectacles proxy` is told to stop while Discord is slow: what was taken is answered, and it
 * ends.
 */
import { createServer, type ServerResponse } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { listen } from '../../src/listen.ts';
import { until } from '../support/broker-bench.ts';
import { startSpectacles } from '../support/process.ts';
import { ANY_PORT } from '../support/raw-http.ts';
import { freePort } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

it('answers what is in the air, refuses what waits, and ends with 0 in time', async () => {
  const asked = new Map<string, ServerResponse>();
  const discord = createServer((request, response) => asked.set(request.url ?? '', response));
  const discordPort = await listen(discord, ANY_PORT);
  onTestFinished(() => {
    discord.closeAllConnections();
    discord.close();
  });
  const port = await freePort();
  const proxy = startSpectacles(['proxy'], {
    environment: {
      BROKER_TYPE: 'none',
      HTTP_ADDRESS: `127.0.0.1:${port}`,
      ...simulatedApi(discordPort),
    },
  });
  await proxy.log('the proxy takes requests');
  const get = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: 'Bot x' } });
  const slow = get('/api/v10/channels/1');
  await until('it is in the air', () => asked.size === 1);
  const waiting = get('/api/v10/channels/1');
  const never = get('/api/v10/channels/2');
  await until('another is in the air', () => asked.size === 2);
  const end = proxy.end('SIGTERM');
  expect((await waiting).status).toBe(503);
  expect((await waiting).headers.get('x-spectacles-proxy')).toBe('stopping');
  asked.get('/api/v10/channels/1')?.end('{}');
  expect([(await slow).status, await (await slow).text()]).toEqual([200, '{}']);
  // Discord never answers this one. The proxy says so, or is gone; it does not wait for ever.
  const last = await never.catch(() => undefined);
  expect(last?.status ?? 502).toBe(502);
  // A process that does not end within its time ends with 1.
  expect(await end).toEqual({ status: 0, signal: null });
});

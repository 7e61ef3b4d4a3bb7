/**
 * What a person is told whose server cannot listen where it is to: the setting, the place, the
 * remedy.
 */
import { createServer } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigurationError, PortInUseError } from '../../protocols/errors.ts';
import { listen } from '../../src/listen.ts';

const SETTING = 'http.address (or HTTP_ADDRESS)';

async function refusal(host: string, port: number): Promise<Error> {
  const server = createServer();
  const attempt = listen(server, { host, port, setting: SETTING });
  return attempt.then(
    () => {
      server.close();
      throw new Error('it listens');
    },
    (error: Error) => error,
  );
}

it('names the setting and the port that another program has', async () => {
  const server = createServer();
  const port = await listen(server, { host: '127.0.0.1', port: 0, setting: SETTING });
  onTestFinished(() => {
    server.close();
  });
  const error = await refusal('127.0.0.1', port);
  expect(error).toBeInstanceOf(PortInUseError);
  expect(error.message).toBe(
    `port ${port} of 127.0.0.1 is in use by another program: stop it, or give another port in ${SETTING}; 0 takes a free one`,
  );
});

it.each([
  ['192.0.2.1', 'this machine has no such address; choose one of its own, or 0.0.0.0 for all'],
  ['host.invalid', /^(no such host is known|the name of the host cannot be looked up now); choose/],
])('names the setting and what is wrong with the host %s', async (host, why) => {
  const error = await refusal(host, 0);
  expect(error).toBeInstanceOf(ConfigurationError);
  const start = `${SETTING}: cannot listen on ${host}:0: `;
  expect(error.message.slice(0, start.length)).toBe(start);
  expect(error.message.slice(start.length)).toMatch(why);
});

it('names the setting of the host, where it has one of its own, for a host that is wrong', async () => {
  const settings = { setting: '--port', hostSetting: '--host' };
  const attempt = listen(createServer(), { host: '192.0.2.1', port: 0, ...settings });
  await expect(attempt).rejects.toThrow(/^--host: cannot listen on 192\.0\.2\.1:0: /);
});

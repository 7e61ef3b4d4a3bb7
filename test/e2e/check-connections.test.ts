/**
 * What `spectacles check` says of a connection that cannot be opened: why, and what to do, in one
 * line.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulator } from '../../src/simulator/index.ts';
import { startSpectacles } from '../support/process.ts';
import { freePort, startServer } from '../support/servers.ts';

/** A server that does with each connection as it is told; its `host:port`. */
async function startPort(take: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    take(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : '';
}

async function failuresOf(environment: Readonly<Record<string, string>>) {
  const program = startSpectacles(['check', 'gateway'], {
    environment: {
      DISCORD_TOKEN: 'a-token-of-nobody',
      DISCORD_EVENTS: '*',
      DISCORD_INTENTS: 'GUILDS',
      DISCORD_API_SCHEME: 'http',
      ...environment,
    },
  });
  const { status } = await program.ended;
  const failed = program.stdoutLines.filter((line) => line.startsWith('  failed  '));
  expect(program.stderr).toBe('');
  return { status, failed: failed.map((line) => line.slice('  failed  '.length)) };
}

describe('spectacles check and what cannot be reached', () => {
  it('says that nothing listens, and never shows a password', async () => {
    const nowhere = `127.0.0.1:${await freePort()}`;
    const { status, failed } = await failuresOf({
      DISCORD_API_HOST: nowhere,
      BROKER_TYPE: 'redis',
      REDIS_URL: `redis://bot:pass-of-a-test@${nowhere}`,
      SHARD_STORE_TYPE: 'redis',
    });
    const remedy = '(ECONNREFUSED); start the server, or correct its host and port';
    expect(failed).toEqual([
      `Discord at http://${nowhere}/api/v10: nothing listens at ${nowhere} ${remedy}`,
      `the redis broker: nothing listens at redis://bot:***@${nowhere} ${remedy}`,
      `the session store in Redis: nothing listens at redis://bot:***@${nowhere} ${remedy}`,
    ]);
    expect(status).toBe(1);
  });

  it('says that nobody knows a name', async () => {
    const { failed } = await failuresOf({
      DISCORD_API_HOST: 'discord.invalid',
      BROKER_TYPE: 'amqp',
      AMQP_URL: 'amqp://rabbit.invalid',
    });
    expect(failed).toHaveLength(2);
    // Without a network a name is not looked up at all, which is another code.
    for (const line of failed) expect(line).toMatch(/\((ENOTFOUND|EAI_AGAIN)\); correct its name/);
  });

  it('says that a server hangs up, or does not speak TLS', async () => {
    const rude = await startPort((socket) => socket.destroy());
    const plain = await startPort((socket) => socket.end('this is no TLS, and long enough'));
    const { failed } = await failuresOf({
      DISCORD_API_SCHEME: 'https',
      DISCORD_API_HOST: plain,
      BROKER_TYPE: 'amqp',
      AMQP_URL: `amqp://${rude}`,
    });
    expect(failed).toEqual([
      expect.stringContaining(
        `${plain} speaks no TLS (ERR_SSL_WRONG_VERSION_NUMBER); check its port`,
      ),
      expect.stringMatching(
        /hung up( \((ECONNRESET|EPIPE)\))?; check its port, and whether it wants TLS$/,
      ),
    ]);
  });

  it('says the same of a Redis that hangs up, however ioredis came to know it', async () => {
    const rude = await startPort((socket) => socket.destroy());
    const { failed } = await failuresOf({ BROKER_TYPE: 'redis', REDIS_URL: rude });
    expect(failed.at(-1)).toMatch(
      /hung up( \((ECONNRESET|EPIPE)\))?; check its port, and whether it wants TLS$/,
    );
  });

  it('says that a token or a login is refused', async () => {
    const simulator = await startSimulator({ seed: 3, guildCount: 1 });
    onTestFinished(() => simulator.close());
    const server = await startServer('redis');
    onTestFinished(() => server.stop());
    const { host } = new URL(server.url);
    const owner = new Redis(server.url);
    await owner.config('SET', 'requirepass', 'pass-of-a-test');
    owner.disconnect();
    const { failed } = await failuresOf({
      DISCORD_API_HOST: `127.0.0.1:${simulator.port}`,
      BROKER_TYPE: 'redis',
      REDIS_URL: `redis://:wrong-pass@${host}`,
    });
    expect(failed).toEqual([
      expect.stringMatching(/Discord refused the token .*: set `token` or DISCORD_TOKEN/),
      expect.stringMatching(/WRONGPASS.*; check the user name and password of the Redis URL$/),
    ]);
    expect(failed.join()).not.toMatch(/wrong-pass|a-token-of-nobody/);
  });
});

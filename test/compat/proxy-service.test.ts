/**
 * `spectacles proxy` as a process of its own behind a real Redis, and the unmodified
 * @spectacles/proxy 0.1.3 in front of it: alone, and as the command handler that the original's
 * introduction ends with, with `spectacles gateway` beside it. Every part is a process; the
 * simulator says what arrived.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startProgram, startSpectacles } from '../support/process.ts';
import { startServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

type Stage = {
  readonly simulator: Simulator;
  readonly proxy: Program;
  readonly environment: Readonly<Record<string, string>>;
  readonly channel: string;
};

async function start(): Promise<Stage> {
  const redis = await startServer('redis');
  onTestFinished(() => redis.stop());
  const simulator = await startSimulator({ seed: 6, guildCount: 2 });
  onTestFinished(() => simulator.close());
  const environment = { DISCORD_TOKEN: SIMULATED_TOKEN, REDIS_URL: redis.url };
  const proxy = startSpectacles(['proxy'], {
    // The token is the client's to bring.
    environment: {
      REDIS_URL: redis.url.replace('redis://', ''),
      ...simulatedApi(simulator.port),
    },
  });
  await proxy.log('the proxy takes requests');
  return { simulator, proxy, environment, channel: textChannel(simulator) };
}

function textChannel({ discord }: Simulator): string {
  const guild = discord.world.guild(discord.world.guildIds[0] ?? '');
  const channel = guild?.channels.find(({ type }) => type === 0);
  if (channel === undefined) throw new Error('the world has no text channel');
  return channel.id;
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

async function expectCleanEnd({ simulator, proxy }: Stage): Promise<void> {
  expect(await proxy.end('SIGINT')).toEqual({ status: 0, signal: null });
  expect(simulator.discord.rest.audit.breaches).toEqual([]);
  expect(proxy.stdout).toBe('');
  expect(proxy.stderr).not.toContain(SIMULATED_TOKEN);
}

describe('spectacles proxy and @spectacles/proxy 0.1.3', () => {
  it('posts a message', async () => {
    const stage = await start();
    const { simulator, environment, channel } = stage;
    const line = [channel, 'from the old client 🎉'];
    const client = startProgram(fixture('old-proxy-client.cjs'), line, { environment });
    expect(await client.ended).toEqual({ status: 0, signal: null });
    const content = 'from the old client 🎉';
    const authorId = simulator.discord.world.bot.id;
    expect(simulator.discord.rest.audit.posted).toMatchObject([
      { channelId: channel, content, authorId },
    ]);
    expect(JSON.parse(client.stdout)).toMatchObject({
      status: 0,
      code: 200,
      answer: { id: simulator.discord.rest.audit.posted[0]?.messageId, content },
    });
    await expectCleanEnd(stage);
  });

  it('is told what Discord refuses', async () => {
    const stage = await start();
    const line = ['123', 'into the void'];
    const { environment } = stage;
    const client = startProgram(fixture('old-proxy-client.cjs'), line, { environment });
    await client.ended;
    expect(JSON.parse(client.stdout)).toMatchObject({
      status: 0,
      code: 404,
      answer: { code: 10_003 },
    });
    await expectCleanEnd(stage);
  });

  it('answers ping with pong, with spectacles gateway on the other side', async () => {
    const stage = await start();
    const { simulator, environment, channel } = stage;
    const { world, rest, audit, clock } = simulator.discord;
    const gateway = startSpectacles(['gateway'], {
      environment: {
        ...environment,
        DISCORD_EVENTS: 'MESSAGE_CREATE',
        DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT',
        ...simulatedApi(simulator.port),
        BROKER_TYPE: 'redis',
        BROKER_PAYLOAD: 'map',
      },
    });
    const handler = startProgram(fixture('ping-pong.mjs'), [], { environment });
    await gateway.log('shard is ready');
    const guildId = world.guildIds[0] ?? '';
    const author = world.guildCreate(guildId, ALL_INTENTS).members[1]?.user ?? world.bot;
    const write = (content: string): void => {
      const posted = world.postMessage(channel, author, { content }, clock.epochMs());
      if (posted !== undefined) simulator.discord.publish(posted.event);
    };
    await until('the guild is there', () => {
      return simulator.discord.gateway
        .sessions()
        .every((session) => !session.isUnavailable(guildId));
    });
    write('hello');
    write('ping');
    // The pong that was posted comes in as an event, too.
    await handler.until('seen the pong', () => handler.stdout.includes('pong'));
    expect(handler.stdoutLines).toEqual(['hello', 'ping', 'pong']);
    expect(rest.audit.posted).toMatchObject([{ channelId: channel, content: 'pong' }]);
    expect((await gateway.end('SIGINT')).status).toBe(0);
    expect(audit.breaches).toEqual([]);
    expect(audit.of('session-end')).toEqual([]);
    await expectCleanEnd(stage);
  });
});

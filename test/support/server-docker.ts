/** A server in a container, for machines that have Docker and not the program. */
import { execFileSync } from 'node:child_process';
import type { ServerKind, TestServer } from './servers.ts';

const IMAGES: Readonly<Record<ServerKind, string>> = {
  redis: 'redis:7-alpine',
  rabbitmq: 'rabbitmq:3.13-alpine',
};
const PORTS: Readonly<Record<ServerKind, number>> = { redis: 6379, rabbitmq: 5672 };

function docker(...words: readonly string[]): string {
  return execFileSync('docker', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

export async function dockerServer(
  kind: ServerKind,
  port: number,
  untilReady: (url: string) => Promise<void>,
): Promise<TestServer> {
  const published = `127.0.0.1:${port}:${PORTS[kind]}`;
  // A node's name is part of where RabbitMQ keeps its data: it must be the same after a restart.
  const id = docker('run', '-d', '--hostname', 'spectacles', '-p', published, IMAGES[kind]).trim();
  const url = `${kind === 'redis' ? 'redis' : 'amqp'}://127.0.0.1:${port}`;
  await untilReady(url);
  return {
    url,
    kill: async () => {
      docker('kill', id);
    },
    restart: async () => {
      docker('start', id);
      await untilReady(url);
    },
    pause: () => {
      docker('pause', id);
    },
    resume: () => {
      docker('unpause', id);
    },
    control: async (...words) => docker('exec', id, 'rabbitmqctl', '--quiet', ...words),
    stop: async () => {
      docker('rm', '-f', id);
    },
  };
}

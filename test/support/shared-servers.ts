/** The servers that `global-setup.ts` has started for the whole run, as a test asks for them. */
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string;
    amqpUrl: string;
  }
}

function provided(key: 'redisUrl' | 'amqpUrl'): string {
  const url = inject(key);
  if (url === '') {
    throw new Error('no servers were started, since the run names only unit and property tests');
  }
  return url;
}

/** The run's Redis. Use names of your own: other tests use it at the same time. */
export function redisUrl(): string {
  return provided('redisUrl');
}

/** The run's RabbitMQ. Use names of your own: other tests use it at the same time. */
export function amqpUrl(): string {
  return provided('amqpUrl');
}

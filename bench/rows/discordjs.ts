/**
 * What others would begin with: @discordjs/ws, which parses every event, with a listener that
 * counts; and with one that publishes to Redis by the two brokers of which bots in JavaScript have
 * the choice.
 *
 * Each broker gets the client library that it was made for, and its own defaults. An event is done
 * when its publish has resolved.
 */
import { createRequire } from 'node:module';
import { PubSubRedisBroker } from '@discordjs/brokers';
import { CompressionMethod, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import type { Compression } from '../../actors/connection/ports.ts';
import { fed } from '../fed.ts';
import { BROKER_GROUP, eventFeed, type Place, type Row, type Work } from '../row.ts';
import { EVENT } from '../source/messages.ts';

type Packing = Extract<Compression, 'none' | 'zlib-stream'>;

/** Where events go. */
type Outlet = {
  publish(event: string, data: unknown): Promise<unknown>;
  close(): void;
};
type OpenOutlet = (redisUrl: string) => Outlet;

const require = createRequire(import.meta.url);

function discordjs(compression: Packing): Row {
  return {
    name: `@discordjs/ws ${compression}`,
    about: '@discordjs/ws, and nothing else',
    topic: 'forward',
    feed: eventFeed(compression),
    figures: ['full', 'steady', 'heap'],
    setup: (place) => setup(place, compression, () => NOWHERE),
  };
}

function publishing(broker: string, compression: Packing, open: OpenOutlet): Row {
  return {
    name: `@discordjs/ws + ${broker} ${compression}`,
    about: `@discordjs/ws, published to Redis by ${broker}`,
    topic: 'forward',
    feed: eventFeed(compression),
    receiver: 'redis',
    withoutIds: true,
    figures: ['full', 'steady', 'half', 'heap'],
    setup: (place) => setup(place, compression, open),
  };
}

const NOWHERE: Outlet = { publish: async () => undefined, close: () => undefined };

async function setup(place: Place, compression: Packing, open: OpenOutlet): Promise<Work> {
  const response = await fetch(`http://${place.addresses.gateway}/api/v10/gateway/bot`);
  const gatewayBot = await response.json();
  const manager = new WebSocketManager({
    token: 'bench',
    intents: 0,
    compression: compression === 'none' ? null : CompressionMethod.ZlibNative,
    // The only request that it makes of its REST client.
    rest: { get: async () => gatewayBot } as never,
  });
  const outlet = open(place.addresses.redis ?? '');
  let events = 0;
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
  };
  manager.on(
    WebSocketShardEvents.Dispatch,
    outlet === NOWHERE
      ? (payload) => {
          if (payload.t === EVENT) events++;
        }
      : (payload) => {
          if (payload.t !== EVENT) return;
          outlet.publish(payload.t, payload.d).then(() => events++, fail);
        },
  );
  manager.on(WebSocketShardEvents.Error, fail);
  const check = () => {
    if (failure !== undefined) throw failure;
  };
  await manager.connect();
  return {
    run: fed(place, () => events, check),
    async stop() {
      await manager.destroy();
      outlet.close();
    },
  };
}

/** The ioredis that a package brings along. */
function clientOf(packageName: string, redisUrl: string) {
  const { default: Redis } = createRequire(require.resolve(packageName))('ioredis');
  return new Redis(redisUrl);
}

const discordjsBroker: OpenOutlet = (redisUrl) => {
  const client = clientOf('@discordjs/brokers', redisUrl);
  const broker = new PubSubRedisBroker<Record<string, unknown>>(client, { group: BROKER_GROUP });
  return {
    publish: (event, data) => broker.publish(event, data),
    close: () => client.disconnect(),
  };
};

const spectaclesBroker: OpenOutlet = (redisUrl) => {
  const { Redis: RedisBroker } = require('@spectacles/brokers');
  const broker = new RedisBroker(BROKER_GROUP, clientOf('@spectacles/brokers', redisUrl));
  return {
    publish: (event, data) => broker.publish(event, data),
    close: () => broker.disconnect(),
  };
};

export const rows: readonly Row[] = [
  discordjs('none'),
  discordjs('zlib-stream'),
  publishing('@discordjs/brokers', 'none', discordjsBroker),
  publishing('@discordjs/brokers', 'zlib-stream', discordjsBroker),
  publishing('@spectacles/brokers', 'none', spectaclesBroker),
];

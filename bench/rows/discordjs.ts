/** What others would begin with: @discordjs/ws, which parses every event, with a listener that counts. */
import { CompressionMethod, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import type { Compression } from '../../actors/connection/ports.ts';
import { fed } from '../fed.ts';
import type { Place, Row, Work } from '../row.ts';
import { EVENT } from '../source/messages.ts';

function discordjs(compression: Extract<Compression, 'none' | 'zlib-stream'>): Row {
  return {
    name: `@discordjs/ws ${compression}`,
    about: '@discordjs/ws, and nothing else',
    compression,
    figures: ['full', 'steady', 'heap'],
    setup: (place) => setup(place, compression),
  };
}

async function setup(place: Place, compression: Compression): Promise<Work> {
  const response = await fetch(`http://${place.addresses.gateway}/api/v10/gateway/bot`);
  const gatewayBot = await response.json();
  const manager = new WebSocketManager({
    token: 'bench',
    intents: 0,
    compression: compression === 'none' ? null : CompressionMethod.ZlibNative,
    // The only request that it makes of its REST client.
    rest: { get: async () => gatewayBot } as never,
  });
  let events = 0;
  let failure: unknown;
  manager.on(WebSocketShardEvents.Dispatch, (payload) => {
    if (payload.t === EVENT) events++;
  });
  manager.on(WebSocketShardEvents.Error, (error) => {
    failure = error;
  });
  const check = () => {
    if (failure !== undefined) throw failure;
  };
  await manager.connect();
  return { run: fed(place, () => events, check), stop: async () => manager.destroy() };
}

export const rows: readonly Row[] = [discordjs('none'), discordjs('zlib-stream')];

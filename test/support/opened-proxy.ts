/**
 * The whole proxy in the process of a test, in front of a Discord of this machine, until the test
 * ends.
 */
import { onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { type BrokerConfig, createBroker } from '../../src/brokers/create-broker.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from '../../src/proxy/proxy.ts';
import { createRandom } from '../../src/random.ts';
import { systemClock } from '../../src/system-clock.ts';
import { RecordingLog } from './recording-log.ts';
import { NO_METRICS } from './simulated-upstream.ts';

export type OpenedProxy = {
  readonly proxy: RunningProxy;
  readonly log: RecordingLog;
  /** `http://HOST:PORT` of the HTTP door. */
  readonly url: string;
};

export type ProxyChanges = Partial<
  Pick<ProxyOptions['config'], 'timeoutMs' | 'http' | 'limits'>
> & {
  /** The bot's, for requests that bring none. */
  readonly token?: string;
  /** By which it is called; without one there is only the HTTP door. */
  readonly broker?: BrokerConfig;
};

/** A proxy whose HTTP door is on a free port unless told; `host` is where its Discord is. */
export async function openProxy(
  host: string,
  { token, broker: called, ...changes }: ProxyChanges = {},
): Promise<OpenedProxy> {
  const log = new RecordingLog();
  const random = createRandom(1);
  const system = createActorSystem({ name: 'proxy', clock: systemClock, random, log });
  onTestFinished(() => system.stop());
  const surroundings = { system, clock: systemClock, log };
  const broker = called && (await createBroker(called, surroundings));
  onTestFinished(async () => broker?.close());
  const proxy = await startProxy({
    config: {
      timeoutMs: undefined,
      http: { address: { host: '127.0.0.1', port: 0 } },
      discord: { token, version: 10, scheme: 'http', host },
      broker: { event: 'REQUEST' },
      ...changes,
    },
    ...(broker && { broker }),
    metrics: NO_METRICS,
    ...surroundings,
  });
  onTestFinished(() => proxy.stop());
  return { proxy, log, url: `http://127.0.0.1:${proxy.http?.port}` };
}

/** The same, with the broker of somebody who calls it through memory. */
export async function openCalledProxy(
  host: string,
  changes: Omit<ProxyChanges, 'broker'> = {},
): Promise<OpenedProxy & { readonly caller: Broker }> {
  const memory = { type: 'memory', hub: new MemoryHub(systemClock), payload: 'json' } as const;
  const opened = await openProxy(host, { ...changes, broker: { ...memory, group: 'proxy' } });
  const random = createRandom(2);
  const { log } = opened;
  const system = createActorSystem({ name: 'caller', clock: systemClock, random, log });
  onTestFinished(() => system.stop());
  const surroundings = { system, clock: systemClock, log };
  const caller = await createBroker({ ...memory, group: 'bot' }, surroundings);
  return { ...opened, caller };
}

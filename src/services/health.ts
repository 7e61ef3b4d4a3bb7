/**
 * The health server of a service, for as long as the process runs.
 *
 * It is open before anything else is, so that a port that is taken ends the start before it has
 * touched what another process works with, and it closes last. While the service starts, `/healthz`
 * answers and `/readyz` says what is waited for: a start may wait for long, and is not to be killed
 * for it.
 */
import type { Registry } from 'prom-client';
import type { Address } from '../config/address.ts';
import { GATEWAY_OPTIONS } from '../config/gateway-options.ts';
import { optionName } from '../config/options.ts';
import { PROXY_OPTIONS } from '../config/proxy-options.ts';
import { ANY_ADDRESS } from '../listen.ts';
import { type Readiness, startHealthServer } from '../metrics/health-server.ts';
import { unlessAborted } from '../unless-aborted.ts';

export type Health = {
  /** The service is not ready, since it waits for `what`. */
  readonly waitFor: (what: string) => void;
  /** From now on the service knows itself whether it is ready. */
  readonly follow: (readiness: () => Readiness) => void;
  readonly close: () => Promise<void>;
};

export type HealthOptions = {
  readonly service: 'gateway' | 'proxy';
  /** Undefined: nobody looks. */
  readonly address: Address | undefined;
  /** The path of the metrics. */
  readonly endpoint: string;
  readonly registry: Registry;
  /** Gives the start up. */
  readonly signal: AbortSignal;
};

/** What a person changes to have the server listen elsewhere. */
const SETTINGS: Readonly<Record<HealthOptions['service'], string>> = {
  gateway: optionName('prometheus.address', GATEWAY_OPTIONS['prometheus.address']),
  proxy: optionName('metrics.addr', PROXY_OPTIONS['metrics.addr']),
};

/** @throws PortInUseError when another program has the port */
export async function openHealth(options: HealthOptions): Promise<Health> {
  const { service, address, endpoint, registry, signal } = options;
  const waiting = (what: string) => () => ({
    ready: false,
    detail: `the ${service} waits for ${what}`,
  });
  let readiness: () => Readiness = waiting('its start');
  const opening =
    address &&
    startHealthServer({
      host: address.host ?? ANY_ADDRESS,
      port: address.port,
      setting: SETTINGS[service],
      endpoint,
      registry,
      readiness: () => readiness(),
    });
  // A host's name may take long to be looked up.
  const server = opening && (await unlessAborted(signal, opening));
  return {
    waitFor(what) {
      readiness = waiting(what);
    },
    follow(next) {
      readiness = next;
    },
    close: async () => server?.close(),
  };
}

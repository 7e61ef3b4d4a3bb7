/**
 * The health server of a gateway, for as long as the process runs.
 *
 * It is open before anything else is, so that a port that is taken ends the start before it has touched
 * what another process works with, and it closes last. While the gateway starts, `/healthz` answers and
 * `/readyz` says what is waited for: a start may wait for long, and is not to be killed for it.
 */
import type { Registry } from 'prom-client';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { ANY_ADDRESS } from '../listen.ts';
import { type Readiness, startHealthServer } from '../metrics/health-server.ts';

export type GatewayHealth = {
  /** The gateway is not ready, since it waits for `what`. */
  readonly waitFor: (what: string) => void;
  /** From now on the gateway knows itself whether it is ready. */
  readonly follow: (readiness: () => Readiness) => void;
  readonly close: () => Promise<void>;
};

/** @throws PortInUseError when another program has the port */
export async function openGatewayHealth(
  { prometheus: { address, endpoint } }: Pick<GatewayConfig, 'prometheus'>,
  registry: Registry,
): Promise<GatewayHealth> {
  let readiness = waiting('its start');
  const server =
    address === undefined
      ? undefined
      : await startHealthServer({
          host: address.host ?? ANY_ADDRESS,
          port: address.port,
          endpoint,
          registry,
          readiness: () => readiness(),
        });
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

function waiting(what: string): () => Readiness {
  return () => ({ ready: false, detail: `the gateway waits for ${what}` });
}

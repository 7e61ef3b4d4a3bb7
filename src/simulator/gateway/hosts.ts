/**
 * The two doors of the gateway and the ways in which a door can be broken: for good, until it is
 * mended, or for the next few connections.
 */
import type { GatewayHost } from '../audit.ts';

export const HOST_MODES = [
  'alive',
  /** The handshake is answered with HTTP 503. */
  'unavailable',
  /** The connection is refused, or reset before the handshake. */
  'refuse',
  /** The handshake is never answered. */
  'hang',
  /** The handshake succeeds, and HELLO never comes. */
  'silent',
  /** Op 7 comes instead of HELLO. */
  'reconnect',
  /** HELLO comes, and the connection is lost at once. */
  'drop',
] as const;

export type HostMode = (typeof HOST_MODES)[number];

/** What becomes of a handshake. */
export type HandshakeAnswer = 'accept' | 'unavailable' | 'refuse' | 'hang';

type HostState = { mode: HostMode; connectionsLeft: number };

export class Hosts {
  readonly #states: Record<GatewayHost, HostState> = {
    main: { mode: 'alive', connectionsLeft: Number.POSITIVE_INFINITY },
    resume: { mode: 'alive', connectionsLeft: Number.POSITIVE_INFINITY },
  };

  /** @param connections how many connections it strikes before the door is mended by itself */
  set(host: GatewayHost, mode: HostMode, connections = Number.POSITIVE_INFINITY): void {
    this.#states[host] = { mode, connectionsLeft: connections };
  }

  mode(host: GatewayHost): HostMode {
    return this.#states[host].mode;
  }

  /** What the next connection meets; asking counts as a connection. */
  take(host: GatewayHost): HostMode {
    const state = this.#states[host];
    const mode = state.mode;
    if (mode !== 'alive' && --state.connectionsLeft <= 0) {
      this.#states[host] = { mode: 'alive', connectionsLeft: Number.POSITIVE_INFINITY };
    }
    return mode;
  }
}

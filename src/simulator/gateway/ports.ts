/** What the simulated gateway is given from outside. */
import type { Clock, Random } from '../../../protocols/ports.ts';
import type { Audit } from '../audit.ts';
import type { World } from '../world.ts';
import type { Credentials } from './credentials.ts';

export type GatewayPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly world: World;
  readonly audit: Audit;
  readonly credentials: Credentials;
};

/** Where clients find the gateway; READY names the second. */
export type GatewayAddresses = { readonly main: string; readonly resume: string };

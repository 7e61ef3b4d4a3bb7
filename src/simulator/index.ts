/**
 * The simulated Discord as a test kit: on real sockets with `startSimulator`, on virtual time with
 * `SimulatedDiscord`, `VirtualClock` and `VirtualNetwork`.
 */
export {
  Audit,
  type AuditKind,
  type AuditRecord,
  type AuditRecords,
  type Breach,
  type BreachName,
  type GatewayHost,
  type ShardPair,
} from './audit.ts';
export { loadZstd, storedZstdStream, type ZstdFactory } from './compression.ts';
export {
  SimulatedDiscord,
  type SimulatedDiscordOptions,
  VIRTUAL_ADDRESSES,
} from './discord.ts';
export type { SimulatedEvent } from './events/event.ts';
export type { GatewayFacts } from './gateway/gateway.ts';
export { GATEWAY_DEFAULTS, type GatewayOptions } from './gateway/options.ts';
export type { GatewayAddresses } from './gateway/ports.ts';
export {
  type Fault,
  type FaultName,
  parseScenario,
  randomScenario,
  readScenario,
  type Scenario,
  type TimedFault,
} from './scenario.ts';
export { type Simulator, type SimulatorOptions, startSimulator } from './server.ts';
export { SIMULATED_TOKEN } from './token.ts';
export { VirtualClock } from './virtual-clock.ts';
export { VirtualNetwork, type VirtualNetworkOptions } from './virtual-link.ts';
export type { World } from './world.ts';

/** The services that the command line starts. */
import type { Services } from '../cli/services.ts';
import { startGateway } from './gateway.ts';
import { gatewayProbes, proxyProbes } from './probes.ts';
import { startProxy } from './proxy.ts';
import { startRun } from './run.ts';
import { startSimulate } from './simulate.ts';

export const services: Services = {
  startGateway,
  startProxy,
  startRun,
  startSimulate,
  gatewayProbes,
  proxyProbes,
};

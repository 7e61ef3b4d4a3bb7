/**
 * Trouble between a proxy and the simulated Discord, drawn from a seed: connections that are cut,
 * answers that come late, not at all, or with errors, and 429s of every scope.
 *
 * The bounds keep to what a proxy can know. A request is on its way for no longer than it reckons
 * with (ARRIVAL_MAX_MS), since nobody could keep to a limit of the server otherwise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../protocols/ports.ts';
import type { Simulator } from '../../src/simulator/index.ts';
import type { RestFault } from '../../src/simulator/rest/faults.ts';
import type { TcpProxy } from './tcp-proxy.ts';

const HELD_MAX_MS = 80;
const BETWEEN_MS = { min: 200, max: 1_200 };

const REST_FAULTS: readonly RestFault[] = [
  { effect: { kind: 'latency', minMs: 0, maxMs: 1_500 }, probability: 0.05 },
  { effect: { kind: 'lost-request' }, probability: 0.01 },
  { effect: { kind: 'lost-response' }, probability: 0.01 },
  { effect: { kind: 'error', status: 500 }, probability: 0.004 },
  { effect: { kind: 'error', status: 502, html: true }, probability: 0.004 },
  { effect: { kind: 'error', status: 503 }, probability: 0.004 },
  { effect: { kind: 'error', status: 504, html: true }, probability: 0.004 },
  { effect: { kind: 'limited', scope: 'user', retryAfterMs: 700 }, probability: 0.003 },
  { effect: { kind: 'limited', scope: 'shared', retryAfterMs: 400 }, probability: 0.003 },
  { effect: { kind: 'limited', scope: 'global', retryAfterMs: 300 }, probability: 0.0005 },
];

/** Every answer takes a moment, as across a network. */
const LATENCY: RestFault = { effect: { kind: 'latency', minMs: 1, maxMs: 20 } };

export function calm({ discord }: Simulator): void {
  discord.rest.clearFaults();
  discord.rest.inject(LATENCY);
}

export type Trouble = {
  readonly simulator: Simulator;
  readonly network: TcpProxy;
  readonly random: Random;
};

/** Trouble for that long, and calm afterwards; resolves with how often the network was struck. */
export async function makeTrouble(trouble: Trouble, forMs: number): Promise<number> {
  const { simulator, network, random } = trouble;
  for (const fault of REST_FAULTS) simulator.discord.rest.inject(fault);
  const endMs = performance.now() + forMs;
  let strikes = 0;
  while (performance.now() < endMs) {
    await strike(network, random);
    strikes += 1;
    await sleep(BETWEEN_MS.min + random() * (BETWEEN_MS.max - BETWEEN_MS.min));
  }
  network.delay(0);
  calm(simulator);
  return strikes;
}

async function strike(network: TcpProxy, random: Random): Promise<void> {
  switch (Math.floor(random() * 5)) {
    case 0:
      network.reset();
      return;
    case 1:
      network.halfClose();
      return;
    case 2:
      network.delay(random() * HELD_MAX_MS);
      return;
    case 3:
      network.pause();
      await sleep(random() * HELD_MAX_MS);
      network.resume();
      return;
    default:
      // What was swallowed is missing in the middle of an answer: these connections are lost.
      network.drop('replies');
      await sleep(random() * 300);
      network.reset();
      network.resume();
  }
}

/** A client of the simulated gateway that a fault strikes. */
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import type { Fault } from '../../src/simulator/scenario.ts';
import { type SimulatedClient, type Stage, stage } from './simulated-client.ts';

export const RESUME = { url: VIRTUAL_ADDRESSES.resume };

/** A client with a session, and the fault striking it now. */
export function struck(
  fault: Fault,
  options: { query?: string } = {},
): Stage & { one: SimulatedClient } {
  const scene = stage({ gateway: { maxConcurrency: 16 } });
  const one = scene.client(options).identify().settle(1_000);
  scene.discord.scenario.strike(fault);
  return { ...scene, one };
}

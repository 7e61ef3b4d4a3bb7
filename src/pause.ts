/** Waits, on whichever clock. */
import type { Clock } from '../protocols/ports.ts';

export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

/** Ids and tokens that mean nothing, drawn from the simulator's own randomness. */
import type { Random } from '../../../protocols/ports.ts';

export function randomHex(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += Math.floor(random() * 16).toString(16);
  return text;
}

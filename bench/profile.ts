/**
 * Where processor time went: the functions of a V8 profile that were at work most often themselves.
 */
import { readFileSync } from 'node:fs';
import { ROOT } from './machine.ts';

type CallFrame = {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
};
type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const IDLE = new Set(['(idle)']);

/** A line a function: its share of the time that was not idle, its name, its place. */
export function heaviest(file: string, lines: number): string {
  const profile: Profile = JSON.parse(readFileSync(file, 'utf8'));
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const micros = new Map<string, number>();
  let total = 0;
  profile.samples.forEach((id, index) => {
    const name = names.get(id) ?? '';
    const spent = profile.timeDeltas[index] ?? 0;
    if (IDLE.has(name)) return;
    total += spent;
    micros.set(name, (micros.get(name) ?? 0) + spent);
  });
  return [...micros]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, lines)
    .map(([name, spent]) => `${((100 * spent) / total).toFixed(1).padStart(5)} %  ${name}`)
    .join('\n');
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  const place = url.replace('file://', '').replace(ROOT, '');
  return place === '' ? name : `${name}  ${place}:${lineNumber + 1}`;
}

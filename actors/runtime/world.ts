/**
 * What surrounds a cell: its parent, its children, what all actors share, and nact behind a port.
 */
import type { Clock, Log, Random } from '../../protocols/ports.ts';
import type { SmallMap } from '../small-map.ts';
import type { Census } from './census.ts';

/** What the cell asks of nact: turns, one at a time and none within the asking, until it closes. */
export interface Turns {
  ask(): void;
  close(): void;
}

/** What nact calls. */
export interface TurnTaker {
  readonly name: string;
  open(turns: Turns): void;
  /** The next turn comes no earlier than when a returned promise is settled. */
  takeTurn(): void | Promise<void>;
  /** `open` or `takeTurn` threw or rejected. Never throws. */
  crashed(error: unknown): void;
}

/** What all actors of a system share. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly census: Census;
  openTurns(taker: TurnTaker): void;
}

/** What a parent needs of a child, whatever its messages are. */
export interface Child {
  /** Undefined when none was given. */
  readonly place: number | undefined;
  /** Ends it and all below it; resolves when that is done. */
  halt(): Promise<void>;
  hurry(): void;
}

/** Where a cell stands: under an actor, or under the system itself. */
export interface Parent {
  readonly path: string;
  readonly children: SmallMap<string, Child>;
}

/**
 * Stops siblings, the highest place first. Those that were given the same place stop at once; those
 * that were given none stand at zero and stop one by one, the latest started first.
 */
export async function stopAll(children: Parent['children']): Promise<void> {
  for (const round of stopRounds(children)) await Promise.all(round.map((child) => child.halt()));
}

function stopRounds(children: Parent['children']): Child[][] {
  const rounds: Child[][] = [];
  const order = [...children.values()]
    .reverse()
    .sort((left, right) => (right.place ?? 0) - (left.place ?? 0));
  for (const child of order) {
    const round = rounds.at(-1);
    const joins = child.place !== undefined && round?.[0]?.place === child.place;
    if (joins) round?.push(child);
    else rounds.push([child]);
  }
  return rounds;
}

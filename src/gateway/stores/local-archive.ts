/** Sessions that end with the process: the store of who has configured none. */
import type { SessionArchive } from '../../../actors/sessions/ports.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { placeName, type SessionPlace } from './session-place.ts';
import { claimShards, type Shelf, saveBatch } from './session-shelf.ts';

/** Where the archives of one process meet. */
export type LocalShelves = Map<string, Shelf>;

export function localArchive(options: {
  readonly shelves: LocalShelves;
  readonly place: SessionPlace;
  readonly owner: string;
  readonly clock: Clock;
}): SessionArchive {
  const { shelves, owner, clock } = options;
  const name = placeName(options.place);
  const shelf: Shelf = shelves.get(name) ?? new Map();
  shelves.set(name, shelf);
  const use = () => ({ owner, epochMs: clock.epochMs() });
  return {
    label: 'the memory of this process',
    claim: async (request) => claimShards(shelf, request, use()),
    save: async (batch) => saveBatch(shelf, batch, use()),
    close: async () => undefined,
  };
}

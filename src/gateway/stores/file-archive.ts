/**
 * Sessions in a file, for a gateway on one machine.
 *
 * Each claim and each batch reads the file, changes it and replaces it, under a lock, so that
 * several gateways may share one file and a newer one fences out an older one. That is a read and a
 * write of the whole for up to a thousand shards, once a second and off the event loop.
 *
 * Failure: whatever the file system says ends the operation, which is then tried again.
 */
import { resolve } from 'node:path';
import type { SessionArchive } from '../../../actors/sessions/ports.ts';
import { SESSION_KEPT_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { LockedFile } from './locked-file.ts';
import { readSessionFile, type SessionShelves, writeSessionFile } from './session-file.ts';
import { placeName, type SessionPlace } from './session-place.ts';
import { claimShards, type Shelf, type ShelfUse, saveBatch } from './session-shelf.ts';

export type FileArchiveOptions = {
  /** Relative to the working folder. */
  readonly path: string;
  readonly place: SessionPlace;
  readonly owner: string;
  readonly clock: Clock;
};

export function fileArchive(options: FileArchiveOptions): SessionArchive {
  const { owner, clock } = options;
  const path = resolve(options.path);
  const name = placeName(options.place);
  const file = new LockedFile(path, clock);
  const perform = <Value>(make: (shelf: Shelf, use: ShelfUse) => Value): Promise<Value> =>
    file.change(async () => {
      const shelves = await readSessionFile(path);
      const shelf: Shelf = shelves.get(name) ?? new Map();
      shelves.set(name, shelf);
      const epochMs = clock.epochMs();
      const value = make(shelf, { owner, epochMs });
      dropOld(shelves, epochMs);
      await writeSessionFile(path, shelves);
      return value;
    });

  return {
    label: path,
    claim: (request) => perform((shelf, use) => claimShards(shelf, request, use)),
    save: (batch) => perform((shelf, use) => saveBatch(shelf, batch, use)),
    close: async () => undefined,
  };
}

/** Entries that nobody has touched for a day, and places that are empty then. */
function dropOld(shelves: SessionShelves, epochMs: number): void {
  for (const [name, shelf] of shelves) {
    for (const [shard, { touchedAtEpochMs }] of shelf) {
      if (epochMs - touchedAtEpochMs > SESSION_KEPT_MS) shelf.delete(shard);
    }
    if (shelf.size === 0) shelves.delete(name);
  }
}

/**
 * The file of the stored sessions.
 *
 * Only its owner may read it: with a session's id and the token, which it does not hold, the
 * session can be taken over.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { FatalError } from '../../../protocols/errors.ts';
import { SESSION_FILE_MAX_BYTES } from '../../../protocols/limits.ts';
import { fileError } from './file-errors.ts';
import { type JsonFormat, readJsonFile, replaceJsonFile } from './json-file.ts';
import type { Shelf } from './session-shelf.ts';
import { storedRecord } from './stored-record.ts';

const FORMAT = 'spectacles-sessions';
const VERSION = 1;

const entrySchema = z.object({
  owner: z.string(),
  generation: z.int().min(0),
  batch: z.int().min(0),
  touchedAtEpochMs: z.number(),
  record: storedRecord.optional(),
});

const fileSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  places: z.record(z.string(), z.record(z.string().regex(/^\d+$/), entrySchema)),
});

const SESSIONS: JsonFormat<z.infer<typeof fileSchema>> = {
  schema: fileSchema,
  maxBytes: SESSION_FILE_MAX_BYTES,
  notOurs: (path) =>
    new FatalError(
      `shard_store.path: ${path} holds something else than stored sessions, or is damaged, and is left as it is: name another file, or delete it`,
    ),
};

/** By the names of the places. */
export type SessionShelves = Map<string, Shelf>;

/**
 * No file, and an empty one, holds no sessions. Throws FatalError for a file that is none of ours.
 */
export async function readSessionFile(path: string): Promise<SessionShelves> {
  const { places = {} } = (await readJsonFile(path, SESSIONS)) ?? {};
  return new Map(
    Object.entries(places).map(([name, entries]) => [
      name,
      new Map(Object.entries(entries).map(([shard, entry]) => [Number(shard), entry])),
    ]),
  );
}

export async function writeSessionFile(path: string, shelves: SessionShelves): Promise<void> {
  const places = Object.fromEntries(
    [...shelves].map(([name, shelf]) => [name, Object.fromEntries(shelf)]),
  );
  await replaceJsonFile(path, { format: FORMAT, version: VERSION, places });
}

/** Says what is in it and whether it could be replaced; changes nothing. */
export async function probeSessionFile(path: string): Promise<string> {
  const whole = resolve(path);
  try {
    const shelves = await readSessionFile(whole);
    await access(dirname(whole), constants.R_OK | constants.W_OK | constants.X_OK);
    const count = [...shelves.values()].reduce((sum, shelf) => sum + shelf.size, 0);
    return `holds ${count} shards, and can be written`;
  } catch (error) {
    throw fileError(error, whole);
  }
}

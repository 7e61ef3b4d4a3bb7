/**
 * The file of the stored sessions: reading it whole and replacing it whole.
 *
 * It is replaced by a rename, so whoever reads finds the old or the new one and nothing between. Only its
 * owner may read it: with a session's id and the token, which it does not hold, the session can be taken
 * over. Everything is checked when it is read. A file that is none of ours is never written to: somebody
 * has named the wrong one, and it may be dear to him.
 */
import { constants } from 'node:fs';
import { access, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { FatalError } from '../../../protocols/errors.ts';
import { SESSION_FILE_MAX_BYTES } from '../../../protocols/limits.ts';
import { errorCode, fileError } from './file-errors.ts';
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

/** By the names of the places. */
export type SessionShelves = Map<string, Shelf>;

/** No file, and an empty one, holds no sessions. Throws FatalError for a file that is none of ours. */
export async function readSessionFile(path: string): Promise<SessionShelves> {
  const text = await readText(path);
  if (text.trim() === '') return new Map();
  const { places } = parse(text, path);
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
  const text = `${JSON.stringify({ format: FORMAT, version: VERSION, places })}\n`;
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    // One that a process left behind when it died keeps the rights it was made with.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
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

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > SESSION_FILE_MAX_BYTES) throw notOurs(path);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function parse(text: string, path: string): z.infer<typeof fileSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notOurs(path);
  }
  const { data } = fileSchema.safeParse(value);
  if (data === undefined) throw notOurs(path);
  return data;
}

function notOurs(path: string): FatalError {
  return new FatalError(
    `shard_store.path: ${path} holds something else than stored sessions, or is damaged, and is left as it is: name another file, or delete it`,
  );
}

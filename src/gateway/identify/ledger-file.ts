/**
 * The file of the identify ledgers: reading it whole and replacing it whole, by a rename.
 *
 * A file that is none of ours is never written to. It holds no secrets, only when who has identified.
 */
import { open, readFile, rename, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { IdentifyBook } from '../../../actors/identify/book.ts';
import { FatalError } from '../../../protocols/errors.ts';
import { IDENTIFY_LEDGER_FILE_MAX_BYTES } from '../../../protocols/limits.ts';
import { errorCode } from '../stores/file-errors.ts';

const FORMAT = 'spectacles-identify';
const VERSION = 1;

const keySchema = z.object({
  openAtMs: z.number(),
  holder: z.string().optional(),
  formerMs: z.number().optional(),
});

const bookSchema: z.ZodType<IdentifyBook> = z.object({
  total: z.int().min(0),
  remaining: z.int().min(0),
  resetAtMs: z.number(),
  begun: z.boolean(),
  maxConcurrency: z.int().positive(),
  baseMs: z.number(),
  keys: z.record(z.string().regex(/^\d+$/), keySchema),
});

const fileSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  books: z.record(z.string(), bookSchema),
});

/** No file, and an empty one, holds no books. Throws FatalError for a file that is none of ours. */
export async function readLedgerFile(path: string): Promise<Map<string, IdentifyBook>> {
  const text = await readText(path);
  if (text.trim() === '') return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notOurs(path);
  }
  const { data } = fileSchema.safeParse(value);
  if (data === undefined) throw notOurs(path);
  return new Map(Object.entries(data.books));
}

export async function writeLedgerFile(
  path: string,
  books: ReadonlyMap<string, IdentifyBook>,
): Promise<void> {
  const content = { format: FORMAT, version: VERSION, books: Object.fromEntries(books) };
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(content)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > IDENTIFY_LEDGER_FILE_MAX_BYTES) throw notOurs(path);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function notOurs(path: string): FatalError {
  return new FatalError(
    `${path}, beside the sessions of shard_store.path, holds something else than session starts, or is damaged, and is left as it is: delete it, or name another shard_store.path`,
  );
}

/** The file of the identify ledgers. It holds no secrets, only when who has identified. */
import { z } from 'zod';
import type { IdentifyBook } from '../../../actors/identify/book.ts';
import { FatalError } from '../../../protocols/errors.ts';
import { IDENTIFY_LEDGER_FILE_MAX_BYTES } from '../../../protocols/limits.ts';
import { type JsonFormat, readJsonFile, replaceJsonFile } from '../stores/json-file.ts';

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

const LEDGERS: JsonFormat<z.infer<typeof fileSchema>> = {
  schema: fileSchema,
  maxBytes: IDENTIFY_LEDGER_FILE_MAX_BYTES,
  notOurs: (path) =>
    new FatalError(
      `${path}, beside the sessions of shard_store.path, holds something else than session starts, or is damaged, and is left as it is: delete it, or name another shard_store.path`,
    ),
};

/** No file, and an empty one, holds no books. Throws FatalError for a file that is none of ours. */
export async function readLedgerFile(path: string): Promise<Map<string, IdentifyBook>> {
  const { books = {} } = (await readJsonFile(path, LEDGERS)) ?? {};
  return new Map(Object.entries(books));
}

export async function writeLedgerFile(
  path: string,
  books: ReadonlyMap<string, IdentifyBook>,
): Promise<void> {
  const content = { format: FORMAT, version: VERSION, books: Object.fromEntries(books) };
  await replaceJsonFile(path, content);
}

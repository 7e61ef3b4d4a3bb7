/**
 * A small file of JSON that is read as a whole and replaced as a whole, for its owner alone.
 *
 * It is replaced by a rename, so whoever reads finds the old or the new one and nothing between.
 * What is read is checked; a file that is none of ours is never written to: somebody has named the
 * wrong one, and it may be dear to him.
 */
import { open, readFile, rename, stat } from 'node:fs/promises';
import type { z } from 'zod';
import type { FatalError } from '../../../protocols/errors.ts';
import { errorCode } from './file-errors.ts';

export type JsonFormat<Value> = {
  readonly schema: z.ZodType<Value>;
  /** A larger file is some other one. */
  readonly maxBytes: number;
  /** What is said of a file that holds something else, or is damaged. */
  readonly notOurs: (path: string) => FatalError;
};

/**
 * Undefined when there is no file, or an empty one. @throws FatalError for a file that is none of
 * ours
 */
export async function readJsonFile<Value>(
  path: string,
  { schema, maxBytes, notOurs }: JsonFormat<Value>,
): Promise<Value | undefined> {
  const text = await readText(path, maxBytes);
  if (text === undefined) throw notOurs(path);
  if (text.trim() === '') return undefined;
  const { data } = schema.safeParse(parsed(text));
  if (data === undefined) throw notOurs(path);
  return data;
}

export async function replaceJsonFile(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    // One that a process left behind when it died keeps the rights it was made with.
    await file.chmod(0o600);
    await file.writeFile(`${JSON.stringify(value)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Undefined when it is too large. */
async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    return size > maxBytes ? undefined : await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** Undefined, which no schema of a file takes, when it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads a TOML file. It never shows what the file holds: a parser's own message quotes the lines
 * around a mistake, and the line of the token may be one of them.
 */
import { readFile, stat } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { ConfigurationError } from '../../protocols/errors.ts';
import { CONFIGURATION_FILE_MAX_BYTES } from '../../protocols/limits.ts';

export type TomlTable = Readonly<Record<string, unknown>>;

/** The file's table; undefined when there is no such file. */
export async function readTomlFile(path: string): Promise<TomlTable | undefined> {
  const bytes = await readBounded(path);
  if (bytes === undefined) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigurationError(`${path}: is not text in UTF-8, as TOML must be`);
  }
  return parseToml(text, path);
}

/** Parses TOML; a mistake becomes a ConfigurationError with its line and column. */
function parseToml(text: string, path: string): TomlTable {
  try {
    // A number that is too large is the reader's to refuse, who knows what is allowed.
    return parse(text, { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = /^Invalid TOML document: ([^\n]*)/.exec(error.message)?.[1] ?? 'not TOML';
    throw new ConfigurationError(`${path} line ${error.line}, column ${error.column}: ${reason}`);
  }
}

async function readBounded(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > CONFIGURATION_FILE_MAX_BYTES) {
      throw new ConfigurationError(
        `${path}: has ${size} bytes; a configuration file has at most ${CONFIGURATION_FILE_MAX_BYTES}`,
      );
    }
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EISDIR') throw new ConfigurationError(`${path}: is a folder, not a file`);
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ConfigurationError(`${path}: may not be read by this user`);
    }
    throw error;
  }
}

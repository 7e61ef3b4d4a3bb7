/** Loads configurations from texts, through real files in a folder of their own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '../../protocols/errors.ts';
import type { ConfigurationSource } from '../../src/config/load.ts';
import { createRedactor } from '../../src/secrets.ts';

/** The server of a configuration that names none. */
export const AMQP_DEFAULTS = {
  host: 'localhost',
  port: 5672,
  tls: false,
  username: 'guest',
  password: 'guest',
  vhost: '/',
  heartbeatSeconds: undefined,
  frameMaxBytes: undefined,
  channelMax: undefined,
};
export const REDIS_DEFAULTS = {
  host: 'localhost',
  port: 6379,
  tls: false,
  username: undefined,
  password: undefined,
  database: 0,
};

/** A folder that goes when `use` is done. */
export async function inFolder<Value>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<Value>,
): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Reads `toml` (none when undefined) and `environment` with one of the loaders. */
export function loadText<Loaded>(
  loader: (source: ConfigurationSource) => Promise<Loaded>,
  toml: string | undefined,
  environment: Readonly<Record<string, string>> = {},
): Promise<Loaded> {
  const redactor = createRedactor();
  if (toml === undefined) return loader({ file: undefined, environment, redactor });
  return inFolder({ 'some.toml': toml }, (folder) =>
    loader({ file: { path: join(folder, 'some.toml'), named: true }, environment, redactor }),
  );
}

/** The lines of the ConfigurationError that `loading` ends with, without the folder's name. */
export async function problemsOf(loading: Promise<unknown>): Promise<readonly string[]> {
  try {
    await loading;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message
      .split('\n')
      .map((line) => line.replaceAll(/\S*\/some\.toml/g, 'some.toml'));
  }
  throw new Error('the configuration was accepted');
}

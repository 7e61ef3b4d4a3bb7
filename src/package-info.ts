/** The package's own version, read from its package.json, and how it names itself to Discord. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const manifest = z.object({ version: z.string() });

/** The manifest stands one folder above the sources, and two above what is built from them. */
function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return manifest.parse(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')))
        .version;
    } catch {
      // The other place, then.
    }
  }
  return '0.0.0';
}

export const PACKAGE_VERSION = readVersion();

/** The form that Discord asks of every client: name, address, version. */
export const PACKAGE_USER_AGENT = `DiscordBot (https://github.com/spec-tacles, ${PACKAGE_VERSION})`;

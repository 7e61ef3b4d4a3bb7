/** Limits of our own on families of routes: `invites=200/10m, users=50/1m`, or `none`. */
import { z } from 'zod';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { FAMILY_LIMITS_MAX, FAMILY_WINDOW_MAX_MS } from '../../protocols/limits.ts';
import { suggest } from '../../protocols/suggest.ts';
import type { FamilyLimit, FamilyLimits } from '../../supervisors/proxy-guard.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { type Reader, reader, refuse, textList } from './readers.ts';
import { showInput } from './show.ts';

/** What the paths of Discord's API begin with. */
const FAMILIES: readonly string[] = [
  ...new Set(DOCUMENTED_ROUTES.map((line) => line.split(' /')[1]?.split('/')[0] ?? '')),
];

const ENTRY = /^([a-z0-9-]+)\s*=\s*(\d{1,9})\s*\/\s*(.+)$/;
const EXPECTS = 'a list such as invites=200/10m, users=50/1m';

export function familyLimits(): Reader<FamilyLimits> {
  return reader<FamilyLimits>({
    expects: EXPECTS,
    schema: textList()
      .pipe(z.array(z.string()).max(FAMILY_LIMITS_MAX))
      .transform((entries, context) => {
        const limits = new Map<string, FamilyLimit>();
        if (entries.join() === 'none') return limits;
        for (const entry of entries) {
          const parsed = parseEntry(entry);
          if (typeof parsed === 'string') {
            return refuse(context, entry, `holds ${showInput(entry)}, ${parsed}`);
          }
          limits.set(...parsed);
        }
        return limits;
      }),
    show: showLimits,
  });
}

function parseEntry(entry: string): [family: string, limit: FamilyLimit] | string {
  const [, family = '', count = '', window = ''] = ENTRY.exec(entry) ?? [];
  if (family === '') return 'which is not FAMILY=COUNT/DURATION, as in invites=200/10m';
  if (!FAMILIES.includes(family)) {
    const near = suggest(family, FAMILIES);
    const hint = near ? `; did you mean ${near}?` : `; families are ${FAMILIES.join(', ')}`;
    return `which names no family of routes${hint}`;
  }
  const windowMs = parseDuration(window) ?? 0;
  if (Number(count) < 1) return 'whose count is not at least 1';
  if (windowMs < 1_000 || windowMs > FAMILY_WINDOW_MAX_MS) {
    return `whose duration is not from 1s to ${formatDuration(FAMILY_WINDOW_MAX_MS)}`;
  }
  return [family, { count: Number(count), windowMs }];
}

function showLimits(limits: FamilyLimits): string {
  if (limits.size === 0) return 'none';
  return [...limits]
    .map(([family, { count, windowMs }]) => `${family}=${count}/${formatDuration(windowMs)}`)
    .join(', ');
}

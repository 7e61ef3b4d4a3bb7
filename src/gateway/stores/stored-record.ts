/** A session record as it is stored, checked when it is read: other hands may have been there. */
import { z } from 'zod';
import type { SessionRecord } from '../../../protocols/gateway/messages.ts';
import { RESUME_URL_MAX_CHARACTERS } from '../../../protocols/limits.ts';

const SESSION_ID_MAX_CHARACTERS = 1_024;

export const storedRecord = z.object({
  sessionId: z.string().min(1).max(SESSION_ID_MAX_CHARACTERS),
  sequence: z.int().min(0),
  resumeUrl: z.url({ protocol: /^wss?$/ }).max(RESUME_URL_MAX_CHARACTERS),
  shardCount: z.int().min(1),
  savedAtEpochMs: z.int().min(0),
}) satisfies z.ZodType<SessionRecord>;

/** Undefined for a text that is no record. */
export function readRecord(text: string): SessionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return storedRecord.safeParse(value).data;
}

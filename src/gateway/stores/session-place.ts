/**
 * Whose sessions a place holds: those of one application with one number of shards, under one
 * prefix.
 *
 * A store may serve several bots, several groups of gateways of one bot, and two shard counts at
 * once while a bot moves from one to the other. A name is read from its end: the count and the
 * application have no colon in them, so two places can never have one name, whatever the prefix is.
 */
import { createHash } from 'node:crypto';

export type SessionPlace = {
  readonly prefix: string;
  /** The bot's id. */
  readonly application: string;
  readonly shardCount: number;
};

export function placeName({ prefix, application, shardCount }: SessionPlace): string {
  return `${prefix}:sessions:${application}:${shardCount}`;
}

const DIGEST_CHARACTERS = 20;

/**
 * The application that a token belongs to: its first part is the bot's id, in base 64. A text that
 * is no token of Discord's is told from others by a digest, which says nothing of it.
 */
export function applicationOf(token: string): string {
  const [first = ''] = token.split('.', 1);
  const id = Buffer.from(first, 'base64url').toString('latin1');
  if (/^\d{15,20}$/.test(id)) return id;
  const digest = createHash('sha256').update(`spectacles application ${token}`).digest('hex');
  return `unknown-${digest.slice(0, DIGEST_CHARACTERS)}`;
}

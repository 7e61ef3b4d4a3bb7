/**
 * Names of actors: what a person reads in a path, and what nact accepts.
 *
 * A path keeps the name as it was given, except for what would make the path ambiguous or break a
 * log line: the separator, the percent sign and control characters are percent-encoded.
 *
 * nact takes only characters that are safe in a URL, and finds actors by name, so that a late
 * message would reach a successor of the same name. Its names therefore end in a number that is
 * never used twice; the part before it only serves whoever looks at nact's own state.
 */
import { SpawnRefusedError } from '../../protocols/errors.ts';
import { ACTOR_NAME_MAX_LENGTH } from '../../protocols/limits.ts';

/**
 * The path of the child `name` of `parentPath`. Throws SpawnRefusedError if the name is unusable.
 */
export function childPath(parentPath: string, name: string): string {
  if (name.length === 0 || name.length > ACTOR_NAME_MAX_LENGTH) {
    throw new SpawnRefusedError(
      `${parentPath}/${name.slice(0, ACTOR_NAME_MAX_LENGTH)}`,
      `its name must have 1 to ${ACTOR_NAME_MAX_LENGTH} characters, not ${name.length}`,
    );
  }
  const readable = name.replace(/[%/\p{Cc}]/gu, encodeURIComponent);
  return parentPath === '' ? readable : `${parentPath}/${readable}`;
}

/** A name that nact accepts and that no other actor of the system has, had or will have. */
export function nactName(name: string, incarnation: number): string {
  return `${name.replace(/[^a-z0-9_-]/gi, '_')}.${incarnation}`;
}

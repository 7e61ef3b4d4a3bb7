/** What the file system says, in words for an operator. */
import { FatalError, SpectaclesError, StoreUnavailableError } from '../../../protocols/errors.ts';
import { messageOf } from '../../../protocols/message-of.ts';

/** `ENOENT` and the like; undefined when it is something else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist: create it',
  ENOTDIR: 'a part of the path is no folder',
  EACCES: 'this user may not read and write it and its folder',
  EPERM: 'this user may not read and write it and its folder',
  EROFS: 'its file system cannot be written to',
  EISDIR: 'it is a folder; name a file',
  EBUSY: 'it is mounted by itself: mount its folder, since the file is replaced as a whole',
};

/** What a person has to heal is a `FatalError`; a full disk, for one, may heal by itself. */
export function fileError(error: unknown, path: string): SpectaclesError {
  if (error instanceof SpectaclesError) return error;
  const remedy = REMEDIES[errorCode(error) ?? ''];
  if (remedy !== undefined) {
    return new FatalError(`shard_store.path: ${path} cannot be used: ${remedy}`, { cause: error });
  }
  const reason = messageOf(error);
  return new StoreUnavailableError(`${path}: ${reason}`, { cause: error });
}

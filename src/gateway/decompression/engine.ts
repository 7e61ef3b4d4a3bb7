/** A library's part of decompression: from the bytes of a stream to text, whatever the framing. */
import { GarbledStreamError } from '../../../protocols/errors.ts';
import { messageOf } from '../../../protocols/message-of.ts';
import type { Output } from './output.ts';

/** One context, for one connection. After it has thrown, or was closed, it is useless. */
export interface Engine {
  /**
   * Reads all of `chunk`, and puts what comes of it at the end of `output`.
   * @throws GarbledStreamError for what is no such stream, or for more than `output` may hold
   */
  decode(chunk: Uint8Array, output: Output): void;
  /** Frees the context; may be called more than once. */
  close(): void;
}

export type EngineSource = {
  /** The package that does the work. */
  readonly library: string;
  readonly create: () => Engine;
};

/** What a library threw, as what it means. */
export function garbled(stream: 'zlib' | 'zstd', error: unknown): GarbledStreamError {
  if (error instanceof GarbledStreamError) return error;
  const detail = messageOf(error);
  return new GarbledStreamError(`the ${stream} stream cannot be decoded: ${detail}`);
}

/**
 * The decoders of each transport compression, the fastest first.
 *
 * All are synchronous, so that an event is decoded and forwarded within the socket's callback.
 * Which exist depends on the machine: a native one where it works, and one in JavaScript
 * everywhere.
 */
import type { Compression, Decompressor } from '../../../actors/connection/ports.ts';
import type { EngineSource } from './engine.ts';
import { fflate } from './fflate.ts';
import { fzstd } from './fzstd.ts';
import { loadNodeZlib } from './node-zlib.ts';
import { OutputPool } from './output.ts';
import { ZlibStream, ZstdStream } from './streams.ts';
import { loadZstdNapi } from './zstd-napi.ts';

export type Decoder = {
  /** The package that does the work; `none` where there is none to do. */
  readonly library: string;
  /** A new context, for one connection. */
  readonly create: () => Decompressor;
};

const PLAIN: Decompressor = { push: (chunk) => chunk, close: () => {} };

/** Every decoder that this machine has. */
export async function loadDecoders(
  compression: Compression,
): Promise<readonly [Decoder, ...Decoder[]]> {
  switch (compression) {
    case 'none':
      return [{ library: 'none', create: () => PLAIN }];
    case 'zlib-stream':
      return decoders(ZlibStream, loadNodeZlib(), fflate);
    case 'zstd-stream':
      return decoders(ZstdStream, await loadZstdNapi(), fzstd);
  }
}

/** The one to use. */
export async function loadDecoder(compression: Compression): Promise<Decoder> {
  const [best] = await loadDecoders(compression);
  return best;
}

function decoders(
  Stream: typeof ZlibStream | typeof ZstdStream,
  native: EngineSource | undefined,
  pure: EngineSource,
): readonly [Decoder, ...Decoder[]] {
  // The connections of a process share it.
  const pool = new OutputPool();
  const decoder = (engines: EngineSource): Decoder => ({
    library: engines.library,
    create: () => new Stream(engines.create(), pool),
  });
  return native === undefined ? [decoder(pure)] : [decoder(native), decoder(pure)];
}

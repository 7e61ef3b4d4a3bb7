/**
 * zstd by the library itself, over zstd-napi.
 *
 * A context takes memory for the window that its frame asks for, on top of about 100 KiB. The
 * package has no way to free it but the collector, to which it says how large a context is.
 */
import { GarbledStreamError } from '../../../protocols/errors.ts';
import { ZSTD_WINDOW_MAX_LOG } from '../../../protocols/limits.ts';
import { type DecompressionContext, loadZstdBinding, type ZstdBinding } from '../../zstd-napi.ts';
import { type Engine, type EngineSource, garbled } from './engine.ts';
import type { Output } from './output.ts';

/** Undefined where it is not installed. */
export async function loadZstdNapi(): Promise<EngineSource | undefined> {
  const binding = await loadZstdBinding();
  return binding && { library: 'zstd-napi', create: () => new ZstdNapi(binding) };
}

class ZstdNapi implements Engine {
  #context: DecompressionContext | undefined;

  constructor({ DCtx, DParameter }: ZstdBinding) {
    this.#context = new DCtx();
    this.#context.setParameter(DParameter.windowLogMax, ZSTD_WINDOW_MAX_LOG);
  }

  decode(chunk: Uint8Array, output: Output): void {
    const context = this.#context;
    if (context === undefined) throw new GarbledStreamError('the zstd context is gone');
    try {
      decodeAll(context, chunk, output);
    } catch (error) {
      throw garbled('zstd', error);
    }
  }

  close(): void {
    this.#context = undefined;
  }
}

/** There may be more to come as long as the output is full, even when all input has been read. */
function decodeAll(context: DecompressionContext, chunk: Uint8Array, output: Output): void {
  let rest = chunk;
  for (;;) {
    const { bytes, length } = output;
    const target = length === 0 ? bytes : bytes.subarray(length);
    const result = context.decompressStream(target, rest);
    const made = result[1];
    const read = result[2];
    output.length = length + made;
    if (made === target.length) output.grow();
    else if (read === rest.length) return;
    rest = rest.subarray(read);
  }
}

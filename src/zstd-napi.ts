/**
 * The parts of zstd-napi that are used here, and whether this machine has it: the package is
 * optional.
 */

/**
 * A compression context; `end` is one of `EndDirective`. Returns what is left, was made, was read.
 */
type CompressionContext = {
  compressStream2(target: Uint8Array, source: Uint8Array, end: number): [number, number, number];
};

/**
 * A decompression context. Returns a hint of what it would like next, what it made, what it read.
 */
export type DecompressionContext = {
  decompressStream(target: Uint8Array, source: Uint8Array): [number, number, number];
  setParameter(parameter: number, value: number): void;
};

export type ZstdBinding = {
  readonly CCtx: new () => CompressionContext;
  readonly DCtx: new () => DecompressionContext;
  readonly EndDirective: { readonly flush: number };
  readonly DParameter: { readonly windowLogMax: number };
};

export async function loadZstdBinding(): Promise<ZstdBinding | undefined> {
  try {
    const module: { readonly default: ZstdBinding } = await import('zstd-napi/binding.js');
    return module.default;
  } catch {
    // Not installed, or not built for this machine: both are ordinary for an optional package.
    return undefined;
  }
}

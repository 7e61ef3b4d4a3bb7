/** Makes the compressed streams that a gateway would send: for tests of what reads them. */
import { constants, createDeflate, deflateRawSync } from 'node:zlib';

/** One continuous zlib stream, flushed after each message. */
export async function zlibMessages(messages: readonly Uint8Array[]): Promise<Buffer[]> {
  const deflate = createDeflate();
  const parts: Buffer[] = [];
  deflate.on('data', (part: Buffer) => parts.push(part));
  const compressed: Buffer[] = [];
  for (const message of messages) {
    deflate.write(message);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => resolve()));
    compressed.push(Buffer.concat(parts.splice(0)));
  }
  deflate.destroy();
  return compressed;
}

/** A zlib stream of `mebibytes` MiB of zeros, a thousandth as long. */
export function zlibBomb(mebibytes: number): Buffer {
  // Fully flushed, a piece refers to nothing before it and can be repeated.
  const piece = deflateRawSync(Buffer.alloc(1024 * 1024), { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([Buffer.of(0x78, 0x9c), ...new Array<Buffer>(mebibytes).fill(piece)]);
}

const ZSTD_BLOCK_BYTES = 128 * 1024;

/** The head of a zstd frame without checksum and of unknown size, with a window of 2 MiB. */
const ZSTD_HEAD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58);

function zstdBlockHead(type: 'stored' | 'repeated', size: number): Buffer {
  const head = (size << 3) | (type === 'repeated' ? 2 : 0);
  return Buffer.of(head & 0xff, (head >> 8) & 0xff, head >> 16);
}

/** A zstd frame of stored blocks, one message after the other; needs no library. */
export function storedZstdMessages(messages: readonly Uint8Array[]): Buffer[] {
  return messages.map((message, index) => {
    const parts: Uint8Array[] = index === 0 ? [ZSTD_HEAD] : [];
    for (let start = 0; start < message.length; start += ZSTD_BLOCK_BYTES) {
      const block = message.subarray(start, start + ZSTD_BLOCK_BYTES);
      parts.push(zstdBlockHead('stored', block.length), block);
    }
    return Buffer.concat(parts);
  });
}

/** A zstd message of `blocks` times 128 KiB of zeros, four bytes for each. */
export function zstdBomb(blocks: number): Buffer {
  const block = Buffer.concat([zstdBlockHead('repeated', ZSTD_BLOCK_BYTES), Buffer.of(0)]);
  return Buffer.concat([ZSTD_HEAD, ...new Array<Buffer>(blocks).fill(block)]);
}

type ZstdBinding = {
  readonly CCtx: new () => {
    compressStream2(target: Uint8Array, source: Uint8Array, end: number): [number, number, number];
    setParameter(parameter: number, value: number): void;
  };
  readonly EndDirective: { readonly flush: number };
  readonly CParameter: { readonly compressionLevel: number };
};

/** Undefined where the optional package is not built. */
export const zstdBinding: ZstdBinding | undefined = await import('zstd-napi/binding.js').then(
  (module: { default: ZstdBinding }) => module.default,
  () => undefined,
);

/** One zstd frame that does not end, flushed after each message. */
export function zstdMessages(messages: readonly Uint8Array[], level = 3): Buffer[] {
  if (zstdBinding === undefined) throw new Error('zstd-napi is not built');
  const { CCtx, EndDirective, CParameter } = zstdBinding;
  const context = new CCtx();
  context.setParameter(CParameter.compressionLevel, level);
  const target = new Uint8Array(ZSTD_BLOCK_BYTES);
  return messages.map((message) => {
    const parts: Uint8Array[] = [];
    let rest = message;
    for (;;) {
      const [left, made, read] = context.compressStream2(target, rest, EndDirective.flush);
      parts.push(target.slice(0, made));
      rest = rest.subarray(read);
      if (left === 0 && rest.length === 0) return Buffer.concat(parts);
    }
  });
}

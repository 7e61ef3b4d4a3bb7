/**
 * zlib by Node's own, natively and within the call.
 *
 * What Node documents is either a stream, which answers later from another thread and makes a dozen
 * objects for each message, or a whole decompression, which cannot keep a context. Beneath both
 * lies a handle that does exactly what is needed, into a buffer of ours; it is not documented, and
 * is the same in Node 20 to 26. So it is used with care: in the versions that the tests have seen,
 * where it has the expected shape, and after it has decoded a stream as it should. Otherwise fflate
 * does the work.
 *
 * Failure: the handle reports an error by destroying the stream it belongs to, which is public. It
 * aborts the process when it is used after that, or beyond the bounds of a buffer; both are kept
 * from happening here, in one place.
 */
import { versions } from 'node:process';
import { constants, createInflate, deflateRawSync, deflateSync, type Inflate } from 'node:zlib';
import { GarbledStreamError } from '../../../protocols/errors.ts';
import { type Engine, type EngineSource, garbled } from './engine.ts';
import { Output } from './output.ts';

/**
 * The newest version that the tests have seen; in a later one the handle might abort the process.
 * To raise it, run the tests of decompression with that version.
 */
const NODE_VERSION_MAX = 26;

/** The stream's own buffer is never used; this is the least that Node lets it have. */
const UNUSED_BUFFER_BYTES = constants.Z_MIN_CHUNK;

type Internals = {
  readonly _handle: {
    writeSync(
      flush: number,
      source: Uint8Array,
      start: number,
      length: number,
      target: Uint8Array,
      offset: number,
      room: number,
    ): void;
  };
  /** After each call: how much room is left, and how much of the source. */
  readonly _writeState: Uint32Array;
};

function hasInternals(inflate: Inflate): inflate is Inflate & Internals {
  const { _handle, _writeState }: { _handle?: unknown; _writeState?: unknown } = inflate as object;
  return (
    typeof _handle === 'object' &&
    _handle !== null &&
    'writeSync' in _handle &&
    typeof _handle.writeSync === 'function' &&
    _writeState instanceof Uint32Array &&
    _writeState.length === 2
  );
}

class NodeZlib implements Engine {
  readonly #inflate: Inflate;
  readonly #handle: Internals['_handle'];
  readonly #state: Uint32Array;

  constructor() {
    const inflate = createInflate({ chunkSize: UNUSED_BUFFER_BYTES });
    // It is read where it happens; without a listener it would end the process as well.
    inflate.on('error', () => {});
    if (!hasInternals(inflate)) throw new TypeError('node:zlib has another shape');
    this.#inflate = inflate;
    this.#handle = inflate._handle;
    this.#state = inflate._writeState;
  }

  decode(chunk: Uint8Array, output: Output): void {
    let start = 0;
    for (;;) {
      if (this.#inflate.destroyed) throw new GarbledStreamError('the zlib context is gone');
      const { bytes } = output;
      this.#handle.writeSync(
        constants.Z_SYNC_FLUSH,
        chunk,
        start,
        chunk.length - start,
        bytes,
        output.length,
        bytes.length - output.length,
      );
      if (this.#inflate.errored !== null) throw garbled('zlib', this.#inflate.errored);
      // By index, since to take an array apart costs an iterator.
      const room = this.#state[0] ?? 0;
      const left = this.#state[1] ?? 0;
      output.length = bytes.length - room;
      start = chunk.length - left;
      if (room > 0) {
        if (left === 0) return;
        throw new GarbledStreamError('something follows the end of the zlib stream');
      }
      output.grow();
    }
  }

  close(): void {
    this.#inflate.destroy();
  }
}

/** Undefined where it does not work. */
export function loadNodeZlib(version = versions.node): EngineSource | undefined {
  if (Number.parseInt(version, 10) > NODE_VERSION_MAX || !works()) return undefined;
  return { library: 'node:zlib', create: () => new NodeZlib() };
}

/**
 * Decodes two messages, the second in the context of the first, and something that is no stream.
 */
function works(): boolean {
  try {
    const text = Buffer.alloc(100_000, 'what a gateway might say, ');
    const finishFlush = constants.Z_SYNC_FLUSH;
    const engine = new NodeZlib();
    const output = new Output();
    engine.decode(deflateSync(text, { finishFlush }), output);
    engine.decode(deflateRawSync(text, { dictionary: text, finishFlush }), output);
    engine.close();
    return Buffer.concat([text, text]).equals(output.view()) && refusesGarbage();
  } catch {
    return false;
  }
}

function refusesGarbage(): boolean {
  const engine = new NodeZlib();
  try {
    engine.decode(Buffer.from('no stream'), new Output());
    return false;
  } catch (error) {
    return error instanceof GarbledStreamError;
  } finally {
    engine.close();
  }
}

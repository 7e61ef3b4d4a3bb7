/**
 * zlib in JavaScript, where Node's own cannot be used. It takes about ten times as long.
 *
 * Failure: after the end of a stream it takes anything and gives nothing. The empty message that
 * comes of it is no payload, which ends the connection in the same way.
 */
import { Unzlib } from 'fflate';
import { type Engine, type EngineSource, garbled } from './engine.ts';
import type { Output } from './output.ts';

/** fflate inflates what it is given before it hands anything over: a thousandfold, at worst. */
const STEP_BYTES = 16 * 1024;

class Fflate implements Engine {
  #output: Output | undefined;
  readonly #inflate = new Unzlib((piece) => this.#output?.append(piece));

  decode(chunk: Uint8Array, output: Output): void {
    this.#output = output;
    try {
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        this.#inflate.push(chunk.subarray(at, at + STEP_BYTES));
      }
    } catch (error) {
      throw garbled('zlib', error);
    } finally {
      this.#output = undefined;
    }
  }

  /** What it holds is the collector's. */
  close(): void {}
}

export const fflate: EngineSource = { library: 'fflate', create: () => new Fflate() };

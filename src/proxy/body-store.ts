/**
 * Where the bodies of requests wait for their turn: small ones in memory, the rest of a large one
 * in a file.
 *
 * Purpose: a request may wait for minutes, and be sent more than once, while its upload has
 * hundreds of megabytes. Memory stays bounded all the same, and every attempt sends the same bytes.
 *
 * Inner workings: a body that grows beyond BODY_HELD_MAX_BYTES, or finds BODIES_HELD_MAX_BYTES
 * taken, moves to a file in the system's folder for such (`TMPDIR`) and goes on there; the client
 * is read no faster than the disk takes it. The file is readable by its owner alone, and has lost
 * its name before the first byte is written: whatever becomes of the process, the system frees it.
 *
 * Failure modes: a body that cannot be taken ends with a RequestBodyError and leaves nothing
 * behind. Reading a body that has been given up fails; whoever was sending it has no use for it any
 * more.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RequestBodyError } from '../../protocols/errors.ts';
import {
  BODIES_HELD_MAX_BYTES,
  BODY_HELD_MAX_BYTES,
  REQUEST_BODY_MAX_BYTES,
  SPOOL_READ_BYTES,
  SPOOLED_BODIES_MAX,
  SPOOLED_BODIES_MAX_BYTES,
} from '../../protocols/limits.ts';
import type { RequestBody } from '../../protocols/proxy.ts';

export interface StoredBody extends RequestBody {
  /** Gives the body up, its file included. May be called more than once. */
  dispose(): void;
}

export class BodyStore {
  readonly #folder: string;
  #heldBytes = 0;
  #spooledBytes = 0;
  #files = 0;

  constructor(folder: string = tmpdir()) {
    this.#folder = folder;
  }

  /** What all bodies together take at the moment. */
  get usage(): { readonly heldBytes: number; readonly files: number; readonly fileBytes: number } {
    return { heldBytes: this.#heldBytes, files: this.#files, fileBytes: this.#spooledBytes };
  }

  /** Takes a body that is there already; null if there is no room for it in memory. */
  hold(content: Uint8Array): StoredBody | null {
    const body = new Body((change) => this.#account(change));
    if (!this.#holds(body, content.length)) return null;
    body.hold(content);
    return body;
  }

  /**
   * Takes the whole of `source`; null if it has no bytes.
   *
   * @throws RequestBodyError, or what `source` throws
   */
  async collect(source: AsyncIterable<Uint8Array>): Promise<StoredBody | null> {
    const body = new Body((change) => this.#account(change));
    try {
      for await (const chunk of source) {
        if (body.bytes + chunk.length > REQUEST_BODY_MAX_BYTES) throw tooLarge();
        if (!body.isSpooled && !this.#holds(body, chunk.length)) await this.#spool(body);
        if (body.isSpooled && this.#spooledBytes + chunk.length > SPOOLED_BODIES_MAX_BYTES) {
          throw new RequestBodyError('full', 'too many large bodies wait');
        }
        await body.append(chunk);
      }
    } catch (error) {
      body.dispose();
      throw error;
    }
    if (body.bytes > 0) return body;
    body.dispose();
    return null;
  }

  #holds(body: Body, more: number): boolean {
    if (body.bytes + more > BODY_HELD_MAX_BYTES) return false;
    return this.#heldBytes + more <= BODIES_HELD_MAX_BYTES;
  }

  async #spool(body: Body): Promise<void> {
    if (this.#files >= SPOOLED_BODIES_MAX) {
      throw new RequestBodyError('full', 'too many large bodies wait');
    }
    // Counted before the wait, so that those who come meanwhile see it.
    this.#files += 1;
    try {
      await body.moveTo(await namelessFile(this.#folder));
    } catch (error) {
      if (!body.isSpooled) this.#files -= 1;
      throw error instanceof RequestBodyError ? error : diskError(error);
    }
  }

  #account({ heldBytes, fileBytes, files }: Usage): void {
    this.#heldBytes += heldBytes;
    this.#spooledBytes += fileBytes;
    this.#files += files;
  }
}

type Usage = { readonly heldBytes: number; readonly fileBytes: number; readonly files: number };

class Body implements StoredBody {
  bytes = 0;
  readonly #account: (change: Usage) => void;
  #chunks: Uint8Array[] = [];
  #file: FileHandle | null = null;
  #disposed = false;

  constructor(account: (change: Usage) => void) {
    this.#account = account;
  }

  get isSpooled(): boolean {
    return this.#file !== null;
  }

  get heldBytes(): number {
    return this.#file === null ? this.bytes : 0;
  }

  hold(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
    this.#account({ heldBytes: chunk.length, fileBytes: 0, files: 0 });
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#file === null) {
      this.hold(chunk);
      return;
    }
    const position = this.bytes;
    this.bytes += chunk.length;
    this.#account({ heldBytes: 0, fileBytes: chunk.length, files: 0 });
    await writeWhole(this.#file, chunk, position);
  }

  async moveTo(file: FileHandle): Promise<void> {
    const held = Buffer.concat(this.#chunks);
    this.#file = file;
    this.#chunks = [];
    this.#account({ heldBytes: -held.length, fileBytes: held.length, files: 0 });
    await writeWhole(file, held, 0);
  }

  read(): Uint8Array | AsyncIterable<Uint8Array> {
    if (this.#file !== null) return this.#readFile(this.#file);
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? new Uint8Array();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { bytes } = this;
    const file = this.#file;
    if (file === null) {
      this.#account({ heldBytes: -bytes, fileBytes: 0, files: 0 });
      return;
    }
    this.#account({ heldBytes: 0, fileBytes: -bytes, files: -1 });
    // What cannot be closed is freed with the process; the file has no name to be found by.
    file.close().catch(() => undefined);
  }

  async *#readFile(file: FileHandle): AsyncGenerator<Uint8Array> {
    for (let position = 0; position < this.bytes; ) {
      // A buffer of its own for each part: the socket may hold on to the one before.
      const buffer = Buffer.allocUnsafe(Math.min(SPOOL_READ_BYTES, this.bytes - position));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw new RequestBodyError('disk', 'the file of a body ended early');
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
}

/** A new file that nobody else can open, and that vanishes when it is closed. */
async function namelessFile(folder: string): Promise<FileHandle> {
  const path = join(folder, `spectacles-body-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      const length = bytes.length - done;
      const { bytesWritten } = await file.write(bytes, done, length, position + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw diskError(error);
  }
}

function diskError(cause: unknown): RequestBodyError {
  return new RequestBodyError('disk', 'the body of a request could not be kept', { cause });
}

const tooLarge = (): RequestBodyError =>
  new RequestBodyError('too-large', `a body may have ${REQUEST_BODY_MAX_BYTES} bytes`);

/**
 * The way of what arrives on a socket: through the decompressor, to the data plane, in order.
 *
 * Everything happens within the socket's callback; only control frames, ends and faults become
 * messages. When the plane refuses an event because the broker has no room, the event and what
 * still arrives behind it are held back, until there is room or HELD_MAX_BYTES are reached. The
 * socket is not read meanwhile, so TCP and then Discord hold the rest. What is kept is copied,
 * since the decompressor uses its buffer again.
 *
 * Failure: after a message that cannot be used nothing more is taken, since the next connection is
 * sent it again. A stream that cannot be read is `garbled`; anything else that is thrown here is a
 * programming error, and becomes a crash of the actor, not of the process.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import type { ConnectionMessage } from '../../protocols/gateway/messages.ts';
import { HELD_MAX_BYTES, HELD_OVERHEAD_BYTES } from '../../protocols/limits.ts';
import type { Decompressor, DispatchPlane, Taken } from './ports.ts';

export class Intake {
  readonly #decompressor: Decompressor;
  readonly #plane: DispatchPlane;
  readonly #owner: ActorRef<ConnectionMessage>;
  /** The message that was refused; while it waits, so does everything behind it. */
  #refused: Uint8Array | undefined;
  /** What arrived behind it, as it came from the socket. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isDeaf = false;

  constructor(
    decompressor: Decompressor,
    plane: DispatchPlane,
    owner: ActorRef<ConnectionMessage>,
  ) {
    this.#decompressor = decompressor;
    this.#plane = plane;
    this.#owner = owner;
  }

  /** Takes one WebSocket message; its bytes may be reused afterwards. */
  take(data: Uint8Array): void {
    if (this.#isDeaf) return;
    if (this.#refused === undefined) this.#decode(data);
    else this.#hold(data);
  }

  /** Takes nothing any more, and frees the context: the plane lives on, for the next connection. */
  close(): void {
    this.#isDeaf = true;
    this.#decompressor.close();
    this.#refused = undefined;
    this.#held = [];
  }

  /** Tries again what was held back. @returns whether all of it has been taken */
  drain(): boolean {
    const refused = this.#refused;
    if (refused === undefined) return true;
    this.#refused = undefined;
    this.#offer(refused);
    while (this.#refused === undefined && !this.#isDeaf) {
      const data = this.#held.shift();
      if (data === undefined) return true;
      this.#heldBytes -= data.length + HELD_OVERHEAD_BYTES;
      this.#decode(data);
    }
    return false;
  }

  #decode(data: Uint8Array): void {
    let message: Uint8Array | undefined;
    try {
      message = this.#decompressor.push(data);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (message !== undefined) this.#offer(message);
  }

  #offer(message: Uint8Array): void {
    let taken: Taken;
    try {
      taken = this.#plane.take(message);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (taken === 'event') return;
    if (taken === 'refused') {
      this.#refused = new Uint8Array(message);
      this.#owner.tell({ type: 'held' });
      this.#plane.onceRoom(this.#onRoom);
    } else if ('frame' in taken) {
      this.#owner.tell({ type: 'frame', frame: taken.frame });
    } else {
      this.close();
      this.#owner.tell({ type: 'garbled', detail: taken.garbled });
    }
  }

  readonly #onRoom = (): void => this.#owner.tell({ type: 'room' });

  #hold(data: Uint8Array): void {
    this.#heldBytes += data.length + HELD_OVERHEAD_BYTES;
    if (this.#heldBytes > HELD_MAX_BYTES) {
      this.close();
      this.#owner.tell({ type: 'replay' });
      return;
    }
    // Not `slice`, which for a Buffer does not copy.
    this.#held.push(new Uint8Array(data));
  }

  #fail(error: unknown): void {
    this.close();
    if (error instanceof GarbledStreamError) {
      this.#owner.tell({ type: 'garbled', detail: error.message });
    } else {
      this.#owner.tell({ type: 'fault', error });
    }
  }
}

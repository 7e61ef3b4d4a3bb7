/** Waits without giving the thread to anything else, and without using its processor. */

/** What is waited on; nobody ever wakes it. */
const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** More exact than a timer, which ends at a whole millisecond. */
export function blockThread(durationMs: number): void {
  Atomics.wait(never, 0, 0, durationMs);
}

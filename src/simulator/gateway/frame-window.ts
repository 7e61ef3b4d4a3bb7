/** Counts the frames of one connection in any 60 s: a sliding window, exact to the frame. */
import { GATEWAY_FRAME_WINDOW_MS, GATEWAY_FRAMES_PER_WINDOW } from '../../../protocols/limits.ts';

export class FrameWindow {
  /** When the last frames arrived, oldest first; never more than the window allows. */
  readonly #arrivedMs: number[] = [];

  /** Counts one frame; false when it is one too many. */
  admit(nowMs: number): boolean {
    while (this.#isPast(this.#arrivedMs[0], nowMs)) this.#arrivedMs.shift();
    if (this.#arrivedMs.length >= GATEWAY_FRAMES_PER_WINDOW) return false;
    this.#arrivedMs.push(nowMs);
    return true;
  }

  #isPast(arrivedMs: number | undefined, nowMs: number): boolean {
    return arrivedMs !== undefined && nowMs - arrivedMs >= GATEWAY_FRAME_WINDOW_MS;
  }
}

/** Counts what is under way, and tells those who wait when nothing is. */
export class IdleCount {
  #count = 0;
  #idleListeners: (() => void)[] = [];

  get count(): number {
    return this.#count;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count === 0) for (const listener of this.#idleListeners.splice(0)) listener();
  }

  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleListeners.push(resolve);
    });
  }
}

/** A pointer or key that was used so recently is about to be used again, in milliseconds. */
const BUSY_MS = 2_500;

/** Knows whether a visitor is about to press something, so that nothing moves away under the pointer. */
export class Calm {
  #usedMs = Number.NEGATIVE_INFINITY;

  constructor(area: HTMLElement) {
    const used = () => {
      this.#usedMs = performance.now();
    };
    for (const name of ['pointermove', 'pointerdown', 'keydown', 'focusin', 'wheel', 'touchmove'])
      area.addEventListener(name, used, { passive: true });
  }

  /** Whether things may change their places. */
  get mayMove(): boolean {
    return performance.now() - this.#usedMs > BUSY_MS;
  }
}

/** A visitor who used the pointer or a key within this time, in milliseconds, may be about to press something. */
const BUSY_MS = 2_500;

/** Notes when a visitor used the pointer or a key, so that nothing moves away under the pointer. */
export class Calm {
  #usedMs = Number.NEGATIVE_INFINITY;

  constructor(area: HTMLElement) {
    const used = () => {
      this.#usedMs = performance.now();
    };
    for (const name of ['pointermove', 'pointerdown', 'keydown', 'focusin', 'wheel', 'touchmove'])
      area.addEventListener(name, used, { passive: true });
  }

  /** Whether the parts of the page may change their places. */
  get mayMove(): boolean {
    return performance.now() - this.#usedMs > BUSY_MS;
  }
}

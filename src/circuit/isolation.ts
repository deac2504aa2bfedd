import type { CircuitEnvironment } from './environment.js';
import type { IsolationHandle } from './types.js';

/** The handles that hold a circuit isolated. */
export class Isolation {
  /** The number of handles that are not released. */
  holds = 0;
  readonly #circuitKey: string;
  readonly #environment: CircuitEnvironment;

  constructor(circuitKey: string, environment: CircuitEnvironment) {
    this.#circuitKey = circuitKey;
    this.#environment = environment;
  }

  hold(): IsolationHandle {
    this.holds += 1;
    if (this.holds === 1) this.#report(true);
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      this.holds -= 1;
      if (this.holds === 0) this.#report(false);
    };
    return { release, [Symbol.dispose]: release };
  }

  #report(isolated: boolean): void {
    const { clock, listener } = this.#environment;
    listener.isolation({ circuitKey: this.#circuitKey, isolated, atMs: clock.epochMs() });
  }
}

import type { MeteredQueue } from 'failsoft/prometheus';

/** The most inputs that wait; beyond it the oldest is forgotten. */
const MOST = 2_000;

/** Inputs that wait for the primary, in memory. A service keeps them on disk instead: `deferred()` of failsoft does. */
export class LaterQueue implements MeteredQueue {
  readonly #inputs = new Set<readonly number[]>();
  readonly #ask: (features: readonly number[]) => Promise<unknown>;
  #isDraining = false;

  /** @param ask makes the call for an input; rejects where the primary does not answer */
  constructor(ask: (features: readonly number[]) => Promise<unknown>) {
    this.#ask = ask;
  }

  add(features: readonly number[]): void {
    this.#inputs.add(features);
    const [oldest] = this.#inputs;
    if (oldest !== undefined && this.#inputs.size > MOST) this.#inputs.delete(oldest);
  }

  /** Sends the waiting inputs to the primary, one after the other, until an input gets no answer. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    void this.#askEach().finally(() => {
      this.#isDraining = false;
    });
  }

  close(): void {
    this.#inputs.clear();
  }

  async counts() {
    let bytes = 0;
    for (const { length } of this.#inputs) bytes += length * Float32Array.BYTES_PER_ELEMENT;
    const active = Math.min(this.#isDraining ? 1 : 0, this.#inputs.size);
    return { waiting: this.#inputs.size - active, active, dead: 0, bytes };
  }

  async #askEach(): Promise<void> {
    for (const features of this.#inputs) {
      const isAnswered = await this.#ask(features).then(
        () => true,
        () => false, // the primary is gone again: the inputs stay for the next time
      );
      if (!isAnswered) return;
      this.#inputs.delete(features);
    }
  }
}

import type { Sample } from '../readings/family.js';

/** A series that has ended is measured as 0 for this many collections. Each reader of an SDK makes collections of its own. */
const AFTERLIFE = 10;

interface Known {
  readonly labels: Sample['labels'];
  left: number;
}

/**
 * Sets the series of a gauge that has ended to 0 for some collections. An SDK whose temporality is cumulative repeats the last value
 * of a series that is no longer measured for ever: a circuit that was evicted while it was open would be shown as open for ever.
 */
export class Vanished {
  readonly #known = new Map<string, Known>();

  /** The samples of a collection, and zeros for the series that are not among them any more. */
  with(samples: readonly Sample[]): Sample[] {
    const present = new Set<string>();
    for (const { labels } of samples) {
      const key = JSON.stringify(labels);
      present.add(key);
      const known = this.#known.get(key);
      if (known === undefined) this.#known.set(key, { labels, left: AFTERLIFE });
      else known.left = AFTERLIFE;
    }
    const all = [...samples];
    for (const [key, known] of this.#known) {
      if (present.has(key)) continue;
      all.push({ labels: known.labels, value: 0 });
      if (--known.left === 0) this.#known.delete(key);
    }
    return all;
  }
}

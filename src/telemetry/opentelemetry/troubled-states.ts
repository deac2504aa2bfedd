import { STATES } from '../readings/families.js';
import type { Sample } from '../readings/family.js';
import type { Reading } from '../readings/reader.js';

/** For this many collections after a circuit's end its states are still reported, as 0. Each reader of an SDK makes its own collections. */
const AFTERLIFE = 10;

/**
 * The states of the circuits that are, or once were, not closed: 0 or 1 for each state. A circuit that was always closed has no
 * series, because an SDK has room for 2,000. A circuit that had one keeps it, and is 0 in every state when it is evicted:
 * an SDK may repeat the last value of a series that is no longer measured.
 */
export class TroubledStates {
  /** By label: for how many collections more it is measured without its circuit. */
  readonly #known = new Map<string, number>();

  samples({ circuits }: Reading): Sample[] {
    const samples: Sample[] = [];
    const present = new Set<string>();
    for (const { label, snapshot } of circuits) {
      if (snapshot.state === 'closed' && !this.#known.has(label)) continue;
      present.add(label);
      this.#known.set(label, AFTERLIFE);
      for (const state of STATES)
        samples.push({ labels: { circuit: label, state }, value: state === snapshot.state ? 1 : 0 });
    }
    for (const [label, left] of this.#known) {
      if (present.has(label)) continue;
      if (left === 0) this.#known.delete(label);
      else this.#known.set(label, left - 1);
      for (const state of STATES) samples.push({ labels: { circuit: label, state }, value: 0 });
    }
    return samples;
  }
}

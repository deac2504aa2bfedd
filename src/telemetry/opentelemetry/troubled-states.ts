import { STATES } from '../readings/families.js';
import type { Sample } from '../readings/family.js';
import type { Reading } from '../readings/reader.js';

/**
 * The states of the circuits that are, or once were, not closed: 0 or 1 for each state. A circuit that was always closed has no
 * series, because an SDK keeps at most 2,000 of an instrument.
 */
export class TroubledStates {
  #known: ReadonlySet<string> = new Set();

  samples({ circuits }: Reading): Sample[] {
    const samples: Sample[] = [];
    const known = new Set<string>();
    for (const { label, snapshot } of circuits) {
      if (snapshot.state === 'closed' && !this.#known.has(label)) continue;
      known.add(label);
      for (const state of STATES)
        samples.push({ labels: { circuit: label, state }, value: state === snapshot.state ? 1 : 0 });
    }
    this.#known = known;
    return samples;
  }
}

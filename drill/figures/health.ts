import type { Sample, ServerLog } from '../server/log.js';

/** A server that has written nothing for this time has ended: a busy machine keeps a healthy server waiting for less. */
const SILENT_MS = 500;
/** The evidence for which a breaker opened is at most this old. */
const EVIDENCE_MS = 1_000;
const STEP_MS = 50;
/** With at least this chance of an answer, no breaker should open. */
const WELL = 0.85;

/** The health of the servers over time, by their own reports. */
export class Health {
  readonly #servers: readonly (readonly Sample[])[];
  readonly #models: readonly string[];

  constructor(servers: readonly ServerLog[], models: readonly string[]) {
    this.#servers = servers.map(({ samples }) => samples);
    this.#models = models;
  }

  /**
   * The probability that a call to the model at that moment would have been answered in time: the mean of the servers that
   * are up.
   */
  chance(atMs: number, model: string): number {
    const index = this.#models.indexOf(model);
    const chances = this.#servers.flatMap((samples) => {
      const sample = lastBefore(samples, atMs);
      const isUp = sample !== undefined && sample.chances.length > 0 && atMs - sample.atMs <= SILENT_MS;
      return isUp ? [sample.chances[index] ?? 0] : [];
    });
    return chances.length === 0 ? 0 : chances.reduce((sum, chance) => sum + chance) / chances.length;
  }

  /** Whether every model was well all the time in which a breaker can have found its evidence. */
  wasWellBefore(atMs: number): boolean {
    for (let ms = atMs - EVIDENCE_MS; ms <= atMs; ms += STEP_MS)
      if (this.#models.some((model) => this.#isKnown(ms) && this.chance(ms, model) < WELL)) return false;
    return true;
  }

  /** The most calls that one server had at a time. */
  get peakInFlight(): number {
    return this.#servers.reduce(
      (most, samples) => samples.reduce((peak, { inFlight }) => Math.max(peak, inFlight), most),
      0,
    );
  }

  /** The longest time for which a server that was up wrote nothing: the machine had no time for it. */
  get longestSilenceMs(): number {
    let longest = 0;
    for (const samples of this.#servers)
      for (const [index, sample] of samples.entries()) {
        const next = samples[index + 1];
        if (sample.chances.length > 0 && next !== undefined)
          longest = Math.max(longest, next.atMs - sample.atMs);
      }
    return longest;
  }

  /** Whether any server had reported its health by then. */
  #isKnown(atMs: number): boolean {
    return this.#servers.some(([first]) => first !== undefined && first.atMs <= atMs);
  }
}

function lastBefore(samples: readonly Sample[], atMs: number): Sample | undefined {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs) low = middle + 1;
    else high = middle;
  }
  return samples[low - 1];
}

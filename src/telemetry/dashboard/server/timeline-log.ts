import type { TimelineEntry } from '../view/protocol.js';
import { MOST_ENTRIES } from '../view/state.js';

/** Most circuits whose past is kept, including evicted circuits. */
const MOST_CIRCUITS = 2_000;
/** Most entries that wait for the next message. */
const MOST_PENDING = 2_000;

/** The last transitions of each circuit, bounded in number. */
export class TimelineLog {
  readonly #entries = new Map<string, TimelineEntry[]>();
  #pending: TimelineEntry[] = [];

  add(entry: TimelineEntry): void {
    const known = this.#entries.get(entry.circuitKey);
    if (known === undefined) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined && this.#entries.size >= MOST_CIRCUITS) this.#entries.delete(oldest);
      this.#entries.set(entry.circuitKey, [entry]);
    } else {
      known.push(entry);
      if (known.length > MOST_ENTRIES) known.shift();
    }
    if (this.#pending.length < MOST_PENDING) this.#pending.push(entry);
  }

  of(circuitKey: string): readonly TimelineEntry[] {
    return this.#entries.get(circuitKey) ?? [];
  }

  /** The entries since the last call. */
  take(): readonly TimelineEntry[] {
    const taken = this.#pending;
    this.#pending = [];
    return taken;
  }

  forget(circuitKey: string): void {
    this.#entries.delete(circuitKey);
  }
}

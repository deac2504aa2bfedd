import type { StoreEvent } from './events.js';

/** The counts and sizes of a fallback that keeps answers or requests. */
export interface StoreReading {
  /** The name of the strategy: `last-good` or `deferred`. */
  readonly store: string;
  /** The first method that it was registered for: `/package.Service/Method`. */
  readonly method: string;
  /** The state of its store or queue; `ok` where the strategy keeps all in memory. */
  readonly state: StoreEvent['state'];
  /** The answers that it holds in memory; undefined where it holds none there. */
  readonly memory?: {
    /** How many answers. */
    readonly entries: number;
    /** Their size, in bytes. */
    readonly bytes: number;
  };
  /** Totals of the answers that it was asked for and of those that it was to keep, by result. */
  readonly answers?: Readonly<Record<string, number>>;
  /** Totals of the reads and writes of its remote store, by result. */
  readonly operations?: Readonly<Record<string, number>>;
}

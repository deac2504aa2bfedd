import type { StoreEvent } from './events.js';

/** What a fallback that keeps answers or requests counts. */
export interface StoreReading {
  /** The name of the strategy: `last-good` or `deferred`. */
  readonly store: string;
  /** The first method that it was registered for: `/package.Service/Method`. */
  readonly method: string;
  /** The state of its store or queue; `ok` where it keeps everything in memory. */
  readonly state: StoreEvent['state'];
  /** What it holds in memory; undefined where it holds nothing there. */
  readonly memory?: {
    /** How many answers. */
    readonly entries: number;
    /** Their size, in bytes. */
    readonly bytes: number;
  };
  /** Totals of what it was asked for and what it kept, by result. */
  readonly answers?: Readonly<Record<string, number>>;
  /** Totals of reads and writes of its remote store, by result. */
  readonly operations?: Readonly<Record<string, number>>;
}

/** The window of a circuit's options, with every default filled in. */
export type ResolvedWindow =
  | { readonly type: 'count'; readonly size: number }
  | { readonly type: 'time'; readonly durationMs: number; readonly buckets: number };

/** The figures of a window that the trip rules use; to read one takes O(1). */
export interface WindowView {
  readonly calls: number;
  readonly unhealthy: number;
  /** How many calls have a duration that is a latency. Only these count for thresholds, means and percentiles. */
  readonly timed: number;
  /** How many calls took longer than the threshold of this mark. */
  marked(mark: number): number;
  /** The mean of the latencies' codes; 0 without a latency. Only if the spec keeps sums. */
  meanCode(): number;
}

/** The calls that a circuit remembers. Recording is O(1) amortised for any size, and allocates nothing. */
export interface Window extends WindowView {
  /** @param durationMs any number: NaN and negative durations count as 0; undefined is no latency */
  record(unhealthy: boolean, durationMs: number | undefined, nowMs: number): void;
  /** Drops the outcomes that are too old by now. */
  roll(nowMs: number): void;
  clear(): void;
  /** Latencies at the given percentiles (0 to 100, rising), in milliseconds; undefined without a latency. */
  percentiles(wanted: readonly number[]): number[] | undefined;
}

/** The shape of a window: the same for all circuits with the same options. */
export interface WindowSpec {
  readonly window: ResolvedWindow;
  /** One mark per distinct duration threshold of the trip rules. */
  readonly thresholdsMs: readonly number[];
  /** Whether the sum of the latencies' codes is kept (for the adaptive rule). */
  readonly sum: boolean;
}

/** Whether two windows have the same shape. */
export function sameSpec(a: WindowSpec, b: WindowSpec): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The window of a circuit's options, with every default filled in. */
export type ResolvedWindow =
  | { readonly type: 'count'; readonly size: number }
  | { readonly type: 'time'; readonly durationMs: number; readonly buckets: number };

/** What the trip rules read of a window; each in O(1). */
export interface WindowView {
  readonly calls: number;
  readonly unhealthy: number;
  /** Those of the calls whose duration is a latency: the others are over no threshold, and in no mean and no percentile. */
  readonly timed: number;
  /** How many of the calls took longer than the threshold of this mark. */
  marked(mark: number): number;
  /** The mean of the latencies' codes; 0 without any. Only where the spec keeps sums. */
  meanCode(): number;
}

/** The calls that a circuit remembers. Recording is O(1) amortised whatever the size, and allocates nothing. */
export interface Window extends WindowView {
  /** @param durationMs as a caller gave it: NaN and negative ones count as 0; undefined is no latency */
  record(unhealthy: boolean, durationMs: number | undefined, nowMs: number): void;
  /** Drops what is too old by now. */
  roll(nowMs: number): void;
  clear(): void;
  /** Latencies at the given percentiles (0 to 100, rising), in milliseconds; undefined without any. */
  percentiles(wanted: readonly number[]): number[] | undefined;
}

/** What a window keeps; the same for every circuit of one configuration. */
export interface WindowSpec {
  readonly window: ResolvedWindow;
  /** One mark per distinct duration threshold of the trip rules. */
  readonly thresholdsMs: readonly number[];
  /** Whether the sum of the latencies' codes is kept (for the adaptive rule). */
  readonly sum: boolean;
}

/** Whether two windows keep the same of each call. */
export function sameSpec(a: WindowSpec, b: WindowSpec): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Returns a figure. Called once per round. */
export type Sampler = () => number | Promise<number>;

/** The candidates of a row. Each round measures all of them. */
export interface Subjects {
  readonly ours: Sampler;
  /** The same work without a circuit breaker. */
  readonly floor?: Sampler;
  readonly opossum?: Sampler;
  readonly cockatiel?: Sampler;
  /** Frees the row's resources. */
  readonly close?: () => void | Promise<void>;
}

/** A line of the benchmark. Every file in `bench/rows` exports its lines as `rows`. */
export interface Row {
  readonly name: string;
  readonly unit: 'ns' | 'us' | 'ms' | 'bytes' | '1/s';
  /** The figure to reach, in the row's unit. */
  readonly budget?: number;
  /** The figure to reach, as a multiple of the floor's. */
  readonly budgetOfFloor?: number;
  /** The least multiple of our figure that a peer's figure must be. */
  readonly peersAtLeast?: { readonly opossum?: number; readonly cockatiel?: number };
  /** For a rate: more is better. @default false */
  readonly moreIsBetter?: boolean;
  /** Factor on the number of rounds, for a row that varies. @default 1 */
  readonly times?: number;
  readonly open: () => Subjects | Promise<Subjects>;
}

/** A line of the output of `--json`. */
export interface Result {
  readonly name: string;
  readonly unit: Row['unit'];
  readonly ours: number;
  readonly floor?: number;
  /** Our multiple of the floor: the median of the ratios of single rounds. Only with a floor. */
  readonly ofFloor?: number;
  readonly peers: { readonly opossum?: number; readonly cockatiel?: number };
}

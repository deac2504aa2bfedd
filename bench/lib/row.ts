/** Gives one figure; called once a round. */
export type Sampler = () => number | Promise<number>;

/** Who is measured in a row; rounds go through all of them in turn. */
export interface Subjects {
  readonly ours: Sampler;
  /** What the same costs with nothing in between: no circuit breaker at all. */
  readonly floor?: Sampler;
  readonly opossum?: Sampler;
  readonly cockatiel?: Sampler;
  /** Frees what the row opened. */
  readonly close?: () => void | Promise<void>;
}

/** One line of the benchmark. Every file in `bench/rows` exports its own as `rows`. */
export interface Row {
  readonly name: string;
  readonly unit: 'ns' | 'us' | 'ms' | 'bytes' | '1/s';
  /** The figure to reach, in the row's unit. */
  readonly budget?: number;
  /** The figure to reach, as a multiple of the floor's. */
  readonly budgetOfFloor?: number;
  /** How many times ours a peer's figure has to be. */
  readonly peersAtLeast?: { readonly opossum?: number; readonly cockatiel?: number };
  /** A rate: the more the better. @default false */
  readonly moreIsBetter?: boolean;
  /** So many times the usual rounds, for a row that scatters. @default 1 */
  readonly times?: number;
  readonly open: () => Subjects | Promise<Subjects>;
}

/** One line of `--json`. */
export interface Result {
  readonly name: string;
  readonly unit: Row['unit'];
  readonly ours: number;
  readonly floor?: number;
  /** How many times the floor ours is: the median of the rounds' own ratios. There where the floor is. */
  readonly ofFloor?: number;
  readonly peers: { readonly opossum?: number; readonly cockatiel?: number };
}

import type { CircuitSnapshot, CircuitStateName } from '../../circuit/types.js';

/** The label of all circuits and methods that have no label of their own. */
export const OTHER = '_other';

/** A sum by name. */
export type Sums = Record<string, number>;

/** Adds each value of `from` to the value of the same name. */
export function addSums(to: Sums, from: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(from)) to[name] = (to[name] ?? 0) + value;
}

type CountedTotals = Pick<TotalsSum, 'outcomes' | 'rejected' | 'discounted' | 'opened'>;

/** The calls whose end was discounted as evidence, in part or as a whole, by the reason. */
export function discountedOf(totals: CircuitSnapshot['totals']): Sums {
  const { stale, correlated, connecting, stalled, notSent } = totals;
  return { stale, correlated, connecting, stalled, 'not-sent': notSent };
}

/** The sum of the totals of circuits. It keeps the totals of circuits that are dropped. */
export class TotalsSum {
  readonly outcomes: Sums = {};
  readonly rejected: Sums = {};
  readonly discounted: Sums = {};
  opened = 0;

  add({ outcomes, rejected, discounted, opened }: CountedTotals): void {
    addSums(this.outcomes, outcomes);
    addSums(this.rejected, rejected);
    addSums(this.discounted, discounted);
    this.opened += opened;
  }
}

/** The totals of a snapshot, in the form in which {@link TotalsSum} adds them. */
export function countedTotals(totals: CircuitSnapshot['totals']): CountedTotals {
  const { outcomes, rejected, opened } = totals;
  return { outcomes, rejected, opened, discounted: discountedOf(totals) };
}

/** The present figures of several circuits together. */
export class CircuitsSum {
  circuits = 0;
  readonly states: Record<CircuitStateName, number> = { closed: 0, open: 0, 'half-open': 0, recovering: 0 };
  isolated = 0;
  inFlight = 0;
  calls = 0;
  unhealthy = 0;

  add({ state, isolated, inFlight, window }: CircuitSnapshot): void {
    this.circuits += 1;
    this.states[state] += 1;
    if (isolated > 0) this.isolated += 1;
    this.inFlight += inFlight;
    this.calls += window.calls;
    this.unhealthy += window.unhealthy;
  }
}

/** Adds up counters: rows with the same labels become one row. */
export class Rows<Row extends { readonly count: number }> {
  readonly #rows = new Map<string, { row: Row; count: number }>();
  readonly #keyOf: (row: Row) => string;

  /** @param keyOf the labels of a row as one text */
  constructor(keyOf: (row: Row) => string) {
    this.#keyOf = keyOf;
  }

  add(row: Row): void {
    const key = this.#keyOf(row);
    const known = this.#rows.get(key);
    if (known === undefined) this.#rows.set(key, { row, count: row.count });
    else known.count += row.count;
  }

  list(): Row[] {
    return Array.from(this.#rows.values(), ({ row, count }) => ({ ...row, count }));
  }
}

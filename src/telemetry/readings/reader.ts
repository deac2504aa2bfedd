import type { CircuitSnapshot } from '../../circuit/types.js';
import type { AnswerCount } from '../answers.js';
import type { AttemptCount } from '../attempts.js';
import type { ProbeCount, TransitionCount } from '../counts.js';
import type { EvictedEvent } from '../events.js';
import type { StoreReading } from '../store-reading.js';
import { Labels, labelOf } from './labels.js';
import type { MeteredGuard } from './metered-guard.js';
import { CircuitsSum, countedTotals, OTHER, Rows, TotalsSum } from './sums.js';

/** A circuit with a label of its own. */
export interface CircuitReading {
  readonly label: string;
  readonly snapshot: CircuitSnapshot;
}

/** All values of the metrics of a guard at one moment. `circuitKey` and `method` are labels here. */
export interface Reading {
  readonly circuits: readonly CircuitReading[];
  /** The circuits without a label of their own; undefined if there never was one. */
  readonly others: { readonly now: CircuitsSum; readonly totals: TotalsSum } | undefined;
  /** All circuits together. */
  readonly all: CircuitsSum;
  readonly transitions: readonly TransitionCount[];
  readonly probes: readonly ProbeCount[];
  readonly answers: readonly AnswerCount[];
  readonly attempts: readonly AttemptCount[];
  readonly stores: readonly StoreReading[];
}

const transitionRows = () =>
  new Rows<TransitionCount>(({ circuitKey, from, to, rule }) => `${from} ${to} ${rule} ${circuitKey}`);
const probeRows = () =>
  new Rows<ProbeCount>(({ circuitKey, kind, outcome }) => `${kind} ${outcome} ${circuitKey}`);

/**
 * Reads the totals of a guard, and of the circuits of its secondaries, when its metrics are collected, so that a call costs nothing.
 * Circuits beyond the bound are summed. The totals of an evicted circuit stay in that sum if the circuit was in it or was never read;
 * otherwise the series of the circuit ends.
 */
export class GuardReader {
  readonly #guard: MeteredGuard;
  readonly #labels: Labels;
  readonly #methods: Labels;
  readonly #goneTotals = new TotalsSum();
  readonly #goneTransitions = transitionRows();
  readonly #goneProbes = probeRows();
  #hasOthers = false;
  readonly #stop: () => void;

  /**
   * @param maxCircuits the most circuits, and the most methods, with a label of their own
   * @param isRoomReused whether the label of an evicted circuit makes room for another circuit
   */
  constructor(guard: MeteredGuard, maxCircuits: number, isRoomReused = true) {
    this.#guard = guard;
    this.#labels = new Labels(maxCircuits, true, isRoomReused);
    this.#methods = new Labels(maxCircuits, false);
    this.#stop = guard.on('evicted', (event) => this.#onEvicted(event));
  }

  close(): void {
    this.#stop();
  }

  #onEvicted({ circuitKey, snapshot, transitions, probes }: EvictedEvent): void {
    if (this.#labels.forget(circuitKey)) return;
    this.#hasOthers = true;
    this.#goneTotals.add(countedTotals(snapshot.totals));
    for (const row of transitions) this.#goneTransitions.add({ ...row, circuitKey: OTHER });
    for (const row of probes) this.#goneProbes.add({ ...row, circuitKey: OTHER });
  }

  read(): Reading {
    const guard = this.#guard;
    const all = new CircuitsSum();
    const now = new CircuitsSum();
    const totals = new TotalsSum();
    const circuits: CircuitReading[] = [];
    const secondaries = guard.secondaries();
    for (const snapshot of [...secondaries.map((each) => each.snapshot), ...guard.snapshots()]) {
      all.add(snapshot);
      const label = this.#labels.of(snapshot.circuitKey);
      if (label !== OTHER) {
        circuits.push({ label, snapshot });
        continue;
      }
      this.#hasOthers = true;
      now.add(snapshot);
      totals.add(countedTotals(snapshot.totals));
    }
    totals.add(this.#goneTotals);
    return {
      circuits,
      others: this.#hasOthers ? { now, totals } : undefined,
      all,
      transitions: this.#ofCircuits(
        transitionRows(),
        [...secondaries.flatMap((each) => each.transitions), ...guard.transitions()],
        this.#goneTransitions,
      ),
      probes: this.#ofCircuits(probeRows(), guard.probes(), this.#goneProbes),
      answers: this.#ofMethods(
        new Rows<AnswerCount>(({ method, source, cause }) => `${cause} ${source} ${method}`),
        guard.answers().map((row) => ({ ...row, circuitKey: null })),
      ),
      attempts: this.#ofMethods(
        new Rows<AttemptCount>(({ method, strategy, result }) => `${result} ${strategy} ${method}`),
        guard.attempts(),
      ),
      stores: guard.stores().map((store) => ({ ...store, method: labelOf(store.method) })),
    };
  }

  #ofCircuits<Row extends { readonly circuitKey: string; readonly count: number }>(
    rows: Rows<Row>,
    present: readonly Row[],
    gone: Rows<Row>,
  ): Row[] {
    for (const row of present) rows.add({ ...row, circuitKey: this.#labels.of(row.circuitKey) });
    for (const row of gone.list()) rows.add(row);
    return rows.list();
  }

  #ofMethods<Row extends { readonly method: string; readonly count: number }>(
    rows: Rows<Row>,
    present: readonly Row[],
  ): Row[] {
    for (const row of present) rows.add({ ...row, method: this.#methods.of(row.method) });
    return rows.list();
  }
}

import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import { type Circumstances, isLatency } from './circumstances.js';
import type { CircuitEnvironment } from './environment.js';
import { Losses } from './losses.js';
import type { CircuitPermit } from './permit.js';
import type { Totals } from './totals.js';

/** Which part of a call is evidence under its circumstances: outcome and duration, the outcome alone, or nothing. */
export type Weight = 'full' | 'untimed' | 'none';

/** The parts of a circuit that a weight depends on. */
interface WeighingCircuit {
  readonly environment: CircuitEnvironment;
  readonly totals: Totals;
  /** Made with the first lost connection: most circuits never lose one. */
  losses: Losses | undefined;
}

/** Weighs a call that ended under circumstances, and counts the circumstances in the totals. */
export function weigh(
  circuit: WeighingCircuit,
  circumstances: Circumstances,
  permit: CircuitPermit,
  outcome: Outcome,
): Weight {
  circuit.totals.noted(circumstances);
  if (isUnhealthy(outcome) && countsNothing(circuit, circumstances, permit, outcome)) return 'none';
  return isLatency(circumstances) ? 'full' : 'untimed';
}

/** Whether an unhealthy outcome is no evidence. Of the calls lost with a connection, only the first counts. */
function countsNothing(
  circuit: WeighingCircuit,
  { lostConnection = false, notSent, stalled }: Circumstances,
  permit: CircuitPermit,
  outcome: Outcome,
): boolean {
  if (outcome === 'failure' && stalled === true) return true;
  if (permit.probe) return outcome === 'failure' && notSent === true;
  if (lostConnection === false) return false;
  circuit.losses ??= new Losses();
  const { admitted, healthy } = circuit.totals;
  const nowMs = circuit.environment.clock.now();
  const isSure = lostConnection === true;
  const isCorrelated = circuit.losses.isCorrelated(permit.number, admitted, healthy, isSure, nowMs);
  if (isCorrelated) circuit.totals.correlated();
  return isCorrelated;
}

import type { Outcome } from '../classify/outcome.js';
import type { Settings } from './options/settings.js';
import { describeWindow } from './snapshot.js';
import { Baseline, type BaselineSnapshot } from './trip/baseline.js';
import type { TripEvidence } from './trip/rule.js';
import type { CircuitSnapshot } from './types.js';
import { createWindow } from './window/create.js';
import { sameSpec, type Window } from './window/window.js';

/**
 * The recorded calls of a circuit, on which the trip rules decide. The machine passes its settings to each method, which saves
 * a reference per circuit. No `#` fields: see `MachineCircuit`.
 */
export class Evidence implements TripEvidence {
  window: Window;
  baseline: Baseline | undefined;
  consecutiveFailures = 0;

  constructor(settings: Settings, nowMs: number) {
    this.window = createWindow(settings.window, nowMs);
    this.baseline = settings.adaptive && new Baseline();
  }

  /**
   * Records an outcome other than `ignored`.
   * @param isInRow whether no healthy answer has come since the call began
   * @param durationMs undefined if it is no latency of the server
   * @param nowMs used only by a time window
   * @returns the reason to open the circuit, if a rule fires
   */
  record(
    settings: Settings,
    outcome: Outcome,
    unhealthy: boolean,
    isInRow: boolean,
    durationMs: number | undefined,
    nowMs: number,
  ): string | undefined {
    this.consecutiveFailures = consecutiveAfter(this.consecutiveFailures, outcome, isInRow);
    const { window, baseline } = this;
    window.record(unhealthy, durationMs, nowMs);
    // a healthy call in a window without failures: most calls come here
    const checks = window.unhealthy === 0 ? settings.checksWithoutFailures : settings.checks;
    let reason: string | undefined;
    for (const check of checks) {
      if (!check.fires(this)) continue;
      reason = check.reason(this);
      break;
    }
    if (baseline !== undefined && settings.adaptive !== undefined && durationMs !== undefined) {
      baseline.record(settings.adaptive.baselineCalls, window.calls, unhealthy, durationMs);
    }
    return reason;
  }

  /** Forgets the calls, but not the averages of the adaptive rule. */
  clear(): void {
    this.window.clear();
    this.consecutiveFailures = 0;
  }

  reset(settings: Settings): void {
    this.clear();
    this.baseline = settings.adaptive && new Baseline();
  }

  /** Keeps the window if the new settings keep its shape; else starts an empty one. */
  reconfigure(old: Settings, settings: Settings, nowMs: number): void {
    if (!sameSpec(old.window, settings.window)) this.window = createWindow(settings.window, nowMs);
    this.baseline = settings.adaptive && (this.baseline ?? new Baseline());
  }

  /** Empties the window and takes over the averages of an earlier process. */
  restore(baseline: BaselineSnapshot | undefined): void {
    this.clear();
    if (baseline !== undefined) this.baseline?.restore(baseline);
  }

  snapshot(
    settings: Settings,
    nowMs: number,
  ): Pick<CircuitSnapshot, 'window' | 'consecutiveFailures' | 'baseline'> {
    this.window.roll(nowMs);
    return {
      window: describeWindow(this.window, settings),
      consecutiveFailures: this.consecutiveFailures,
      ...(this.baseline && { baseline: this.baseline.snapshot() }),
    };
  }
}

/**
 * The count of failures in a row after one more outcome other than `ignored`. An overload neither adds nor resets. A call that
 * fails although later calls were answered does not add: where a few calls hang among many that succeed, their time-outs may
 * follow each other by chance.
 * @param isInRow whether no healthy answer has come since the call began
 */
export function consecutiveAfter(count: number, outcome: Outcome, isInRow: boolean): number {
  if (outcome === 'failure') return isInRow ? count + 1 : count;
  return outcome === 'overload' ? count : 0;
}

import type { Outcome } from '../classify/outcome.js';
import { refillWindow } from './restore.js';
import type { Settings } from './settings.js';
import { describeWindow } from './snapshot.js';
import { Baseline } from './trip/adaptive.js';
import type { CircuitSnapshot } from './types.js';
import { createWindow, replaceWindow } from './window/create.js';
import type { Window } from './window/window.js';

/** What a circuit has recorded of its calls, and which trip rule fires on it. TypeScript's `private`: see `CircuitBase`. */
export class Evidence {
  private settings: Settings;
  private window: Window;
  private baseline: Baseline | undefined;
  private consecutiveFailures = 0;

  constructor(settings: Settings, nowMs: number) {
    this.settings = settings;
    this.window = createWindow(settings.window, nowMs);
    this.baseline = settings.adaptive && new Baseline();
  }

  /**
   * Records an outcome, which is not `ignored`.
   * @param nowMs needed by a time window only
   * @returns why the circuit has to open, if a rule fires
   */
  record(outcome: Outcome, healthy: boolean, durationMs: number, nowMs: number): string | undefined {
    if (healthy) this.consecutiveFailures = 0;
    else if (outcome === 'failure') this.consecutiveFailures += 1;
    const { settings, window } = this;
    window.record(!healthy, durationMs, nowMs);
    for (const check of settings.checks) {
      if (check.fires(window, this.consecutiveFailures)) {
        return check.reason(window, this.consecutiveFailures);
      }
    }
    if (!settings.adaptive || !this.baseline) return undefined;
    const deviation = this.baseline.deviation(settings.adaptive, window);
    this.baseline.record(settings.adaptive, window, !healthy, durationMs);
    return deviation;
  }

  /** The calls are forgotten; what is normal is not. */
  clear(): void {
    this.window.clear();
    this.consecutiveFailures = 0;
  }

  reset(): void {
    this.clear();
    this.baseline = this.settings.adaptive && new Baseline();
  }

  reconfigure(settings: Settings, nowMs: number): void {
    this.window = replaceWindow(this.window, this.settings.window, settings.window, nowMs);
    this.baseline = settings.adaptive && (this.baseline ?? new Baseline());
    this.settings = settings;
  }

  restore(known: CircuitSnapshot, nowMs: number): void {
    this.window = createWindow(this.settings.window, Math.min(known.takenAtMs, nowMs));
    refillWindow(this.window, this.settings, known, nowMs);
    this.consecutiveFailures = known.consecutiveFailures;
    if (known.baseline) this.baseline?.restore(known.baseline);
  }

  snapshot(nowMs: number): Pick<CircuitSnapshot, 'window' | 'consecutiveFailures' | 'baseline'> {
    this.window.roll(nowMs);
    return {
      window: describeWindow(this.window, this.settings),
      consecutiveFailures: this.consecutiveFailures,
      ...(this.baseline && { baseline: this.baseline.snapshot() }),
    };
  }
}

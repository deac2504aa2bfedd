import type { CircuitView, Sample, TimelineEntry } from '../../../src/telemetry/dashboard/view/protocol.js';
import type { CircuitState } from '../../../src/telemetry/dashboard/view/state.js';

/** A closed circuit without calls. */
export function view(changes: Partial<CircuitView> = {}): CircuitView {
  return {
    process: 'p',
    circuitKey: '/pkg.Service/Predict#m',
    engine: 'native',
    state: 'closed',
    mode: 'enforce',
    isolated: 0,
    sinceMs: 0,
    openings: 0,
    openUntilMs: null,
    nextCheckAtMs: null,
    generation: 0,
    inFlight: 0,
    window: { calls: 0, unhealthy: 0, failureRate: 0, slowRate: null, latencyMs: null },
    consecutiveFailures: 0,
    totals: {
      admitted: 0,
      outcomes: { success: 0, 'caller-error': 0, failure: 0, overload: 0, ignored: 0 },
      rejected: {
        CIRCUIT_OPEN: 0,
        HALF_OPEN: 0,
        RECOVERING: 0,
        ISOLATED: 0,
        CONCURRENCY_LIMIT: 0,
        THROTTLED: 0,
      },
      stale: 0,
      opened: 0,
      correlated: 0,
      connecting: 0,
      stalled: 0,
      notSent: 0,
    },
    lastTrip: null,
    settings: 's0',
    answers: [],
    ...changes,
  };
}

export function entry(changes: Partial<TimelineEntry> = {}): TimelineEntry {
  return {
    process: 'p',
    circuitKey: '/pkg.Service/Predict#m',
    atMs: 0,
    from: 'closed',
    to: 'open',
    reason: '',
    openForMs: null,
    mode: 'enforce',
    ...changes,
  };
}

export function circuitState(
  changes: Partial<CircuitView> = {},
  timeline: TimelineEntry[] = [],
  history: Sample[] = [],
): CircuitState {
  const of = view(changes);
  return { id: `${of.process}\n${of.circuitKey}`, view: of, timeline, history };
}

export function sample(changes: Partial<Sample> = {}): Sample {
  return { calls: 0, rejected: 0, failureRate: 0, p50: null, p99: null, answers: {}, ...changes };
}

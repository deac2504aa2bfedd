import type { CircuitPermit } from '../../circuit/permit.js';

/** The one call that a half-open circuit has let out. */
export interface Probe {
  readonly permit: CircuitPermit;
  dueMs: number;
}

/** When a probe will have failed: a clock that went back since it was admitted does not make it wait longer. */
export function dueOf(probe: Probe, nowMs: number, probeTimeoutMs: number): number {
  probe.dueMs = Math.min(probe.dueMs, nowMs + probeTimeoutMs);
  return probe.dueMs;
}

/** What a circuit keeps beside its breaker; the name is always that of the breaker's state. */
export type State =
  | { readonly name: 'closed'; readonly sinceMs: number }
  | { readonly name: 'open'; readonly sinceMs: number; readonly untilMs: number }
  | { readonly name: 'half-open'; readonly sinceMs: number; readonly probe: Probe | undefined };

/** The same state, for a clock that went back to before it began: it begins now, and lasts as long as it would have. */
export function rebase(state: State, nowMs: number): State {
  switch (state.name) {
    case 'closed':
      return { ...state, sinceMs: nowMs };
    case 'open':
      return { ...state, sinceMs: nowMs, untilMs: nowMs + (state.untilMs - state.sinceMs) };
    case 'half-open':
      return { ...state, sinceMs: nowMs };
  }
}

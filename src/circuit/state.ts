import type { Probes } from './half-open.js';
import type { Ramp } from './ramp.js';

/** What a circuit is in; each variant has only its own data. */
export type State =
  | { readonly name: 'closed'; readonly sinceMs: number }
  | { readonly name: 'open'; readonly sinceMs: number; readonly untilMs: number }
  | { readonly name: 'half-open'; readonly sinceMs: number; readonly probes: Probes }
  | { readonly name: 'recovering'; readonly sinceMs: number; readonly ramp: Ramp };

/** The same state, for a clock that went back to before it began: it begins now, and lasts as long as it would have. */
export function rebase(state: State, nowMs: number): State {
  switch (state.name) {
    case 'closed':
      return { ...state, sinceMs: nowMs };
    case 'open':
      return { ...state, sinceMs: nowMs, untilMs: nowMs + (state.untilMs - state.sinceMs) };
    case 'half-open':
      return { ...state, sinceMs: nowMs };
    case 'recovering':
      return { ...state, sinceMs: nowMs, ramp: state.ramp.startingAt(nowMs) };
  }
}

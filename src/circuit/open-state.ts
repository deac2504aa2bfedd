import type { State } from './state.js';

/** The state of an open circuit. Readiness checks move its end; the functions below return the moved state. */
export type OpenState = Extract<State, { readonly name: 'open' }>;

/** From when on a caller's call may be a probe. */
export function callersFromMs({ untilMs, reservedMs = 0 }: OpenState): number {
  return untilMs + reservedMs;
}

/**
 * The state once a check found the server ready: the open time ends now, or at the end of the server's push-back.
 * @param pushbackUntilMs the end of the push-back, within its cap
 */
export function endedByReady(state: OpenState, nowMs: number, pushbackUntilMs: number): OpenState {
  const untilMs = Math.max(nowMs, pushbackUntilMs);
  return untilMs < state.untilMs ? { dueMs: state.untilMs, ...state, untilMs, isReady: true } : state;
}

/**
 * The state once a check found the server not ready: the open time lasts until `untilMs`, but at most `maxHoldMs` beyond its
 * own end, and never less than that. An earlier check that found the server ready no longer counts.
 */
export function heldByNotReady(state: OpenState, untilMs: number, maxHoldMs: number): OpenState {
  const { dueMs = state.untilMs } = state;
  const leastMs = state.isReady === true ? dueMs : Math.max(dueMs, state.untilMs);
  return {
    ...state,
    dueMs,
    isReady: false,
    untilMs: Math.max(leastMs, Math.min(untilMs, dueMs + maxHoldMs)),
  };
}

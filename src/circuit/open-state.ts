import type { State } from './state.js';

/** The state of an open circuit. Its end moves by the answers of readiness checks: these functions give the moved state. */
export type OpenState = Extract<State, { readonly name: 'open' }>;

/** When a caller may be a probe. */
export function callersFromMs({ untilMs, reservedMs = 0 }: OpenState): number {
  return untilMs + reservedMs;
}

/**
 * The server is ready: the open time ends now, or with the server's push-back.
 * @param pushbackUntilMs the end of the push-back, within its cap
 */
export function endedByReady(state: OpenState, nowMs: number, pushbackUntilMs: number): OpenState {
  const untilMs = Math.max(nowMs, pushbackUntilMs);
  return untilMs < state.untilMs ? { dueMs: state.untilMs, ...state, untilMs, isReady: true } : state;
}

/**
 * The server is not ready: the open time lasts until `untilMs`, but at most `maxHoldMs` longer than its own time. It never
 * ends before its own time; an earlier answer that the server is ready is taken back.
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

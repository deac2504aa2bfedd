/**
 * The evidence of a finished call about the server.
 *
 * | outcome | the window counts it as | consecutive failures | a probe | fallback |
 * |---|---|---|---|---|
 * | `success` | healthy | reset to 0 | succeeds | – |
 * | `caller-error` | healthy: the server answered | reset to 0 | succeeds | never |
 * | `failure` | unhealthy | +1 | fails | yes |
 * | `overload` | unhealthy | unchanged | fails | yes |
 * | `ignored` | nothing | unchanged | its slot is given back | no |
 */
export type Outcome = 'success' | 'caller-error' | 'failure' | 'overload' | 'ignored';

export const OUTCOMES: readonly Outcome[] = ['success', 'caller-error', 'failure', 'overload', 'ignored'];

/** Whether an outcome counts against the server. */
export function isUnhealthy(outcome: Outcome): boolean {
  return outcome === 'failure' || outcome === 'overload';
}

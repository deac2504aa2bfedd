import type { ErrorFault, FaultPlan } from './plan.js';

/** What becomes of one call. */
export type FaultDecision =
  | { readonly kind: 'answer' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'error'; readonly error: ErrorFault };

/** Decides one call. Draws three numbers whatever the plan, so that one fault's share does not shift another's. */
export function decide(plan: FaultPlan, random: () => number): FaultDecision {
  const drop = random() < (plan.dropShare ?? 0);
  const hang = random() < (plan.hangShare ?? 0);
  const fail = random() < (plan.error ? (plan.error.share ?? 1) : 0);
  if (drop) return { kind: 'drop' };
  if (hang) return { kind: 'hang' };
  return fail && plan.error ? { kind: 'error', error: plan.error } : { kind: 'answer' };
}

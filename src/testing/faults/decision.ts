import type { ErrorFault, FaultPlan } from './plan.js';

/** The fate of a call. */
export type FaultDecision =
  | { readonly kind: 'answer' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'error'; readonly error: ErrorFault };

/** Decides the fate of a call. It always draws three numbers, so that the share of a fault does not shift the others. */
export function decide(plan: FaultPlan, random: () => number): FaultDecision {
  const drop = random() < (plan.dropShare ?? 0);
  const hang = random() < (plan.hangShare ?? 0);
  const fail = random() < (plan.error ? (plan.error.share ?? 1) : 0);
  if (drop) return { kind: 'drop' };
  if (hang) return { kind: 'hang' };
  return fail && plan.error ? { kind: 'error', error: plan.error } : { kind: 'answer' };
}

import type { TripRule } from '../types.js';
import type { WindowView } from '../window/window.js';

/** A trip rule made ready to run: shared by every circuit of one configuration, so it keeps nothing of its own. */
export interface TripCheck {
  fires(window: WindowView, consecutiveFailures: number): boolean;
  /** What is reported when it fires: the rule's name with its figures. */
  reason(window: WindowView, consecutiveFailures: number): string;
}

/** Gives the window's mark for "took longer than this". */
export type MarkOf = (thresholdMs: number) => number;

export type RuleNamed<Name extends TripRule['rule']> = Extract<TripRule, { rule: Name }>;

/** Two digits, as reasons show rates. */
export function rate(value: number): string {
  return value.toFixed(2);
}

/** At most one digit after the point, as reasons show milliseconds. */
export function ms(value: number): string {
  return `${Math.round(value * 10) / 10} ms`;
}

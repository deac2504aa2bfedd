import { checkKeys } from '../../checks.js';
import type { WindowView } from '../window/window.js';
import type { Baseline } from './baseline.js';

/** The evidence by which a trip rule decides. */
export interface TripEvidence {
  readonly window: WindowView;
  /** Failures in a row, as `consecutiveFailures()` counts them. */
  readonly consecutiveFailures: number;
  /** Undefined without an adaptive rule. */
  readonly baseline: Baseline | undefined;
}

/** A trip rule made ready to run. All circuits with the same options share it, so it has no state. */
export interface TripCheck {
  fires(evidence: TripEvidence): boolean;
  /** Why the rule fires: its name and its figures. */
  reason(evidence: TripEvidence): string;
}

/** Gives the window's mark for "took longer than this". */
export type MarkOf = (thresholdMs: number) => number;

/** The options of a rule, before they are checked. */
export type Unchecked<Rule> = { readonly [Name in Exclude<keyof Rule, 'rule'>]?: unknown };

/** The checks and the code of one kind of trip rule. */
export interface RuleKind<Rule extends { readonly rule: string }> {
  readonly name: Rule['rule'];
  /** The names of the rule's options. */
  readonly keys: readonly Exclude<keyof Rule, 'rule'>[];
  /** Whether the rule fires only because of failures and overloads. It is then skipped while the window has none. @default false */
  readonly needsFailures?: boolean;
  /** Checks the options, fills in defaults and copies them. */
  check(field: string, options: Unchecked<Rule>): Rule;
  /** The duration above which a call is slow by this rule, in milliseconds. Absent if the rule does not measure durations. */
  slowMs?(rule: Rule): number;
  compile(rule: Rule, markOf: MarkOf): TripCheck;
}

/**
 * Makes a rule from a user's options.
 * @param alsoKnown further keys that the options may have
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option
 */
export function checkRule<Rule extends { readonly rule: string }>(
  kind: RuleKind<Rule>,
  field: string,
  options: Unchecked<Rule>,
  alsoKnown: readonly string[] = [],
): Rule {
  checkKeys(field, options, [...alsoKnown, ...kind.keys.map(String)]);
  return Object.freeze(kind.check(field, options));
}

/** A rate as reasons show it: with two digits after the point. */
export function rate(value: number): string {
  return value.toFixed(2);
}

/** A duration as reasons show it: with at most one digit after the point. */
export function ms(value: number): string {
  return `${Math.round(value * 10) / 10} ms`;
}

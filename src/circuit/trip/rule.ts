import { checkKeys } from '../../checks.js';
import type { WindowView } from '../window/window.js';
import type { Baseline } from './baseline.js';

/** What a trip rule looks at. */
export interface TripEvidence {
  readonly window: WindowView;
  /** Failures since the last healthy outcome. */
  readonly consecutiveFailures: number;
  /** Only where an adaptive rule is set. */
  readonly baseline: Baseline | undefined;
}

/** A trip rule made ready to run: shared by every circuit of one configuration, so it keeps nothing of its own. */
export interface TripCheck {
  fires(evidence: TripEvidence): boolean;
  /** Why it fires: the rule's name with its figures. */
  reason(evidence: TripEvidence): string;
}

/** Gives the window's mark for "took longer than this". */
export type MarkOf = (thresholdMs: number) => number;

/** The options of a rule, before they are checked. */
export type Unchecked<Rule> = { readonly [Name in Exclude<keyof Rule, 'rule'>]?: unknown };

/** All that there is to know of one trip rule. */
export interface RuleKind<Rule extends { readonly rule: string }> {
  readonly name: Rule['rule'];
  /** The names of its options. */
  readonly keys: readonly Exclude<keyof Rule, 'rule'>[];
  /** Checks the options, fills in defaults and copies them. */
  check(field: string, options: Unchecked<Rule>): Rule;
  /** Over which duration a call is slow by this rule, in milliseconds; undefined for a rule that measures none. */
  slowMs?(rule: Rule): number;
  compile(rule: Rule, markOf: MarkOf): TripCheck;
}

/**
 * Makes a rule of options that a user wrote.
 * @param alsoKnown keys that may stand beside the options
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

/** Two digits, as reasons show rates. */
export function rate(value: number): string {
  return value.toFixed(2);
}

/** At most one digit after the point, as reasons show milliseconds. */
export function ms(value: number): string {
  return `${Math.round(value * 10) / 10} ms`;
}

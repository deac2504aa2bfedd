import { invalid } from '../../errors.js';
import { type AdaptiveRule, adaptiveRule } from './adaptive.js';
import { type ConsecutiveFailuresRule, consecutiveFailuresRule } from './consecutive-failures.js';
import { type FailureRateRule, failureRateRule } from './failure-rate.js';
import { type LatencyPercentileRule, latencyPercentileRule } from './latency-percentile.js';
import { checkRule, type MarkOf, type RuleKind, type TripCheck } from './rule.js';
import { type SignalRule, signalRule } from './signal.js';
import { type SlowRateRule, slowRateRule } from './slow-rate.js';

interface RuleOfName {
  readonly 'consecutive-failures': ConsecutiveFailuresRule;
  readonly 'failure-rate': FailureRateRule;
  readonly 'slow-rate': SlowRateRule;
  readonly 'latency-percentile': LatencyPercentileRule;
  readonly adaptive: AdaptiveRule;
  readonly signal: SignalRule;
}

/** The name of a trip rule, as in reasons and in an engine's capabilities. */
export type TripRuleName = keyof RuleOfName;

/**
 * A trip rule as data. Make it with `consecutiveFailures()`, `failureRate()`, `slowRate()`, `latencyPercentile()`,
 * `adaptive()` or `signal()`.
 */
export type TripRule = RuleOfName[TripRuleName];

const KINDS: { readonly [Name in TripRuleName]: RuleKind<RuleOfName[Name]> } = {
  'consecutive-failures': consecutiveFailuresRule,
  'failure-rate': failureRateRule,
  'slow-rate': slowRateRule,
  'latency-percentile': latencyPercentileRule,
  adaptive: adaptiveRule,
  signal: signalRule,
};

function isName(value: unknown): value is TripRuleName {
  return typeof value === 'string' && Object.hasOwn(KINDS, value);
}

/** Checks and copies a rule, also one that a user wrote as plain data. */
export function parseRule(field: string, value: unknown): TripRule {
  if (typeof value !== 'object' || value === null || !('rule' in value) || !isName(value.rule)) {
    throw invalid(field, `a trip rule: ${Object.keys(KINDS).join(', ')}`, value);
  }
  return checkNamed(value.rule, field, value);
}

function checkNamed<Name extends TripRuleName>(name: Name, field: string, value: object): RuleOfName[Name] {
  const kind: RuleKind<RuleOfName[Name]> = KINDS[name];
  return checkRule(kind, field, value, ['rule']);
}

/** The duration above which a call is slow by this rule, in milliseconds; undefined if the rule does not measure durations. */
export function slowMsOf<Name extends TripRuleName>(name: Name, rule: RuleOfName[Name]): number | undefined {
  return KINDS[name].slowMs?.(rule);
}

/** Whether the rule fires only because of failures and overloads. */
export function needsFailures(name: TripRuleName): boolean {
  return KINDS[name].needsFailures === true;
}

export function compileRule<Name extends TripRuleName>(
  name: Name,
  rule: RuleOfName[Name],
  markOf: MarkOf,
): TripCheck {
  return KINDS[name].compile(rule, markOf);
}

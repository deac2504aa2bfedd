import { checkInteger } from '../../checks.js';
import { invalid } from '../../errors.js';
import { cut } from '../../text.js';
import { checkRule, type RuleKind } from './rule.js';

/**
 * Something outside the process's own calls that says when circuits have to open: the latency of the whole fleet, a queue, a
 * switch. It is read when a call ends, so `alarm` must be a plain value that something else sets.
 * @example
 * const backlog = { alarm: undefined as string | undefined };
 * setInterval(() => { backlog.alarm = jobs.size > 500 ? `backlog ${jobs.size} > 500` : undefined; }, 1000).unref();
 */
export interface Signal {
  /** Why circuits have to open now, with the figures; undefined while nothing is wrong, or nothing is known. */
  readonly alarm: string | undefined;
}

/** See {@link signal}. */
export interface SignalRule {
  /** The name of the rule. */
  readonly rule: 'signal';
  /** What is read. */
  readonly signal: Signal;
  /** With fewer calls in the window the rule never fires. @default 1 */
  readonly minimumCalls: number;
}

const LONGEST_ALARM = 200;

/**
 * Opens while a {@link Signal} has an alarm, at the next call that ends. After its open time a circuit probes and recovers as
 * always; if the alarm is still there, it opens again, for longer. A signal that throws when it is read has no alarm.
 * @param options `minimumCalls`, by default 1
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function signal(source: Signal, options: { readonly minimumCalls?: number } = {}): SignalRule {
  return checkRule(signalRule, 'signal', { ...options, signal: source });
}

export const signalRule: RuleKind<SignalRule> = {
  name: 'signal',
  keys: ['signal', 'minimumCalls'],
  check: (field, { signal: source, minimumCalls = 1 }) => {
    if (!isSignal(source)) throw invalid(`${field}.signal`, 'a signal: an object with `alarm`', source);
    return {
      rule: 'signal',
      signal: source,
      minimumCalls: checkInteger(`${field}.minimumCalls`, minimumCalls, 1),
    };
  },
  compile: ({ signal: source, minimumCalls }) => ({
    fires: ({ window }) => window.calls >= minimumCalls && alarmOf(source) !== undefined,
    reason: () => `signal ${cut(alarmOf(source) ?? '', LONGEST_ALARM, '…')}`,
  }),
};

function isSignal(value: unknown): value is Signal {
  return typeof value === 'object' && value !== null && 'alarm' in value;
}

/** Nothing may throw where a permit is settled. */
function alarmOf(source: Signal): string | undefined {
  try {
    const { alarm } = source;
    return typeof alarm === 'string' ? alarm : undefined;
  } catch {
    return undefined;
  }
}

import { checkInteger } from '../../checks.js';
import { invalid } from '../../errors.js';
import { cut } from '../../text.js';
import { checkRule, type RuleKind } from './rule.js';

/**
 * A reason to open circuits that does not come from their own calls: the latency of the whole fleet, a queue, a switch. Circuits
 * read `alarm` whenever a call ends, so it must be a plain value that other code sets.
 * @example
 * const backlog = { alarm: undefined as string | undefined };
 * setInterval(() => { backlog.alarm = jobs.size > 500 ? `backlog ${jobs.size} > 500` : undefined; }, 1000).unref();
 */
export interface Signal {
  /** Why circuits must open now, with figures; undefined while all is well, or nothing is known. Cut to 200 UTF-16 units. */
  readonly alarm: string | undefined;
}

/** See {@link signal}. */
export interface SignalRule {
  /** The name of the rule. */
  readonly rule: 'signal';
  /** The signal that the rule reads. */
  readonly signal: Signal;
  /** With fewer calls in the window the rule never fires. @default 1 */
  readonly minimumCalls: number;
}

const LONGEST_ALARM = 200;

/**
 * Opens if a {@link Signal} has an alarm when a call ends. After its open time the circuit probes and recovers as always; if the
 * alarm is still there, it opens again, for longer. A signal that throws when it is read has no alarm.
 * @param source the signal
 * @param options.minimumCalls with fewer calls in the window the rule never fires. @default 1
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

/** Never throws, because nothing may throw while a permit is being settled. */
function alarmOf(source: Signal): string | undefined {
  try {
    const { alarm } = source;
    return typeof alarm === 'string' ? alarm : undefined;
  } catch {
    return undefined;
  }
}

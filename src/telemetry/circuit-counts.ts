import type { ProbeCount, TransitionCount } from './counts.js';
import type { ProbeEvent, TransitionEvent } from './events.js';

const RULES: readonly string[] = [
  'consecutive-failures',
  'failure-rate',
  'slow-rate',
  'latency-percentile',
  'adaptive',
  'signal',
];

/**
 * The cause of a change of state, as one of a few words: the name of the trip rule; `probe` for a change from half-open; `reset`,
 * `restored`; `none` where time passed.
 */
export function ruleOf({ from, reason }: Pick<TransitionEvent, 'from' | 'reason'>): string {
  const rule = RULES.find((name) => reason.startsWith(name));
  if (rule !== undefined) return rule;
  if (reason === 'reset' || reason === 'restored') return reason;
  return from === 'half-open' ? 'probe' : 'none';
}

type Counted<T> = T extends unknown ? { -readonly [K in Exclude<keyof T, 'circuitKey'>]: T[K] } : never;

/** Counts a circuit's transitions and probes. It takes memory only after the first of them: most circuits are always closed. */
export class CircuitCounts {
  private changes: Map<string, Counted<TransitionCount>> | undefined;
  private checks: Map<string, Counted<ProbeCount>> | undefined;

  changed(event: TransitionEvent): void {
    const { from, to } = event;
    const rule = ruleOf(event);
    const key = `${from} ${to} ${rule}`;
    this.changes ??= new Map();
    const counter = this.changes.get(key) ?? { from, to, rule, count: 0 };
    counter.count += 1;
    this.changes.set(key, counter);
  }

  probed({ kind, outcome }: Pick<ProbeEvent, 'kind' | 'outcome'>): void {
    const key = `${kind} ${outcome}`;
    this.checks ??= new Map();
    const counter = this.checks.get(key) ?? { kind, outcome, count: 0 };
    counter.count += 1;
    this.checks.set(key, counter);
  }

  transitions(circuitKey: string): TransitionCount[] {
    return Array.from(this.changes?.values() ?? [], (counter) => ({ circuitKey, ...counter }));
  }

  probes(circuitKey: string): ProbeCount[] {
    return Array.from(this.checks?.values() ?? [], (counter) => ({ circuitKey, ...counter }));
  }
}

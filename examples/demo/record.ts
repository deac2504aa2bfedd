import type { TransitionEvent } from 'failsoft';
import type { Ending } from './client.js';

/** The content of the file that `--json` writes. */
export interface DemoResult {
  readonly seconds: number;
  readonly seed: number;
  readonly phases: readonly PhaseResult[];
  /** Share of right answers by source, 0 to 1. */
  readonly accuracy: Readonly<Record<string, number>>;
  readonly transitions: readonly TransitionResult[];
}

export interface PhaseResult {
  readonly name: string;
  readonly calls: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly errors: number;
  /** Null without calls. */
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null };
}

export interface TransitionResult {
  /** Milliseconds since the first call. */
  readonly atMs: number;
  readonly circuitKey: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

/** The calls that began in the same phase. */
export class PhaseRecord {
  readonly name: string;
  readonly answers = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  errors = 0;
  correct = 0;
  #inFlight = 0;
  #whenSettled: (() => void) | undefined;

  constructor(name: string) {
    this.name = name;
  }

  callBegins(): void {
    this.#inFlight++;
  }

  /** Resolves when every call that began in this phase has ended. Call it after the phase. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#inFlight === 0) resolve();
      else this.#whenSettled = resolve;
    });
  }

  get calls(): number {
    return this.#latenciesMs.length;
  }

  callEnds(ending: Ending, correct: boolean, tookMs: number): void {
    this.#latenciesMs.push(tookMs);
    if ('error' in ending) this.errors++;
    else this.answers.set(ending.source, (this.answers.get(ending.source) ?? 0) + 1);
    if (correct) this.correct++;
    this.#inFlight--;
    if (this.#inFlight === 0) this.#whenSettled?.();
  }

  result(): PhaseResult {
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    return {
      name: this.name,
      calls: this.calls,
      answers: Object.fromEntries(this.answers),
      errors: this.errors,
      latencyMs: { p50: percentile(sorted, 50), p99: percentile(sorted, 99) },
    };
  }
}

/** The results of the whole demo. */
export class DemoRecord {
  readonly startedAtMs = Date.now();
  readonly phases: PhaseRecord[] = [];
  readonly transitions: TransitionResult[] = [];
  /** The callers' error messages, each with the number of calls that got it. */
  readonly errorMessages = new Map<string, number>();
  readonly #bySource = new Map<string, { answers: number; correct: number }>();

  /** @returns the record of the phase to which calls belong from now on */
  begin(name: string): PhaseRecord {
    const phase = new PhaseRecord(name);
    this.phases.push(phase);
    return phase;
  }

  callEnds(phase: PhaseRecord, ending: Ending, level: number, tookMs: number): void {
    const correct = 'level' in ending && ending.level === level;
    phase.callEnds(ending, correct, tookMs);
    if ('error' in ending) {
      this.errorMessages.set(ending.error, (this.errorMessages.get(ending.error) ?? 0) + 1);
      return;
    }
    const { answers, correct: before } = this.#bySource.get(ending.source) ?? { answers: 0, correct: 0 };
    this.#bySource.set(ending.source, { answers: answers + 1, correct: before + (correct ? 1 : 0) });
  }

  addTransition({ atMs, circuitKey, from, to, reason }: TransitionEvent): TransitionResult {
    const transition = { atMs: Math.round(atMs - this.startedAtMs), circuitKey, from, to, reason };
    this.transitions.push(transition);
    return transition;
  }

  result(seconds: number, seed: number): DemoResult {
    const accuracy = [...this.#bySource].map(
      ([source, { answers, correct }]) => [source, rounded(correct / answers, 4)] as const,
    );
    return {
      seconds,
      seed,
      phases: this.phases.map((phase) => phase.result()),
      accuracy: Object.fromEntries(accuracy),
      transitions: this.transitions,
    };
  }
}

/** The percentile by nearest rank. */
function percentile(sorted: readonly number[], percent: number): number | null {
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  return value === undefined ? null : rounded(value, 1);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

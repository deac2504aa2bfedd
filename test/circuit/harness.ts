import type { Circuit, CircuitOptions, Permit, Rejection } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import type { Engine } from '../../src/engines/engine.js';
import { nativeEngine } from '../../src/engines/native.js';
import type { IsolationEvent, TransitionEvent } from '../../src/telemetry/events.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { seededRandom } from '../../src/testing/random.js';

/** A circuit on a clock that stands still, with what it told. */
export interface Bench {
  readonly circuit: Circuit;
  readonly clock: ManualClock;
  readonly transitions: TransitionEvent[];
  readonly isolations: IsolationEvent[];
  /** Acquires, and fails the test when rejected. */
  admit(): Permit;
  /** Acquires, and fails the test when admitted. */
  reject(): Rejection;
  /** One call after the other; a rejected one fails the test. */
  call(outcome: Outcome, times?: number, durationMs?: number, pushbackMs?: number): void;
  /** `closed -> open: reason`, one per transition so far. */
  story(): string[];
}

export interface BenchOptions {
  readonly engine?: Engine;
  readonly startMs?: number;
  readonly random?: () => number;
  readonly key?: string;
  readonly onTransition?: (event: TransitionEvent) => void;
}

export function bench(options: CircuitOptions | undefined, extra: BenchOptions = {}): Bench {
  const { engine = nativeEngine, startMs = 1_000_000, random = seededRandom(1), key = 'test' } = extra;
  const clock = new ManualClock(startMs);
  const transitions: TransitionEvent[] = [];
  const isolations: IsolationEvent[] = [];
  const circuit = engine.configure(options, 'circuit')(key, {
    clock,
    random,
    listener: {
      transition: (event) => {
        transitions.push(event);
        extra.onTransition?.(event);
      },
      isolation: (event) => isolations.push(event),
    },
  });
  const admit = () => {
    const permit = circuit.acquire();
    if (!permit.admitted) throw new Error(`not admitted: ${permit.reason}`);
    return permit;
  };
  return {
    circuit,
    clock,
    transitions,
    isolations,
    admit,
    reject: () => {
      const rejection = circuit.acquire();
      if (rejection.admitted) throw new Error('admitted');
      return rejection;
    },
    call: (outcome, times = 1, durationMs = 1, pushbackMs) => {
      for (let i = 0; i < times; i++) admit().settle(outcome, durationMs, pushbackMs);
    },
    story: () => transitions.map(({ from, to, reason }) => `${from} -> ${to}: ${reason}`),
  };
}

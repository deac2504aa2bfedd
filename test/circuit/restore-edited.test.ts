import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { OUTCOMES, type Outcome } from '../../src/classify/outcome.js';
import { isFailsoftError } from '../../src/errors.js';
import { expectProperty } from '../support/properties.js';
import { type Bench, bench } from './harness.js';

const options = (window: 'count' | 'time', ramp: boolean): CircuitOptions => ({
  trip: [
    consecutiveFailures({ failures: 5 }),
    failureRate({ threshold: 0.5, minimumCalls: 10 }),
    slowRate({ threshold: 0.8, slowThresholdMs: 100, minimumCalls: 10 }),
    latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 10 }),
    adaptive(),
  ],
  window: window === 'count' ? { type: 'count', size: 50 } : { type: 'time', durationMs: 5000 },
  halfOpen: { permittedProbes: 2, probeTimeoutMs: 500 },
  ...(!ramp && { recovering: false }),
  concurrency: { type: 'aimd' },
});

const call = fc.record({
  outcome: fc.constantFrom<Outcome>(...OUTCOMES),
  durationMs: fc.nat(400),
  thenMs: fc.constantFrom(0, 0, 0, 500, 3000),
});
const FIVE_FAILURES = Array.from({ length: 5 }, () => ({
  outcome: 'failure' as const,
  durationMs: 1,
  thenMs: 0,
}));

/** Values that a hand, a disk or another version may have put into a snapshot; the bench starts at 1e6. */
const value = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, '', {}, [], true, 'closed', 'open', 'half-open', 'recovering'),
  fc.constantFrom<unknown>(
    -1,
    0,
    0.5,
    1,
    1e3,
    1e6,
    1e12,
    1e15,
    2 ** 53 - 1,
    1e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ),
);

function isObject(at: unknown): at is Record<string, unknown> {
  return typeof at === 'object' && at !== null;
}

/** Puts a value somewhere into a tree; `where` says at which turn. */
function edit(tree: Record<string, unknown>, where: readonly number[], put: unknown): void {
  let at = tree;
  for (const turn of where) {
    const names = Object.keys(at);
    const name = names[turn % names.length] ?? '';
    const next = at[name];
    if (!isObject(next) || Object.keys(next).length === 0) {
      at[name] = put;
      return;
    }
    at = next;
  }
}

function expectUsable(b: Bench): void {
  const { circuit, clock } = b;
  expect(JSON.parse(JSON.stringify(circuit.snapshot()))).toEqual(circuit.snapshot());
  circuit.restore(JSON.parse(JSON.stringify(circuit.snapshot())));
  for (const { openForMs = 0 } of b.transitions) expect(openForMs).toBeGreaterThanOrEqual(0);
  for (let round = 0; round < 2; round++) {
    clock.advance(60_000); // the longest open time
    for (let i = 0; i < 150; i++) {
      const answer = circuit.acquire();
      if (answer.admitted) answer.settle('success', 1);
      clock.advance(50);
    }
  }
  expect(circuit.state).toBe('closed');
  b.call('failure', 5);
  expect(circuit.state).toBe('open');
}

it('an edited snapshot is refused with the name of the field and changes nothing, or leaves a circuit that works', () => {
  let refused = 0;
  let accepted = 0;
  const property = fc.property(
    fc.constantFrom('count' as const, 'time' as const),
    fc.boolean(),
    fc.array(call, { maxLength: 60 }),
    fc.array(fc.tuple(fc.array(fc.noBias(fc.nat(1000)), { minLength: 3, maxLength: 3 }), value), {
      maxLength: 2,
    }),
    fc.nat(10_000),
    fc.boolean(),
    (window, ramp, random, edits, laterMs, trips) => {
      const calls = trips ? [...random, ...FIVE_FAILURES] : random;
      const before = bench(options(window, ramp));
      for (const { outcome, durationMs, thenMs } of calls) {
        const answer = before.circuit.acquire();
        if (answer.admitted) answer.settle(outcome, durationMs);
        before.clock.advance(thenMs);
      }
      const snapshot: Record<string, unknown> = JSON.parse(JSON.stringify(before.circuit.snapshot()));
      for (const [where, put] of edits) edit(snapshot, where, put);
      const after = bench(options(window, ramp), { startMs: before.clock.now() + laterMs });
      const untouched = after.circuit.snapshot();
      try {
        after.circuit.restore(snapshot);
      } catch (error) {
        refused += 1;
        if (!isFailsoftError(error)) throw error;
        expect(error.message).toMatch(/^snapshot\.[\w.-]+: expected /);
        expect(after.circuit.snapshot()).toEqual(untouched);
        return;
      }
      accepted += 1;
      expectUsable(after);
    },
  );
  expectProperty(property, 2000);
  expect(Math.min(refused, accepted)).toBeGreaterThan(100);
});

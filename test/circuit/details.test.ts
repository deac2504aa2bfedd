import { describe, expect, it } from 'vitest';
import { adaptive, consecutiveFailures } from '../../src/circuit/index.js';
import { deviation } from '../../src/circuit/trip/adaptive.js';
import { Baseline } from '../../src/circuit/trip/baseline.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { encodeLatency } from '../../src/circuit/window/latency-code.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { type Bench, bench } from './harness.js';

/** Counts how often the clock is read. */
function countReads(b: Bench): () => number {
  let reads = 0;
  const now = b.clock.now.bind(b.clock);
  b.clock.now = () => {
    reads += 1;
    return now();
  };
  return () => reads;
}

describe('reading the clock', () => {
  it.each<[string, CircuitOptions, number]>([
    ['a closed circuit with a count window never does', {}, 0],
    ['with a time window once per outcome', { window: { type: 'time', durationMs: 1000 } }, 1],
  ])('%s', (_name, options, reads) => {
    const b = bench(options);
    const readSoFar = countReads(b);
    b.call('success');
    expect(readSoFar()).toBe(reads);
  });

  it('a rejection of an open circuit reads the clock once', () => {
    const b = bench({ trip: [consecutiveFailures({ failures: 1 })] });
    b.call('failure');
    const readSoFar = countReads(b);
    b.reject();
    expect(readSoFar()).toBe(1);
  });

  it('an invalid push-back costs no reading', () => {
    const b = bench({});
    const readSoFar = countReads(b);
    b.call('failure', 1, 1, -1);
    expect(readSoFar()).toBe(0);
  });
});

describe('the baseline of the adaptive rule', () => {
  const rule = adaptive({ minimumCalls: 10, baselineCalls: 100, sigmas: 3, errorRateFloor: 0 });
  const view = (calls: number, unhealthy = 0, latencyMs = 0) => ({
    calls,
    unhealthy,
    timed: calls,
    marked: () => 0,
    meanCode: () => encodeLatency(latencyMs),
  });
  const warm = (errors: number, calls = 100, latencyMs = 0) => {
    const baseline = new Baseline();
    for (let i = 0; i < calls; i++) baseline.record(rule.baselineCalls, 1, i < errors, latencyMs);
    return baseline;
  };

  it.each([
    ['its own number of calls', 5, 1 / 100],
    ['ten windows, when that is slower', 50, 1 / 500],
  ])('moves by %s', (_name, windowCalls, weight) => {
    const baseline = warm(0, 1000);
    baseline.record(rule.baselineCalls, windowCalls, true, 0);
    expect(baseline.snapshot().errorRate).toBeCloseTo(weight, 9);
  });

  it.each([
    [9, 100, false],
    [10, 100, true],
    [10, 50, true],
    [10, 49, false],
  ])('with %i calls in the window and %i seen: fires %s', (calls, seen, fires) => {
    expect(deviation(rule, warm(0, seen), view(calls, calls)) !== undefined).toBe(fires);
  });

  // 3 * sqrt(0.5 * 0.5 / 25) = 0.3, above the least rise of 0.2
  it.each([
    [20, false],
    [21, true],
  ])('half of the calls used to fail: %i of 25 are out of the ordinary: %s', (unhealthy, fires) => {
    const known = { calls: 100, errorRate: 0.5, latencyMs: 1, latencyVariance: 0 };
    const baseline = new Baseline();
    baseline.restore(known);
    expect(deviation(rule, baseline, view(25, unhealthy)) !== undefined).toBe(fires);
  });

  it.each([
    [20, false],
    [40, false],
    [90, false],
    [101, true],
  ])('a latency of %d ms after 50: %s', (latencyMs, fires) => {
    const baseline = warm(0, 100, 50);
    expect(deviation(rule, baseline, view(10, 0, latencyMs)) !== undefined).toBe(fires);
  });
});

describe('AIMD', () => {
  // ten out, the limit ten: grows or not by what one more outcome says
  it.each<[Outcome, number, boolean]>([
    ['success', 10, true],
    ['caller-error', 10, true],
    ['failure', 10, false],
    ['ignored', 10, false],
    ['success', 6, true],
    ['success', 4, false],
  ])('%s with %i of 10 out: grows %s', (outcome, out, grows) => {
    const b = bench({ trip: [], concurrency: { type: 'aimd', initialLimit: 10 } });
    for (let i = 1; i < out; i++) b.admit();
    for (let i = 0; i < 12; i++) b.call(outcome);
    expect((b.circuit.snapshot().concurrencyLimit ?? 0) > 10).toBe(grows);
  });

  it.each([undefined, {}])('calls that only mode observe admits do not raise it: %j', (what) => {
    const b = bench({ trip: [], concurrency: { type: 'aimd', initialLimit: 10 }, mode: 'observe' });
    const handle = b.circuit.isolate();
    for (let i = 0; i < 8; i++) b.admit();
    handle.release();
    for (let i = 0; i < 12; i++) b.admit().settle('success', 1, undefined, what);
    expect(b.circuit.snapshot().concurrencyLimit).toBe(10);
  });

  it('calls that began before it backed off do not raise it', () => {
    const b = bench({ trip: [], concurrency: { type: 'aimd', initialLimit: 10, backoffRatio: 0.5 } });
    const out = Array.from({ length: 10 }, () => b.admit());
    for (const permit of out) permit.settle(permit === out[0] ? 'overload' : 'success', 1);
    for (let i = 0; i < 4; i++) b.admit();
    for (let i = 0; i < 4; i++) b.call('success');
    expect(b.circuit.snapshot().concurrencyLimit).toBe(5);
    b.call('success', 2);
    expect(b.circuit.snapshot().concurrencyLimit).toBe(6);
  });

  it.each(['in an earlier generation', 'while nothing was recorded'])(
    'a call from before that ended %s is waited for no longer',
    (how) => {
      const b = bench({
        trip: [consecutiveFailures({ failures: 1 })],
        open: { baseMs: 1000, jitter: 'none' },
        recovering: false,
        concurrency: { type: 'aimd', initialLimit: 100, backoffRatio: 0.5 },
      });
      const out = Array.from({ length: 10 }, () => b.admit());
      out.pop()?.settle('overload', 1);
      if (how === 'while nothing was recorded') b.circuit.mode = 'off';
      else out.pop()?.settle('failure', 1);
      for (const permit of out) permit.settle('success', 1);
      b.circuit.mode = 'enforce';
      b.clock.advance(1000);
      b.call('success');
      expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', concurrencyLimit: 50 });
      b.call('overload');
      expect(b.circuit.snapshot().concurrencyLimit).toBe(25);
    },
  );

  it('backs off again after a round trip, and not before', () => {
    const b = bench({ trip: [], concurrency: { type: 'aimd', initialLimit: 100, backoffRatio: 0.5 } });
    const out = Array.from({ length: 3 }, () => b.admit());
    const limits = [...out, ...Array.from({ length: 2 }, () => undefined)].map((permit) => {
      (permit ?? b.admit()).settle('overload', 1);
      return b.circuit.snapshot().concurrencyLimit;
    });
    expect(limits).toEqual([50, 50, 50, 25, 12]);
  });
});

describe('percentiles of a time window', () => {
  it('count calls that took the same time', () => {
    const b = bench({ trip: [], window: { type: 'time', durationMs: 1000 } });
    b.call('success', 90, 10);
    b.call('success', 10, 500);
    const { p50, p90, p99 } = b.circuit.snapshot().window.latencyMs ?? { p50: 0, p90: 0, p99: 0 };
    expect(Math.abs(p50 / 10 - 1)).toBeLessThan(0.07);
    expect(Math.abs(p90 / 10 - 1)).toBeLessThan(0.07);
    expect(Math.abs(p99 / 500 - 1)).toBeLessThan(0.07);
  });
});

import { describe, expect, it } from 'vitest';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import type { CircuitOptions, Circumstances, TripRule, WindowOptions } from '../../src/circuit/types.js';
import { type Bench, bench } from './harness.js';

const OPTIONS: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 3 })],
  open: { baseMs: 1000, jitter: 'none' },
  recovering: false,
};
const LOST = { lostConnection: true } as const;
const PERHAPS_LOST = { lostConnection: 'perhaps' } as const;
const NOT_SENT = { notSent: true } as const;

/** So many calls at a time, which all fail. */
function loseTogether(b: Bench, calls: number, circumstances: Circumstances): void {
  const out = Array.from({ length: calls }, () => b.admit());
  for (const permit of out) permit.settle('failure', 1, undefined, circumstances);
}

describe('a lost connection', () => {
  it.each([LOST, PERHAPS_LOST])('is one failure for all the calls that were out: %o', (circumstances) => {
    const b = bench(OPTIONS);
    loseTogether(b, 20, circumstances);
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      consecutiveFailures: 1,
      window: { calls: 1, unhealthy: 1 },
      totals: { outcomes: { failure: 20 }, correlated: 19 },
    });
  });

  it.each([LOST, PERHAPS_LOST])('is a failure for each call that began after the last one: %o', (what) => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 3; i++) b.admit().settle('failure', 1, undefined, what);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', totals: { correlated: 0 } });
  });

  it('is named in the reason of a trip for ten seconds', () => {
    const reason = (waitMs: number) => {
      const b = bench(OPTIONS);
      loseTogether(b, 200, LOST);
      b.clock.advance(waitMs);
      b.call('failure', 2);
      return b.circuit.snapshot().lastTrip?.reason;
    };
    expect(reason(10_000)).toBe(
      'consecutive-failures 3 >= 3, and 199 more were lost with the same connections',
    );
    expect(reason(10_001)).toBe('consecutive-failures 3 >= 3');
  });

  it('is a failure of each probe', () => {
    const b = bench({ ...OPTIONS, halfOpen: { permittedProbes: 3, successThreshold: 2 } });
    b.call('failure', 3);
    b.clock.advance(1000);
    loseTogether(b, 3, LOST);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 2, totals: { correlated: 0 } });
  });

  it('counts again for a call that began before it, where the call may have failed alone', () => {
    const b = bench(OPTIONS);
    const [first, answered, late, alone] = [b.admit(), b.admit(), b.admit(), b.admit()];
    first.settle('failure', 1, undefined, PERHAPS_LOST);
    b.clock.advance(101);
    late.settle('failure', 1, undefined, PERHAPS_LOST);
    expect(b.circuit.snapshot().consecutiveFailures).toBe(2);
    answered.settle('success', 1);
    alone.settle('failure', 1, undefined, PERHAPS_LOST);
    // in the window, but in no row: a later call was answered
    expect(b.circuit.snapshot()).toMatchObject({
      consecutiveFailures: 0,
      window: { unhealthy: 3 },
      totals: { correlated: 0 },
    });
  });

  it('counts once for overloads too, and not at all for other outcomes', () => {
    const b = bench({ trip: [failureRate({ threshold: 0.5, minimumCalls: 3 })] });
    const out = Array.from({ length: 4 }, () => b.admit());
    for (const permit of out) permit.settle('overload', 1, undefined, PERHAPS_LOST);
    expect(b.circuit.snapshot()).toMatchObject({ window: { calls: 1 }, totals: { correlated: 3 } });
    b.admit().settle('ignored', 1, undefined, LOST);
    b.admit().settle('success', 1, undefined, LOST);
    expect(b.circuit.snapshot()).toMatchObject({ window: { calls: 2 }, totals: { correlated: 3 } });
  });

  it('counts again after a reset of the circuit', () => {
    const b = bench(OPTIONS);
    loseTogether(b, 2, LOST);
    b.circuit.reset();
    loseTogether(b, 2, LOST);
    expect(b.circuit.snapshot()).toMatchObject({ consecutiveFailures: 1, totals: { correlated: 2 } });
  });

  it('counts as one request of a throttle', () => {
    const b = bench({ throttle: {} });
    loseTogether(b, 100, LOST);
    expect(b.circuit.snapshot()).toMatchObject({ window: { calls: 1, unhealthy: 1 } });
  });
});

describe('a call that was not sent', () => {
  it('is a failure of a closed circuit, and gives a probe back', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 3; i++) b.admit().settle('failure', 1, undefined, NOT_SENT);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 1, totals: { notSent: 3 } });
    b.clock.advance(1000);
    for (let i = 0; i < 5; i++) b.admit().settle('failure', 1, undefined, NOT_SENT);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'half-open', openings: 1, totals: { notSent: 8 } });
    b.admit().settle('failure', 1);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 2 });
  });
});

it('a probe that is overloaded fails, also if it was not sent', () => {
  const b = bench({ ...OPTIONS, trip: [consecutiveFailures({ failures: 1 })] });
  b.call('failure');
  b.clock.advance(1000);
  b.admit().settle('overload', 1, undefined, NOT_SENT);
  expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 2 });
});

it('calls that were not sent are not correlated with each other', () => {
  const b = bench(OPTIONS);
  loseTogether(b, 2, NOT_SENT);
  expect(b.circuit.snapshot()).toMatchObject({ consecutiveFailures: 2, totals: { correlated: 0 } });
});

describe('between two calls of a lost connection', () => {
  it.each<[Circumstances, 0 | 1]>([
    [LOST, 1],
    [PERHAPS_LOST, 0],
  ])('two healthy answers: %o, correlated %i', (what, correlated) => {
    const b = bench(OPTIONS);
    const [first, answered, refused, second] = [b.admit(), b.admit(), b.admit(), b.admit()];
    first.settle('failure', 1, undefined, what);
    answered.settle('success', 1);
    refused.settle('caller-error', 1);
    second.settle('failure', 1, undefined, what);
    expect(b.circuit.snapshot().totals.correlated).toBe(correlated);
  });
});

describe.each(['connecting', 'stalled'] as const)('the duration of a call that was %s', (name) => {
  const circumstances = { [name]: true };
  const slow = (b: Bench, times: number, what: Circumstances = circumstances) => {
    for (let i = 0; i < times && b.circuit.state === 'closed'; i++)
      b.admit().settle('success', 5_000, undefined, what);
  };

  it.each<[TripRule, WindowOptions]>([
    [slowRate({ threshold: 0.5, slowThresholdMs: 100, minimumCalls: 5 }), { type: 'count', size: 10 }],
    [slowRate({ threshold: 0.5, slowThresholdMs: 100, minimumCalls: 5 }), { type: 'time', durationMs: 1000 }],
    [latencyPercentile({ percentile: 90, thresholdMs: 100, minimumCalls: 5 }), { type: 'count', size: 10 }],
    [
      latencyPercentile({ percentile: 90, thresholdMs: 100, minimumCalls: 5 }),
      { type: 'time', durationMs: 1000 },
    ],
    [adaptive({ minimumCalls: 5, baselineCalls: 100 }), { type: 'count', size: 10 }],
  ])('is no latency for $rule', (rule, window) => {
    const b = bench({ trip: [rule], window });
    b.call('success', 30, 5);
    slow(b, 30);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', totals: { [name]: 30 } });
    // too few latencies are left to judge by
    slow(b, 2, {});
    expect(b.circuit.state).toBe('closed');
    slow(b, 30, {});
    expect(b.circuit.state).toBe('open');
  });

  it('is in no percentile and in no average', () => {
    const b = bench({ trip: [adaptive()] });
    slow(b, 3);
    expect(b.circuit.snapshot()).toMatchObject({
      window: { calls: 3, latencyMs: null },
      baseline: { calls: 0 },
    });
    b.call('success', 1, 10);
    const { window, baseline } = b.circuit.snapshot();
    expect(window.latencyMs?.p99).toBeCloseTo(10, 0);
    expect(baseline?.latencyMs).toBeCloseTo(10, 0);
  });

  it('makes no probe slow', () => {
    const rule = slowRate({ threshold: 1, slowThresholdMs: 100, minimumCalls: 1 });
    const b = bench({ ...OPTIONS, trip: [rule] });
    slow(b, 1, {});
    b.clock.advance(1000);
    b.admit().settle('success', 5_000, undefined, circumstances);
    expect(b.circuit.state).toBe('closed');
  });

  it('lowers and raises no limit; an overload lowers it all the same', () => {
    const b = bench({
      trip: [consecutiveFailures({ failures: 100 })],
      concurrency: { type: 'aimd', initialLimit: 10, latencyThresholdMs: 100, backoffRatio: 0.5 },
    });
    for (let i = 0; i < 30; i++) {
      const out = Array.from({ length: 10 }, () => b.admit());
      for (const permit of out) permit.settle('success', 5_000, undefined, circumstances);
    }
    expect(b.circuit.snapshot().concurrencyLimit).toBe(10);
    b.admit().settle('overload', 1, undefined, circumstances);
    expect(b.circuit.snapshot().concurrencyLimit).toBe(5);
  });
});

describe('the time-out of a call that was stalled', () => {
  it('counts nothing, and gives a probe back', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 10; i++) b.admit().settle('failure', 1, undefined, { stalled: true });
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      window: { calls: 0 },
      totals: { outcomes: { failure: 10 }, stalled: 10 },
    });
    b.call('failure', 3);
    b.clock.advance(1000);
    b.admit().settle('failure', 1, undefined, { stalled: true });
    expect(b.circuit.snapshot()).toMatchObject({ state: 'half-open', openings: 1 });
    b.admit().settle('success', 1);
    expect(b.circuit.state).toBe('closed');
  });
});

describe('a failure while connecting', () => {
  it('counts', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 3; i++) b.admit().settle('failure', 1, undefined, { connecting: true });
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', totals: { connecting: 3 } });
  });
});

it('a snapshot of a version without these totals can be restored', () => {
  const { totals, ...rest } = bench(OPTIONS).circuit.snapshot();
  const { correlated, connecting, stalled, notSent, ...earlier } = totals;
  expect({ correlated, connecting, stalled, notSent }).toEqual({
    correlated: 0,
    connecting: 0,
    stalled: 0,
    notSent: 0,
  });
  const b = bench(OPTIONS);
  loseTogether(b, 3, LOST);
  b.circuit.restore({ ...rest, totals: earlier });
  expect(b.circuit.snapshot().totals).toMatchObject({ correlated: 2, connecting: 0, stalled: 0, notSent: 0 });
});

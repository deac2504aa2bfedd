import { describe, expect, it } from 'vitest';
import { Evidence } from '../../src/circuit/evidence.js';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import { compileSettings } from '../../src/circuit/options/settings.js';
import type { CircuitOptions, TripRule } from '../../src/circuit/types.js';
import { isUnhealthy, type Outcome } from '../../src/classify/outcome.js';
import { seededRandom, standardNormal } from '../../src/testing/random.js';
import { integerFromEnvironment, runs, SEED } from '../support/properties.js';
import { type Bench, bench } from './harness.js';

type Calls = [outcome: Outcome, times: number, durationMs?: number][];

function play(b: Bench, calls: Calls): void {
  for (const [outcome, times, durationMs] of calls) b.call(outcome, times, durationMs);
}

describe('trip rules', () => {
  const rate = failureRate({ threshold: 0.5, minimumCalls: 4 });
  const slow = slowRate({ threshold: 0.75, slowThresholdMs: 100, minimumCalls: 4 });
  const p90 = latencyPercentile({ percentile: 90, thresholdMs: 300, minimumCalls: 10 });
  // the last group's last call decides: it must not have opened before it
  it.each<[string, TripRule[], Calls, string | undefined]>([
    ['in a row', [consecutiveFailures({ failures: 3 })], [['failure', 3]], 'consecutive-failures 3 >= 3'],
    [
      'not in a row',
      [consecutiveFailures({ failures: 3 })],
      [
        ['failure', 2],
        ['success', 1],
        ['failure', 2],
      ],
      undefined,
    ],
    ['overloads are not in the row', [consecutiveFailures({ failures: 2 })], [['overload', 9]], undefined],
    [
      'one failure opens when asked to',
      [consecutiveFailures({ failures: 1 })],
      [['failure', 1]],
      'consecutive-failures 1 >= 1',
    ],
    [
      'rate at the threshold',
      [rate],
      [
        ['success', 2],
        ['failure', 2],
      ],
      'failure-rate 0.50 >= 0.50 over 4 calls',
    ],
    [
      'rate under the threshold',
      [rate],
      [
        ['success', 3],
        ['failure', 2],
      ],
      undefined,
    ],
    ['rate with too few calls', [rate], [['failure', 3]], undefined],
    // 0.07 * 100 is more than 7 in floating point, 7 / 100 is 0.07
    [
      'rate at a threshold that is no binary fraction',
      [failureRate({ threshold: 0.07, minimumCalls: 100 })],
      [
        ['success', 93],
        ['failure', 7],
      ],
      'failure-rate 0.07 >= 0.07 over 100 calls',
    ],
    [
      'slow rate at a threshold that is no binary fraction',
      [slowRate({ threshold: 0.28, slowThresholdMs: 100, minimumCalls: 25 })],
      [
        ['success', 18, 1],
        ['success', 7, 101],
      ],
      'slow-rate 0.28 >= 0.28 over 25 calls',
    ],
    [
      'a healthy call can be the one that makes enough',
      [rate],
      [
        ['failure', 3],
        ['success', 1],
      ],
      'failure-rate 0.75 >= 0.50 over 4 calls',
    ],
    [
      "caller's errors are healthy",
      [rate],
      [
        ['caller-error', 3],
        ['failure', 2],
      ],
      undefined,
    ],
    [
      'overloads are unhealthy',
      [rate],
      [
        ['success', 2],
        ['overload', 2],
      ],
      'failure-rate 0.50 >= 0.50 over 4 calls',
    ],
    [
      'ignored calls are no calls',
      [rate],
      [
        ['failure', 3],
        ['ignored', 9],
      ],
      undefined,
    ],
    [
      'slow at the share',
      [slow],
      [
        ['success', 1, 100],
        ['success', 3, 101],
      ],
      'slow-rate 0.75 >= 0.75 over 4 calls',
    ],
    ['slow means over, not at', [slow], [['success', 9, 100]], undefined],
    [
      'slow failures are slow too',
      [slow],
      [
        ['success', 1, 1],
        ['failure', 3, 200],
      ],
      'slow-rate 0.75 >= 0.75 over 4 calls',
    ],
    ['slow with too few calls', [slow], [['success', 3, 200]], undefined],
    [
      'percentile over',
      [p90],
      [
        ['success', 8, 1],
        ['success', 2, 301],
      ],
      'latency-percentile p90 over 300 ms: 2 of 10 calls took longer',
    ],
    [
      'percentile at',
      [p90],
      [
        ['success', 8, 1],
        ['success', 2, 300],
      ],
      undefined,
    ],
    [
      'percentile: one in ten is allowed',
      [p90],
      [
        ['success', 9, 1],
        ['success', 1, 1e6],
      ],
      undefined,
    ],
    ['percentile with too few calls', [p90], [['success', 9, 301]], undefined],
    [
      'NaN and negative durations are fast',
      [slow, p90],
      [
        ['success', 50, Number.NaN],
        ['success', 50, -5],
      ],
      undefined,
    ],
    [
      'an endless call is slow',
      [slow],
      [
        ['success', 1],
        ['success', 3, Number.POSITIVE_INFINITY],
      ],
      'slow-rate 0.75 >= 0.75 over 4 calls',
    ],
    [
      'the first of several that fires is named',
      [slow, rate],
      [['failure', 4, 200]],
      'slow-rate 1.00 >= 0.75 over 4 calls',
    ],
    ['any of several', [slow, rate], [['failure', 4, 1]], 'failure-rate 1.00 >= 0.50 over 4 calls'],
    ['no rule, no trip', [], [['failure', 500, 1e6]], undefined],
  ])('%s', (_name, trip, calls, reason) => {
    for (const window of [
      { type: 'count', size: 100 },
      { type: 'time', durationMs: 10_000 },
    ] as const) {
      const b = bench({ trip, window });
      play(b, calls);
      expect(b.circuit.state).toBe(reason === undefined ? 'closed' : 'open');
      expect(b.circuit.snapshot().lastTrip).toEqual(
        reason === undefined ? null : { atMs: 1_000_000, reason },
      );
    }
  });

  it('old failures leave a count window call by call', () => {
    const b = bench({ trip: [rate], window: { type: 'count', size: 5 } });
    play(b, [
      ['success', 5],
      ['failure', 2],
      ['success', 3],
      ['failure', 2],
    ]);
    expect(b.circuit.state).toBe('closed');
    b.call('failure');
    expect(b.circuit.state).toBe('open');
  });

  it('old failures leave a time window with time', () => {
    const b = bench({ trip: [rate], window: { type: 'time', durationMs: 1000, buckets: 10 } });
    b.call('failure', 3);
    b.clock.advance(1000);
    b.call('failure', 3);
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot().window).toMatchObject({ calls: 3, failureRate: 1 });
    b.clock.advance(1000);
    expect(b.circuit.snapshot().window).toEqual({
      calls: 0,
      unhealthy: 0,
      failureRate: 0,
      slowRate: null,
      latencyMs: null,
    });
  });

  describe('failures in a row', () => {
    const trip = [consecutiveFailures({ failures: 3 })];

    it('do not count calls that fail while calls after them are answered: three of ten hang', () => {
      const b = bench({ trip });
      const hanging = Array.from({ length: 30 }, () => {
        const permits = Array.from({ length: 10 }, () => b.admit());
        for (const permit of permits.slice(3)) permit.settle('success', 20);
        return permits.slice(0, 3);
      });
      for (const permit of hanging.flat()) permit.settle('failure', 500);
      expect(b.circuit.state).toBe('closed');
      expect(b.circuit.snapshot()).toMatchObject({ consecutiveFailures: 0, window: { unhealthy: 90 } });
    });

    it('count every call that began after the last answer: all hang', () => {
      const b = bench({ trip });
      const before = b.admit();
      b.call('caller-error', 1);
      const after = Array.from({ length: 3 }, () => b.admit());
      before.settle('failure', 500);
      expect(b.circuit.snapshot().consecutiveFailures).toBe(0);
      for (const permit of after) permit.settle('failure', 500);
      expect(b.circuit.state).toBe('open');
    });
  });

  it('a single failure never opens a circuit with the defaults', () => {
    const b = bench(undefined);
    b.call('failure');
    expect(b.circuit.state).toBe('closed');
    b.call('failure', 3);
    expect(b.circuit.state).toBe('closed');
    b.call('failure');
    expect(b.circuit.state).toBe('open');
  });
});

describe('snapshots of the window', () => {
  it('have percentiles and rates', () => {
    const b = bench({
      trip: [slowRate({ threshold: 1, slowThresholdMs: 90, minimumCalls: 100 })],
      window: { type: 'count', size: 100 },
    });
    for (let i = 1; i <= 100; i++) b.call(i % 4 === 0 ? 'overload' : 'success', 1, i);
    const { latencyMs, ...rates } = b.circuit.snapshot().window;
    expect(rates).toEqual({ calls: 100, unhealthy: 25, failureRate: 0.25, slowRate: 0.1 });
    for (const [key, exact] of [
      ['p50', 50],
      ['p90', 90],
      ['p99', 99],
    ] as const) {
      expect(Math.abs((latencyMs?.[key] ?? 0) / exact - 1)).toBeLessThan(0.008);
    }
  });
});

/** How long the simulated models run; mutation testing runs them once per mutant, and asks for less. */
const SIMULATED_CALLS = integerFromEnvironment('FAILSOFT_SIMULATED_CALLS', 100_000, 1000, 10_000_000);

describe('the adaptive rule', () => {
  const options = (window: CircuitOptions['window']): CircuitOptions => ({
    trip: [adaptive()],
    ...(window && { window }),
  });

  /** A model with noise: lognormal latency, errors at a rate. */
  function model(seed: number) {
    const random = seededRandom(seed);
    return (errorRate: number, medianMs: number, sigma: number): [Outcome, number] => [
      random() < errorRate ? 'failure' : 'success',
      medianMs * Math.exp(sigma * standardNormal(random)),
    ];
  }

  const noisy: [string, number, number, number][] = [
    ['perfect', 0, 50, 0.1],
    ['usual', 0.01, 50, 0.5],
    ['heavy tail', 0.02, 30, 1.2],
    ['one in ten fails', 0.1, 80, 0.8],
    ['one in three fails', 0.33, 80, 0.5],
    ['fast', 0.01, 0.5, 0.7],
  ];
  for (const seed of [1, 2]) {
    it.each(noisy)(
      `does not flap over ${SIMULATED_CALLS} calls: %s (seed ${seed})`,
      (_name, errorRate, medianMs, sigma) => {
        const next = model(seed);
        const b = bench(options(undefined));
        for (let i = 0; i < SIMULATED_CALLS; i++) b.admit().settle(...next(errorRate, medianMs, sigma));
        expect(b.story()).toEqual([]);
      },
    );
  }

  it('nor in a time window', () => {
    const next = model(3);
    const b = bench(options({ type: 'time', durationMs: 10_000 }));
    for (let i = 0; i < SIMULATED_CALLS; i++) {
      b.clock.advance(10);
      b.admit().settle(...next(0.05, 60, 0.6));
    }
    expect(b.story()).toEqual([]);
  });

  it.each<[string, (i: number) => [number, number, number], number, RegExp]>([
    [
      'errors from 1 % to 50 %',
      () => [0.5, 50, 0.5],
      90,
      /^closed -> open: adaptive error rate 0\.\d\d far above its average 0\.\d\d over \d+ calls$/,
    ],
    ['errors from 1 % to all', () => [1, 50, 0.5], 40, /adaptive error rate/],
    [
      'latency 20 times',
      () => [0.01, 1000, 0.5],
      30,
      /^closed -> open: adaptive latency [\d.]+ ms far above its average [\d.]+ ms over \d+ calls$/,
    ],
    ['latency 4 times', () => [0.01, 200, 0.5], 90, /adaptive latency/],
    ['half the calls 10 times', (i) => [0.01, i % 2 ? 500 : 50, 0.5], 90, /adaptive latency/],
  ])('catches a gray failure: %s', (_name, sick, within, reason) => {
    for (const seed of [1, 2, 3]) {
      const next = model(seed);
      const b = bench(options(undefined));
      for (let i = 0; i < 3000; i++) b.admit().settle(...next(0.01, 50, 0.5));
      let calls = 0;
      while (b.circuit.state === 'closed' && calls < 1000) b.admit().settle(...next(...sick(calls++)));
      expect(calls).toBeLessThanOrEqual(within);
      expect(b.story()[0]).toMatch(reason);
    }
  });

  it('does not fire for a model that gets faster and fails less', () => {
    const next = model(4);
    const b = bench(options(undefined));
    for (let i = 0; i < 3000; i++) b.admit().settle(...next(0.3, 200, 0.5));
    for (let i = 0; i < 3000; i++) b.admit().settle(...next(0, 5, 0.1));
    expect(b.story()).toEqual([]);
  });

  it('does not fire while its averages warm up', () => {
    const b = bench({ trip: [adaptive({ minimumCalls: 10, baselineCalls: 50 })] });
    b.call('success', 39, 50);
    b.call('failure', 10, 50);
    expect(b.circuit.state).toBe('closed');
    b.call('failure', 2, 50);
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot().baseline?.calls).toBe(51);
  });

  it.each<[string, Parameters<typeof adaptive>[0], [Outcome, number], boolean]>([
    ['errors over the floor', { errorRateFloor: 0.2 }, ['failure', 50], true],
    ['errors under the floor', { errorRateFloor: 1 }, ['failure', 50], false],
    ['errors under the least rise', { minimumErrorRateRise: 1 }, ['failure', 50], false],
    ['latency over', {}, ['success', 500], true],
    ['latency under the floor', { latencyFloorMs: 505 }, ['success', 500], false],
    ['latency under the least ratio', { minimumLatencyRatio: 10.2 }, ['success', 500], false],
    ['latency within the noise', { sigmas: 1000 }, ['success', 500], false],
  ])('floors: %s', (_name, more, [outcome, durationMs], fires) => {
    const b = bench({ trip: [adaptive({ minimumCalls: 10, ...more })], window: { type: 'count', size: 20 } });
    b.call('success', 1000, 50);
    for (let i = 0; i < 60 && b.circuit.state === 'closed'; i++) b.call(outcome, 1, durationMs);
    expect(b.circuit.state).toBe(fires ? 'open' : 'closed');
  });

  it('keeps its averages when it trips, does not count probes, and starts anew with reset()', () => {
    const b = bench({ ...options(undefined), recovering: false, open: { baseMs: 1000, jitter: 'none' } });
    b.call('success', 500, 50);
    while (b.circuit.state === 'closed') b.call('failure', 1, 50);
    const tripped = b.circuit.snapshot().baseline;
    expect(tripped?.calls).toBeGreaterThan(500);
    b.clock.advance(1000);
    b.call('success', 1, 5000);
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot().baseline).toEqual(tripped);
    b.circuit.reset();
    expect(b.circuit.snapshot().baseline).toEqual({
      calls: 0,
      errorRate: 0,
      latencyMs: 0,
      latencyVariance: 0,
    });
  });

  it('its averages are those of the calls', () => {
    const b = bench({ trip: [adaptive({ minimumCalls: 20, baselineCalls: 1000 })] });
    for (let i = 0; i < 100; i++) b.call(i % 20 === 0 ? 'failure' : 'success', 1, i % 2 ? 32 : 128);
    const baseline = b.circuit.snapshot().baseline;
    expect(baseline?.calls).toBe(100);
    expect(baseline?.errorRate).toBeCloseTo(0.05, 9);
    // half 2^5, half 2^7: the geometric mean is 2^6, and the exponents lie one from it
    expect(Math.abs((baseline?.latencyMs ?? 0) / 64 - 1)).toBeLessThan(0.01);
    expect(baseline?.latencyVariance).toBeCloseTo(1, 6);
  });

  it('an infinite or invalid duration does not change the averages', () => {
    const b = bench(options(undefined));
    b.call('success', 10, Number.NaN);
    b.call('success', 10, -7);
    expect(b.circuit.snapshot().baseline).toMatchObject({ latencyMs: 0, latencyVariance: 0 });
    b.call('success', 1, Number.POSITIVE_INFINITY);
    expect(Number.isFinite(b.circuit.snapshot().baseline?.latencyVariance)).toBe(true);
  });
});

it('skips no rule that could fire: random calls trip as they do if every rule is asked about every call', () => {
  const random = seededRandom(SEED);
  const OUTCOMES: readonly Outcome[] = [
    'success',
    'success',
    'success',
    'caller-error',
    'failure',
    'overload',
  ];
  let trips = 0;
  for (let run = 0; run < runs(500); run++) {
    const size = 1 + Math.floor(random() * 8);
    const minimumCalls = 1 + Math.floor(random() * size);
    const settings = compileSettings(
      {
        window: random() < 0.5 ? { type: 'count', size } : { type: 'time', durationMs: 1000, buckets: 5 },
        trip: [
          failureRate({ threshold: 0.05 + random() * 0.9, minimumCalls }),
          consecutiveFailures({ failures: 1 + Math.floor(random() * 6) }),
          slowRate({ threshold: 0.5, slowThresholdMs: 100, minimumCalls }),
          latencyPercentile({ percentile: 90, thresholdMs: 120, minimumCalls }),
        ],
      },
      'circuit',
    );
    const asked = { ...settings, checksWithoutFailures: settings.checks };
    const evidence = new Evidence(settings, 0);
    const reference = new Evidence(asked, 0);
    for (let call = 0, nowMs = 0; call < 40; call++) {
      nowMs += random() * 300;
      const outcome = OUTCOMES[Math.floor(random() * OUTCOMES.length)] ?? 'success';
      const isInRow = random() < 0.8;
      const durationMs = random() < 0.1 ? undefined : random() * 150;
      const record = (of: Evidence, by: typeof settings) =>
        of.record(by, outcome, isUnhealthy(outcome), isInRow, durationMs, nowMs);
      const reason = record(evidence, settings);
      expect(reason).toBe(record(reference, asked));
      if (reason !== undefined) trips++;
    }
  }
  expect(trips).toBeGreaterThan(runs(500));
});

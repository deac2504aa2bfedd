import { describe, expect, it } from 'vitest';
import {
  adaptive,
  type CircuitOptions,
  consecutiveFailures,
  defaults,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import { resolveOptions } from '../../src/circuit/options/resolve.js';
import { isFailsoftError } from '../../src/errors.js';

const DEFAULTS = {
  trip: [
    { rule: 'consecutive-failures', failures: 5 },
    { rule: 'failure-rate', threshold: 0.5, minimumCalls: 20 },
  ],
  window: { type: 'count', size: 100 },
  open: { baseMs: 1000, multiplier: 1.2, maxMs: 60_000, jitter: 'equal', maxPushbackMs: 60_000 },
  halfOpen: { permittedProbes: 1, successThreshold: 1, probeTimeoutMs: 10_000 },
  recovering: { durationMs: 5000, initialShare: 0.05 },
  concurrency: false,
  throttle: false,
  mode: 'enforce',
};

describe('circuit options', () => {
  it.each([undefined, {}, { open: {}, halfOpen: {}, recovering: {}, mode: undefined }])(
    'has sound defaults (%j)',
    (options) => {
      expect(resolveOptions(options as CircuitOptions | undefined, 'circuit')).toEqual(DEFAULTS);
    },
  );

  it.each<[CircuitOptions, object]>([
    [
      { halfOpen: { permittedProbes: 3 } },
      { halfOpen: { permittedProbes: 3, successThreshold: 3, probeTimeoutMs: 10_000 } },
    ],
    [
      { halfOpen: { successThreshold: 4 } },
      { halfOpen: { permittedProbes: 4, successThreshold: 4, probeTimeoutMs: 10_000 } },
    ],
    [{ open: { baseMs: 120_000 } }, { open: { ...DEFAULTS.open, baseMs: 120_000, maxMs: 120_000 } }],
    [
      { window: { type: 'time', durationMs: 5000 } },
      { window: { type: 'time', durationMs: 5000, buckets: 10 } },
    ],
    [
      { window: { type: 'count', size: 8 } },
      {
        window: { type: 'count', size: 8 },
        trip: [DEFAULTS.trip[0], { ...DEFAULTS.trip[1], minimumCalls: 8 }],
      },
    ],
    [{ recovering: false }, { recovering: false }],
    [{ trip: [] }, { trip: [] }],
    [
      { trip: [latencyPercentile({ percentile: 1, thresholdMs: 1, minimumCalls: 1 })] },
      { trip: [{ rule: 'latency-percentile', percentile: 1, thresholdMs: 1, minimumCalls: 1 }] },
    ],
    [{ throttle: {} }, { throttle: { k: 2, maxRejectShare: 0.9, windowMs: 120_000 } }],
    [{ concurrency: { type: 'fixed', limit: 7 } }, { concurrency: { type: 'fixed', limit: 7 } }],
    [
      { concurrency: { type: 'aimd' } },
      {
        concurrency: {
          type: 'aimd',
          initialLimit: 20,
          minLimit: 1,
          maxLimit: 200,
          backoffRatio: 0.9,
          latencyThresholdMs: Number.POSITIVE_INFINITY,
        },
      },
    ],
    [
      { concurrency: { type: 'aimd', maxLimit: 5 } },
      { concurrency: expect.objectContaining({ initialLimit: 5 }) },
    ],
    [
      { concurrency: { type: 'aimd', minLimit: 500 } },
      { concurrency: expect.objectContaining({ initialLimit: 500, maxLimit: 500 }) },
    ],
    [
      { trip: [adaptive()] },
      {
        trip: [
          {
            rule: 'adaptive',
            minimumCalls: 20,
            baselineCalls: 1000,
            sigmas: 5,
            errorRateFloor: 0.1,
            minimumErrorRateRise: 0.2,
            latencyFloorMs: 20,
            minimumLatencyRatio: 2,
          },
        ],
      },
    ],
  ])('fills in %j', (options, expected) => {
    expect(resolveOptions(options, 'circuit')).toEqual({ ...DEFAULTS, ...expected });
  });

  it('shows its defaults, so that a rule can be added to them', () => {
    expect(defaults).toEqual(DEFAULTS);
    expect(Object.isFrozen(defaults.trip)).toBe(true);
    const objective = latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 });
    const more: CircuitOptions = { trip: [...defaults.trip, objective] };
    expect(resolveOptions(more, 'circuit').trip).toEqual([...DEFAULTS.trip, objective]);
    expect(resolveOptions(defaults, 'circuit')).toEqual(DEFAULTS);
  });

  it('takes sixteen rules', () => {
    const trip = Array.from({ length: 16 }, (_, i) => consecutiveFailures({ failures: i + 1 }));
    expect(resolveOptions({ trip }, 'circuit').trip).toEqual(trip);
  });

  it('copies and freezes: the caller keeps the object', () => {
    const rule = { rule: 'consecutive-failures', failures: 2 } as const;
    const options = { trip: [rule], open: { baseMs: 10 }, recovering: {} };
    const before = structuredClone(options);
    const resolved = resolveOptions(options, 'circuit');
    expect(options).toEqual(before);
    expect(resolved.trip[0]).not.toBe(rule);
    for (const part of [
      resolved,
      resolved.trip,
      resolved.trip[0],
      resolved.open,
      resolved.halfOpen,
      resolved.window,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(Object.isFrozen(resolved.recovering)).toBe(true);
    expect(Object.isFrozen(consecutiveFailures({ failures: 2 }))).toBe(true);
    expect(Object.isFrozen(options.trip)).toBe(false);
  });

  // options as JSON, so that what the types forbid can be written
  it.each<[field: string, options: unknown]>([
    ['circuit', null],
    ['circuit', []],
    ['circuit', 'strict'],
    ['circuit.trips', { trips: [] }],
    ['circuit.trip', { trip: 'failure-rate' }],
    [
      'circuit.trip',
      { trip: Array.from({ length: 17 }, () => ({ rule: 'consecutive-failures', failures: 1 })) },
    ],
    ['circuit.trip', { trip: [adaptive(), adaptive()] }],
    ['circuit.trip[0]', { trip: [null] }],
    ['circuit.trip[0]', { trip: [{}] }],
    ['circuit.trip[0]', { trip: [{ rule: 'sometimes' }] }],
    ['circuit.trip[0]', { trip: [{ rule: 'toString' }] }],
    ['circuit.trip[0]', { trip: [{ rule: ['adaptive'] }] }],
    [
      'circuit.trip[1].failures',
      { trip: [consecutiveFailures({ failures: 1 }), { rule: 'consecutive-failures', failures: 0 }] },
    ],
    ['circuit.trip[0].failures', { trip: [{ rule: 'consecutive-failures' }] }],
    ['circuit.trip[0].failures', { trip: [{ rule: 'consecutive-failures', failures: 1.5 }] }],
    ['circuit.trip[0].threshold', { trip: [{ rule: 'consecutive-failures', failures: 1, threshold: 1 }] }],
    ['circuit.trip[0].threshold', { trip: [{ rule: 'failure-rate', threshold: 0, minimumCalls: 1 }] }],
    ['circuit.trip[0].threshold', { trip: [{ rule: 'failure-rate', threshold: 1.01, minimumCalls: 1 }] }],
    [
      'circuit.trip[0].threshold',
      { trip: [{ rule: 'failure-rate', threshold: Number.NaN, minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].threshold',
      { trip: [{ rule: 'slow-rate', threshold: '1', slowThresholdMs: 1, minimumCalls: 1 }] },
    ],
    ['circuit.trip[0].minimumCalls', { trip: [{ rule: 'failure-rate', threshold: 1 }] }],
    ['circuit.trip[0].minimumCalls', { trip: [{ rule: 'failure-rate', threshold: 1, minimumCalls: 0 }] }],
    ['circuit.trip[0].minimumCalls', { trip: [failureRate({ threshold: 1, minimumCalls: 101 })] }],
    [
      'circuit.trip[0].minimumCalls',
      {
        trip: [latencyPercentile({ percentile: 50, thresholdMs: 1, minimumCalls: 11 })],
        window: { type: 'count', size: 10 },
      },
    ],
    [
      'circuit.trip[0].slowThresholdMs',
      { trip: [{ rule: 'slow-rate', threshold: 1, slowThresholdMs: 0, minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].slowThresholdMs',
      {
        trip: [
          { rule: 'slow-rate', threshold: 1, slowThresholdMs: Number.POSITIVE_INFINITY, minimumCalls: 1 },
        ],
      },
    ],
    [
      'circuit.trip[0].percentile',
      { trip: [{ rule: 'latency-percentile', percentile: 0, thresholdMs: 1, minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].percentile',
      { trip: [{ rule: 'latency-percentile', percentile: 100, thresholdMs: 1, minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].thresholdMs',
      { trip: [{ rule: 'latency-percentile', percentile: 99, thresholdMs: -1, minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].minimumCalls',
      { trip: [{ rule: 'latency-percentile', percentile: 99, thresholdMs: 1, minimumCalls: 0 }] },
    ],
    ['circuit.trip[0].sigma', { trip: [{ rule: 'adaptive', sigma: 3 }] }],
    ['circuit.trip[0].minimumCalls', { trip: [{ rule: 'adaptive', minimumCalls: 0 }] }],
    ['circuit.trip[0].baselineCalls', { trip: [{ rule: 'adaptive', minimumCalls: 20, baselineCalls: 99 }] }],
    ['circuit.trip[0].sigmas', { trip: [{ rule: 'adaptive', sigmas: 0 }] }],
    ['circuit.trip[0].errorRateFloor', { trip: [{ rule: 'adaptive', errorRateFloor: 1.1 }] }],
    ['circuit.trip[0].minimumErrorRateRise', { trip: [{ rule: 'adaptive', minimumErrorRateRise: -0.1 }] }],
    ['circuit.trip[0].latencyFloorMs', { trip: [{ rule: 'adaptive', latencyFloorMs: -1 }] }],
    ['circuit.trip[0].minimumLatencyRatio', { trip: [{ rule: 'adaptive', minimumLatencyRatio: 0.9 }] }],
    [
      'circuit.trip[0].slowThresholdMs',
      { trip: [{ rule: 'slow-rate', threshold: 1, slowThresholdMs: '5', minimumCalls: 1 }] },
    ],
    [
      'circuit.trip[0].minimumCalls',
      { trip: [{ rule: 'slow-rate', threshold: 1, slowThresholdMs: 5, minimumCalls: 0 }] },
    ],
    [
      'circuit.trip[0].percentile',
      { trip: [{ rule: 'latency-percentile', percentile: '50', thresholdMs: 1, minimumCalls: 1 }] },
    ],
    ['circuit.trip[0]', { trip: ['consecutive-failures'] }],
    ['circuit.window', { window: 100 }],
    ['circuit.window.type', { window: {} }],
    ['circuit.window.type', { window: { type: 'sliding' } }],
    ['circuit.window.size', { window: { type: 'count' } }],
    ['circuit.window.size', { window: { type: 'count', size: 0 } }],
    ['circuit.window.size', { window: { type: 'count', size: 1_000_001 } }],
    ['circuit.window.durationMs', { window: { type: 'count', size: 10, durationMs: 10 } }],
    ['circuit.window.size', { window: { type: 'time', durationMs: 10, size: 10 } }],
    ['circuit.window.durationMs', { window: { type: 'time', durationMs: 0 } }],
    ['circuit.window.buckets', { window: { type: 'time', durationMs: 10, buckets: 0 } }],
    ['circuit.window.buckets', { window: { type: 'time', durationMs: 10, buckets: 1001 } }],
    ['circuit.open', { open: null }],
    ['circuit.open.base', { open: { base: 1 } }],
    ['circuit.open.baseMs', { open: { baseMs: 0 } }],
    ['circuit.open.baseMs', { open: { baseMs: '5s' } }],
    ['circuit.open.multiplier', { open: { multiplier: 0.9 } }],
    ['circuit.open.maxMs', { open: { baseMs: 100, maxMs: 99 } }],
    ['circuit.open.jitter', { open: { jitter: 'some' } }],
    ['circuit.open.maxPushbackMs', { open: { maxPushbackMs: -1 } }],
    ['circuit.halfOpen.probes', { halfOpen: { probes: 1 } }],
    ['circuit.halfOpen.permittedProbes', { halfOpen: { permittedProbes: 0 } }],
    ['circuit.halfOpen.permittedProbes', { halfOpen: { permittedProbes: 10_001 } }],
    ['circuit.halfOpen.successThreshold', { halfOpen: { permittedProbes: 2, successThreshold: 3 } }],
    ['circuit.halfOpen.successThreshold', { halfOpen: { permittedProbes: 2, successThreshold: 0 } }],
    ['circuit.halfOpen.probeTimeoutMs', { halfOpen: { probeTimeoutMs: 0 } }],
    ['circuit.recovering', { recovering: true }],
    ['circuit.recovering.share', { recovering: { share: 1 } }],
    ['circuit.recovering.durationMs', { recovering: { durationMs: 0 } }],
    ['circuit.recovering.initialShare', { recovering: { initialShare: 0 } }],
    ['circuit.recovering.initialShare', { recovering: { initialShare: 1.1 } }],
    ['circuit.recovering.initialShare', { recovering: { initialShare: '0.5' } }],
    ['circuit.concurrency.type', { concurrency: {} }],
    ['circuit.concurrency.max', { concurrency: { type: 'fixed', max: 3 } }],
    ['circuit.concurrency.limit', { concurrency: { type: 'fixed' } }],
    ['circuit.concurrency.limit', { concurrency: { type: 'fixed', limit: 0 } }],
    ['circuit.concurrency.minLimit', { concurrency: { type: 'fixed', limit: 1, minLimit: 1 } }],
    ['circuit.concurrency.limit', { concurrency: { type: 'aimd', limit: 1 } }],
    ['circuit.concurrency.minLimit', { concurrency: { type: 'aimd', minLimit: 0 } }],
    ['circuit.concurrency.maxLimit', { concurrency: { type: 'aimd', minLimit: 5, maxLimit: 4 } }],
    ['circuit.concurrency.initialLimit', { concurrency: { type: 'aimd', minLimit: 5, initialLimit: 4 } }],
    ['circuit.concurrency.initialLimit', { concurrency: { type: 'aimd', maxLimit: 5, initialLimit: 6 } }],
    ['circuit.concurrency.backoffRatio', { concurrency: { type: 'aimd', backoffRatio: 1 } }],
    ['circuit.concurrency.backoffRatio', { concurrency: { type: 'aimd', backoffRatio: 0.09 } }],
    ['circuit.concurrency.latencyThresholdMs', { concurrency: { type: 'aimd', latencyThresholdMs: 0 } }],
    ['circuit.throttle', { throttle: true }],
    ['circuit.throttle.K', { throttle: { K: 2 } }],
    ['circuit.throttle.k', { throttle: { k: 0.9 } }],
    ['circuit.throttle.maxRejectShare', { throttle: { maxRejectShare: 1.1 } }],
    ['circuit.throttle.windowMs', { throttle: { windowMs: 99 } }],
    ['circuit.mode', { mode: 'on' }],
  ])('%s: refuses %j', (field, options) => {
    let error: unknown;
    try {
      resolveOptions(options as CircuitOptions, 'circuit');
    } catch (thrown) {
      error = thrown;
    }
    expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_INVALID_ARGUMENT');
    expect(error).toMatchObject({ message: expect.stringMatching(/^[^:]+: expected .+, got .+$/) });
    expect(isFailsoftError(error) && error.message.split(': expected')[0]).toBe(field);
  });

  it.each<[string, () => unknown]>([
    ['consecutiveFailures.failures', () => consecutiveFailures({ failures: -1 })],
    [
      'consecutiveFailures.times',
      () => consecutiveFailures({ failures: 1, times: 2 } as { failures: number }),
    ],
    ['failureRate.threshold', () => failureRate({ threshold: 50, minimumCalls: 1 })],
    ['slowRate.slowThresholdMs', () => slowRate({ threshold: 0.5, slowThresholdMs: -1, minimumCalls: 1 })],
    [
      'latencyPercentile.percentile',
      () => latencyPercentile({ percentile: 101, thresholdMs: 1, minimumCalls: 1 }),
    ],
    [
      'latencyPercentile.percentile',
      () => latencyPercentile({ percentile: 0.99, thresholdMs: 1, minimumCalls: 1 }),
    ],
    ['adaptive.sigmas', () => adaptive({ sigmas: -1 })],
    ['adaptive.floor', () => adaptive({ floor: 1 } as object)],
    ['failureRate.rate', () => failureRate({ threshold: 0.5, minimumCalls: 1, rate: 1 } as never)],
    [
      'slowRate.rate',
      () => slowRate({ threshold: 0.5, slowThresholdMs: 1, minimumCalls: 1, rate: 1 } as never),
    ],
    [
      'latencyPercentile.rate',
      () => latencyPercentile({ percentile: 9, thresholdMs: 1, minimumCalls: 1, rate: 1 } as never),
    ],
  ])('a rule maker names %s', (field, make) => {
    expect(make).toThrow(new RegExp(`^${field.replace('.', '\\.')}: expected`));
  });

  it('error messages name the place of the options', () => {
    expect(() => resolveOptions({ mode: 'on' as 'off' }, 'methods[2].circuit')).toThrow(
      /^methods\[2\]\.circuit\.mode:/,
    );
  });
});

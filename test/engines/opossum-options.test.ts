import { opossumEngine } from 'failsoft/opossum';
import CircuitBreaker from 'opossum';
import { describe, expect, it } from 'vitest';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { opossumBench } from '../support/opossum-bench.js';

const rule = failureRate({ threshold: 0.5, minimumCalls: 4 });

describe("opossum's own options", () => {
  it('leaves the object of the caller as it was', () => {
    const options = Object.freeze({ errorThresholdPercentage: 30, resetTimeout: 700 });
    const { breaker } = opossumBench(undefined, options);
    expect(options).toEqual({ errorThresholdPercentage: 30, resetTimeout: 700 });
    expect(breaker).toBeInstanceOf(CircuitBreaker);
  });

  it.each<[string, CircuitBreaker.Options, number, number]>([
    ['errorThresholdPercentage: opens above it', { errorThresholdPercentage: 25, volumeThreshold: 8 }, 2, 3],
    ['volumeThreshold', { volumeThreshold: 8 }, 3, 4],
  ])('%s', (_name, options, stays, opens) => {
    const b = opossumBench(undefined, options);
    b.call('success', 8 - stays);
    b.call('failure', stays);
    expect(b.circuit.state).toBe('closed');
    const other = opossumBench(undefined, options);
    other.call('success', 8 - opens);
    other.call('failure', opens);
    expect(other.circuit.state).toBe('open');
  });

  it('a hundred percent is never exceeded', () => {
    const b = opossumBench(undefined, { errorThresholdPercentage: 100, volumeThreshold: 0 });
    b.call('failure', 50);
    expect(b.circuit.state).toBe('closed');
  });

  it('resetTimeout', () => {
    const b = opossumBench({ trip: [rule] }, { resetTimeout: 700 });
    b.call('failure', 4);
    expect(b.reject().retryAfterMs).toBe(700);
    b.clock.advance(700);
    expect(b.circuit.state).toBe('half-open');
  });

  it('rollingCountTimeout and rollingCountBuckets', () => {
    const b = opossumBench({ trip: [rule] }, { rollingCountTimeout: 400, rollingCountBuckets: 4 });
    b.call('success');
    b.clock.advance(399);
    expect(b.circuit.snapshot().window.calls).toBe(1);
    b.clock.advance(1);
    expect(b.circuit.snapshot().window.calls).toBe(0);
  });

  it('capacity', () => {
    const b = opossumBench(undefined, { capacity: 2, volumeThreshold: 1 });
    b.admit();
    const second = b.admit();
    expect(b.reject()).toEqual({ admitted: false, reason: 'CONCURRENCY_LIMIT', retryAfterMs: 0 });
    expect(b.circuit.state, 'a call over the capacity is no failure').toBe('closed');
    expect(b.breaker.stats).toMatchObject({ semaphoreRejections: 1, failures: 0 });
    expect(b.circuit.snapshot()).toMatchObject({ concurrencyLimit: 2 });
    second.settle('success', 1);
    b.call('success');
  });

  it('timeout: a call that took as long has failed', () => {
    const b = opossumBench({ trip: [rule] }, { timeout: 200 });
    const timeouts: unknown[] = [];
    b.breaker.on('timeout', (error) => timeouts.push(error));
    b.call('success', 2, 199);
    b.call('success', 2, 200);
    expect(b.circuit.state).toBe('open');
    expect(timeouts).toEqual([expect.objectContaining({ code: 'ETIMEDOUT' }), expect.anything()]);
    expect(b.breaker.stats).toMatchObject({ successes: 2, failures: 2, timeouts: 2 });
  });

  it('enabled: false lets everything pass', () => {
    const b = opossumBench({ trip: [rule] }, { enabled: false });
    b.call('failure', 20);
    expect(b.circuit.state).toBe('closed');
    b.breaker.enable();
    b.call('failure', 4);
    expect(b.circuit.state).toBe('open');
  });

  it('rollingPercentilesEnabled: false keeps no latencies, and the capabilities show it', () => {
    const b = opossumBench(undefined, { rollingPercentilesEnabled: false });
    b.call('success', 10, 20);
    expect(b.circuit.snapshot().window.latencyMs).toBeNull();
    expect(b.engine.capabilities.percentiles).toBe(false);
    expect(opossumEngine().capabilities.percentiles).toBe(true);
  });

  it('with a threshold, a circuit takes no trip rule, and the capabilities show it', () => {
    const rules = (options: CircuitBreaker.Options) => [...opossumEngine(options).capabilities.tripRules];
    expect(rules({})).toEqual(['failure-rate']);
    expect(rules({ errorThresholdPercentage: 30 })).toEqual([]);
    expect(rules({ volumeThreshold: 5 })).toEqual([]);
  });

  it('group', () => {
    const { breaker } = opossumBench(undefined, { group: 'models' });
    expect([breaker.name, breaker.group]).toEqual(['test', 'models']);
  });

  it.each([
    'name',
    'errorFilter',
    'rotateBucketController',
    'status',
    'state',
    'cache',
    'cacheTTL',
    'cacheSize',
    'cacheGetKey',
    'cacheTransport',
    'coalesce',
    'coalesceTTL',
    'coalesceSize',
    'coalesceResetOn',
    'abortController',
    'autoRenewAbortController',
    'maxFailures',
  ])('%s is refused with the reason', (name) => {
    expect(() => opossumEngine({ [name]: 'x' })).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_UNSUPPORTED',
        message: expect.stringMatching(new RegExp(`^opossumEngine\\.${name}: engine opossum .+: .+`)),
      }),
    );
  });

  it.each<[object, RegExp]>([
    [{ resetTimeout: 0 }, /^opossumEngine\.resetTimeout: expected a number from 1 .*, got 0$/],
    [{ capacity: 0 }, /^opossumEngine\.capacity:/],
    [{ errorThresholdPercentage: 101 }, /^opossumEngine\.errorThresholdPercentage: .* 0 to 100, got 101/],
    [{ resetTimeOut: 5 }, /^opossumEngine\.resetTimeOut: expected one of the options timeout, /],
  ])('%o is an error', (options, message) => {
    expect(() => opossumEngine(options)).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe("a circuit's options", () => {
  it('no options: opens at half of twenty calls, for a second', () => {
    const b = opossumBench();
    b.call('failure', 19);
    expect(b.circuit.state).toBe('closed');
    b.call('failure');
    expect(b.reject()).toMatchObject({ reason: 'CIRCUIT_OPEN', retryAfterMs: 1000 });
  });

  it.each<[number, number, number, string]>([
    [0.5, 10, 5, 'open'],
    [0.5, 11, 5, 'closed'],
    [1, 10, 10, 'open'],
    [1, 10, 9, 'closed'],
    [0.1, 10, 1, 'open'],
    [0.29, 100, 29, 'open'],
    [0.29, 100, 28, 'closed'],
    [0.07, 100, 7, 'open'],
    [0.07, 100, 6, 'closed'],
  ])('threshold %d: of %d calls %d failed, so it is %s', (threshold, calls, failures, state) => {
    const b = opossumBench({ trip: [failureRate({ threshold, minimumCalls: calls })] });
    b.call('success', calls - failures);
    b.call('failure', failures);
    expect(b.circuit.state).toBe(state);
    expect(b.story()).toEqual(
      state === 'closed'
        ? []
        : [
            `closed -> open: failure-rate ${(failures / calls).toFixed(2)} >= ${threshold.toFixed(2)} over ${calls} calls`,
          ],
    );
  });

  it('no rule: it never opens', () => {
    const b = opossumBench({ trip: [] });
    b.call('failure', 200);
    expect(b.circuit.state).toBe('closed');
  });

  it('minimumCalls is not held against the size of a count window', () => {
    const b = opossumBench({ trip: [failureRate({ threshold: 0.5, minimumCalls: 150 })] });
    b.call('failure', 149);
    expect(b.circuit.state).toBe('closed');
    b.call('failure');
    expect(b.circuit.state).toBe('open');
  });

  it.each<[string, CircuitOptions]>([
    ['circuit.trip[0]', { trip: [consecutiveFailures({ failures: 5 })] }],
    ['circuit.trip[1]', { trip: [rule, slowRate({ threshold: 0.5, slowThresholdMs: 9, minimumCalls: 9 })] }],
    ['circuit.trip[0]', { trip: [latencyPercentile({ percentile: 99, thresholdMs: 9, minimumCalls: 9 })] }],
    ['circuit.trip[0]', { trip: [adaptive()] }],
    ['circuit.trip[1]', { trip: [rule, rule] }],
    ['circuit.window.type', { window: { type: 'count', size: 10 } }],
    ['circuit.open.multiplier', { open: { multiplier: 2 } }],
    ['circuit.open.jitter', { open: { jitter: 'full' } }],
    ['circuit.open.maxMs', { open: { maxMs: 60_000 } }],
    ['circuit.open.maxPushbackMs', { open: { maxPushbackMs: 1000 } }],
    ['circuit.halfOpen.permittedProbes', { halfOpen: { permittedProbes: 2, successThreshold: 1 } }],
    ['circuit.halfOpen.successThreshold', { halfOpen: { successThreshold: 2 } }],
    ['circuit.recovering', { recovering: {} }],
    ['circuit.throttle', { throttle: { k: 2 } }],
    ['circuit.concurrency.type', { concurrency: { type: 'aimd' } }],
  ])('%s: %o is an option that opossum does not support', (field, options) => {
    expect(() => opossumEngine().configure(options, 'circuit')).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_UNSUPPORTED',
        message: expect.stringContaining(`${field}: engine opossum does not support `),
      }),
    );
  });

  it("an option with opossum's own behaviour is allowed", () => {
    const b = opossumBench({
      trip: [rule],
      window: { type: 'time', durationMs: 1000 },
      open: { baseMs: 100, multiplier: 1, jitter: 'none', maxPushbackMs: 0 },
      halfOpen: { permittedProbes: 1, successThreshold: 1 },
      recovering: false,
      throttle: false,
      concurrency: false,
    });
    b.call('failure', 4);
    expect(b.circuit.state).toBe('open');
  });

  it.each<[string, string, CircuitOptions, CircuitBreaker.Options]>([
    ['circuit.trip', 'volumeThreshold', { trip: [rule] }, { volumeThreshold: 5 }],
    ['circuit.trip', 'errorThresholdPercentage', { trip: [rule] }, { errorThresholdPercentage: 50 }],
    [
      'circuit.window',
      'rollingCountTimeout',
      { window: { type: 'time', durationMs: 100 } },
      { rollingCountTimeout: 100 },
    ],
    ['circuit.open.baseMs', 'resetTimeout', { open: { baseMs: 100 } }, { resetTimeout: 100 }],
    ['circuit.concurrency', 'capacity', { concurrency: { type: 'fixed', limit: 5 } }, { capacity: 5 }],
  ])('%s and %s cannot both be given', (field, option, circuit, options) => {
    expect(() => opossumEngine(options).configure(circuit, 'circuit')).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_INVALID_ARGUMENT',
        message: expect.stringMatching(
          new RegExp(`^${field.replaceAll('.', '\\.')}: expected no value, .*${option}`),
        ),
      }),
    );
  });
});

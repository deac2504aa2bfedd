import { describe, expect, it } from 'vitest';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import type { CircuitOptions, CircuitSnapshot, WindowOptions } from '../../src/circuit/types.js';
import { isFailsoftError } from '../../src/errors.js';
import { type Bench, bench } from './harness.js';

const OPTIONS: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 50 }), failureRate({ threshold: 0.9, minimumCalls: 10 })],
  open: { baseMs: 1000, maxMs: 8000, jitter: 'none', maxPushbackMs: 5000 },
  halfOpen: { probeTimeoutMs: 500 },
  recovering: { durationMs: 1000, initialShare: 0.5 },
};

/** A circuit of another process, restored from what this one says, `laterMs` later. */
function restarted(b: Bench, laterMs: number, options: CircuitOptions = OPTIONS): Bench {
  const json = JSON.stringify(b.circuit.snapshot());
  const fresh = bench(options, { startMs: b.clock.now() + laterMs });
  fresh.circuit.restore(JSON.parse(json));
  return fresh;
}

function opened(options: CircuitOptions = OPTIONS): Bench {
  const b = bench(options);
  b.call('failure', 10, 5);
  return b;
}

describe('restore', () => {
  it('of a closed circuit takes over all that it knew', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 200; i++) b.call(i % 5 === 0 ? 'failure' : 'success', 1, i % 100);
    b.call('failure', 3, 20);
    b.circuit.isolate();
    b.reject();
    const before = b.circuit.snapshot();
    const after = restarted(b, 7).circuit.snapshot();
    expect(after).toEqual({
      ...before,
      takenAtMs: before.takenAtMs + 7,
      isolated: 0,
      generation: 1,
      window: { ...before.window, latencyMs: after.window.latencyMs },
    });
    for (const key of ['p50', 'p90', 'p99'] as const) {
      expect(after.window.latencyMs?.[key]).toBeCloseTo(before.window.latencyMs?.[key] ?? Number.NaN, 6);
    }
  });

  it('works on: the next failures count on the old ones', () => {
    const b = bench({ ...OPTIONS, trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })] });
    b.call('success', 6);
    b.call('failure', 4);
    const fresh = restarted(b, 0, { ...OPTIONS, trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })] });
    expect(fresh.circuit.state).toBe('closed');
    fresh.call('failure', 1);
    expect(fresh.circuit.state).toBe('closed');
    fresh.call('failure', 1);
    expect(fresh.circuit.state).toBe('open');
  });

  it('of an open circuit: open for what is left', () => {
    const fresh = restarted(opened(), 400);
    expect(fresh.reject()).toEqual({ admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: 600 });
    expect(fresh.circuit.snapshot()).toMatchObject({
      attempt: 1,
      lastTrip: { atMs: 1_000_000 },
      totals: { opened: 1 },
    });
    expect(fresh.story()).toEqual(['closed -> open: restored']);
    fresh.clock.advance(600);
    fresh.call('failure');
    expect(fresh.transitions.at(-1)).toMatchObject({ to: 'open', attempt: 2, openForMs: 2000 });
  });

  it('of an open circuit whose time is over: the next call is a probe', () => {
    const fresh = restarted(opened(), 5000);
    expect(fresh.circuit.state).toBe('half-open');
    expect(fresh.admit().probe).toBe(true);
  });

  it('of a half-open circuit: the dead process took its probes along', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    const fresh = restarted(b, 10);
    expect(fresh.admit().probe).toBe(true);
    expect(fresh.circuit.snapshot().attempt).toBe(1);
  });

  it('of a recovering circuit: the ramp goes on', () => {
    const b = opened();
    b.clock.advance(1000);
    b.call('success');
    b.clock.advance(500);
    const fresh = restarted(b, 100);
    expect(fresh.circuit.state).toBe('recovering');
    fresh.clock.advance(399);
    expect(fresh.circuit.state).toBe('recovering');
    fresh.clock.advance(1);
    expect(fresh.circuit.snapshot()).toMatchObject({ state: 'closed', attempt: 0 });
  });

  it('of a recovering circuit into one without a ramp: closed', () => {
    const b = opened();
    b.clock.advance(1000);
    b.call('success');
    const fresh = restarted(b, 0, { ...OPTIONS, recovering: false });
    expect(fresh.story()).toEqual([]);
    expect(fresh.circuit.snapshot()).toMatchObject({ state: 'closed', attempt: 0 });
  });

  it('a wrong clock does not hold it open for years', () => {
    const snapshot = { ...opened().circuit.snapshot(), openUntilMs: 9e12, sinceMs: 8e12 };
    const fresh = bench(OPTIONS);
    fresh.circuit.restore(snapshot);
    expect(fresh.reject().retryAfterMs).toBe(8000);
    const patient = bench({ ...OPTIONS, open: { baseMs: 1000, maxMs: 2000, maxPushbackMs: 5000 } });
    patient.circuit.restore(snapshot);
    expect(patient.reject().retryAfterMs).toBe(5000);
    expect(patient.circuit.snapshot().sinceMs).toBe(1_000_000);
  });

  it('over a running circuit: its calls become stale, its totals go on', () => {
    const b = bench(OPTIONS);
    const old = b.admit();
    b.call('failure', 10, 5);
    const snapshot = bench(OPTIONS).circuit.snapshot();
    b.circuit.restore(snapshot);
    old.settle('failure', 1);
    expect(b.story().at(-1)).toBe('open -> closed: restored');
    expect(b.circuit.snapshot()).toMatchObject({
      window: { calls: 0 },
      consecutiveFailures: 0,
      attempt: 0,
      totals: { stale: 1, outcomes: { failure: 10 }, opened: 1 },
    });
  });

  it('adds every total to what was there', () => {
    const { totals } = bench(OPTIONS).circuit.snapshot();
    let next = 1;
    const number = (value: unknown): unknown =>
      typeof value === 'number'
        ? next++
        : Object.fromEntries(Object.entries(value as object).map(([key, part]) => [key, number(part)]));
    const known = number(totals);
    const fresh = bench(OPTIONS);
    fresh.circuit.restore({ ...fresh.circuit.snapshot(), totals: known });
    expect(fresh.circuit.snapshot().totals).toEqual(known);
    fresh.circuit.restore({ ...fresh.circuit.snapshot(), totals: known });
    const twice = JSON.stringify(known, (_key, value) => (typeof value === 'number' ? value * 2 : value));
    expect(fresh.circuit.snapshot().totals).toEqual(JSON.parse(twice));
  });

  it('into a smaller window does not make it unhealthier', () => {
    const half = (size: number): CircuitOptions => ({
      window: { type: 'count', size },
      trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })],
    });
    const b = bench(half(11));
    b.call('success', 6);
    b.call('failure', 5);
    const fresh = restarted(b, 0, half(10));
    expect(fresh.circuit.snapshot().window).toMatchObject({ calls: 10, unhealthy: 4 });
  });

  it('into a smaller window keeps the rate', () => {
    const b = bench({ ...OPTIONS, trip: [] });
    for (let i = 0; i < 100; i++) b.call(i % 4 === 0 ? 'failure' : 'success');
    const fresh = restarted(b, 0, { trip: [], window: { type: 'count', size: 20 } });
    expect(fresh.circuit.snapshot().window).toMatchObject({ calls: 20, unhealthy: 5 });
    // spread evenly: whichever half leaves, the rate stays
    fresh.call('success', 10);
    expect(Math.abs(fresh.circuit.snapshot().window.unhealthy - 2.5)).toBeLessThanOrEqual(1);
  });

  it('into a time window: until the calls are too old', () => {
    const time: CircuitOptions = { trip: [], window: { type: 'time', durationMs: 1000 } };
    const b = bench(time);
    b.call('failure', 30, 50);
    const fresh = restarted(b, 500, time);
    expect(fresh.circuit.snapshot().window).toMatchObject({ calls: 30, unhealthy: 30 });
    fresh.clock.advance(500);
    expect(fresh.circuit.snapshot().window.calls).toBe(0);
    expect(restarted(b, 1000, time).circuit.snapshot().window.calls).toBe(0);
  });

  it('a window of absurd size takes no absurd time', () => {
    const time: CircuitOptions = { trip: [], window: { type: 'time', durationMs: 1000 } };
    const fresh = bench(time);
    const snapshot = fresh.circuit.snapshot();
    fresh.circuit.restore({
      ...snapshot,
      window: { ...snapshot.window, calls: 2 ** 50, unhealthy: 2 ** 49 },
    });
    expect(fresh.circuit.snapshot().window).toMatchObject({ calls: 100_000, failureRate: 0.5 });
  });

  it('no rule fires on latencies that nobody measured', () => {
    const trip = [
      latencyPercentile({ percentile: 95, thresholdMs: 300, minimumCalls: 10 }),
      slowRate({ threshold: 0.1, slowThresholdMs: 300, minimumCalls: 10 }),
    ];
    const b = bench({ trip, window: { type: 'count', size: 100 } });
    for (let i = 0; i < 100; i++) b.call('success', 1, i >= 96 ? 1000 : 50);
    expect(b.circuit.state).toBe('closed');
    const fresh = restarted(b, 0, { trip, window: { type: 'count', size: 100 } });
    fresh.call('success', 1, 50);
    expect(fresh.circuit.state).toBe('closed');
    expect(fresh.circuit.snapshot().window.latencyMs?.p99).toBeCloseTo(1000, -2);
  });

  it("keeps the adaptive rule's averages", () => {
    const options: CircuitOptions = { trip: [adaptive()] };
    const b = bench(options);
    for (let i = 0; i < 300; i++) b.call(i % 10 ? 'success' : 'failure', 1, 40 + (i % 20));
    const known = b.circuit.snapshot().baseline;
    const fresh = restarted(b, 0, options);
    expect(fresh.circuit.snapshot().baseline).toEqual(known);
    // the window came along, too: it is the whole that is out of the ordinary
    while (fresh.circuit.state === 'closed') fresh.call('failure', 1, 40);
    expect(fresh.story()[0]).toMatch(/adaptive error rate/);
    expect(restarted(b, 0).circuit.snapshot()).not.toHaveProperty('baseline');
  });

  it.each<WindowOptions>([
    { type: 'count', size: 100 },
    { type: 'time', durationMs: 10_000 },
  ])('%j: no latency rule fires on what nobody measured', (window) => {
    // 300.5 ms is kept as a step whose middle is above 301 ms
    const options = {
      window,
      trip: [latencyPercentile({ percentile: 50, thresholdMs: 301, minimumCalls: 10 })],
    };
    const b = bench(options);
    b.call('success', 50, 300.5);
    const fresh = restarted(b, 0, options);
    expect(fresh.circuit.snapshot().window.latencyMs).toEqual(b.circuit.snapshot().window.latencyMs);
    fresh.call('success');
    expect(fresh.story()).toEqual([]);
  });

  it.each<WindowOptions>([
    { type: 'count', size: 100 },
    { type: 'time', durationMs: 10_000 },
  ])('%j: a slow median makes no call below it slow', (window) => {
    const options = { window, trip: [slowRate({ threshold: 0.8, slowThresholdMs: 100, minimumCalls: 10 })] };
    const b = bench(options);
    for (let i = 0; i < 100; i++) b.call('success', 1, i % 20 < 9 ? 1 : 200);
    expect(b.circuit.snapshot().window.slowRate).toBe(0.55);
    const fresh = restarted(b, 0, options);
    expect(fresh.circuit.snapshot().window.slowRate).toBe(0.51);
    fresh.call('success');
    expect(fresh.story()).toEqual([]);
  });

  it('an end of the open time from before its beginning has come', () => {
    const snapshot = opened().circuit.snapshot();
    const b = bench(OPTIONS);
    b.circuit.restore({ ...snapshot, openUntilMs: 5 });
    expect(b.transitions).toMatchObject([{ to: 'open', openForMs: 0 }]);
    expect(b.circuit.state).toBe('half-open');
  });

  describe('refuses what is not a snapshot, naming the field', () => {
    const good = (): CircuitSnapshot => {
      const b = opened({ ...OPTIONS, trip: [...(OPTIONS.trip ?? []), adaptive()] });
      return b.circuit.snapshot();
    };
    const bad: [path: string, value: unknown][] = [
      ['version', 2],
      ['version', undefined],
      ['key', 5],
      ['engine', null],
      ['takenAtMs', -1],
      ['takenAtMs', '2026'],
      ['state', 'ajar'],
      ['mode', 'on'],
      ['isolated', -1],
      ['sinceMs', null],
      ['attempt', 1.5],
      ['openUntilMs', null],
      ['openUntilMs', Number.NaN],
      ['generation', -1],
      ['inFlight', 'none'],
      ['window', null],
      ['window.calls', -1],
      ['window.unhealthy', 11],
      ['window.failureRate', 1.1],
      ['window.slowRate', 2],
      ['window.latencyMs', 5],
      ['window.latencyMs.p50', -1],
      ['window.latencyMs.p90', null],
      ['window.latencyMs.p99', 'slow'],
      ['consecutiveFailures', -1],
      ['totals', []],
      ['totals.admitted', -1],
      ['totals.outcomes', null],
      ['totals.outcomes.caller-error', -1],
      ['totals.rejected', 7],
      ['totals.rejected.THROTTLED', undefined],
      ['totals.stale', 0.5],
      ['totals.opened', null],
      ['lastTrip', 'yesterday'],
      ['lastTrip.atMs', -1],
      ['lastTrip.reason', 5],
      ['baseline', null],
      ['baseline.calls', -1],
      ['baseline.errorRate', 2],
      ['baseline.latencyMs', -1],
      ['baseline.latencyVariance', -1],
      // the rule would never fire again
      ['baseline.latencyVariance', Number.MAX_VALUE],
    ];
    it.each(bad)('%s: %j', (path, value) => {
      const snapshot: Record<string, unknown> = structuredClone({ ...good() });
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      let at = snapshot;
      for (const key of keys) at = at[key] as Record<string, unknown>;
      at[last] = value;
      const b = bench(OPTIONS);
      b.call('failure', 2);
      const before = b.circuit.snapshot();
      let error: unknown;
      try {
        b.circuit.restore(snapshot);
      } catch (thrown) {
        error = thrown;
      }
      expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_INVALID_ARGUMENT');
      expect(isFailsoftError(error) && error.message.split(': expected')[0]).toBe(`snapshot.${path}`);
      expect(b.circuit.snapshot()).toEqual(before);
    });

    it.each([null, undefined, 7, 'snapshot', [], true])('%j', (value) => {
      expect(() => bench(OPTIONS).circuit.restore(value)).toThrow(/^snapshot: expected an object/);
    });

    it('lets through what a newer version may have added', () => {
      const b = bench(OPTIONS);
      b.circuit.restore({ ...good(), weather: 'fine' });
      expect(b.circuit.state).toBe('open');
    });
  });
});

describe('reconfigure', () => {
  it('keeps state, totals and generation', () => {
    const b = opened();
    const before = b.circuit.snapshot();
    b.circuit.reconfigure({ ...OPTIONS, open: { baseMs: 50, jitter: 'none' } });
    expect(b.circuit.snapshot()).toEqual(before);
    b.clock.advance(1000);
    b.call('failure');
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openForMs: 100 });
  });

  it.each<[string, CircuitOptions, number]>([
    ['the same window', { window: { type: 'count', size: 100 } }, 30],
    ['a larger one', { window: { type: 'count', size: 200 } }, 30],
    ['a smaller one', { window: { type: 'count', size: 20 } }, 20],
    ['a window of time', { window: { type: 'time', durationMs: 1000 } }, 0],
  ])('%s', (_name, window, calls) => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 30; i++) b.call(i % 2 ? 'failure' : 'success');
    b.circuit.reconfigure({ ...OPTIONS, ...window });
    expect(b.circuit.snapshot().window).toMatchObject({ calls, unhealthy: calls / 2 });
    expect(b.circuit.snapshot().consecutiveFailures).toBe(1);
  });

  it('a window of time stays when it is as long, and is emptied when not', () => {
    const time: CircuitOptions = { trip: [], window: { type: 'time', durationMs: 1000 } };
    const b = bench(time);
    b.call('success', 5);
    b.circuit.reconfigure({ ...time, mode: 'observe' });
    expect(b.circuit.snapshot()).toMatchObject({ mode: 'observe', window: { calls: 5 } });
    b.circuit.reconfigure({ ...time, window: { type: 'time', durationMs: 2000 } });
    expect(b.circuit.snapshot()).toMatchObject({ mode: 'observe', window: { calls: 0 } });
  });

  describe.each<WindowOptions>([
    { type: 'count', size: 100 },
    { type: 'time', durationMs: 1000, buckets: 4 },
  ])('%j', (window) => {
    const slow = (slowThresholdMs: number) => slowRate({ threshold: 0.5, slowThresholdMs, minimumCalls: 10 });

    it('a new threshold is asked of the latencies that are there', () => {
      const b = bench({ window, trip: [failureRate({ threshold: 1, minimumCalls: 1 })] });
      b.call('success', 10, 50);
      b.clock.advance(250);
      b.call('failure', 15, 500);
      b.call('success', 15, 150);
      const { slowRate: _, ...before } = b.circuit.snapshot().window;
      b.circuit.reconfigure({ window, trip: [slow(200)] });
      expect(b.circuit.snapshot().window).toEqual({ ...before, slowRate: 0.375 });
      // and what rolls out, or is pushed out, leaves with its marks
      b.clock.advance(750);
      b.call('success', 70, 1);
      expect(b.circuit.snapshot().window.slowRate).toBe(0.15);
      b.clock.advance(250);
      b.call('success', 30, 1);
      expect(b.circuit.snapshot().window.slowRate).toBe(0);
    });

    it('a threshold that stays keeps what it has marked, to the last digit', () => {
      const objective = latencyPercentile({ percentile: 50, thresholdMs: 301, minimumCalls: 10 });
      const b = bench({ window, trip: [objective] });
      b.call('success', 50, 300.5);
      b.circuit.reconfigure({ window, trip: [slow(5000), objective] });
      b.call('success', 49, 300.5);
      expect(b.story()).toEqual([]);
      while (b.circuit.state === 'closed') b.call('success', 1, 301.5);
      const ended = window.type === 'count' ? '51 of 100' : '100 of 199';
      expect(b.story()).toEqual([`closed -> open: latency p50 over 301 ms: ${ended} calls took longer`]);
    });

    it('a new threshold is over no call that was not', () => {
      const b = bench({ window, trip: [] });
      b.call('success', 50, 300.5);
      b.circuit.reconfigure({ window, trip: [slow(301)] });
      b.call('success');
      expect(b.story()).toEqual([]);
    });
  });

  it('half-open ends under the settings that it began with', () => {
    const b = opened({ ...OPTIONS, halfOpen: { permittedProbes: 2 } });
    b.clock.advance(1000);
    const probes = [b.admit(), b.admit()];
    b.circuit.reconfigure({ ...OPTIONS, halfOpen: { permittedProbes: 5 } });
    b.reject();
    probes.forEach((probe) => {
      probe.settle('success', 1);
    });
    expect(b.circuit.state).toBe('recovering');
  });

  it('what was due before is judged by the old settings', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    b.clock.advance(500);
    b.circuit.reconfigure({ ...OPTIONS, open: { baseMs: 7, jitter: 'none' } });
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openForMs: 2000 });
  });

  it('the limit: kept when it is the same, new when not', () => {
    const aimd = { type: 'aimd', initialLimit: 10, backoffRatio: 0.5 } as const;
    const b = bench({ concurrency: aimd });
    b.call('overload');
    b.circuit.reconfigure({ concurrency: { ...aimd }, trip: [] });
    expect(b.circuit.snapshot().concurrencyLimit).toBe(5);
    b.circuit.reconfigure({ concurrency: { type: 'fixed', limit: 3 } });
    expect(b.circuit.snapshot().concurrencyLimit).toBe(3);
    b.circuit.reconfigure({});
    expect(b.circuit.snapshot()).not.toHaveProperty('concurrencyLimit');
  });

  it('the adaptive averages: kept while the rule is there', () => {
    const b = bench({ trip: [adaptive()] });
    b.call('success', 50);
    b.circuit.reconfigure({ trip: [adaptive({ sigmas: 9 })] });
    expect(b.circuit.snapshot().baseline?.calls).toBe(50);
    b.circuit.reconfigure({});
    expect(b.circuit.snapshot()).not.toHaveProperty('baseline');
    b.circuit.reconfigure({ trip: [adaptive()] });
    expect(b.circuit.snapshot().baseline?.calls).toBe(0);
  });

  it('bad settings change nothing', () => {
    const b = opened();
    const before = b.circuit.snapshot();
    expect(() => b.circuit.reconfigure({ open: { baseMs: -1 } })).toThrow(/^circuit\.open\.baseMs/);
    expect(() => b.circuit.reconfigure({ throttle: {} })).toThrow(/^circuit\.throttle/);
    for (const none of [undefined, null]) {
      expect(() => b.circuit.reconfigure(none as never)).toThrow(/^circuit: expected an object/);
    }
    expect(b.circuit.snapshot()).toEqual(before);
  });
});

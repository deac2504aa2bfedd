import { describe, expect, it } from 'vitest';
import {
  adaptive,
  checkSnapshot,
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

const slow = (slowThresholdMs: number) => slowRate({ threshold: 0.5, slowThresholdMs, minimumCalls: 10 });

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
  it('of a closed circuit takes over its totals, and starts with an empty window', () => {
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
      consecutiveFailures: 0,
      window: { calls: 0, unhealthy: 0, failureRate: 0, slowRate: null, latencyMs: null },
    });
  });

  it.each<WindowOptions>([
    { type: 'count', size: 100 },
    { type: 'time', durationMs: 10_000 },
  ])('into a running circuit empties its window: %j', (window) => {
    const options: CircuitOptions = { ...OPTIONS, window };
    const b = bench(options);
    b.call('failure', 9, 20);
    b.circuit.restore(bench(options).circuit.snapshot());
    expect(b.circuit.snapshot()).toMatchObject({ window: { calls: 0 }, consecutiveFailures: 0 });
    b.call('failure', 9, 20);
    expect(b.story()).toEqual([]);
  });

  it('of an open circuit: it stays open for the rest of its time', () => {
    const fresh = restarted(opened(), 400);
    expect(fresh.reject()).toEqual({ admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: 600 });
    expect(fresh.circuit.snapshot()).toMatchObject({
      openings: 1,
      lastTrip: { atMs: 1_000_000 },
      totals: { opened: 1 },
    });
    expect(fresh.story()).toEqual(['closed -> open: restored']);
    fresh.clock.advance(600);
    fresh.call('failure');
    expect(fresh.transitions.at(-1)).toMatchObject({ to: 'open', openings: 2, openForMs: 1200 });
  });

  it('of an open circuit whose time is over: the next call is a probe', () => {
    const fresh = restarted(opened(), 5000);
    expect(fresh.circuit.state).toBe('half-open');
    expect(fresh.admit().probe).toBe(true);
  });

  it('of a half-open circuit: the probes of the ended process are not waited for', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    const fresh = restarted(b, 10);
    expect(fresh.admit().probe).toBe(true);
    expect(fresh.circuit.snapshot().openings).toBe(1);
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
    expect(fresh.circuit.snapshot()).toMatchObject({ state: 'closed', openings: 0 });
  });

  it('of a recovering circuit into one without a ramp: closed', () => {
    const b = opened();
    b.clock.advance(1000);
    b.call('success');
    const fresh = restarted(b, 0, { ...OPTIONS, recovering: false });
    expect(fresh.story()).toEqual([]);
    expect(fresh.circuit.snapshot()).toMatchObject({ state: 'closed', openings: 0 });
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

  describe('after the wall clock was set, or the machine slept', () => {
    const HOUR = 3_600_000;
    /** A process that starts anew: its monotonic clock too. */
    const later = (b: Bench, epochMs: number, options: CircuitOptions = OPTIONS) => {
      const fresh = bench(options, { startMs: 50 });
      fresh.clock.stepEpoch(epochMs - 50);
      fresh.circuit.restore(JSON.parse(JSON.stringify(b.circuit.snapshot())));
      return fresh;
    };

    it('times in a snapshot are of the epoch, durations are not', () => {
      const b = bench(OPTIONS);
      b.clock.stepEpoch(HOUR);
      b.clock.advance(10);
      b.call('failure', 10, 5);
      expect(b.transitions.at(-1)).toMatchObject({ atMs: 1_000_010 + HOUR, openForMs: 1000 });
      b.circuit.isolate().release();
      expect(b.isolations.map(({ atMs }) => atMs - 1_000_010)).toEqual([HOUR, HOUR]);
      const event = { takenAtMs: 1_000_010 + HOUR, sinceMs: 1_000_010 + HOUR, openUntilMs: 1_001_010 + HOUR };
      expect(b.circuit.snapshot()).toMatchObject({ ...event, lastTrip: { atMs: 1_000_010 + HOUR } });
      b.clock.stepEpoch(-2 * HOUR);
      expect(b.reject().retryAfterMs).toBe(1000);
      b.clock.advance(999);
      expect(b.circuit.state).toBe('open');
      b.clock.advance(1);
      expect(b.circuit.state).toBe('half-open');
      expect(b.transitions.at(-1)).toMatchObject({ to: 'half-open', atMs: 1_001_010 - HOUR });
    });

    it('open: for no longer than the rest of its time, whatever the wall clock did', () => {
      const b = opened();
      b.clock.advance(300);
      expect(later(b, 1_000_300 - HOUR).reject().retryAfterMs).toBe(700);
      expect(later(b, 1_000_500).reject().retryAfterMs).toBe(500);
      expect(later(b, 1_000_300 + HOUR).admit().probe).toBe(true);
    });

    it('recovering: the ramp begins anew at the most', () => {
      const b = opened();
      b.clock.advance(1000);
      b.call('success');
      b.clock.advance(500);
      const back = later(b, 1_001_500 - HOUR);
      expect(back.circuit.state).toBe('recovering');
      back.clock.advance(1000);
      expect(back.circuit.state).toBe('closed');
      expect(later(b, 1_001_500 + HOUR).circuit.state).toBe('closed');
    });

    it('its times are by the present wall clock, and never in the future', () => {
      const b = opened();
      expect(later(b, 1_000_400).circuit.snapshot()).toMatchObject({
        takenAtMs: 1_000_400,
        sinceMs: 1_000_000,
        openUntilMs: 1_001_000,
      });
      expect(later(b, 400_000).circuit.snapshot()).toMatchObject({ sinceMs: 400_000, openUntilMs: 401_000 });
    });
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
      openings: 0,
      totals: { stale: 1, outcomes: { failure: 10 }, opened: 1 },
    });
  });

  it('adds every total to the total of the running circuit', () => {
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

  it('totals that are too large to count on from do not stop the circuit from seeing what follows what', () => {
    const { totals } = bench(OPTIONS).circuit.snapshot();
    const b = bench({ trip: [consecutiveFailures({ failures: 3 })] });
    b.circuit.restore({
      ...b.circuit.snapshot(),
      totals: { ...totals, admitted: Number.MAX_SAFE_INTEGER },
    });
    b.call('success', 9);
    b.call('failure', 3);
    expect(b.circuit.state).toBe('open');
  });

  it("keeps the adaptive rule's averages", () => {
    const options: CircuitOptions = { trip: [adaptive()] };
    const b = bench(options);
    for (let i = 0; i < 300; i++) b.call(i % 10 ? 'success' : 'failure', 1, 40 + (i % 20));
    const known = b.circuit.snapshot().baseline;
    const fresh = restarted(b, 0, options);
    expect(fresh.circuit.snapshot().baseline).toEqual(known);
    // they are warm: the rule fires as soon as the window has its calls
    fresh.call('failure', 19, 40);
    expect(fresh.story()).toEqual([]);
    fresh.call('failure', 1, 40);
    expect(fresh.story()[0]).toMatch(/adaptive error rate/);
    expect(restarted(b, 0).circuit.snapshot()).not.toHaveProperty('baseline');
  });

  it('without averages leaves those of the adaptive rule as they are', () => {
    const b = bench({ trip: [adaptive()] });
    b.call('success', 5);
    b.circuit.restore(bench(OPTIONS).circuit.snapshot());
    expect(b.circuit.snapshot().baseline?.calls).toBe(5);
  });

  it.each([
    [0, { atMs: 7, reason: 'why' }],
    [3, null],
  ])('keeps %i openings with the last trip %j', (openings, lastTrip) => {
    const saved = opened().circuit.snapshot();
    const fresh = bench(OPTIONS);
    fresh.circuit.restore({ ...saved, openings, lastTrip });
    expect(fresh.circuit.snapshot()).toMatchObject({ state: 'open', openings, lastTrip });
  });

  it('an open time that ends before it begins is over', () => {
    const snapshot = opened().circuit.snapshot();
    const b = bench(OPTIONS);
    b.circuit.restore({ ...snapshot, openUntilMs: 5 });
    expect(b.transitions).toMatchObject([{ to: 'open', openForMs: 0 }]);
    expect(b.circuit.state).toBe('half-open');
  });

  describe('refuses a value that is no snapshot, and names the field', () => {
    const good = (): CircuitSnapshot => {
      const b = opened({ ...OPTIONS, trip: [...(OPTIONS.trip ?? []), adaptive()] });
      return b.circuit.snapshot();
    };
    const bad: [path: string, value: unknown][] = [
      ['version', 2],
      ['version', undefined],
      ['takenAtMs', -1],
      ['takenAtMs', '2026'],
      ['state', 'ajar'],
      ['sinceMs', null],
      ['openings', 1.5],
      ['openUntilMs', null],
      ['openUntilMs', Number.NaN],
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

    it.each([undefined, 7])('a list of snapshots needs the key of each circuit: %j', (circuitKey) => {
      const saved = { ...bench(OPTIONS).circuit.snapshot(), circuitKey };
      expect(() => checkSnapshot(saved, 'list[0]')).toThrow('list[0].circuitKey: expected a string');
      expect(() => checkSnapshot({ ...saved, circuitKey: 'a' }, 'list[0]')).not.toThrow();
      expect(() => checkSnapshot({ circuitKey: 'a' }, 'list[0]')).toThrow('list[0].version: expected 1');
    });

    it('does not check fields that it does not restore', () => {
      const b = bench(OPTIONS);
      b.circuit.restore({ ...good(), weather: 'fine', window: undefined, inFlight: 'none' });
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
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openForMs: 60 });
  });

  it.each<[string, CircuitOptions, number]>([
    ['the same window', { window: { type: 'count', size: 100 } }, 30],
    ['a larger one', { window: { type: 'count', size: 200 } }, 0],
    ['a smaller one', { window: { type: 'count', size: 20 } }, 0],
    ['a window of time', { window: { type: 'time', durationMs: 1000 } }, 0],
    ['another rule that measures no latency', { trip: [failureRate({ threshold: 1, minimumCalls: 9 })] }, 30],
    ['a rule that asks for another latency', { trip: [slow(200)] }, 0],
  ])('%s', (_name, changed, calls) => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 30; i++) b.call(i % 2 ? 'failure' : 'success');
    b.circuit.reconfigure({ ...OPTIONS, ...changed });
    expect(b.circuit.snapshot().window).toMatchObject({ calls, unhealthy: calls / 2 });
    expect(b.circuit.snapshot().consecutiveFailures).toBe(1);
  });

  it('a time window keeps its calls if its length stays the same, and is emptied otherwise', () => {
    const time: CircuitOptions = { trip: [], window: { type: 'time', durationMs: 1000 } };
    const b = bench(time);
    b.call('success', 5);
    b.circuit.reconfigure({ ...time, mode: 'observe' });
    expect(b.circuit.snapshot()).toMatchObject({ mode: 'observe', window: { calls: 5 } });
    b.circuit.reconfigure({ ...time, window: { type: 'time', durationMs: 2000 } });
    expect(b.circuit.snapshot()).toMatchObject({ mode: 'observe', window: { calls: 0 } });
  });

  it.each<WindowOptions>([
    { type: 'count', size: 100 },
    { type: 'time', durationMs: 1000, buckets: 4 },
  ])('keeps the marked calls if the thresholds stay the same, %j', (window) => {
    const objective = latencyPercentile({ percentile: 50, thresholdMs: 200, minimumCalls: 40 });
    const b = bench({ window, trip: [slow(200)] });
    b.call('success', 30, 1);
    b.call('success', 10, 201);
    b.circuit.reconfigure({ window, trip: [objective] });
    b.call('success', 19, 201);
    expect(b.story()).toEqual([]);
    b.call('success', 2, 201);
    expect(b.story()).toEqual([
      'closed -> open: latency-percentile p50 over 200 ms: 31 of 61 calls took longer',
    ]);
  });

  it('the mode stays if no mode, or the same mode, is given', () => {
    const b = bench({ ...OPTIONS, mode: 'observe' });
    b.circuit.reconfigure(OPTIONS);
    expect(b.circuit.mode).toBe('observe');
    b.circuit.mode = 'off'; // by hand
    b.circuit.reconfigure({ ...OPTIONS, mode: 'observe' });
    expect(b.circuit.mode).toBe('off');
    b.circuit.reconfigure({ ...OPTIONS, mode: 'enforce' });
    expect(b.circuit.mode).toBe('enforce');
  });

  it('a half-open time ends under the settings with which it began', () => {
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

  it('a change that was due before is made under the old settings', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    b.clock.advance(500);
    b.circuit.reconfigure({ ...OPTIONS, open: { baseMs: 7, jitter: 'none' } });
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openForMs: 1200 });
  });

  it('a concurrency limit is kept if its options are the same, and begins anew otherwise', () => {
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

  it('the averages of the adaptive rule are kept as long as the rule is there', () => {
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

import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { CircuitMode, CircuitOptions } from '../../src/circuit/types.js';
import { bench } from './harness.js';

const OPTIONS: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 2 })],
  open: { baseMs: 1000, jitter: 'none' },
  halfOpen: { probeTimeoutMs: 500 },
  recovering: { durationMs: 1000, initialShare: 0.5 },
};

describe('mode', () => {
  it('observe goes through the same states as enforce would', () => {
    const told = (['enforce', 'observe'] as const).map((mode) => {
      const b = bench({ ...OPTIONS, mode });
      // enforce rejects some of these, observe lets them through as shadows: the outcomes that count are the same
      const tryCall = (outcome: 'success' | 'failure') => {
        const permit = b.circuit.acquire();
        if (permit.admitted) permit.settle(outcome, 1);
      };
      for (let i = 0; i < 4; i++) tryCall('failure');
      b.clock.advance(1000);
      for (let i = 0; i < 4; i++) tryCall(i === 0 ? 'success' : 'failure');
      b.clock.advance(4000);
      tryCall('success');
      const { window, totals, openings } = b.circuit.snapshot();
      return { story: b.story(), window, totals, openings };
    });
    expect(told[1]).toEqual(told[0]);
    expect(told[0]?.story.length).toBeGreaterThan(3);
  });

  it('calls that enforce would reject count as in flight and nowhere else', () => {
    const b = bench({ ...OPTIONS, mode: 'observe', concurrency: { type: 'fixed', limit: 1 } });
    const real = b.admit();
    const shadows = [b.admit(), b.admit()];
    expect(b.circuit.snapshot()).toMatchObject({
      inFlight: 3,
      totals: { admitted: 1, rejected: { CONCURRENCY_LIMIT: 2 } },
    });
    shadows.forEach((permit) => {
      permit.settle('failure', 1, 60_000);
    });
    expect(b.circuit.snapshot()).toMatchObject({ inFlight: 1, window: { calls: 0 }, totals: { stale: 0 } });
    real.settle('success', 1);
    // the limit looks at the calls that enforce would have let out
    b.admit();
    expect(b.circuit.snapshot().totals).toMatchObject({ admitted: 2, rejected: { CONCURRENCY_LIMIT: 2 } });
  });

  it('outcomes in mode off are not recorded, and calls in flight still end', () => {
    const b = bench(OPTIONS);
    const before = b.admit();
    b.circuit.mode = 'off';
    expect(b.admit().generation).toBe(0);
    b.call('failure', 10);
    before.settle('failure', 1);
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      mode: 'off',
      totals: { admitted: 1, outcomes: { failure: 0 }, stale: 0 },
    });
  });

  /** A half-open circuit that is off, and whose probe has ended. */
  function endedWhileOff() {
    const b = bench(OPTIONS);
    b.call('failure', 2);
    b.clock.advance(1000);
    const probe = b.admit();
    b.circuit.mode = 'off';
    probe.settle('success', 1);
    return b;
  }

  it('a probe that ends while it is off gives its slot back', () => {
    const b = endedWhileOff();
    b.circuit.mode = 'enforce';
    expect(b.circuit.state).toBe('half-open');
    expect(b.admit().probe).toBe(true);
  });

  it('a probe that ended while it was off is not waited for', () => {
    const b = endedWhileOff();
    b.clock.advance(600);
    expect(b.circuit.state).toBe('half-open');
  });

  it('a call of an earlier state that ends while it is off frees no place of a probe', () => {
    const b = bench(OPTIONS);
    const old = b.admit();
    b.call('failure', 2);
    b.clock.advance(1000);
    b.admit();
    expect(b.circuit.inFlight).toBe(2);
    b.circuit.mode = 'off';
    old.settle('success', 1);
    b.circuit.mode = 'enforce';
    expect(b.reject().reason).toBe('HALF_OPEN');
    expect(b.circuit.inFlight).toBe(1);
  });

  it('a probe that settles in mode off after its time limit has timed out', () => {
    const b = bench(OPTIONS);
    b.call('failure', 2);
    b.clock.advance(1000);
    const probe = b.admit();
    b.circuit.mode = 'off';
    b.clock.advance(600);
    probe.settle('success', 1);
    expect(b.circuit.state).toBe('open');
  });

  it('close() changes nothing, because the native machine holds no timer', () => {
    const b = bench(OPTIONS);
    b.circuit.close?.();
    b.call('success');
    expect(b.circuit.state).toBe('closed');
  });

  it('an unknown mode is refused', () => {
    const b = bench(OPTIONS);
    expect(() => {
      b.circuit.mode = 'on' as CircuitMode;
    }).toThrow(/^circuit\.mode: expected one of enforce, observe, off, got "on"/);
    expect(b.circuit.mode).toBe('enforce');
  });
});

describe('isolation', () => {
  it('rejects calls in every state, and calls in flight still count', () => {
    const b = bench(OPTIONS);
    const [first, second] = [b.admit(), b.admit()];
    const handle = b.circuit.isolate();
    first.settle('failure', 1);
    second.settle('failure', 1);
    expect(b.circuit.state).toBe('open');
    b.clock.advance(1000);
    expect(b.reject().reason).toBe('ISOLATED');
    handle.release();
    b.call('success');
    expect(b.circuit.state).toBe('recovering');
  });

  it('takes no probe and no share of the ramp', () => {
    const b = bench(OPTIONS);
    b.call('failure', 2);
    b.clock.advance(1000);
    const handle = b.circuit.isolate();
    for (let i = 0; i < 10; i++) b.reject();
    handle.release();
    b.call('success');
    expect(b.circuit.snapshot().totals.rejected).toMatchObject({ ISOLATED: 10, HALF_OPEN: 0 });
  });

  it('ends with its `using` block, and outlasts reset()', () => {
    const b = bench(OPTIONS);
    {
      using _handle = b.circuit.isolate();
      b.circuit.reset();
      expect(b.reject().reason).toBe('ISOLATED');
    }
    b.call('success');
    expect(b.isolations).toEqual([
      { circuitKey: 'test', isolated: true, atMs: 1_000_000 },
      { circuitKey: 'test', isolated: false, atMs: 1_000_000 },
    ]);
  });

  it('observe and off let everything through', () => {
    for (const mode of ['observe', 'off'] as const) {
      const b = bench({ ...OPTIONS, mode });
      b.circuit.isolate();
      b.call('success');
      expect(b.circuit.snapshot().totals.rejected.ISOLATED).toBe(mode === 'observe' ? 1 : 0);
    }
  });
});

describe('reset', () => {
  it('of a closed circuit is no transition, and makes its permits stale', () => {
    const b = bench(OPTIONS);
    const old = b.admit();
    b.call('failure');
    b.clock.advance(5);
    b.circuit.reset();
    old.settle('failure', 1);
    expect(b.transitions).toEqual([]);
    expect(b.circuit.snapshot()).toMatchObject({
      generation: 1,
      sinceMs: 1_000_005,
      consecutiveFailures: 0,
      window: { calls: 0 },
      totals: { stale: 1, outcomes: { failure: 1 } },
    });
  });

  it.each([1, 2, 3])('from state number %i is one', (steps) => {
    const b = bench(OPTIONS);
    b.call('failure', 2);
    if (steps > 1) b.clock.advance(1000);
    if (steps > 1) b.circuit.snapshot();
    if (steps > 2) b.call('success');
    const from = b.circuit.state;
    b.circuit.reset();
    expect(b.story().at(-1)).toBe(`${from} -> closed: reset`);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', openings: 0, openUntilMs: null });
    b.call('failure', 2);
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openForMs: 1000 });
  });
});

describe('a fixed concurrency limit', () => {
  const limited = (limit: number, more: CircuitOptions = {}) =>
    bench({ ...OPTIONS, ...more, concurrency: { type: 'fixed', limit } });

  it('admits `limit` calls at a time, and its rejections are no failures', () => {
    const b = limited(2);
    const [first] = [b.admit(), b.admit()];
    for (let i = 0; i < 50; i++) {
      expect(b.reject()).toEqual({ admitted: false, reason: 'CONCURRENCY_LIMIT', retryAfterMs: 0 });
    }
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 2,
      concurrencyLimit: 2,
      window: { calls: 0 },
      totals: { rejected: { CONCURRENCY_LIMIT: 50 } },
    });
    first?.settle('success', 1);
    b.admit();
    b.reject();
  });

  it('an open circuit that is full rejects with CIRCUIT_OPEN', () => {
    const b = limited(2);
    b.admit();
    b.call('failure', 2);
    expect(b.reject().reason).toBe('CIRCUIT_OPEN');
  });

  it('takes no probe slot', () => {
    const b = limited(2, { halfOpen: { permittedProbes: 2 } });
    const hanging = b.admit();
    b.call('failure', 2);
    b.clock.advance(1000);
    const probe = b.admit();
    expect(b.reject().reason).toBe('CONCURRENCY_LIMIT');
    hanging.settle('success', 1);
    probe.settle('success', 1);
    expect(b.admit().probe).toBe(true);
    expect(b.reject().reason).toBe('HALF_OPEN');
  });

  it('takes no share of the ramp', () => {
    const b = limited(1);
    b.call('failure', 2);
    b.clock.advance(1000);
    b.call('success');
    const only = b.admit();
    for (let i = 0; i < 7; i++) expect(b.reject().reason).toBe('CONCURRENCY_LIMIT');
    only.settle('success', 1);
    // and is no refusal of the ramp's: eight answers, which are three rounds, end it
    b.call('success', 7);
    expect(b.story().at(-1)).toBe('recovering -> closed: no call was refused any more');
  });
});

describe('an AIMD concurrency limit', () => {
  const aimd = (more: object = {}) =>
    bench({
      trip: [],
      concurrency: { type: 'aimd', initialLimit: 10, minLimit: 2, maxLimit: 12, backoffRatio: 0.5, ...more },
    });
  const limitOf = (b: ReturnType<typeof bench>) => b.circuit.snapshot().concurrencyLimit;

  it('grows by one for each round of good calls, up to its maximum', () => {
    const b = aimd();
    const roundTrip = () => {
      const permits = Array.from({ length: limitOf(b) ?? 0 }, () => b.admit());
      b.reject();
      permits.forEach((permit) => {
        permit.settle('success', 1);
      });
    };
    const limits: (number | undefined)[] = [];
    for (let i = 0; i < 40; i++) {
      limits.push(limitOf(b));
      roundTrip();
    }
    expect(limits[0]).toBe(10);
    expect(limits.at(-1)).toBe(12);
    limits.slice(1).forEach((limit, i) => {
      expect([0, 1]).toContain((limit ?? 0) - (limits[i] ?? 0));
    });
  });

  it('does not grow while fewer calls than the limit are in flight', () => {
    const b = aimd();
    b.call('success', 1000);
    expect(limitOf(b)).toBe(10);
  });

  it.each<['overload' | 'failure' | 'success' | 'caller-error' | 'ignored', number, number]>([
    ['overload', 1, 5],
    ['success', 101, 5],
    ['failure', 101, 5],
    ['success', 100, 10],
    ['failure', 1, 10],
    ['caller-error', 1, 10],
    ['ignored', 1e6, 10],
  ])('after one %s of %d ms it is %d', (outcome, durationMs, limit) => {
    const b = aimd({ latencyThresholdMs: 100 });
    b.call(outcome, 1, durationMs);
    expect(limitOf(b)).toBe(limit);
  });

  it('backs off once per round trip, and never below its minimum', () => {
    const b = aimd();
    const permits = Array.from({ length: 6 }, () => b.admit());
    permits.forEach((permit) => {
      permit.settle('overload', 1);
    });
    // the five that were out when the first came home say nothing new
    expect(limitOf(b)).toBe(5);
    b.call('overload');
    expect(limitOf(b)).toBe(2);
    b.call('overload', 5);
    expect(limitOf(b)).toBe(2);
    b.circuit.reset();
    expect(limitOf(b)).toBe(10);
  });
});

it('a permit can be logged and cloned, and does not show its circuit', () => {
  const permit = bench(OPTIONS).circuit.acquire();
  expect(Object.keys(JSON.parse(JSON.stringify(permit)))).toEqual(['generation', 'kind', 'number']);
  expect(structuredClone({ ...permit })).toMatchObject({ generation: 0 });
  expect(inspect(permit).length).toBeLessThan(100);
});

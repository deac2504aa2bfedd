import { describe, expect, it } from 'vitest';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { seededRandom } from '../../src/testing/random.js';
import { type Bench, bench } from './harness.js';

const throttled = (more: object = {}, options: CircuitOptions = {}, random = seededRandom(1)): Bench =>
  bench({ ...options, throttle: { windowMs: 12_000, ...more } }, { random });

/** What share of many calls is rejected; none of them ends. */
function rejectShare(b: Bench): number {
  const before = b.circuit.snapshot().totals.rejected.THROTTLED;
  const draws = 20_000;
  for (let i = 0; i < draws; i++) b.circuit.acquire();
  return (b.circuit.snapshot().totals.rejected.THROTTLED - before) / draws;
}

describe('the throttle', () => {
  it('rejects no call while the server accepts half of them, with k = 2', () => {
    const b = throttled();
    b.call('success', 100);
    b.call('overload', 100);
    b.call('success', 1000);
    expect(b.circuit.snapshot().totals.rejected.THROTTLED).toBe(0);
  });

  it('rejects with the probability of the SRE book', () => {
    // the draw decides at the very edge: (requests - k * accepts) / (requests + 1)
    let draw = 0;
    const b = throttled({}, {}, () => draw);
    draw = 0.999;
    b.call('success', 10);
    b.call('failure', 40);
    const share = (50 - 2 * 10) / (50 + 1);
    draw = share;
    expect(b.admit().probe).toBe(false);
    draw = share - 1e-9;
    expect(b.reject()).toEqual({ admitted: false, reason: 'THROTTLED', retryAfterMs: 0 });
    // a rejected one is a request, too
    draw = (51 - 2 * 10) / (51 + 1) - 1e-9;
    b.reject();
    draw = (52 - 2 * 10) / (52 + 1) + 1e-9;
    b.admit();
  });

  it.each([
    [1, 50, 50, 50 / 101],
    [1.5, 40, 60, 40 / 101],
  ])('k = %d with %i accepted and %i not', (k, accepted, refused, share) => {
    let draw = 1;
    const b = throttled({ k }, {}, () => draw);
    b.call('success', accepted);
    b.call('overload', refused);
    draw = share - 1e-9;
    b.reject();
  });

  it('always admits some calls: its share of rejections has a cap', () => {
    const b = throttled({ maxRejectShare: 0.75 });
    for (let i = 0; i < 200; i++) {
      const permit = b.circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(rejectShare(b)).toBeCloseTo(0.75, 1);
  });

  it('settles at k times the calls that the server accepts', () => {
    const b = throttled({ windowMs: 10_000 });
    let sent = 0;
    // a server that takes 10 of the 100 calls a second
    for (let second = 0; second < 120; second++) {
      let taken = 0;
      for (let i = 0; i < 100; i++) {
        b.clock.advance(10);
        const permit = b.circuit.acquire();
        if (!permit.admitted) continue;
        if (second >= 60) sent += 1;
        permit.settle(taken++ < 10 ? 'success' : 'overload', 1);
      }
    }
    expect(sent / 60).toBeGreaterThan(15);
    expect(sent / 60).toBeLessThan(25);
  });

  it('admits all calls again when the server recovers, and forgets after its window', () => {
    const b = throttled();
    for (let i = 0; i < 500; i++) {
      const permit = b.circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(rejectShare(b)).toBeGreaterThan(0.5);
    b.clock.advance(12_000);
    expect(b.circuit.snapshot().window.calls).toBe(0);
    b.call('success', 100);
    expect(b.circuit.state).toBe('closed');
    expect(b.transitions).toEqual([]);
  });

  it("ignored calls are no requests, caller's errors count as accepted, and a call in flight counts as neither", () => {
    const b = throttled({}, {}, () => 1e-6);
    b.call('ignored', 100);
    b.call('caller-error', 5);
    for (let i = 0; i < 100; i++) b.admit();
    expect(b.circuit.snapshot()).toMatchObject({
      inFlight: 100,
      window: { calls: 5, unhealthy: 0 },
      totals: { admitted: 205, outcomes: { ignored: 100, 'caller-error': 5 } },
    });
  });

  it('counts its failures in a row', () => {
    const b = throttled({}, {}, () => 0.999);
    b.call('failure', 2);
    b.call('overload');
    expect(b.circuit.snapshot().consecutiveFailures).toBe(2);
    b.call('success');
    expect(b.circuit.snapshot().consecutiveFailures).toBe(0);
  });

  it('applies the concurrency limit, isolation and mode', () => {
    const b = throttled({}, { concurrency: { type: 'fixed', limit: 1 } }, () => 0);
    const out = b.admit();
    expect(b.reject().reason).toBe('CONCURRENCY_LIMIT');
    out.settle('failure', 1);
    const handle = b.circuit.isolate();
    expect(b.reject().reason).toBe('ISOLATED');
    handle.release();
    expect(b.reject().reason).toBe('THROTTLED');
    b.circuit.mode = 'observe';
    b.call('success');
    expect(b.circuit.snapshot().totals.rejected.THROTTLED).toBe(2);
    b.circuit.mode = 'off';
    b.call('success', 3);
    expect(b.circuit.snapshot()).toMatchObject({ inFlight: 0, window: { calls: 1 }, concurrencyLimit: 1 });
  });

  it('a permit that ends while off records nothing', () => {
    const b = throttled();
    const permit = b.admit();
    b.circuit.mode = 'off';
    permit.settle('failure', 1);
    expect(b.circuit.snapshot()).toMatchObject({ inFlight: 0, window: { calls: 0 } });
  });

  it('reset() empties the window, and makes permits stale', () => {
    const b = throttled(
      {},
      { concurrency: { type: 'aimd', initialLimit: 100, backoffRatio: 0.5 } },
      () => 0.999,
    );
    const old = b.admit();
    b.call('overload', 10);
    expect(b.circuit.snapshot().concurrencyLimit).toBeLessThan(100);
    b.circuit.reset();
    old.settle('failure', 1);
    expect(b.circuit.snapshot()).toMatchObject({
      generation: 1,
      window: { calls: 0 },
      consecutiveFailures: 0,
      totals: { stale: 1 },
      concurrencyLimit: 100,
    });
    expect(b.transitions).toEqual([]);
    b.call('success');
  });

  it('takes new settings, and keeps its counts unless the window changes', () => {
    const b = throttled({}, {}, () => 0.5);
    b.call('success', 10);
    b.circuit.reconfigure({
      throttle: { windowMs: 12_000, k: 1 },
      mode: 'observe',
      concurrency: { type: 'fixed', limit: 3 },
    });
    expect(b.circuit.snapshot()).toMatchObject({
      window: { calls: 10 },
      mode: 'observe',
      concurrencyLimit: 3,
    });
    b.circuit.reconfigure({ throttle: { windowMs: 6000 } });
    expect(b.circuit.snapshot()).toMatchObject({ window: { calls: 0 }, mode: 'observe' });
    expect(b.circuit.snapshot()).not.toHaveProperty('concurrencyLimit');
    expect(() => b.circuit.reconfigure({})).toThrow(/^circuit\.throttle: expected a throttle/);
    expect(() => bench({}).circuit.reconfigure({ throttle: {} })).toThrow(
      /^circuit\.throttle: expected no throttle/,
    );
  });

  it('restores its totals', () => {
    const b = throttled();
    b.call('success', 10);
    const fresh = throttled();
    fresh.clock.advance(50);
    fresh.call('success');
    fresh.circuit.restore(JSON.parse(JSON.stringify(b.circuit.snapshot())));
    expect(fresh.circuit.snapshot()).toMatchObject({
      window: { calls: 0 },
      sinceMs: 1_000_000,
      totals: { admitted: 11, outcomes: { success: 11 } },
    });
    expect(() => fresh.circuit.restore({})).toThrow(/^snapshot\.version/);
  });

  it('describes itself as a circuit that never opens', () => {
    const b = throttled({}, {}, () => 0.999);
    b.clock.stepEpoch(3_600_000);
    b.call('failure', 3, 7);
    expect(b.circuit.snapshot()).toMatchObject({
      version: 1,
      circuitKey: 'test',
      engine: 'native',
      state: 'closed',
      sinceMs: 4_600_000,
      openings: 0,
      openUntilMs: null,
      lastTrip: null,
      isolated: 0,
      window: { calls: 3, unhealthy: 3, failureRate: 1, slowRate: null },
    });
  });
});

import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { seededRandom } from '../../src/testing/random.js';
import { type Bench, bench } from './harness.js';

function options(open: NonNullable<CircuitOptions['open']>): CircuitOptions {
  return { trip: [consecutiveFailures({ failures: 2 })], open, recovering: false };
}

/** Opens it, and again with each failed probe; the open times. */
function openTimes(b: Bench, times: number): number[] {
  b.call('failure', 2);
  const found: number[] = [];
  for (let i = 0; i < times; i++) {
    const event = b.transitions.findLast(({ to }) => to === 'open');
    found.push(event?.openForMs ?? Number.NaN);
    b.clock.advance(event?.openForMs ?? 0);
    b.call('failure');
  }
  return found;
}

describe('open time', () => {
  it.each([
    [{ baseMs: 100, multiplier: 2, maxMs: 1000 }, [100, 200, 400, 800, 1000, 1000]],
    [{ baseMs: 100, multiplier: 1, maxMs: 1000 }, [100, 100, 100, 100, 100, 100]],
    [{ baseMs: 100, multiplier: 1.5, maxMs: 300 }, [100, 150, 225, 300, 300, 300]],
    [{ baseMs: 100, multiplier: 1000, maxMs: 100 }, [100, 100, 100, 100, 100, 100]],
  ])('grows to its cap: %j', (open, expected) => {
    expect(openTimes(bench(options({ ...open, jitter: 'none' })), 6)).toEqual(expected);
  });

  it('stays finite after a thousand openings', () => {
    const times = openTimes(
      bench(options({ baseMs: 100, multiplier: 1000, maxMs: 5000, jitter: 'none' })),
      1100,
    );
    expect(times.at(-1)).toBe(5000);
  });

  it.each([
    ['full', 0, 1],
    ['equal', 0.5, 1],
  ] as const)('%s jitter lies between %d and %d of it', (jitter, low, high) => {
    const random = seededRandom(5);
    const b = bench(options({ baseMs: 1000, multiplier: 1, jitter }), { random });
    const again = seededRandom(5);
    const times = openTimes(b, 200);
    for (const time of times) {
      expect(time).toBeCloseTo(1000 * (low + (high - low) * again()), 6);
      expect(time).toBeGreaterThanOrEqual(1000 * low);
      expect(time).toBeLessThanOrEqual(1000 * high);
    }
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(400 * (high - low));
  });

  it('a full recovery starts the openings anew', () => {
    const b = bench(options({ baseMs: 100, multiplier: 2, jitter: 'none' }));
    expect(openTimes(b, 2)).toEqual([100, 200]);
    b.clock.advance(400);
    b.call('success');
    expect(openTimes(b, 1)).toEqual([100]);
  });

  it('a trip within the ramp does not', () => {
    const b = bench({
      ...options({ baseMs: 100, multiplier: 2, jitter: 'none' }),
      recovering: { durationMs: 1000, initialShare: 1 },
    });
    b.call('failure', 2);
    b.clock.advance(100);
    b.call('success');
    b.clock.advance(999);
    b.call('failure', 2);
    expect(b.transitions.at(-1)).toMatchObject({
      from: 'recovering',
      to: 'open',
      openings: 2,
      openForMs: 200,
    });
  });
});

describe('push-back', () => {
  const open = { baseMs: 100, jitter: 'none', maxPushbackMs: 5000 } as const;
  const openFor = (b: Bench) => b.transitions.findLast(({ to }) => to === 'open')?.openForMs;

  it.each<[number | undefined, number]>([
    [undefined, 100],
    [0, 100],
    [-1, 100],
    [Number.NaN, 100],
    [Number.NEGATIVE_INFINITY, 100],
    [50, 100],
    [101, 101],
    [4999, 4999],
    [5001, 5000],
    [Number.POSITIVE_INFINITY, 5000],
  ])('of %d ms on the very call that trips: open for %d', (pushbackMs, expected) => {
    const b = bench(options(open));
    b.call('failure');
    b.call('failure', 1, 1, pushbackMs);
    expect(openFor(b)).toBe(expected);
  });

  it.each<[Outcome, boolean]>([
    ['failure', true],
    ['overload', true],
    ['success', false],
    ['caller-error', false],
    ['ignored', false],
  ])('on an earlier %s counts: %s', (outcome, heard) => {
    const b = bench(options(open));
    b.call(outcome, 1, 1, 3000);
    b.clock.advance(500);
    b.call('success');
    b.call('failure', 2);
    expect(openFor(b)).toBe(heard ? 2500 : 100);
  });

  it('the longest push-back holds: a later and shorter one does not replace it', () => {
    const b = bench(options(open));
    b.call('overload', 1, 1, 3000);
    b.call('failure', 2, 1, 200);
    expect(openFor(b)).toBe(3000);
  });

  it('a push-back over the cap ends at the cap', () => {
    const b = bench(options(open));
    b.call('overload', 1, 1, 60_000);
    b.clock.advance(4000);
    b.call('success');
    b.call('failure', 2);
    expect(openFor(b)).toBe(1000);
  });

  it('of a failed probe raises the next open time', () => {
    const b = bench(options(open));
    b.call('failure', 2);
    b.clock.advance(100);
    b.call('overload', 1, 1, 4000);
    expect(openFor(b)).toBe(4000);
    expect(b.reject().retryAfterMs).toBe(4000);
  });

  it('a push-back of a stale call changes nothing', () => {
    const b = bench(options(open));
    const old = b.admit();
    b.call('failure', 2);
    b.clock.advance(100);
    old.settle('failure', 1, 4000);
    b.call('failure');
    expect(openFor(b)).toBe(120);
  });

  it('ends with reset(), and is ignored with a cap of 0', () => {
    const b = bench(options(open));
    b.call('overload', 1, 1, 3000);
    b.circuit.reset();
    b.call('failure', 2);
    expect(openFor(b)).toBe(100);
    const deaf = bench(options({ ...open, maxPushbackMs: 0 }));
    deaf.call('failure', 2, 1, 3000);
    expect(openFor(deaf)).toBe(100);
  });

  it('is capped again by new settings', () => {
    const b = bench(options(open));
    b.call('overload', 1, 1, 4000);
    b.circuit.reconfigure(options({ ...open, maxPushbackMs: 700 }));
    b.call('failure', 2);
    expect(openFor(b)).toBe(700);
  });
});

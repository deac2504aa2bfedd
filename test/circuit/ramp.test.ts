import { describe, expect, it } from 'vitest';
import { consecutiveFailures, latencyPercentile } from '../../src/circuit/index.js';
import type { CircuitOptions, Permit } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { type Bench, bench } from './harness.js';

/** By answers alone: the share by time is next to nothing. */
const BY_ANSWERS = { durationMs: 1e9, initialShare: 1e-9 };

function recovering(ramp: NonNullable<CircuitOptions['recovering']>, more: CircuitOptions = {}): Bench {
  const b = bench({
    trip: [consecutiveFailures({ failures: 5 })],
    open: { baseMs: 1000, jitter: 'none' },
    recovering: ramp,
    ...more,
  });
  b.call('failure', 5);
  b.clock.advance(1000);
  b.call('success');
  expect(b.circuit.state).toBe('recovering');
  return b;
}

/** As many calls as are admitted now, of many that are asked for. */
function admitted(b: Bench, asked = 1000): Permit[] {
  return Array.from({ length: asked }, () => b.circuit.acquire()).filter((answer) => answer.admitted);
}

function settle(permits: readonly Permit[], outcome: Outcome, durationMs = 20): void {
  for (const permit of permits) permit.settle(outcome, durationMs);
}

/** So many calls per second from the moment of recovery on, against a server that takes so long; until it is closed. */
function drive(b: Bench, perSecond: number, tookMs: (out: number) => number, forMs = 60_000) {
  const startMs = b.clock.now();
  const calls: { endsMs: number; beganMs: number; permit: Permit }[] = [];
  let [asked, refused, most] = [0, 0, 0];
  while (b.circuit.state === 'recovering' && b.clock.now() - startMs < forMs) {
    for (let due = Math.floor(((b.clock.now() - startMs) / 1000) * perSecond) + 1 - asked; due > 0; due--) {
      asked += 1;
      const permit = b.circuit.acquire();
      if (!permit.admitted) refused += 1;
      else calls.push({ endsMs: b.clock.now() + tookMs(calls.length + 1), beganMs: b.clock.now(), permit });
    }
    most = Math.max(most, calls.length);
    b.clock.advance(1);
    calls.sort((one, two) => one.endsMs - two.endsMs);
    while ((calls[0]?.endsMs ?? Number.POSITIVE_INFINITY) <= b.clock.now()) {
      const call = calls.shift();
      call?.permit.settle('success', call.endsMs - call.beganMs);
    }
  }
  return { tookMs: b.clock.now() - startMs, asked, refused, most };
}

describe('the ramp by answers', () => {
  it('admits twice as many calls with each round trip', () => {
    const b = recovering(BY_ANSWERS);
    const sizes: number[] = [];
    for (let round = 0; round < 10; round++) {
      const out = admitted(b, 10_000);
      sizes.push(out.length);
      settle(out, 'success');
    }
    expect(sizes).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    expect(b.circuit.state).toBe('recovering');
  });

  it("begins with the probes' successes", () => {
    const b = bench({
      trip: [consecutiveFailures({ failures: 1 })],
      open: { baseMs: 1000, jitter: 'none' },
      halfOpen: { permittedProbes: 4, successThreshold: 3 },
      recovering: BY_ANSWERS,
    });
    b.call('failure');
    b.clock.advance(1000);
    b.call('success', 3);
    expect(admitted(b)).toHaveLength(4);
  });

  // a call of one a minute to ten thousand a second, over servers of 5 ms to 200 ms
  it.each([
    [1 / 60, 20],
    [1, 20],
    [10, 20],
    [100, 20],
    [1000, 20],
    [10_000, 20],
    [10_000, 5],
    [10_000, 200],
    [100, 200],
  ])(
    '%d calls/s at a warm server of %d ms: all of them within about ten round trips',
    (perSecond, tripMs) => {
      const b = recovering({ durationMs: 5000 });
      const { tookMs, refused, asked } = drive(b, perSecond, () => tripMs, 200_000);
      expect(b.circuit.state).toBe('closed');
      if (perSecond * tripMs < 1000) expect(refused).toBe(0);
      else expect(tookMs).toBeLessThanOrEqual(12 * tripMs);
      expect(refused).toBeLessThan(Math.max(1, asked));
    },
  );

  it.each([4, 40])('a cold server gets the calls that it can serve: %d at a time', (concurrency) => {
    const b = recovering({ durationMs: 5000 });
    // work of 20 ms, and a queue before it; ten times as much is asked for
    const perSecond = concurrency * 500;
    const { most, tookMs } = drive(b, perSecond, (out) => 20 * Math.max(1, out / concurrency), 20_000);
    expect(b.circuit.state).toBe('recovering');
    expect(tookMs).toBe(20_000);
    // a queue of four times its places at the most; asked for would be without end
    expect(most).toBeLessThanOrEqual(concurrency * 5);
  });

  it('a server that has warmed up gets every call', () => {
    const b = recovering({ durationMs: 5000 });
    const startMs = b.clock.now();
    const workMs = () => 20 + 100 * Math.max(0, 1 - (b.clock.now() - startMs) / 4000);
    const { tookMs } = drive(b, 100, (out) => workMs() * Math.max(1, out / 4), 60_000);
    expect(b.circuit.state).toBe('closed');
    expect(b.story().at(-1)).toBe('recovering -> closed: no call was refused any more');
    expect(tookMs).toBeLessThan(6000);
    expect(tookMs).toBeGreaterThan(1500);
  });

  it('slow requests among fast requests do not make a server slow', () => {
    const b = recovering(BY_ANSWERS);
    for (let round = 0; round < 7; round++) {
      admitted(b).forEach((permit, index) => {
        permit.settle('success', index % 3 === 0 ? 4000 : 20);
      });
    }
    // fast answers alone make it grow
    expect(admitted(b).length).toBeGreaterThan(40);
  });

  it('slowness that does not depend on the load is taken for usual', () => {
    const b = recovering(BY_ANSWERS);
    for (let round = 0; round < 4; round++) settle(admitted(b), 'success', 20);
    const sizes: number[] = [];
    for (let round = 0; round < 12; round++) {
      const out = admitted(b);
      sizes.push(out.length);
      settle(out, 'success', 100);
    }
    expect(Math.min(...sizes)).toBeLessThanOrEqual(16);
    expect(sizes.at(-1)).toBeGreaterThan(100);
  });

  it.each<[string, Outcome, number, number]>([
    ['a failure', 'failure', 20, 1],
    ['an overload', 'overload', 20, 1],
    ['an answer over the limit of a rule', 'success', 301, 1],
    ["a caller's error counts as an answer", 'caller-error', 301, 4],
    ['an ignored call counts for nothing', 'ignored', 301, 3],
  ])('%s among two: %s', (_what, outcome, durationMs, then) => {
    const b = recovering(BY_ANSWERS, {
      trip: [
        consecutiveFailures({ failures: 5 }),
        latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 }),
      ],
    });
    const [first, second] = admitted(b);
    first?.settle(outcome, durationMs);
    second?.settle('success', 20);
    expect(admitted(b)).toHaveLength(then);
  });

  it('a tenth of errors, which trips nothing, does not hold it up', () => {
    const b = recovering(BY_ANSWERS);
    let count = 0;
    for (let round = 0; round < 14; round++) {
      for (const permit of admitted(b)) permit.settle(++count % 10 === 9 ? 'failure' : 'success', 20);
    }
    expect(admitted(b).length).toBeGreaterThan(100);
  });

  it('a trip rule still opens it, for longer', () => {
    const b = recovering({ durationMs: 5000 });
    b.call('failure', 5);
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', openings: 2, openForMs: 1200 });
  });

  it('ends after three rounds in which no call was refused, with openings 0', () => {
    const b = recovering({ durationMs: 5000 });
    let rounds = 0;
    for (; rounds < 20 && b.circuit.state === 'recovering'; rounds++) settle(admitted(b, 4), 'success');
    expect(rounds).toBeGreaterThanOrEqual(4); // two of the first four calls are refused
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', openings: 0 });
    expect(b.transitions.at(-1)).toMatchObject({ reason: 'no call was refused any more' });
  });

  it('bursts of a thousand calls in one tick double the admitted calls each time', () => {
    const b = recovering(BY_ANSWERS);
    const sizes: number[] = [];
    for (let burst = 0; burst < 20 && b.circuit.state === 'recovering'; burst++) {
      const out = admitted(b);
      sizes.push(out.length);
      b.clock.advance(20);
      settle(out, 'success');
    }
    expect(sizes.length).toBeLessThanOrEqual(16);
    sizes.forEach((size, index) => {
      if (index > 0) expect(size).toBeLessThanOrEqual((sizes[index - 1] ?? 0) * 2.2);
    });
    expect(b.circuit.state).toBe('closed');
  });

  it('ignored and withdrawn calls give their place back, and are no answers', () => {
    const b = recovering(BY_ANSWERS);
    for (let i = 0; i < 50; i++) {
      const [one, two] = [b.admit(), b.admit()];
      one.settle('ignored', 5);
      two.withdraw();
    }
    expect(b.circuit.state).toBe('recovering');
    expect(admitted(b).length).toBeLessThanOrEqual(2);
  });

  it('a stale permit changes nothing', () => {
    const b = bench({
      trip: [consecutiveFailures({ failures: 5 })],
      open: { baseMs: 1000, jitter: 'none' },
      recovering: BY_ANSWERS,
    });
    const old = Array.from({ length: 50 }, () => b.admit());
    b.call('failure', 5);
    b.clock.advance(1000);
    b.call('success');
    settle(old, 'success');
    expect(b.circuit.snapshot().totals.stale).toBe(50);
    expect(admitted(b)).toHaveLength(2);
  });

  it('calls that end while the mode is off give their place back', () => {
    const b = recovering(BY_ANSWERS);
    const out = admitted(b);
    b.circuit.mode = 'off';
    settle(out, 'failure');
    b.circuit.mode = 'enforce';
    expect(admitted(b).length).toBeGreaterThanOrEqual(2);
  });

  it('calls that are never settled do not hold it up: the share by time goes on', () => {
    const b = recovering({ durationMs: 5000, initialShare: 0.05 });
    admitted(b, 2);
    const counts: number[] = [];
    for (let second = 0; second < 5; second++) {
      let count = 0;
      for (let call = 0; call < 100; call++) {
        if (b.circuit.acquire().admitted) count += 1;
        b.clock.advance(10);
      }
      counts.push(count);
    }
    expect(counts).toEqual([...counts].sort((one, two) => one - two));
    expect(counts[0]).toBeLessThan(20);
    expect(counts[4]).toBeGreaterThan(80);
    expect(b.circuit.state).toBe('closed');
  });

  it('an hour of silence ends it, as of the moment that its time was over', () => {
    const b = recovering({ durationMs: 5000 });
    admitted(b, 2);
    b.clock.advance(3_600_000);
    expect(b.circuit.state).toBe('closed');
    expect(b.transitions.at(-1)).toMatchObject({ reason: 'ramp is over', atMs: 1_000_000 + 1000 + 5000 });
  });

  it('is closed at its end, not a moment before', () => {
    const b = recovering({ durationMs: 5000 });
    b.clock.advance(4999);
    expect(b.circuit.state).toBe('recovering');
    b.clock.advance(1);
    expect(b.circuit.state).toBe('closed');
  });

  it('a server that slows down under its load delays the end, to at most twelve times the length', () => {
    const b = recovering({ durationMs: 5000 });
    for (let ms = 0; ms < 60_000; ms += 500) {
      expect(b.circuit.state).toBe('recovering');
      const out = admitted(b);
      b.clock.advance(500);
      if (b.circuit.state === 'recovering') settle(out.slice(0, 1), 'overload');
      settle(out, 'success');
    }
    expect(b.transitions.at(-1)).toMatchObject({ reason: 'ramp is over', atMs: 1_000_000 + 1000 + 60_000 });
  });

  it('rejections advise a retry within a tenth of its time', () => {
    const b = recovering({ durationMs: 1000, initialShare: 0.2 });
    admitted(b, 2);
    expect(b.reject()).toEqual({ admitted: false, reason: 'RECOVERING', retryAfterMs: 100 });
    b.clock.advance(950);
    const rejected = Array.from({ length: 40 }, () => b.circuit.acquire()).find((answer) => !answer.admitted);
    expect(rejected).toMatchObject({ reason: 'RECOVERING', retryAfterMs: 50 });
  });

  it('a concurrency limit below it is no refusal of its own', () => {
    const b = recovering(BY_ANSWERS, { concurrency: { type: 'fixed', limit: 2 } });
    for (let round = 0; round < 9 && b.circuit.state === 'recovering'; round++)
      settle(admitted(b), 'success');
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot().totals.rejected.RECOVERING).toBe(0);
  });

  it('in observe mode grows with the calls that it would have admitted', () => {
    const b = recovering(BY_ANSWERS);
    b.circuit.mode = 'observe';
    for (let round = 0; round < 3; round++) settle(admitted(b, 100), 'success');
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'recovering',
      totals: { rejected: { RECOVERING: 286 } },
    });
  });
});

describe('the share by time', () => {
  it.each([0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 1])(
    'admits a share of %d at least, and the limit above it',
    (share) => {
      const b = recovering({ durationMs: 1e9, initialShare: share });
      const out = admitted(b).length;
      expect(Math.abs(out - Math.ceil(1000 * share))).toBeLessThanOrEqual(2);
    },
  );

  it('admits a growing share, evenly', () => {
    const b = recovering({ durationMs: 1000, initialShare: 0.2 });
    const counts: number[] = [];
    for (let step = 0; step < 10; step++) {
      let count = 0;
      for (let i = 0; i < 100; i++) {
        if (b.circuit.acquire().admitted) count += 1;
        b.clock.advance(1);
      }
      counts.push(count);
    }
    expect(counts).toEqual([25, 32, 40, 48, 56, 64, 72, 80, 88, 96]);
    expect(b.circuit.state).toBe('closed');
  });

  it('gives the same result every time', () => {
    const pattern = () => {
      const b = recovering({ durationMs: 1e9, initialShare: 0.3 });
      return Array.from({ length: 20 }, () => (b.circuit.acquire().admitted ? 1 : 0)).join('');
    };
    expect(pattern()).toBe(pattern());
    expect(pattern()).toBe('11000100100100010010');
  });

  it('a withdrawn call costs nothing: the next call is admitted in its place', () => {
    const b = recovering({ durationMs: 1e9, initialShare: 0.2 });
    let out = 0;
    for (let i = 0; i < 100; i++) {
      const permit = b.circuit.acquire();
      // what is behind the circuit refuses four of five
      if (permit.admitted && i % 5 !== 0) permit.withdraw();
      else if (permit.admitted) out += 1;
    }
    expect(out).toBe(20);
  });

  it('withdrawn calls do not add up', () => {
    const b = recovering({ durationMs: 1e9, initialShare: 0.2 });
    for (let i = 0; i < 1000; i++) {
      const permit = b.circuit.acquire();
      if (permit.admitted) permit.withdraw();
    }
    const answers = Array.from({ length: 8 }, () => b.circuit.acquire().admitted);
    expect(answers.filter(Boolean).length).toBeLessThanOrEqual(4);
  });

  it('a call from before the ramp gives nothing back when it is withdrawn', () => {
    const b = bench({
      trip: [consecutiveFailures({ failures: 1 })],
      open: { baseMs: 1000, jitter: 'none' },
      recovering: { durationMs: 1e9, initialShare: 0.2 },
    });
    const old = Array.from({ length: 9 }, () => b.admit());
    b.call('failure');
    b.clock.advance(1000);
    b.call('success');
    admitted(b, 2);
    for (const permit of old) permit.withdraw();
    expect(b.reject().reason).toBe('RECOVERING');
    expect(b.circuit.snapshot().totals.stale).toBe(9);
  });
});

import { describe, expect, it } from 'vitest';
import { consecutiveFailures, latencyPercentile, slowRate } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { type Bench, bench } from './harness.js';

function halfOpen(permittedProbes: number, successThreshold: number, more: CircuitOptions = {}): Bench {
  const b = bench({
    trip: [consecutiveFailures({ failures: 1 })],
    open: { baseMs: 1000, jitter: 'none' },
    halfOpen: { permittedProbes, successThreshold, probeTimeoutMs: 500 },
    recovering: false,
    ...more,
  });
  b.call('failure');
  b.clock.advance(1000);
  return b;
}

describe('half-open', () => {
  // s success, f failure, o overload, i ignored, t times out; the verdict must fall at the last letter, not before
  it.each<[number, number, string, string]>([
    [1, 1, 's', 'closed'],
    [1, 1, 'f', 'open'],
    [1, 1, 'iiis', 'closed'],
    [1, 1, 'iif', 'open'],
    [3, 3, 'sss', 'closed'],
    [3, 3, 'f', 'open'],
    [3, 3, 'sso', 'open'],
    [3, 2, 'ss', 'closed'],
    [3, 2, 'sfs', 'closed'],
    [3, 2, 'ff', 'open'],
    [3, 2, 'fisf', 'open'],
    [3, 2, 'fst', 'open'],
    [3, 1, 's', 'closed'],
    [3, 1, 'ffs', 'closed'],
    [3, 1, 'fff', 'open'],
    [3, 1, 'tts', 'closed'],
    [10, 6, 'fsfsfsfsss', 'closed'],
    [10, 6, 'fsfsfsff', 'open'],
  ])('%i probes, %i successes: %s ends %s', (permitted, threshold, script, verdict) => {
    const b = halfOpen(permitted, threshold);
    const outcomes = { s: 'success', f: 'failure', o: 'overload', i: 'ignored' } as const;
    for (const letter of script) {
      expect(b.circuit.state).toBe('half-open');
      const probe = b.admit();
      expect(probe.probe).toBe(true);
      if (letter === 't') b.clock.advance(500);
      else probe.settle(outcomes[letter as keyof typeof outcomes], 1);
    }
    expect(b.circuit.state).toBe(verdict);
  });

  it('admits `permittedProbes` in all, not at a time', () => {
    const b = halfOpen(3, 3);
    b.call('success', 2);
    const last = b.admit();
    expect(b.reject().reason).toBe('HALF_OPEN');
    last.settle('success', 1);
    expect(b.circuit.state).toBe('closed');
  });

  it('admits exactly N of N + 1 callers at once', () => {
    const b = halfOpen(4, 4);
    const answers = Array.from({ length: 50 }, () => b.circuit.acquire());
    expect(answers.filter(({ admitted }) => admitted)).toHaveLength(4);
    expect(b.circuit.snapshot().totals.rejected.HALF_OPEN).toBe(46);
  });

  it('a slot that is given back is for a single caller', () => {
    const b = halfOpen(2, 2);
    const [first, second] = [b.admit(), b.admit()];
    b.reject();
    first.settle('ignored', 1);
    first.settle('ignored', 1);
    const third = b.admit();
    b.reject();
    second.settle('success', 1);
    third.settle('success', 1);
    expect(b.circuit.state).toBe('closed');
  });

  it('the rejections name the latest time at which the oldest probe is decided', () => {
    const b = halfOpen(2, 2);
    b.admit();
    b.clock.advance(100);
    b.admit();
    b.clock.advance(100);
    expect(b.reject()).toEqual({ admitted: false, reason: 'HALF_OPEN', retryAfterMs: 300 });
  });

  it('a probe that settles at its time limit, or later, has timed out even if the state was not read', () => {
    for (const lateMs of [500, 501, 800]) {
      const b = halfOpen(1, 1);
      const probe = b.admit();
      b.clock.advance(lateMs);
      probe.settle('success', lateMs);
      expect(b.circuit.state).toBe('open');
      expect(b.circuit.snapshot().totals.stale).toBe(1);
      expect(b.story().at(-1)).toBe('half-open -> open: the probe timed out');
    }
  });

  it('one of several probes that timed out is counted once, and its late end is stale', () => {
    const b = halfOpen(3, 1);
    const slow = b.admit();
    b.clock.advance(500);
    slow.settle('success', 500);
    expect(b.circuit.state).toBe('half-open');
    expect(b.circuit.snapshot().totals.stale).toBe(1);
    b.call('failure');
    expect(b.circuit.state).toBe('half-open');
    b.call('failure');
    expect(b.circuit.state).toBe('open');
    expect(b.story().at(-1)).toBe('half-open -> open: 3 of 3 probes failed');
  });

  it('opens as of the time limit of the probe, so that a time without calls does not prolong the open time', () => {
    const b = halfOpen(1, 1);
    b.admit();
    b.clock.advance(500 + 1199);
    expect(b.circuit.state).toBe('open');
    expect(b.transitions.at(-1)).toMatchObject({ to: 'open', atMs: 1_001_500, openForMs: 1200 });
    b.clock.advance(1);
    expect(b.circuit.state).toBe('half-open');
    b.admit();
    b.clock.advance(3_600_000);
    expect(b.admit().probe).toBe(true);
    expect(b.circuit.snapshot().openings).toBe(3);
  });

  describe('a slow probe is no success', () => {
    const trip = [
      consecutiveFailures({ failures: 1 }),
      slowRate({ threshold: 0.5, slowThresholdMs: 400, minimumCalls: 10 }),
      latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 10 }),
    ];

    it.each([
      [300, 'closed', 'half-open -> closed: the probe succeeded'],
      [300.5, 'open', 'half-open -> open: the probe took 300.5 ms, over 300 ms'],
      [900, 'open', 'half-open -> open: the probe took 900 ms, over 300 ms'],
    ])('the least that a rule allows decides: %d ms', (durationMs, state, story) => {
      const b = halfOpen(1, 1, { trip, halfOpen: { probeTimeoutMs: 5000 } });
      b.call('success', 1, durationMs);
      expect(b.circuit.state).toBe(state);
      expect(b.story().at(-1)).toBe(story);
    });

    it('as many of several probes may be slow as may fail', () => {
      const b = halfOpen(3, 2, { trip });
      b.call('success', 1, 301);
      b.call('caller-error', 1, 1);
      expect(b.circuit.state).toBe('half-open');
      b.call('caller-error', 1, 301);
      expect(b.story().at(-1)).toBe(
        'half-open -> open: 2 of 3 probes failed, the last took 301 ms, over 300 ms',
      );
    });

    it('a model that always takes twice the limit opens longer each time, and never recovers', () => {
      const b = halfOpen(1, 1, { trip });
      for (let round = 0; round < 5; round++) {
        b.call('success', 1, 600);
        b.clock.advance(b.transitions.at(-1)?.openForMs ?? 0);
      }
      expect(b.transitions.some(({ to }) => to === 'recovering' || to === 'closed')).toBe(false);
      expect(b.circuit.snapshot().openings).toBe(6);
    });

    it('applies the settings with which the half-open time began', () => {
      const b = halfOpen(1, 1, { trip });
      const probe = b.admit();
      b.circuit.reconfigure({ trip: [consecutiveFailures({ failures: 1 })], recovering: false });
      probe.settle('success', 301);
      expect(b.circuit.state).toBe('open');
    });
  });

  it('a withdrawn probe gives its slot back, once', () => {
    const b = halfOpen(2, 2);
    const [first, second] = [b.admit(), b.admit()];
    b.reject();
    first.withdraw();
    first.withdraw();
    first.settle('failure', 1);
    const third = b.admit();
    b.reject();
    second.settle('success', 1);
    third.settle('success', 1);
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      totals: { outcomes: { ignored: 1, failure: 1 } },
    });
  });

  it('the reason names three successes', () => {
    const b = halfOpen(3, 3);
    b.call('success', 3);
    expect(b.story().at(-1)).toBe('half-open -> closed: 3 probes succeeded');
  });

  it('probes are not in the window, but in the totals', () => {
    const b = halfOpen(3, 2);
    b.call('failure');
    expect(b.circuit.snapshot()).toMatchObject({
      window: { calls: 1 },
      consecutiveFailures: 1,
      totals: { outcomes: { failure: 2 } },
    });
  });
});

import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { CircuitOptions, CircuitStateName, Permit } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { type Bench, bench } from './harness.js';

/** Three failures open it for a second, doubling; one probe; a ramp of a second. */
const OPTIONS = {
  trip: [consecutiveFailures({ failures: 3 })],
  open: { baseMs: 1000, multiplier: 2, maxMs: 8000, jitter: 'none' },
  halfOpen: { permittedProbes: 1, probeTimeoutMs: 500 },
  recovering: { durationMs: 1000, initialShare: 0.5 },
} as const satisfies CircuitOptions;

/** A circuit in the given state; `first` sees it while it is still new. */
function inState(
  state: CircuitStateName,
  options: CircuitOptions = OPTIONS,
  first: (b: Bench) => void = () => {},
): Bench {
  const b = bench(options);
  first(b);
  if (state === 'closed') return b;
  b.call('failure', 3);
  if (state === 'open') return b;
  b.clock.advance(1000);
  b.circuit.snapshot();
  if (state === 'recovering') b.call('success');
  return b;
}

describe('the state table', () => {
  type Row = [
    from: CircuitStateName,
    on: string,
    act: (b: Bench) => void,
    to: CircuitStateName,
    openings: number,
  ];
  const rows: Row[] = [
    ['closed', 'two failures', (b) => b.call('failure', 2), 'closed', 0],
    ['closed', 'the third failure', (b) => b.call('failure', 3), 'open', 1],
    [
      'closed',
      'an overload between failures',
      (b) => {
        b.call('failure', 2);
        b.call('overload');
        b.call('failure');
      },
      'open',
      1,
    ],
    [
      'closed',
      'an ignored call between failures',
      (b) => {
        b.call('failure', 2);
        b.call('ignored');
        b.call('failure');
      },
      'open',
      1,
    ],
    [
      'closed',
      'a success between failures',
      (b) => {
        b.call('failure', 2);
        b.call('success');
        b.call('failure', 2);
      },
      'closed',
      0,
    ],
    [
      'closed',
      "a caller's error between failures",
      (b) => {
        b.call('failure', 2);
        b.call('caller-error');
        b.call('failure', 2);
      },
      'closed',
      0,
    ],
    ['closed', 'time alone', (b) => b.clock.advance(1e9), 'closed', 0],
    ['open', 'a moment before its time', (b) => b.clock.advance(999), 'open', 1],
    ['open', 'its time', (b) => b.clock.advance(1000), 'half-open', 1],
    ['open', 'an hour', (b) => b.clock.advance(3_600_000), 'half-open', 1],
    ['half-open', 'nothing', () => {}, 'half-open', 1],
    ['half-open', 'time without a probe', (b) => b.clock.advance(1e9), 'half-open', 1],
    ['half-open', 'a success', (b) => b.call('success'), 'recovering', 1],
    ['half-open', "a caller's error", (b) => b.call('caller-error'), 'recovering', 1],
    ['half-open', 'a failure', (b) => b.call('failure'), 'open', 2],
    ['half-open', 'an overload', (b) => b.call('overload'), 'open', 2],
    ['half-open', 'an ignored probe', (b) => b.call('ignored'), 'half-open', 1],
    [
      'half-open',
      'a probe just in time',
      (b) => {
        const probe = b.admit();
        b.clock.advance(499);
        probe.settle('success', 499);
      },
      'recovering',
      1,
    ],
    [
      'half-open',
      'a probe that timed out',
      (b) => {
        b.admit();
        b.clock.advance(500);
      },
      'open',
      2,
    ],
    ['recovering', 'two failures', (b) => b.call('failure', 2), 'recovering', 1],
    [
      'recovering',
      'a trip',
      (b) => {
        b.clock.advance(999);
        b.call('failure', 3);
      },
      'open',
      2,
    ],
    ['recovering', 'a healthy answer', (b) => b.call('success'), 'recovering', 1],
    ['recovering', 'two rounds of healthy answers', (b) => b.call('success', 7), 'recovering', 1],
    [
      'recovering',
      'three rounds of healthy answers, no call refused',
      (b) => b.call('success', 8),
      'closed',
      0,
    ],
    [
      'recovering',
      'three rounds of healthy answers, a call refused in the second',
      (b) => {
        b.call('success', 2);
        const out = [b.admit(), b.admit(), b.admit()];
        b.reject();
        for (const permit of out) permit.settle('success', 1);
        b.call('success', 6);
      },
      'recovering',
      1,
    ],
    ['recovering', 'a moment before the end of the ramp', (b) => b.clock.advance(999), 'recovering', 1],
    ['recovering', 'the end of the ramp', (b) => b.clock.advance(1000), 'closed', 0],
  ];
  it.each(rows)('%s, on %s', (from, _on, act, to, openings) => {
    const b = inState(from);
    expect(b.circuit.state).toBe(from);
    act(b);
    expect(b.circuit.state).toBe(to);
    expect(b.circuit.snapshot().openings).toBe(openings);
  });

  it('without a ramp, half-open goes straight to closed with openings 0', () => {
    const b = inState('half-open', { ...OPTIONS, recovering: false });
    b.call('success');
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot()).toMatchObject({ openings: 0, window: { calls: 0 }, consecutiveFailures: 0 });
  });

  it('emits every transition in order, after the change', () => {
    const seen: [string, string][] = [];
    const b: Bench = bench(OPTIONS, { onTransition: (event) => seen.push([event.to, b.circuit.state]) });
    b.call('failure', 3);
    b.clock.advance(1000);
    b.call('failure');
    b.clock.advance(2000);
    b.call('success');
    b.clock.advance(1000);
    b.call('success');
    expect(b.story()).toEqual([
      'closed -> open: consecutive-failures 3 >= 3',
      'open -> half-open: open time is over',
      'half-open -> open: the probe failed',
      'open -> half-open: open time is over',
      'half-open -> recovering: the probe succeeded',
      'recovering -> closed: ramp is over',
    ]);
    expect(seen.every(([to, state]) => to === state)).toBe(true);
    expect(b.transitions.map(({ openings }) => openings)).toEqual([1, 1, 2, 2, 2, 0]);
    expect(b.transitions.map(({ openForMs }) => openForMs)).toEqual([
      1000,
      undefined,
      2000,
      undefined,
      undefined,
      undefined,
    ]);
    expect(b.transitions.map(({ atMs }) => atMs - 1_000_000)).toEqual([0, 1000, 1000, 3000, 3000, 4000]);
    expect(b.circuit.snapshot().generation).toBe(6);
  });

  it('the end of the ramp keeps the window with its counts', () => {
    const b = inState('recovering');
    b.call('failure', 2);
    b.clock.advance(1000);
    expect(b.circuit.state).toBe('closed');
    expect(b.circuit.snapshot()).toMatchObject({
      consecutiveFailures: 2,
      window: { calls: 2, unhealthy: 2 },
    });
    b.call('failure');
    expect(b.circuit.state).toBe('open');
  });

  describe('a call that began in an earlier state changes nothing', () => {
    const OUTCOMES: Outcome[] = ['success', 'caller-error', 'failure', 'overload', 'ignored'];
    const later: CircuitStateName[] = ['open', 'half-open', 'recovering'];
    const pairs = later.flatMap((state) => OUTCOMES.map((outcome) => [outcome, state] as const));
    it.each(pairs)('%s in %s', (outcome, state) => {
      let old: Permit | undefined;
      const b = inState(state, OPTIONS, (fresh) => {
        old = fresh.admit();
      });
      const before = b.circuit.snapshot();
      old?.settle(outcome, 1, 60_000);
      const after = b.circuit.snapshot();
      expect(after).toEqual({
        ...before,
        inFlight: before.inFlight - 1,
        totals: { ...before.totals, stale: before.totals.stale + 1 },
      });
    });

    it('a stale outcome does not make an open circuit half-open whose time is over: only calls and reads do', () => {
      const b = bench(OPTIONS);
      const old = b.admit();
      b.call('failure', 3);
      b.clock.advance(1000);
      old.settle('success', 1);
      expect(b.transitions).toHaveLength(1);
    });
  });

  it('a listener may use the circuit: the change is complete', () => {
    const states: string[] = [];
    const b: Bench = bench(
      { ...OPTIONS, recovering: false },
      {
        onTransition: (event) => {
          const permit = b.circuit.acquire();
          states.push(`${event.to} ${permit.admitted ? 'admitted' : permit.reason}`);
          if (permit.admitted && event.to === 'half-open') permit.settle('success', 1);
        },
      },
    );
    b.call('failure', 3);
    b.clock.advance(1000);
    expect(b.circuit.state).toBe('closed');
    expect(states).toEqual(['open CIRCUIT_OPEN', 'half-open admitted', 'closed admitted']);
  });

  it('a listener that throws does not harm the circuit', () => {
    const b = bench(OPTIONS, {
      onTransition: () => {
        throw new Error('listener');
      },
    });
    expect(() => b.call('failure', 3)).toThrow('listener');
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', inFlight: 0, openings: 1 });
    expect(b.reject().reason).toBe('CIRCUIT_OPEN');
  });
});

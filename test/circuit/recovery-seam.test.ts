import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { CircuitOptions, CircuitRecovery } from '../../src/circuit/types.js';
import { type Bench, bench } from './harness.js';

const OPTIONS: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 1 })],
  open: { baseMs: 1000, jitter: 'none' },
};

function opened(
  options = OPTIONS,
  pushbackMs?: number,
): { b: Bench; recovery: CircuitRecovery; generation: number } {
  const b = bench(options);
  b.call('failure', 1, 1, pushbackMs);
  const { recovery } = b.circuit;
  const opening = recovery?.opening();
  if (recovery === undefined || opening === undefined) throw new Error('not open');
  return { b, recovery, generation: opening.generation };
}

describe('a readiness answer', () => {
  it('ready ends the open time at once, and closes nothing', () => {
    const { b, recovery, generation } = opened();
    recovery.ready(generation);
    expect(b.circuit.state).toBe('half-open');
    expect(b.story().at(-1)).toBe('open -> half-open: the server is ready');
    expect(b.admit().probe).toBe(true);
  });

  it('ready does not end the open time before the push-back', () => {
    const { b, recovery, generation } = opened(OPTIONS, 3000);
    recovery.ready(generation);
    b.clock.advance(2999);
    expect(b.circuit.state).toBe('open');
    b.clock.advance(1);
    expect(b.circuit.state).toBe('half-open');
  });

  it('not ready prolongs the open time, up to its limit', () => {
    const { b, recovery, generation } = opened();
    b.clock.advance(900);
    recovery.notReady(generation, b.clock.now() + 2000, 60_000);
    b.clock.advance(1999);
    expect(b.circuit.state).toBe('open');
    b.clock.advance(1);
    expect(b.circuit.state).toBe('half-open');
    const again = opened();
    for (let ms = 0; ms < 5000; ms += 500) {
      again.recovery.notReady(again.generation, again.b.clock.now() + 1000, 3000);
      again.b.clock.advance(500);
      expect(again.b.circuit.state).toBe(ms < 3500 ? 'open' : 'half-open');
    }
  });

  it('not ready never shortens the open time', () => {
    const { b, recovery, generation } = opened();
    recovery.notReady(generation, b.clock.now() + 1, 60_000);
    b.clock.advance(999);
    expect(b.circuit.state).toBe('open');
  });

  it('ready after not ready ends it at once; not ready after ready takes that back', () => {
    const { b, recovery, generation } = opened();
    recovery.notReady(generation, b.clock.now() + 5000, 60_000);
    recovery.ready(generation);
    recovery.notReady(generation, b.clock.now() + 1, 60_000);
    b.clock.advance(999);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openUntilMs: 1_001_000 });
    recovery.ready(generation);
    expect(b.circuit.state).toBe('half-open');
  });

  it('about an older opening changes nothing', () => {
    const { b, recovery, generation } = opened();
    b.clock.advance(1000);
    b.call('failure');
    recovery.ready(generation);
    recovery.notReady(generation, b.clock.now() + 1e6, 1e6);
    recovery.reserveProbes(generation, 1e6);
    expect(b.circuit.state).toBe('open');
    b.clock.advance(2000);
    expect(b.circuit.state).toBe('half-open');
  });

  it('changes nothing in other states', () => {
    const b = bench(OPTIONS);
    const before = b.circuit.snapshot();
    expect(b.circuit.recovery?.opening()).toBeUndefined();
    b.circuit.recovery?.ready(before.generation);
    b.circuit.recovery?.notReady(before.generation, 1e9, 1e9);
    b.circuit.recovery?.reserveProbes(before.generation, 1000);
    expect(b.circuit.recovery?.acquireProbe(1000)).toBeUndefined();
    expect(b.circuit.snapshot()).toEqual(before);
  });

  it('that was wrong is trusted again only after a "not ready"', () => {
    const { b, recovery, generation } = opened();
    recovery.ready(generation);
    b.call('failure');
    const again = recovery.opening()?.generation ?? -1;
    recovery.ready(again);
    expect(b.circuit.state).toBe('open');
    recovery.notReady(again, b.clock.now() + 1, 60_000);
    recovery.ready(again);
    expect(b.circuit.state).toBe('half-open');
  });

  it('that led to a recovery which failed was wrong, too', () => {
    const { b, recovery, generation } = opened();
    recovery.ready(generation);
    b.call('success');
    expect(b.circuit.state).toBe('recovering');
    b.call('failure');
    const again = recovery.opening()?.generation ?? -1;
    recovery.ready(again);
    expect(b.circuit.state).toBe('open');
    recovery.notReady(again, b.clock.now(), 60_000);
    recovery.ready(again);
    expect(b.circuit.state).toBe('half-open');
  });

  it('is trusted after a recovery that failed without one', () => {
    const { b, recovery } = opened();
    b.clock.advance(1000);
    b.call('success');
    expect(b.circuit.state).toBe('recovering');
    b.call('failure');
    recovery.ready(recovery.opening()?.generation ?? -1);
    expect(b.circuit.state).toBe('half-open');
  });

  it('counts for a circuit that was restored as open without a trip', () => {
    const saved = { ...opened().b.circuit.snapshot(), openings: 0, lastTrip: null };
    const b = bench(OPTIONS);
    b.circuit.restore(saved);
    const { generation = -1, untilMs } = b.circuit.recovery?.opening() ?? {};
    b.circuit.recovery?.notReady(generation, b.clock.now() + 2000, 60_000);
    expect(untilMs).toBe(1_001_000);
    expect(b.circuit.recovery?.opening()?.untilMs).toBe(1_002_000);
    b.circuit.recovery?.ready(generation);
    expect(b.circuit.state).toBe('half-open');
  });

  it('is trusted in the next outage', () => {
    const { b, recovery, generation } = opened({ ...OPTIONS, recovering: false });
    recovery.ready(generation);
    b.call('failure');
    b.clock.advance(2000);
    b.call('success');
    b.call('failure');
    recovery.ready(recovery.opening()?.generation ?? -1);
    expect(b.circuit.state).toBe('half-open');
  });
});

describe('a synthetic probe', () => {
  it('goes out when the open time is over, and callers do not', () => {
    const { b, recovery, generation } = opened();
    recovery.reserveProbes(generation, 500);
    expect(recovery.acquireProbe(500)).toBeUndefined();
    b.clock.advance(1000);
    expect(b.reject()).toEqual({ admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: 500 });
    const probe = recovery.acquireProbe(500);
    expect(probe?.probe).toBe(true);
    expect(b.reject().reason).toBe('HALF_OPEN');
    probe?.settle('success', 1);
    expect(b.circuit.state).toBe('recovering');
  });

  it('keeps its place for the next one when it is given back', () => {
    const { b, recovery, generation } = opened();
    recovery.reserveProbes(generation, 500);
    b.clock.advance(1000);
    recovery.acquireProbe(500)?.settle('ignored', 1);
    expect(b.reject()).toEqual({ admitted: false, reason: 'HALF_OPEN', retryAfterMs: 500 });
    recovery.acquireProbe(500)?.settle('success', 1);
    expect(b.circuit.state).toBe('recovering');
  });

  it('leaves its place to a caller at once if it is given up', () => {
    const { b, recovery, generation } = opened();
    recovery.reserveProbes(generation, 500);
    b.clock.advance(1000);
    const probe = recovery.acquireProbe(500);
    probe?.withdraw();
    recovery.reserveProbes(generation, 0);
    expect(b.reject().reason).toBe('HALF_OPEN'); // another generation
    recovery.reserveProbes(probe?.generation ?? -1, 0);
    expect(b.admit().probe).toBe(true);
  });

  it('can reserve the place of a probe anew', () => {
    const { b, recovery } = opened();
    b.clock.advance(1000);
    const probe = b.admit();
    probe.withdraw();
    recovery.reserveProbes(probe.generation, 700);
    expect(b.reject()).toEqual({ admitted: false, reason: 'HALF_OPEN', retryAfterMs: 700 });
    b.clock.advance(700);
    expect(b.admit().probe).toBe(true);
  });

  it("is a caller's call if no synthetic probe goes out in time", () => {
    const { b, recovery, generation } = opened();
    recovery.reserveProbes(generation, 500);
    b.clock.advance(1500);
    expect(b.admit().probe).toBe(true);
  });

  it.each(['off', 'isolated'] as const)('does not go out of a circuit that is %s', (how) => {
    const { b, recovery } = opened();
    b.clock.advance(1000);
    if (how === 'off') b.circuit.mode = 'off';
    else b.circuit.isolate();
    expect(recovery.acquireProbe(500)).toBeUndefined();
  });
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { opossumEngine } from 'failsoft/opossum';
import type CircuitBreaker from 'opossum';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failureRate } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { compiled } from '../support/compiled.js';
import { opossumBench } from '../support/opossum-bench.js';

const options: CircuitOptions = {
  trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
  window: { type: 'time', durationMs: 10_000 },
  open: { baseMs: 1000 },
  halfOpen: { probeTimeoutMs: 500 },
};

function opened(more?: CircuitOptions) {
  const b = opossumBench({ ...options, ...more });
  b.call('failure', 4);
  return b;
}

const EVENTS = ['fire', 'success', 'failure', 'timeout', 'reject', 'open', 'halfOpen', 'close', 'shutdown'];

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function recorded(breaker: CircuitBreaker): string[] {
  const heard: string[] = [];
  for (const name of EVENTS) breaker.addListener(name, () => heard.push(name));
  return heard;
}

describe("opossum's events and statistics", () => {
  it('follow the transitions of a circuit', () => {
    const b = opossumBench(options);
    const heard = recorded(b.breaker);
    b.call('success');
    b.call('failure', 3);
    b.reject();
    b.clock.advance(1000);
    b.call('failure');
    b.clock.advance(1000);
    b.call('success');
    b.circuit.close?.();
    expect(heard).toEqual([
      ...['fire', 'success'],
      ...['fire', 'failure', 'fire', 'failure', 'fire', 'failure', 'open'],
      ...['fire', 'reject'],
      ...['halfOpen', 'fire', 'failure', 'open'],
      ...['halfOpen', 'fire', 'close', 'success'],
      'shutdown',
    ]);
  });

  it.each<[Outcome, string[]]>([
    ['success', ['fire', 'success']],
    ['caller-error', ['fire', 'success']],
    ['failure', ['fire', 'failure']],
    ['overload', ['fire', 'failure']],
    ['ignored', []],
  ])('a call that ended as %s is %o', (outcome, events) => {
    const b = opossumBench(options);
    const heard = recorded(b.breaker);
    b.call(outcome);
    expect(heard).toEqual(events);
  });

  it('listeners get the outcome, and how long the call took by the clock of the guard', () => {
    const b = opossumBench(options);
    const heard: unknown[][] = [];
    b.breaker.on('success', (...args) => heard.push(args));
    b.breaker.on('failure', (...args) => heard.push(args));
    b.call('success', 1, 12.5);
    b.call('overload', 1, 40);
    expect(heard).toEqual([
      [{ outcome: 'success', durationMs: 12.5 }, 12.5],
      [expect.any(Error), 40, [expect.objectContaining({ outcome: 'overload', durationMs: 40 })]],
    ]);
  });

  it('the percentiles are those of the durations', () => {
    const b = opossumBench(options);
    for (let ms = 1; ms <= 100; ms++) b.call('success', 1, ms);
    expect(b.circuit.snapshot().window.latencyMs).toEqual({ p50: 50, p90: 90, p99: 99 });
    expect(b.breaker.stats.latencyMean).toBe(50.5);
  });

  it('an invalid duration counts as 0', () => {
    const b = opossumBench(options, { timeout: 100 });
    b.call('success', 1, Number.NaN);
    b.call('success', 1, -5);
    expect(b.breaker.stats).toMatchObject({ successes: 2, timeouts: 0, latencyMean: 0 });
  });

  it('the window rolls by the clock, also when it is only read', () => {
    const b = opossumBench(options);
    b.call('success', 3);
    b.clock.advance(5000);
    b.call('failure');
    expect(b.breaker.stats).toMatchObject({ successes: 3, failures: 1, fires: 4 });
    b.clock.advance(5000);
    expect(b.breaker.status.stats).toMatchObject({ successes: 0, failures: 1, fires: 1 });
    b.clock.advance(1e9);
    expect(b.breaker.toJSON().status).toMatchObject({ successes: 0, failures: 0, fires: 0 });
  });

  it('calls in flight, cancelled calls and rejections do not lower the rate', () => {
    const b = opossumBench(options);
    for (let i = 0; i < 50; i++) b.admit();
    b.call('ignored', 50);
    b.call('failure', 4);
    expect(b.circuit.state).toBe('open');
    for (let i = 0; i < 50; i++) b.reject();
    b.clock.advance(1000);
    b.call('success');
    b.call('failure', 4);
    expect(b.circuit.state).toBe('open');
  });
});

describe('the state of the breaker', () => {
  const flags = ({ closed, opened: open, halfOpen, pendingClose }: CircuitBreaker) => ({
    closed,
    open,
    halfOpen,
    pendingClose,
  });

  it('is the state of the circuit, also when only the breaker is read', () => {
    const b = opossumBench(options);
    const none = { closed: false, open: false, halfOpen: false, pendingClose: false };
    expect(flags(b.breaker)).toEqual({ ...none, closed: true });
    b.call('failure', 4);
    expect(flags(b.breaker)).toEqual({ ...none, open: true });
    b.clock.advance(1000);
    expect(b.breaker.opened).toBe(false);
    expect(flags(b.breaker)).toEqual({ ...none, halfOpen: true, pendingClose: true });
    const probe = b.admit();
    expect(flags(b.breaker)).toEqual({ ...none, halfOpen: true });
    expect(b.breaker.toJSON().state).toMatchObject({ halfOpen: true, open: false, closed: false });
    probe.settle('success', 1);
    expect(flags(b.breaker)).toEqual({ ...none, closed: true });
  });

  it('open() by hand opens the circuit, for its open time', () => {
    const b = opossumBench(options);
    b.breaker.open();
    expect(b.reject()).toMatchObject({ reason: 'CIRCUIT_OPEN', retryAfterMs: 1000 });
    b.clock.advance(1000);
    b.call('success');
    expect(b.story()).toEqual([
      'closed -> open: by hand, on the breaker',
      'open -> half-open: open time is over',
      'half-open -> closed: the probe succeeded',
    ]);
  });

  it('open() by hand while the probe is out makes the probe stale', () => {
    const b = opened();
    b.clock.advance(1000);
    const probe = b.admit();
    b.breaker.open();
    probe.settle('success', 1);
    expect(b.circuit.state).toBe('open');
    b.clock.advance(1000);
    expect(b.admit().probe).toBe(true);
  });

  it('close() by hand closes the circuit, with an empty window', () => {
    const b = opened();
    b.breaker.close();
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', openings: 0, window: { calls: 0 } });
    b.call('failure', 3);
    expect(b.circuit.state).toBe('closed');
  });

  it('disable() lets everything pass, enable() goes on', () => {
    const b = opened();
    b.breaker.disable();
    b.call('failure', 5);
    b.breaker.enable();
    expect(b.reject().reason).toBe('CIRCUIT_OPEN');
  });

  it('a hung probe of a disabled breaker does not keep its slot', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    b.breaker.disable();
    b.clock.advance(500);
    expect(b.circuit.state).toBe('half-open');
    b.breaker.enable();
    expect(b.admit().probe).toBe(true);
  });

  it('during warm-up a failed probe leaves it half-open with a free slot', () => {
    vi.useFakeTimers();
    const b = opossumBench(options, { allowWarmUp: true });
    b.call('failure', 20);
    expect(b.circuit.state).toBe('closed');
    b.breaker.open();
    b.clock.advance(1000);
    b.call('failure');
    expect(b.circuit.state).toBe('half-open');
    vi.advanceTimersByTime(10_000);
    b.call('failure');
    expect(b.circuit.state).toBe('open');
  });

  it('shutdown() by hand rejects everything, as opossum does', () => {
    const b = opossumBench(options);
    b.breaker.shutdown();
    expect(b.reject()).toEqual({ admitted: false, reason: 'ISOLATED', retryAfterMs: 0 });
    expect(b.engine.breakers.size).toBe(0);
  });

  it('fire() by hand is refused, and counts nothing', async () => {
    const b = opossumBench(options);
    await expect(b.breaker.fire()).rejects.toMatchObject({ code: 'FAILSOFT_UNSUPPORTED' });
    expect(b.breaker.stats.fires).toBe(0);
  });
});

describe('what would make opossum unsafe', () => {
  it('a call of before the trip does not touch the breaker', () => {
    const b = opossumBench(options);
    const old = [b.admit(), b.admit(), b.admit()] as const;
    b.call('failure', 4);
    b.clock.advance(1000);
    const heard = recorded(b.breaker);
    old[0].settle('success', 1);
    old[1].settle('failure', 1);
    old[2].settle('caller-error', 1);
    expect(heard).toEqual([]);
    expect(b.circuit.snapshot().totals.stale).toBe(3);
  });

  it('a probe that hangs opens it as of its time limit', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    b.clock.advance(700);
    expect(b.reject()).toMatchObject({ reason: 'CIRCUIT_OPEN', retryAfterMs: 800 });
    expect(b.story().at(-1)).toBe('half-open -> open: the probe timed out');
    expect(b.circuit.snapshot().openings).toBe(2);
  });

  it('a rejection names the time at which the probe is over', () => {
    const b = opened();
    b.clock.advance(1000);
    b.admit();
    b.clock.advance(100);
    expect(b.reject()).toEqual({ admitted: false, reason: 'HALF_OPEN', retryAfterMs: 400 });
  });

  it('a probe that ends in mode off gives its slot back', () => {
    const b = opened();
    b.clock.advance(1000);
    const probe = b.admit();
    b.circuit.mode = 'off';
    probe.settle('failure', 1);
    b.circuit.mode = 'enforce';
    expect(b.admit().probe).toBe(true);
  });

  it.each([
    'fire',
    'success',
    'failure',
    'open',
    'halfOpen',
    'close',
    'reject',
    'timeout',
    'semaphoreLocked',
  ])('a listener of %s that throws harms no call and no count, and becomes a warning', (name) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const b = opossumBench({ ...options, concurrency: { type: 'fixed', limit: 4 } }, { timeout: 100 });
    b.breaker.addListener(name, () => {
      throw new Error(`listener of ${name}`);
    });
    b.call('failure', 3);
    b.call('success', 1, 200); // took too long
    b.reject();
    b.clock.advance(1000);
    b.call('success');
    const held = [b.admit(), b.admit(), b.admit(), b.admit()];
    expect(b.reject().reason).toBe('CONCURRENCY_LIMIT');
    for (const permit of held) permit.settle('success', 1);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', inFlight: 0, window: { calls: 4 } });
    b.breaker.open();
    b.circuit.reset();
    b.call('success');
    expect(b.circuit.snapshot()).toMatchObject({ state: 'closed', window: { calls: 1 } });
    expect(warned).toHaveBeenCalledWith(expect.stringContaining(`listener of ${name}`), 'FailsoftWarning');
  });

  it('a fallback set on the breaker answers no call; when it fails, the first error is a warning', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const b = opossumBench(options);
    b.breaker.fallback(() => Promise.reject(new Error('fallback failed')));
    b.call('failure', 4);
    expect(b.circuit.state).toBe('open');
    await expect.poll(() => warned.mock.calls.length).toBe(1);
  });

  it('a listener may use the circuit', () => {
    const b = opossumBench(options);
    const seen: string[] = [];
    b.breaker.on('open', () => {
      seen.push(b.circuit.snapshot().state, b.reject().reason);
    });
    b.breaker.on('halfOpen', () => b.admit().settle('success', 3));
    b.call('failure', 4);
    expect(seen).toEqual(['open', 'CIRCUIT_OPEN']);
    b.clock.advance(1000);
    expect(b.circuit.state).toBe('closed');
    b.call('success', 2, 7);
    expect(b.breaker.stats).toMatchObject({ successes: 2, latencyMean: 7 });
    expect(b.story().map((line) => line.split(':')[0])).toEqual([
      'closed -> open',
      'open -> half-open',
      'half-open -> closed',
    ]);
  });
});

describe('breakers come and go', () => {
  const environment = () => {
    const b = opossumBench(options);
    return {
      clock: b.clock,
      random: Math.random,
      listener: { transition: () => {}, isolation: () => {} },
    };
  };

  it('each circuit has one, by its key', () => {
    const engine = opossumEngine();
    const make = engine.configure(options, 'circuit');
    for (const key of ['a', 'b']) make(key, environment());
    expect([...engine.breakers].map(([key, breaker]) => [key, breaker.name])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
  });

  it('onBreaker calls its listener for present and future breakers, until it is unsubscribed', () => {
    const engine = opossumEngine();
    const make = engine.configure(options, 'circuit');
    make('a', environment());
    const heard: string[] = [];
    const end = engine.onBreaker(({ name }) => heard.push(name));
    make('b', environment());
    end();
    make('c', environment());
    expect(heard).toEqual(['a', 'b']);
  });

  it('the breaker of a circuit that was closed for good is gone, and its calls pass', () => {
    const b = opened();
    const old = b.admit.bind(b);
    b.circuit.close?.();
    expect(b.engine.breakers.size).toBe(0);
    expect(b.breaker.isShutdown).toBe(true);
    old().settle('failure', 1);
    expect(b.breaker.eventNames()).toEqual([]);
  });

  it('closing an old circuit of a key leaves the new one', () => {
    const engine = opossumEngine();
    const make = engine.configure(options, 'circuit');
    const first = make('a', environment());
    make('a', environment());
    const breaker = engine.breakers.get('a');
    first.close?.();
    expect(engine.breakers.get('a')).toBe(breaker);
  });

  it('cost no timer, closed or open', () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    const repeat = vi.spyOn(globalThis, 'setInterval');
    for (let i = 0; i < 20; i++) opened();
    expect(set).not.toHaveBeenCalled();
    expect(repeat).not.toHaveBeenCalled();
  });

  it('keep no process alive, and no memory after they were closed', async () => {
    const args = ['--expose-gc', compiled('test/engines/exit-fixture.ts')];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 50_000 });
    const { left, breakers }: { left: number; breakers: number } = JSON.parse(stdout);
    expect(breakers).toBe(1);
    // the last one may still lie on the stack
    expect(left).toBeLessThanOrEqual(1);
  });

  it('enableSnapshots: true costs one, which ends with the circuit', async () => {
    vi.useFakeTimers();
    const b = opossumBench(undefined, { enableSnapshots: true, rollingCountTimeout: 1000 });
    const snapshot = once(b.breaker.status, 'snapshot');
    b.call('success');
    vi.advanceTimersByTime(100);
    expect(await snapshot).toMatchObject([{ successes: 1 }]);
    expect(vi.getTimerCount()).toBe(1);
    b.circuit.close?.();
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { consecutiveFailures, failureRate } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import type { Engine } from '../../src/engines/engine.js';
import { isFailsoftError } from '../../src/errors.js';
import { type Bench, bench } from '../circuit/harness.js';

const OPEN_MS = 1000;
const PROBE_TIMEOUT_MS = 500;

/** Options that every engine must take: four calls, half of them bad, open for a second, one probe. */
export function plainOptions(engine: Engine, more: CircuitOptions = {}): CircuitOptions {
  const { capabilities } = engine;
  return {
    trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
    window: capabilities.windows.has('count')
      ? { type: 'count', size: 10 }
      : { type: 'time', durationMs: 10_000 },
    open: capabilities.openTimeBackoff
      ? { baseMs: OPEN_MS, jitter: 'none', multiplier: 1 }
      : { baseMs: OPEN_MS },
    halfOpen: { probeTimeoutMs: PROBE_TIMEOUT_MS },
    ...(capabilities.ramp && { recovering: false }),
    ...more,
  };
}

/** A test of what not every engine can do: for the others it is not there, rather than skipped. */
function itWhere(can: boolean, name: string, test: () => void): void {
  if (can) it(name, test);
}

/** What the rest of failsoft relies on: every engine passes this, reading its `capabilities`. */
export function engineContract(name: string, engine: Engine): void {
  const { capabilities } = engine;
  const make = (more?: CircuitOptions) => bench(plainOptions(engine, more), { engine });
  const opened = () => {
    const b = make();
    b.call('failure', 4);
    return b;
  };
  const halfOpen = () => {
    const b = opened();
    b.clock.advance(OPEN_MS);
    return b;
  };
  const recover = (b: Bench) => {
    b.clock.advance(OPEN_MS);
    b.call('success');
  };

  describe(`engine contract: ${name}`, () => {
    describe('closed', () => {
      it('starts closed, with its key', () => {
        const b = bench(plainOptions(engine), { engine, key: '/pkg.Service/Method' });
        expect(b.circuit.state).toBe('closed');
        expect(b.circuit.key).toBe('/pkg.Service/Method');
        expect(b.circuit.mode).toBe('enforce');
      });

      it('works without any option', () => {
        const b = bench(undefined, { engine });
        b.call('success', 10);
        b.call('failure', 1);
        expect(b.circuit.state).toBe('closed');
      });

      it('opens at the threshold, not before', () => {
        const b = make();
        b.call('failure', 3);
        expect(b.circuit.state).toBe('closed');
        b.call('failure');
        expect(b.circuit.state).toBe('open');
        expect(b.transitions).toHaveLength(1);
        expect(b.transitions[0]).toMatchObject({
          circuitKey: 'test',
          from: 'closed',
          to: 'open',
          mode: 'enforce',
        });
        expect(b.transitions[0]?.reason).not.toBe('');
      });

      it.each<[Outcome, boolean]>([
        ['success', false],
        ['caller-error', false],
        ['ignored', false],
        ['failure', true],
        ['overload', true],
      ])('%s counts against the server: %s', (outcome, counts) => {
        const b = make();
        b.call(outcome, 4);
        expect(b.circuit.state).toBe(counts ? 'open' : 'closed');
      });

      it('counts each call once, however often its permit is settled', () => {
        const b = make();
        const permit = b.admit();
        for (let i = 0; i < 10; i++) permit.settle('failure', 1);
        const { totals, inFlight, window } = b.circuit.snapshot();
        expect(totals.outcomes.failure).toBe(1);
        expect(window.calls).toBe(1);
        expect(inFlight).toBe(0);
        expect(b.circuit.state).toBe('closed');
      });

      it('counts the calls in flight', () => {
        const b = make();
        const permits = [b.admit(), b.admit(), b.admit()];
        expect(b.circuit.snapshot().inFlight).toBe(3);
        permits.forEach((permit) => {
          permit.settle('success', 1);
        });
        expect(b.circuit.snapshot().inFlight).toBe(0);
      });
    });

    describe('open', () => {
      it('rejects with a plain value and the time until a retry', () => {
        const b = opened();
        expect(b.reject()).toEqual({ admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: OPEN_MS });
        b.clock.advance(400);
        expect(b.reject().retryAfterMs).toBe(OPEN_MS - 400);
        expect(b.circuit.snapshot().totals.rejected.CIRCUIT_OPEN).toBe(2);
      });

      it('admits one probe when its time is over', () => {
        const b = opened();
        b.clock.advance(OPEN_MS - 1);
        expect(b.circuit.state).toBe('open');
        b.clock.advance(1);
        expect(b.admit().probe).toBe(true);
        expect(b.circuit.state).toBe('half-open');
      });

      it('a read of the state does not use up the probe', () => {
        const b = halfOpen();
        expect(b.circuit.state).toBe('half-open');
        expect(b.circuit.snapshot().state).toBe('half-open');
        expect(b.admit().probe).toBe(true);
      });
    });

    describe('half-open', () => {
      it('rejects every other call at once', () => {
        const b = halfOpen();
        const probe = b.admit();
        for (let i = 0; i < 20; i++) expect(b.reject().reason).toBe('HALF_OPEN');
        probe.settle('success', 1);
        expect(b.circuit.state).toBe('closed');
      });

      it.each<[Outcome, string]>([
        ['success', 'closed'],
        ['caller-error', 'closed'],
        ['failure', 'open'],
        ['overload', 'open'],
      ])('a probe that ends as %s leads to %s', (outcome, state) => {
        const b = halfOpen();
        b.admit().settle(outcome, 1);
        expect(b.circuit.state).toBe(state);
      });

      it('recovers with an empty window', () => {
        const b = opened();
        recover(b);
        expect(b.circuit.snapshot().window.calls).toBe(0);
        b.call('failure', 3);
        expect(b.circuit.state).toBe('closed');
      });

      it('a failed probe opens it for its whole time again', () => {
        const b = halfOpen();
        b.call('failure');
        b.clock.advance(OPEN_MS - 1);
        expect(b.circuit.state).toBe('open');
        b.clock.advance(1);
        expect(b.circuit.state).toBe('half-open');
      });

      it('a hung probe does not block for ever', () => {
        const b = halfOpen();
        const hung = b.admit();
        b.clock.advance(PROBE_TIMEOUT_MS + OPEN_MS);
        const next = b.admit();
        expect(next.probe).toBe(true);
        hung.settle('success', 1);
        expect(b.circuit.state).toBe('half-open');
        next.settle('success', 1);
        expect(b.circuit.state).toBe('closed');
      });

      itWhere(capabilities.ignoredProbes, 'an ignored probe gives its slot back', () => {
        const b = halfOpen();
        for (let i = 0; i < 5; i++) b.admit().settle('ignored', 1);
        expect(b.circuit.state).toBe('half-open');
        b.admit().settle('success', 1);
        expect(b.circuit.state).toBe('closed');
      });

      it('an ignored probe does not close', () => {
        const b = halfOpen();
        b.admit().settle('ignored', 1);
        expect(b.circuit.state).not.toBe('closed');
      });
    });

    describe('permits of an earlier generation', () => {
      it.each<Outcome>(['success', 'failure', 'ignored'])('%s changes nothing in half-open', (outcome) => {
        const b = make();
        const old = b.admit();
        b.call('failure', 4);
        b.clock.advance(OPEN_MS);
        const probe = b.admit();
        old.settle(outcome, 1);
        expect(b.circuit.state).toBe('half-open');
        expect(b.reject().reason).toBe('HALF_OPEN');
        probe.settle('success', 1);
        expect(b.circuit.state).toBe('closed');
      });

      itWhere(capabilities.staleProtection, 'are counted as stale and not in the window', () => {
        const b = make();
        const old = [b.admit(), b.admit()];
        b.call('failure', 4);
        recover(b);
        old.forEach((permit) => {
          permit.settle('failure', 1);
        });
        const { totals, window, inFlight } = b.circuit.snapshot();
        expect(totals.stale).toBe(2);
        expect(totals.outcomes.failure).toBe(4);
        expect(window.calls).toBe(0);
        expect(inFlight).toBe(0);
      });

      it('each transition bumps the generation', () => {
        const b = make();
        const first = b.circuit.snapshot().generation;
        b.call('failure', 4);
        const second = b.circuit.snapshot().generation;
        recover(b);
        expect(second).toBeGreaterThan(first);
        expect(b.circuit.snapshot().generation).toBeGreaterThan(second);
      });
    });

    describe('mode', () => {
      it('observe reports what it would do and rejects nothing', () => {
        const b = make({ mode: 'observe' });
        b.call('failure', 4);
        expect(b.circuit.state).toBe('open');
        expect(b.transitions.map(({ to, mode }) => [to, mode])).toEqual([['open', 'observe']]);
        b.call('success', 5);
        expect(b.circuit.snapshot().totals.rejected.CIRCUIT_OPEN).toBe(5);
        expect(b.circuit.snapshot().inFlight).toBe(0);
      });

      it('off passes through and records nothing', () => {
        const b = make({ mode: 'off' });
        b.call('failure', 20);
        expect(b.circuit.state).toBe('closed');
        expect(b.circuit.snapshot().totals.outcomes.failure).toBe(0);
      });

      it('can be changed while it runs', () => {
        const b = opened();
        b.circuit.mode = 'off';
        b.call('success');
        b.circuit.mode = 'observe';
        b.call('success');
        b.circuit.mode = 'enforce';
        expect(b.reject().reason).toBe('CIRCUIT_OPEN');
      });
    });

    describe('by hand', () => {
      it('isolation rejects until every handle is released', () => {
        const b = make();
        const first = b.circuit.isolate();
        const second = b.circuit.isolate();
        expect(b.reject()).toEqual({ admitted: false, reason: 'ISOLATED', retryAfterMs: 0 });
        first.release();
        first.release();
        expect(b.reject().reason).toBe('ISOLATED');
        expect(b.circuit.snapshot().isolated).toBe(1);
        second[Symbol.dispose]();
        b.call('success');
        expect(b.isolations.map(({ isolated }) => isolated)).toEqual([true, false]);
      });

      it('reset closes, empties the window and makes permits stale', () => {
        const b = make();
        const old = b.admit();
        b.call('failure', 4);
        b.circuit.reset();
        old.settle('failure', 1);
        const { state, window, openings, openUntilMs } = b.circuit.snapshot();
        expect({ state, calls: window.calls, openings, openUntilMs }).toEqual({
          state: 'closed',
          calls: 0,
          openings: 0,
          openUntilMs: null,
        });
        expect(b.transitions.at(-1)).toMatchObject({ to: 'closed', reason: 'reset' });
      });
    });

    it('a snapshot is plain JSON', () => {
      for (const b of [make(), opened(), halfOpen()]) {
        const snapshot = b.circuit.snapshot();
        expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
        expect(snapshot).toMatchObject({ version: 1, engine: engine.name, circuitKey: 'test' });
      }
    });

    describe('execute', () => {
      it("counts the function's result and passes it on", async () => {
        const b = make();
        await expect(b.circuit.execute(async () => 'answer')).resolves.toBe('answer');
        const broken = new Error('broken');
        await expect(b.circuit.execute(() => Promise.reject(broken))).rejects.toBe(broken);
        const { outcomes } = b.circuit.snapshot().totals;
        expect([outcomes.success, outcomes.failure]).toEqual([1, 1]);
      });

      it('does not run the function if the circuit rejects', async () => {
        const b = opened();
        let ran = false;
        const error = await b.circuit
          .execute(() => {
            ran = true;
          })
          .catch((reason: unknown) => reason);
        expect(ran).toBe(false);
        expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_REJECTED');
        expect(isFailsoftError(error) && error.cause).toMatchObject({ reason: 'CIRCUIT_OPEN' });
      });
    });

    describe('what it does not support fails at construction', () => {
      const asked: [string, boolean, CircuitOptions, RegExp][] = [
        ['several probes', capabilities.severalProbes, { halfOpen: { permittedProbes: 3 } }, /halfOpen/],
        ['a ramp', capabilities.ramp, { recovering: { durationMs: 1000 } }, /recovering/],
        ['backoff', capabilities.openTimeBackoff, { open: { multiplier: 3 } }, /open/],
        ['a limit', capabilities.concurrency, { concurrency: { type: 'fixed', limit: 5 } }, /concurrency/],
        ['a throttle', capabilities.throttle, { throttle: {} }, /throttle/],
        [
          'a count window',
          capabilities.windows.has('count'),
          { window: { type: 'count', size: 50 } },
          /window/,
        ],
        [
          'a time window',
          capabilities.windows.has('time'),
          { window: { type: 'time', durationMs: 5000 } },
          /window/,
        ],
        [
          'consecutive-failures',
          capabilities.tripRules.has('consecutive-failures'),
          { trip: [consecutiveFailures({ failures: 3 })] },
          /trip/,
        ],
      ];
      it.each(asked)('%s: %s', (_what, can, options, field) => {
        if (can) {
          bench(options, { engine }).call('success');
          return;
        }
        let error: unknown;
        try {
          engine.configure(options, 'circuit');
        } catch (thrown) {
          error = thrown;
        }
        expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_UNSUPPORTED');
        expect(error).toMatchObject({ message: expect.stringMatching(field) });
        expect(error).toMatchObject({ message: expect.stringContaining(engine.name) });
      });

      it('an unknown option is an error', () => {
        const misspelt = { trips: [] };
        expect(() => engine.configure(misspelt as CircuitOptions, 'circuit')).toThrow(/circuit\.trips/);
      });
    });

    describe('snapshots and settings', () => {
      itWhere(capabilities.restore, 'an open circuit is open again after a restart', () => {
        const before = opened();
        const after = make();
        after.circuit.restore(JSON.parse(JSON.stringify(before.circuit.snapshot())));
        expect(after.reject().reason).toBe('CIRCUIT_OPEN');
        after.clock.advance(OPEN_MS);
        after.call('success');
        expect(after.circuit.state).toBe('closed');
      });

      itWhere(!capabilities.restore, 'restore says that it cannot', () => {
        const b = make();
        expect(() => b.circuit.restore(b.circuit.snapshot())).toThrow(
          expect.objectContaining({ code: 'FAILSOFT_UNSUPPORTED' }),
        );
      });

      itWhere(capabilities.reconfigure, 'new settings hold from the next outcome on', () => {
        const b = make();
        b.call('failure', 3);
        b.circuit.reconfigure(
          plainOptions(engine, { trip: [failureRate({ threshold: 0.5, minimumCalls: 6 })] }),
        );
        b.call('failure', 2);
        expect(b.circuit.state).toBe('closed');
        b.call('failure');
        expect(b.circuit.state).toBe('open');
      });

      itWhere(!capabilities.reconfigure, 'reconfigure says that it cannot', () => {
        const b = make();
        expect(() => b.circuit.reconfigure(plainOptions(engine))).toThrow(
          expect.objectContaining({ code: 'FAILSOFT_UNSUPPORTED' }),
        );
      });
    });
  });
}

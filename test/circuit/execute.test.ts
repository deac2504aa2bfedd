import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import {
  adaptive,
  consecutiveFailures,
  failureRate,
  latencyPercentile,
  slowRate,
} from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { bench } from './harness.js';

const make = () => bench({ trip: [consecutiveFailures({ failures: 3 })] });

describe('execute', () => {
  it('gives the function a signal: the signal of the options, or a signal that never aborts', async () => {
    const b = make();
    const { signal } = new AbortController();
    expect(await b.circuit.execute((given) => given === signal, { signal })).toBe(true);
    const own = await b.circuit.execute((given) => given);
    expect(own.aborted).toBe(false);
    expect(await b.circuit.execute((given) => given)).not.toBe(own);
  });

  it('keeps no listener of a function that declares no parameter, and reads its signal all the same', async () => {
    const b = make();
    const read = (...[signal]: AbortSignal[]) => {
      signal?.addEventListener('abort', () => {});
      return signal;
    };
    const signals = await Promise.all(Array.from({ length: 20 }, () => b.circuit.execute(read)));
    expect(signals[0]).toBeInstanceOf(AbortSignal);
    for (const signal of signals)
      expect(signal === undefined ? [] : getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('measures how long the function took', async () => {
    const b = make();
    await b.circuit.execute(async () => {
      b.clock.advance(250);
    });
    expect(b.circuit.snapshot().window.latencyMs?.p50).toBeCloseTo(250, -1);
  });

  it.each<[string, CircuitOptions, number]>([
    [
      'two of 16 calls that take no time, where only the snapshot shows them',
      { trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })] },
      2,
    ],
    ['each call of a concurrency limit', { concurrency: { type: 'fixed', limit: 10 } }, 16],
    [
      'each call, for a slow rate',
      { trip: [slowRate({ threshold: 1, slowThresholdMs: 9, minimumCalls: 10 })] },
      16,
    ],
    [
      'each call, for a percentile',
      { trip: [latencyPercentile({ percentile: 99, thresholdMs: 9, minimumCalls: 10 })] },
      16,
    ],
    ['each call, for the adaptive rule', { trip: [adaptive()] }, 16],
  ])('measures %s', async (_what, options, measured) => {
    for (const given of [undefined, {}]) {
      const b = bench(options);
      const now = vi.spyOn(b.clock, 'now');
      for (let n = 0; n < 16; n++) await b.circuit.execute(() => 1, given);
      expect(now).toHaveBeenCalledTimes(2 * measured);
      expect(b.circuit.snapshot()).toMatchObject({
        inFlight: 0,
        window: { calls: 16, latencyMs: { p50: 0 } },
      });
    }
  });

  it('measures each call again as soon as a measured one takes a tenth of a millisecond', async () => {
    const b = bench({ trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })] });
    const now = vi.spyOn(b.clock, 'now');
    const take = async (calls: number, ms: number) => {
      now.mockClear();
      for (let n = 0; n < calls; n++) await b.circuit.execute(() => b.clock.advance(ms));
      return now.mock.calls.length / 2;
    };
    expect(await take(20, 0.2)).toBe(20);
    // the 21st, which nothing says is short, and of the short ones the 25th
    expect(await take(9, 0.05)).toBe(2);
    // the 33rd finds out
    expect(await take(4, 0.2)).toBe(1);
    expect(await take(5, 0.2)).toBe(5);
    expect(b.circuit.snapshot().window.calls).toBe(38);
  });

  it('measures each call of a circuit that recovers', async () => {
    const b = make();
    for (let n = 0; n < 3; n++)
      await b.circuit.execute(() => Promise.reject(new Error('no'))).catch(() => {});
    b.clock.advance(60_000);
    for (const state of ['half-open', 'recovering'] as const) {
      expect(b.circuit.state).toBe(state);
      const now = vi.spyOn(b.clock, 'now');
      // one reading decides on the call, the other is its start
      await b.circuit.execute(() => expect(now).toHaveBeenCalledTimes(2));
      now.mockRestore();
    }
  });

  it('counts an error that is thrown synchronously as a failure', async () => {
    const b = make();
    const thrown = new Error('no');
    await expect(
      b.circuit.execute(() => {
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    expect(b.circuit.snapshot().totals.outcomes.failure).toBe(1);
  });

  it.each<Outcome>(['caller-error', 'overload', 'ignored', 'success'])(
    'classify says %s',
    async (outcome) => {
      const b = make();
      const thrown = new Error('no');
      const seen: unknown[] = [];
      const classify = (error: unknown) => {
        seen.push(error);
        return outcome;
      };
      await expect(b.circuit.execute(() => Promise.reject(thrown), { classify })).rejects.toBe(thrown);
      expect(seen).toEqual([thrown]);
      expect(b.circuit.snapshot().totals.outcomes[outcome]).toBe(1);
    },
  );

  it('classify is not called for an answer', async () => {
    const b = make();
    await b.circuit.execute(() => 1, { classify: () => 'failure' });
    expect(b.circuit.snapshot().totals.outcomes.success).toBe(1);
  });

  it('if classify throws, or returns no outcome, the caller gets that error, and the permit is settled', async () => {
    const b = make();
    const fail = () => Promise.reject(new Error('model'));
    const broken = () => {
      throw new Error('classify');
    };
    await expect(b.circuit.execute(fail, { classify: broken })).rejects.toThrow('classify');
    await expect(b.circuit.execute(fail, { classify: () => 'bad' as Outcome })).rejects.toThrow(
      /^execute\.classify: expected one of/,
    );
    expect(b.circuit.snapshot()).toMatchObject({ inFlight: 0, totals: { outcomes: { failure: 2 } } });
  });

  it('an abort before it begins costs no permit', async () => {
    const b = make();
    const reason = new Error('gone');
    let ran = false;
    const work = () => {
      ran = true;
    };
    await expect(b.circuit.execute(work, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(ran).toBe(false);
    expect(b.circuit.snapshot().totals.admitted).toBe(0);
  });

  it('a rejection after an abort is ignored, whatever classify would return', async () => {
    const b = make();
    const controller = new AbortController();
    const work = b.circuit.execute(
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      { signal: controller.signal, classify: () => 'failure' },
    );
    expect(b.circuit.snapshot().inFlight).toBe(1);
    controller.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
    expect(b.circuit.snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { ignored: 1, failure: 0 } },
    });
  });

  it('an abort by a time-out is a failure, and classify is called: the server missed the deadline', async () => {
    const b = make();
    const hang = (signal: AbortSignal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    for (const classify of [undefined, () => 'overload' as const]) {
      const controller = new AbortController();
      const work = b.circuit.execute(hang, { signal: controller.signal, ...(classify && { classify }) });
      controller.abort(new DOMException('too long', 'TimeoutError'));
      await expect(work).rejects.toThrow('too long');
    }
    expect(b.circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1, overload: 1, ignored: 0 });
  });

  it('AbortSignal.timeout() aborts with such a time-out', async () => {
    const b = make();
    const signal = AbortSignal.timeout(0);
    const work = b.circuit.execute(
      () =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      { signal },
    );
    await expect(work).rejects.toThrow();
    expect(b.circuit.snapshot().totals.outcomes.failure).toBe(1);
  });

  it('an answer after an abort is a success', async () => {
    const b = make();
    const controller = new AbortController();
    const work = b.circuit.execute(
      async () => {
        controller.abort();
        return 'late';
      },
      { signal: controller.signal },
    );
    await expect(work).resolves.toBe('late');
    expect(b.circuit.snapshot().totals.outcomes.success).toBe(1);
  });

  it('opens, names the reason in the error, and closes again', async () => {
    const b = make();
    for (let i = 0; i < 3; i++)
      await b.circuit.execute(() => Promise.reject(new Error('no'))).catch(() => {});
    await expect(b.circuit.execute(() => 1)).rejects.toMatchObject({
      code: 'FAILSOFT_REJECTED',
      message: 'circuit "test" rejected the call: CIRCUIT_OPEN',
      cause: { admitted: false, reason: 'CIRCUIT_OPEN' },
    });
    b.clock.advance(5000);
    expect(await b.circuit.execute(() => 1)).toBe(1);
    expect(b.circuit.state).toBe('recovering');
  });

  it('refuses a value that is no function, and a signal that is no signal', async () => {
    const b = make();
    for (const options of [undefined, {}]) {
      await expect(b.circuit.execute('work' as never, options)).rejects.toThrow(
        /^execute\.fn: expected a function/,
      );
    }
    await expect(b.circuit.execute(() => 1, { classify: 'failure' as never })).rejects.toThrow(
      /^execute\.classify/,
    );
    await expect(b.circuit.execute(() => 1, { signal: 500 as never })).rejects.toThrow(
      /^execute\.signal: expected an AbortSignal, got 500/,
    );
    expect(b.circuit.snapshot().totals.admitted).toBe(0);
  });
});

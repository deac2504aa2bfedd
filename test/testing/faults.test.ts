import { type FaultPlan, type Latency, ManualClock, seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import * as messages from '../../src/gen/failsoft/mock/v1/fault.js';
import { checkFaultPlan } from '../../src/testing/faults/check-plan.js';
import { decide } from '../../src/testing/faults/decision.js';
import { FaultBoard } from '../../src/testing/faults/fault-board.js';
import { drawLatency, latencyFactor } from '../../src/testing/faults/latency.js';
import { planFromMessage, planToMessage } from '../../src/testing/faults/plan-message.js';

const full: FaultPlan = {
  latency: { kind: 'lognormal', medianMs: 10, sigma: 0.5 },
  latencyMultiplier: 20,
  warmUp: { multiplier: 5, durationMs: 1000 },
  error: {
    share: 0.25,
    code: 14,
    details: 'down',
    pushbackMs: -1,
    retryDelayMs: 1500,
    trailers: { 'x-zone': 'b' },
  },
  hangShare: 0.1,
  dropShare: 0,
  queue: { concurrency: 2, maxQueued: 3, timeoutMs: 50 },
  notReady: true,
  stream: { gapMs: 5, fault: { kind: 'error', afterMessages: 2, code: 13, details: 'broke' } },
};

describe('checkFaultPlan', () => {
  it('takes a plan with everything and an empty one, and copies', () => {
    const copy = checkFaultPlan('faults', full);
    expect(copy).toEqual(full);
    expect(copy).not.toBe(full);
    expect(copy.error).not.toBe(full.error);
    expect(checkFaultPlan('faults', {})).toEqual({});
  });

  const bad: readonly [plan: unknown, message: string][] = [
    [null, 'faults: expected an object'],
    [[], 'faults: expected an object'],
    [{ lateness: 1 }, 'faults.lateness: expected one of the options latency'],
    [{ latency: 5 }, 'faults.latency: expected an object'],
    [{ latency: { kind: 'gamma' } }, 'faults.latency.kind: expected one of fixed'],
    [{ latency: { kind: 'fixed' } }, 'faults.latency.ms: expected a number'],
    [{ latency: { kind: 'fixed', ms: -1 } }, 'faults.latency.ms: expected a number from 0'],
    [{ latency: { kind: 'fixed', ms: Number.NaN } }, 'faults.latency.ms: expected a number from 0'],
    [
      { latency: { kind: 'fixed', ms: 1, sigma: 1 } },
      'faults.latency.sigma: expected one of the options kind, ms',
    ],
    [
      { latency: { kind: 'uniform', minMs: 5, maxMs: 4 } },
      'faults.latency.maxMs: expected at least minMs (5), got 4',
    ],
    [
      { latency: { kind: 'lognormal', medianMs: 5, sigma: 11 } },
      'faults.latency.sigma: expected a number from 0 to 10',
    ],
    [{ latencyMultiplier: -1 }, 'faults.latencyMultiplier: expected a number from 0'],
    [{ warmUp: { multiplier: 0.5, durationMs: 1 } }, 'faults.warmUp.multiplier: expected a number from 1'],
    [{ warmUp: { multiplier: 2 } }, 'faults.warmUp.durationMs: expected a number from 0'],
    [{ error: { code: 0 } }, 'faults.error.code: expected an integer from 1 to 16, got 0'],
    [{ error: { code: 17 } }, 'faults.error.code: expected an integer from 1 to 16, got 17'],
    [{ error: { code: 14, share: 1.1 } }, 'faults.error.share: expected a number from 0 to 1, got 1.1'],
    [{ error: { code: 14, details: 1 } }, 'faults.error.details: expected a string'],
    [{ error: { code: 14, pushbackMs: 2 ** 31 } }, 'faults.error.pushbackMs: expected an integer'],
    [{ error: { code: 14, retryDelayMs: -1 } }, 'faults.error.retryDelayMs: expected a number from 0'],
    [
      { error: { code: 14, trailers: { 'Grpc Status': 'x' } } },
      'faults.error.trailers: expected lower-case ASCII names',
    ],
    [
      { error: { code: 14, trailers: { 'grpc-status': '0' } } },
      'faults.error.trailers: expected lower-case ASCII names',
    ],
    [
      { error: { code: 14, trailers: { 'x-bin': 'x' } } },
      'faults.error.trailers: expected lower-case ASCII names',
    ],
    [
      { error: { code: 14, trailers: { connection: 'close' } } },
      'faults.error.trailers: expected names other than connection',
    ],
    [
      { error: { code: 14, trailers: { 'content-length': '1' } } },
      'faults.error.trailers: expected names other than connection',
    ],
    [{ error: { code: 14, trailers: ['x'] } }, 'faults.error.trailers: expected an object, got an array'],
    [
      { error: { code: 14, trailers: { x: '-'.repeat(8_160) } } },
      'faults.error.trailers: expected at most 8192 bytes in all, got 8193',
    ],
    [
      { error: { code: 14, details: 'é'.repeat(2_000) } },
      'faults.error.details: expected at most 8192 bytes, percent-encoded, got 12000',
    ],
    [
      { error: { code: 14, details: '\ud800' } },
      'faults.error.details: expected text without half a surrogate pair, got "\ufffd"',
    ],
    [
      { stream: { fault: { kind: 'error', afterMessages: 0, code: 14, details: '-'.repeat(8_193) } } },
      'faults.stream.fault.details: expected at most 8192 bytes',
    ],
    [
      { stream: { fault: { kind: 'error-message', afterMessages: 0, message: '-'.repeat(8_193) } } },
      'faults.stream.fault.message: expected at most 8192 bytes',
    ],
    [
      { error: { code: 14, retryDelayMs: 1e15 } },
      'faults.error.retryDelayMs: expected a number from 0 to 315576000000000',
    ],
    [{ error: { code: 14, trailers: { x: 'é' } } }, 'faults.error.trailers.x: expected printable ASCII'],
    [{ hangShare: 2 }, 'faults.hangShare: expected a number from 0 to 1'],
    [{ dropShare: -0.1 }, 'faults.dropShare: expected a number from 0 to 1'],
    [{ queue: { concurrency: 0, maxQueued: 0 } }, 'faults.queue.concurrency: expected an integer from 1'],
    [{ queue: { concurrency: 1, maxQueued: 0.5 } }, 'faults.queue.maxQueued: expected an integer from 0'],
    [
      { queue: { concurrency: 1, maxQueued: 1, timeoutMs: -1 } },
      'faults.queue.timeoutMs: expected a number from 0',
    ],
    [{ notReady: 'yes' }, 'faults.notReady: expected a boolean'],
    [{ stream: { gapMs: -1 } }, 'faults.stream.gapMs: expected a number from 0'],
    [
      { stream: { fault: { kind: 'stall' } } },
      'faults.stream.fault.afterMessages: expected an integer from 0',
    ],
    [
      { stream: { fault: { kind: 'stall', afterMessages: 1, code: 3 } } },
      'faults.stream.fault.code: expected one of',
    ],
    [
      { stream: { fault: { kind: 'error', afterMessages: 1 } } },
      'faults.stream.fault.code: expected an integer',
    ],
    [
      { stream: { fault: { kind: 'error-message', afterMessages: 1, message: '' } } },
      'faults.stream.fault.message: expected a text',
    ],
  ];
  it.each(bad)('refuses %j', (plan, message) => {
    // What a caller without types can pass.
    const untyped = (check: (field: string, plan: never) => unknown, value: unknown) =>
      Reflect.apply(check, undefined, ['faults', value]);
    expect(() => untyped(checkFaultPlan, plan)).toThrow(message);
  });
});

describe('a plan as a message', () => {
  const plans: FaultPlan[] = [
    {},
    full,
    { latency: { kind: 'fixed', ms: 0 } },
    { latency: { kind: 'uniform', minMs: 1, maxMs: 2 } },
    { latency: { kind: 'normal', meanMs: 1, standardDeviationMs: 2 } },
    { latency: { kind: 'exponential', meanMs: 3 } },
    { error: { code: 4 } },
    { queue: { concurrency: 1, maxQueued: 0 } },
    { stream: { gapMs: 1 } },
    { stream: { fault: { kind: 'error', afterMessages: 0, code: 2 } } },
    { stream: { fault: { kind: 'error-message', afterMessages: 1, message: 'bad item' } } },
    { stream: { fault: { kind: 'stall', afterMessages: 3 } } },
    { stream: { gapMs: 2, fault: { kind: 'drop', afterMessages: 1 } } },
  ];
  it.each(plans)('survives the wire: %j', (plan) => {
    const bytes = messages.FaultPlan.encode(planToMessage(plan)).finish();
    expect(planFromMessage(messages.FaultPlan.decode(bytes))).toEqual(plan);
  });

  it.each([
    [{ latency: {} }, 'faults.latency: expected one of fixed'],
    [{ stream: { afterMessages: 2 } }, 'faults.stream: expected one of error'],
  ])('refuses %j', (message, text) => {
    expect(() => planFromMessage(messages.FaultPlan.fromPartial(message))).toThrow(text);
  });
});

describe('drawLatency', () => {
  const mean = (latency: Latency) => {
    const random = seededRandom(5);
    const values = Array.from({ length: 20_000 }, () => drawLatency(latency, random)).sort((a, b) => a - b);
    expect(values[0]).toBeGreaterThanOrEqual(0);
    return {
      mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      median: values[10_000] ?? 0,
      least: values[0] ?? 0,
      most: values.at(-1) ?? 0,
    };
  };

  it('fixed', () =>
    expect(mean({ kind: 'fixed', ms: 7 })).toEqual({ mean: 7, median: 7, least: 7, most: 7 }));
  it('uniform stays within its bounds', () => {
    const { mean: average, least, most } = mean({ kind: 'uniform', minMs: 10, maxMs: 30 });
    expect(average).toBeCloseTo(20, 0);
    expect(least).toBeGreaterThanOrEqual(10);
    expect(most).toBeLessThan(30);
  });
  it('normal', () => {
    const { mean: average, most } = mean({ kind: 'normal', meanMs: 100, standardDeviationMs: 10 });
    expect(average).toBeCloseTo(100, 0);
    expect(most).toBeGreaterThan(125);
  });
  it('normal cuts off below 0', () => {
    expect(mean({ kind: 'normal', meanMs: 1, standardDeviationMs: 10 }).least).toBe(0);
  });
  it('lognormal has its median and a long tail', () => {
    const { mean: average, median } = mean({ kind: 'lognormal', medianMs: 100, sigma: 1 });
    expect(median / 100).toBeCloseTo(1, 1);
    // The mean of a lognormal is its median times e^(sigma²/2).
    expect(average / 100).toBeCloseTo(Math.exp(0.5), 1);
  });
  it('exponential', () => {
    const { mean: average, median } = mean({ kind: 'exponential', meanMs: 100 });
    expect(average / 100).toBeCloseTo(1, 1);
    expect(median / 100).toBeCloseTo(Math.LN2, 1);
  });
});

it.each([
  [{}, 0, 1],
  [{ latencyMultiplier: 20 }, 0, 20],
  [{ warmUp: { multiplier: 11, durationMs: 1000 } }, 0, 11],
  [{ warmUp: { multiplier: 11, durationMs: 1000 } }, 500, 6],
  [{ warmUp: { multiplier: 11, durationMs: 1000 } }, 1000, 1],
  [{ warmUp: { multiplier: 11, durationMs: 0 } }, 0, 1],
  [{ warmUp: { multiplier: 11, durationMs: 1000 }, latencyMultiplier: 2 }, 500, 12],
])('latency factor of %j after %i ms is %d', (plan, sinceMs, factor) => {
  expect(latencyFactor(plan, sinceMs)).toBeCloseTo(factor, 9);
});

describe('decide', () => {
  const kinds = (plan: FaultPlan, count = 10_000) => {
    const random = seededRandom(6);
    return Array.from({ length: count }, () => decide(plan, random).kind);
  };
  const share = (list: readonly string[], kind: string) =>
    list.filter((item) => item === kind).length / list.length;

  it('answers every call of a healthy model', () => {
    expect(new Set(kinds({}))).toEqual(new Set(['answer']));
  });
  it('fails all calls when the share is left out', () => {
    expect(new Set(kinds({ error: { code: 14 } }))).toEqual(new Set(['error']));
  });
  it('draws shares in the order drop, hang, error', () => {
    const list = kinds({ dropShare: 0.2, hangShare: 0.5, error: { code: 14, share: 0.5 } });
    expect(share(list, 'drop')).toBeCloseTo(0.2, 1);
    expect(share(list, 'hang')).toBeCloseTo(0.4, 1);
    expect(share(list, 'error')).toBeCloseTo(0.2, 1);
  });
  it('draws the calls of each fault separately, so that the share of a fault moves no calls of another fault', () => {
    const failing = kinds({ error: { code: 14, share: 0.3 } }).map((kind) => kind === 'error');
    const both = kinds({ error: { code: 14, share: 0.3 }, hangShare: 0.2 });
    expect(both.every((kind, index) => kind === 'hang' || (kind === 'error') === failing[index])).toBe(true);
  });
});

describe('FaultBoard', () => {
  it('sets, reads and clears by model, calls its listener, and dates each plan', () => {
    const clock = new ManualClock();
    const heard: [string, FaultPlan][] = [];
    const board = new FaultBoard(['a', 'b'], clock, (...change) => heard.push(change));
    clock.advance(10);
    board.set('a', { notReady: true });
    clock.advance(5);
    expect(board.get('a')).toEqual({ notReady: true });
    expect(board.get('b')).toEqual({});
    expect([board.ageMs('a'), board.ageMs('b')]).toEqual([5, 15]);
    board.clear();
    expect(board.get('a')).toEqual({});
    expect(heard).toEqual([
      ['a', { notReady: true }],
      ['a', {}],
      ['b', {}],
    ]);
  });

  it('refuses an unknown model, and keeps the old plan when the new plan is bad', () => {
    const board = new FaultBoard(['a'], new ManualClock(), () => {});
    board.set('a', { hangShare: 1 });
    expect(() => board.set('a', { hangShare: 2 })).toThrow('faults.hangShare');
    expect(board.get('a')).toEqual({ hangShare: 1 });
    for (const use of [() => board.set('__proto__', {}), () => board.get('z'), () => board.clear('z')]) {
      expect(use).toThrow('model: expected one of a');
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CountWindow } from '../../src/circuit/window/count-window.js';
import {
  decodeUnits,
  encodeLatency,
  LATENCY_CODES,
  unitsToMs,
} from '../../src/circuit/window/latency-code.js';
import { nearestRank } from '../../src/circuit/window/nearest-rank.js';
import { RollingCount } from '../../src/circuit/window/rolling-count.js';
import { TimeWindow } from '../../src/circuit/window/time-window.js';
import type { WindowSpec } from '../../src/circuit/window/window.js';
import { expectProperty } from '../support/properties.js';

interface Call {
  readonly unhealthy: boolean;
  /** Undefined: no latency. */
  readonly durationMs: number | undefined;
}

const calls = (maxLength: number) =>
  fc.array(
    fc.record({
      unhealthy: fc.boolean(),
      durationMs: fc.option(fc.double({ min: 0, max: 5000, noNaN: true }), { nil: undefined }),
    }),
    {
      maxLength,
    },
  );

const kept = (durationMs: number) => unitsToMs(decodeUnits(encodeLatency(durationMs)));

describe('latency codes', () => {
  it('never decrease with the latency, and are within 0.8 % above a unit of 1/1024 ms', () => {
    let before = 0;
    let worst = 0;
    let isRising = true;
    for (let durationMs = 0.0625; durationMs < 2_000_000; durationMs *= 1.001) {
      const code = encodeLatency(durationMs);
      isRising &&= code >= before && code < LATENCY_CODES;
      before = code;
      const error = Math.abs(kept(durationMs) - durationMs) / durationMs;
      worst = Math.max(worst, error - 1 / 512 / durationMs);
    }
    expect(isRising).toBe(true);
    expect(worst).toBeLessThan(0.0079);
  });

  it('decode to a value with the same code', () => {
    const top = encodeLatency(Number.POSITIVE_INFINITY);
    const codes = Array.from({ length: top + 1 }, (_, code) => code);
    expect(codes.map((code) => encodeLatency(unitsToMs(decodeUnits(code))))).toEqual(codes);
  });

  it.each([
    [Number.NaN, 0],
    [-1, 0],
    [Number.NEGATIVE_INFINITY, 0],
    [0, 0],
    [1 / 1024, 1],
    [63 / 1024, 63],
    [64 / 1024, 64],
    [127 / 1024, 127],
    [128 / 1024, 128],
    [130 / 1024, 129],
    [254 / 1024, 191],
    [256 / 1024, 192],
    [2 ** 21 - 1, 1663],
    [2 ** 21, 1663],
    [Number.POSITIVE_INFINITY, 1663],
  ])('%d ms is %i', (durationMs, code) => {
    expect(encodeLatency(durationMs)).toBe(code);
  });
});

describe('nearestRank', () => {
  it.each([
    [50, 1, 1],
    [50, 2, 1],
    [50, 3, 2],
    [99, 100, 99],
    [99, 101, 100],
    [7, 100, 7],
    [99.9, 1000, 999],
    [0.001, 5, 1],
  ])('percentile %d of %i is rank %i', (percentile, count, rank) => {
    expect(nearestRank(percentile, count)).toBe(rank);
  });
});

/** What any window must say of the calls that it should hold. */
function expectHolds(
  window: CountWindow | TimeWindow,
  thresholdsMs: readonly number[],
  held: readonly Call[],
  tolerance: number,
): void {
  expect(window.calls).toBe(held.length);
  expect(window.unhealthy).toBe(held.filter(({ unhealthy }) => unhealthy).length);
  const sorted = held
    .flatMap(({ durationMs }) => (durationMs === undefined ? [] : [durationMs]))
    .sort((a, b) => a - b);
  expect(window.timed).toBe(sorted.length);
  thresholdsMs.forEach((thresholdMs, mark) => {
    expect(window.marked(mark)).toBe(sorted.filter((durationMs) => durationMs > thresholdMs).length);
  });
  const sum = sorted.reduce((total, durationMs) => total + encodeLatency(durationMs), 0);
  expect(window.meanCode()).toBeCloseTo(sorted.length === 0 ? 0 : sum / sorted.length, 6);
  const wanted = [1, 50, 90, 99];
  const found = window.percentiles(wanted);
  if (sorted.length === 0) {
    expect(found).toBeUndefined();
    return;
  }
  wanted.forEach((percentile, i) => {
    const exact = sorted[nearestRank(percentile, sorted.length) - 1] ?? Number.NaN;
    expect(Math.abs((found?.[i] ?? Number.NaN) - exact)).toBeLessThanOrEqual(exact * tolerance + 0.01);
  });
}

describe('the count window', () => {
  it.each([
    ['16-bit entries', [100, 300]],
    ['32-bit entries', [1, 10, 50, 100, 200, 400, 800, 1600]],
    ['no threshold', []],
  ])('holds exactly the last calls, with %s', (_name, thresholdsMs) => {
    expectProperty(
      fc.property(fc.integer({ min: 1, max: 20 }), calls(80), (size, recorded) => {
        const window = new CountWindow({ window: { type: 'count', size }, thresholdsMs, sum: true }, size);
        recorded.forEach((call, i) => {
          window.record(call.unhealthy, call.durationMs);
          expectHolds(window, thresholdsMs, recorded.slice(Math.max(0, i + 1 - size), i + 1), 1 / 128);
        });
        window.clear();
        expectHolds(window, thresholdsMs, [], 0);
      }),
      100,
    );
  });

  it('is right at sizes above 16 bits', () => {
    const size = 70_000;
    const window = new CountWindow({ window: { type: 'count', size }, thresholdsMs: [5], sum: false }, size);
    for (let i = 0; i < size + 10; i++) window.record(i % 2 === 0, 10);
    expect([window.calls, window.unhealthy, window.marked(0)]).toEqual([size, size / 2, size]);
    for (let i = 0; i < size; i++) window.record(false, 1);
    expect([window.calls, window.unhealthy, window.marked(0)]).toEqual([size, 0, 0]);
  });
});

describe('the time window', () => {
  const DURATION_MS = 1000;
  const BUCKETS = 10;
  const spec: WindowSpec = {
    window: { type: 'time', durationMs: DURATION_MS, buckets: BUCKETS },
    thresholdsMs: [100, 300],
    sum: true,
  };
  const timed = fc.array(
    fc.record({
      waitMs: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 250 }) },
        { weight: 1, arbitrary: fc.integer({ min: 900, max: 1100 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
      ),
      unhealthy: fc.boolean(),
      durationMs: fc.double({ min: 0.3, max: 5000, noNaN: true }),
    }),
    { maxLength: 60 },
  );
  const bucketOf = (nowMs: number) => Math.floor(nowMs / (DURATION_MS / BUCKETS));

  it('holds exactly the calls of the last buckets', () => {
    expectProperty(
      fc.property(timed, (recorded) => {
        const window = new TimeWindow(spec, DURATION_MS, BUCKETS, 12_345);
        let nowMs = 12_345;
        const all: (Call & { atMs: number })[] = [];
        for (const { waitMs, ...call } of recorded) {
          nowMs += waitMs;
          window.record(call.unhealthy, call.durationMs, nowMs);
          all.push({ ...call, atMs: nowMs });
          const held = all.filter(({ atMs }) => bucketOf(atMs) > bucketOf(nowMs) - BUCKETS);
          expectHolds(window, spec.thresholdsMs, held, 1 / 16);
        }
        window.roll(nowMs + DURATION_MS);
        expectHolds(window, spec.thresholdsMs, [], 0);
      }),
      150,
    );
  });

  it('gives the middle of the eighth of a doubling in which a percentile lies', () => {
    const percentile = (durationMs: number) => {
      const window = new TimeWindow(spec, DURATION_MS, BUCKETS, 0);
      window.record(false, durationMs, 0);
      return window.percentiles([50])?.[0];
    };
    // 32 ms wide from 256 on, 64 ms wide from 512 on: never further off than a sixteenth
    expect([256, 287.9, 288, 512].map(percentile)).toEqual([272, 272, 304, 544]);
  });

  it.each([1, 2, 7])('is empty after an idle gap as long as itself, with %i buckets', (buckets) => {
    for (let offset = 0; offset < 1000; offset += 37) {
      const window = new TimeWindow(spec, 700, buckets, offset);
      window.record(true, 1, offset);
      window.roll(offset + 700);
      expect(window.calls).toBe(0);
    }
  });

  it('keeps its calls if it is read with an earlier time', () => {
    const window = new TimeWindow(spec, DURATION_MS, BUCKETS, 0);
    window.record(true, 1, 5000);
    for (const nowMs of [4000, 5000]) window.roll(nowMs);
    expect(window.calls).toBe(1);
  });

  it('rolls when it is read: old calls leave it although no call is recorded', () => {
    const window = new TimeWindow(spec, DURATION_MS, BUCKETS, 0);
    for (let nowMs = 0; nowMs < 1000; nowMs += 100) window.record(true, 1, nowMs);
    const left: number[] = [];
    for (let nowMs = 1000; nowMs <= 2000; nowMs += 100) {
      window.roll(nowMs);
      left.push(window.unhealthy);
    }
    expect(left).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
  });
});

describe('the rolling count', () => {
  it('keeps its calls if it is read with an earlier time', () => {
    const count = new RollingCount(1000, 10, 0);
    count.add(5000);
    expect([count.at(4000), count.at(5000)]).toEqual([1, 1]);
  });

  it('counts the last buckets', () => {
    expectProperty(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 60 }), (waits) => {
        const count = new RollingCount(1000, 10, 5000);
        let nowMs = 5000;
        const all: number[] = [];
        for (const wait of waits) {
          nowMs += wait;
          count.add(nowMs);
          all.push(nowMs);
          const oldest = Math.floor(nowMs / 100) - 10;
          expect(count.at(nowMs)).toBe(all.filter((atMs) => Math.floor(atMs / 100) > oldest).length);
        }
        expect(count.at(nowMs + 1000)).toBe(0);
      }),
      100,
    );
  });
});

import { describe, expect, it } from 'vitest';
import type { SeenCall } from '../../drill/figures/cell-view.js';
import { figuresOf } from '../../drill/figures/figures.js';
import { Health } from '../../drill/figures/health.js';
import { overSeeds } from '../../drill/figures/over-seeds.js';
import { timelineOf } from '../../drill/figures/timeline.js';

const phases = { calmMs: 1_000, faultMs: 2_000, afterMs: 4_000 };

/** A call each 10 ms from the beginning of the calm to the end. */
function calls(seen: (atMs: number) => Partial<SeenCall>): SeenCall[] {
  return Array.from({ length: 700 }, (_, n) => {
    const atMs = n * 10 - 1_000;
    const well: SeenCall = {
      ...{ atMs, tookMs: 20, end: 'primary', sent: 'closed', counted: true, reached: 1, chance: 1 },
    };
    return { ...well, ...seen(atMs) };
  });
}

function figures(seen: (atMs: number) => Partial<SeenCall>) {
  return figuresOf({ phases, calls: calls(seen), trips: [], peakInFlight: 3, disturbedMs: 12 }, 20);
}

describe('the figures of a cell', () => {
  it('are perfect where nothing went wrong', () => {
    expect(figures(() => ({}))).toEqual({
      ...{ primary: 1, degraded: 0, errors: 0, late: 0, p50Ms: 20, p99Ms: 20, maxMs: 20 },
      ...{ healthyRejected: 0, reached: 0, detectedMs: 0, recoveredMs: 0, falseTrips: 0 },
      ...{ callerProbes: 0, peakInFlight: 3, primaryAtEnd: 1, disturbedMs: 12 },
    });
  });

  it('count from the trigger on, and shares add up to 1', () => {
    const ends = ['primary', 'degraded', 'error', 'late'] as const;
    const result = figures((atMs) => ({ end: atMs < 0 ? 'error' : (ends[(atMs / 10) % 4] ?? 'error') }));
    expect(result).toMatchObject({ primary: 0.25, degraded: 0.25, errors: 0.25, late: 0.25 });
  });

  it('leave out callers that left, and those that are not counted', () => {
    const result = figures((atMs) =>
      atMs % 20 === 0
        ? { end: 'left' }
        : { counted: atMs % 100 !== 10, end: atMs % 100 === 10 ? 'late' : 'primary' },
    );
    expect(result.primary).toBe(1);
  });

  it('have the times at which answers are fast again, and at which the primary is back', () => {
    const result = figures((atMs) => {
      if (atMs < 0 || atMs >= 2_700) return {};
      return atMs < 800
        ? { end: 'late', tookMs: 500, chance: 0 }
        : { end: 'degraded', tookMs: 2, chance: 0, reached: 0 };
    });
    expect(result.detectedMs).toBe(800);
    expect(result.recoveredMs).toBe(700);
  });

  it('are null for never', () => {
    const result = figures((atMs) => (atMs < 0 ? {} : { end: 'late', tookMs: 500, chance: 0 }));
    expect(result).toMatchObject({
      detectedMs: null,
      recoveredMs: null,
      primaryAtEnd: 0,
      late: 1,
      reached: 1,
    });
  });

  it('weigh a call that reached no server by the chance that it would have been answered', () => {
    const result = figures((atMs) => (atMs < 3_000 ? {} : { end: 'degraded', reached: 0, chance: 0.7 }));
    expect(result.healthyRejected).toBeCloseTo(0.35);
  });

  it('count each arrival of a retried call at a server that is unwell', () => {
    expect(figures((atMs) => (atMs < 2_000 ? { chance: 0, reached: 4 } : {})).reached).toBe(4);
  });

  it('count probes whose callers got no answer of the primary', () => {
    const result = figures((atMs) => ({
      sent: atMs === 500 || atMs === 700 ? 'half-open' : 'closed',
      end: atMs === 500 ? 'degraded' : 'primary',
    }));
    expect(result.callerProbes).toBe(1);
  });

  it('count a trip as false only where it was', () => {
    const trips = [
      { atMs: 10, isFalse: true },
      { atMs: 500, isFalse: false },
    ];
    expect(figuresOf({ phases, calls: [], trips, peakInFlight: 0, disturbedMs: 0 }, 20).falseTrips).toBe(1);
  });
});

describe('the health of servers', () => {
  const server = (chanceAt: (atMs: number) => number[], toMs = 5_000) => ({
    arrivals: [],
    samples: Array.from({ length: toMs / 10 }, (_, n) => ({
      atMs: n * 10,
      inFlight: n % 7,
      chances: chanceAt(n * 10),
    })),
  });

  it('is the mean of the servers that are up', () => {
    const health = new Health([server(() => [1]), server((at) => (at < 1_000 ? [0.5] : []))], ['m']);
    expect(health.chance(500, 'm')).toBe(0.75);
    expect(health.chance(1_500, 'm')).toBe(1);
  });

  it('is 0 where all servers are down, or have reported nothing', () => {
    const health = new Health([server(() => [1], 1_000)], ['m']);
    expect(health.chance(1_200, 'm')).toBe(1); // a busy machine
    expect(health.chance(1_600, 'm')).toBe(0);
    expect(health.chance(-1, 'm')).toBe(0);
  });

  it('is kept per model', () => {
    const health = new Health([server(() => [1, 0])], ['a', 'b']);
    expect([health.chance(100, 'a'), health.chance(100, 'b'), health.chance(100, 'c')]).toEqual([1, 0, 0]);
  });

  it('calls a trip false where every model was well before', () => {
    const health = new Health([server((at) => (at >= 2_000 && at < 2_100 ? [0.3] : [0.9]))], ['m']);
    expect(health.wasWellBefore(1_900)).toBe(true);
    expect(health.wasWellBefore(2_500)).toBe(false);
    expect(health.wasWellBefore(3_500)).toBe(true);
    expect(health.peakInFlight).toBe(6);
    expect(health.longestSilenceMs).toBe(10);
  });
});

describe('several seeds', () => {
  it('give medians and their spread, and never counts as more than any time', () => {
    const one = figures(() => ({}));
    const two = { ...one, primary: 0.5, recoveredMs: null };
    const three = { ...one, primary: 0.8, recoveredMs: null };
    const result = overSeeds([one, two, three]);
    expect(result.figures).toMatchObject({ primary: 0.8, recoveredMs: null });
    expect(result.spread).toMatchObject({ primary: [0.5, 1], recoveredMs: [0, null] });
  });
});

describe('the timeline', () => {
  it('covers a cell in steps, with null where there were no calls', () => {
    const view = {
      phases,
      calls: calls(() => ({})).filter(({ atMs }) => atMs < 5_000),
      trips: [],
      peakInFlight: 0,
      disturbedMs: 0,
    };
    const { fromMs, stepMs, primary, degraded } = timelineOf(view);
    expect([fromMs, stepMs, primary[0], degraded[0], primary.at(-1)]).toEqual([-1_000, 200, 1, 0, null]);
    expect(primary).toHaveLength(7_000 / 200);
  });
});

import type { Figures } from '../figures/figures.js';
import type { Spread } from '../figures/over-seeds.js';
import type { ContestantReport, Report } from '../report/report.js';
import { SCENARIOS } from '../scenarios/index.js';
import { whyNotSimulated } from './sim-cell.js';
import { simulateScenario } from './sim-matrix.js';

/**
 * How far a simulated figure may lie outside the wire's spread: the part of the spread that a few seeds do not show, and the
 * processor's part of a call.
 */
const TOLERANCES: Partial<Record<keyof Figures, number>> = {
  primary: 0.05,
  degraded: 0.05,
  errors: 0.05,
  late: 0.05,
  p50Ms: 15,
  healthyRejected: 0.05,
  recoveredMs: 400,
  primaryAtEnd: 0.05,
};

/** Cells of the wire that the machine disturbed for longer are not compared. */
const DISTURBED_MS = 200;

/** One figure of one cell, on both sides. */
export interface Comparison {
  readonly scenario: string;
  readonly contestant: string;
  readonly figure: string;
  readonly wire: readonly [number | null, number | null];
  readonly simulated: readonly [number | null, number | null];
  /** Whether the two spreads touch, within the figure's tolerance. */
  readonly agrees: boolean;
}

/** Simulates every cell of a wire's report that the simulator can, with as many seeds, and puts their spreads side by side. */
export function compareWithWire({ scenarios, seeds, quick }: Report): Comparison[] {
  return scenarios.flatMap(({ name, contestants }) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name);
    if (scenario === undefined || whyNotSimulated(scenario) !== undefined) return [];
    const names = contestants.map((contestant) => contestant.name);
    const simulated = simulateScenario(scenario, names, Math.max(seeds, 3), quick);
    return simulated.contestants.flatMap((ours) => {
      const theirs = contestants.find((contestant) => contestant.name === ours.name);
      return theirs === undefined || wasDisturbed(theirs) ? [] : compareCells(name, theirs, ours);
    });
  });
}

function wasDisturbed({ spread }: ContestantReport): boolean {
  return (spread.disturbedMs[1] ?? 0) > DISTURBED_MS;
}

function compareCells(scenario: string, wire: ContestantReport, simulated: ContestantReport): Comparison[] {
  const names: (keyof Spread)[] = ['primary', 'degraded', 'errors', 'late', 'p50Ms', 'recoveredMs'];
  return [...names, 'healthyRejected' as const, 'primaryAtEnd' as const].map((figure) => ({
    ...{ scenario, contestant: wire.name, figure },
    ...{ wire: wire.spread[figure], simulated: simulated.spread[figure] },
    agrees: doTouch(wire.spread[figure], simulated.spread[figure], TOLERANCES[figure] ?? 0),
  }));
}

type Range = readonly [number | null, number | null];

/** `null` means never, which is more than any time. */
function doTouch([low, high]: Range, [from, to]: Range, tolerance: number): boolean {
  const number = (value: number | null) => value ?? Number.MAX_VALUE;
  return number(low) - tolerance <= number(to) && number(from) - tolerance <= number(high);
}

import { viewOf } from '../figures/cell-view.js';
import { type Figures, figuresOf } from '../figures/figures.js';
import { overSeeds } from '../figures/over-seeds.js';
import { type Timeline, timelineOf } from '../figures/timeline.js';
import type { ContestantReport, ScenarioReport } from '../report/report.js';
import { fullSpec, phasesOf } from '../scenario/phases.js';
import type { Scenario } from '../scenario/scenario.js';
import { assertCapacity } from './capacity.js';
import { Cell, type CellPlan } from './cell.js';

/** The cells to run, and how. */
export interface MatrixPlan {
  readonly contestants: readonly string[];
  readonly seeds: number;
  readonly quick: boolean;
  /**
   * The cells that run side by side. Each has processes of its own. While cells run, a process is started only to restart a
   * server.
   */
  readonly parallel: number;
  /** The most runs of a batch that the machine disturbs; the least disturbed run counts. */
  readonly attempts: number;
}

/** A batch in which the machine left a server waiting for longer than this is run again, where attempts are left. */
const DISTURBED_MS = 120;

/** How long after the cell before it a cell begins: what all cells do at once would take more than the machine has. */
const APART_MS = 150;

interface CellFigures {
  readonly figures: Figures;
  readonly timeline: Timeline;
}

/** Runs every cell of one scenario, seed by seed: when the machine is slow for a while, it is slow for all contestants. */
export async function runScenario(scenario: Scenario, plan: MatrixPlan): Promise<ScenarioReport> {
  const spec = fullSpec(scenario.servers);
  const capacity = scenario.assertCapacity ? await assertCapacity(spec) : undefined;
  const cells: CellPlan[] = [];
  for (let seed = 1; seed <= plan.seeds; seed++)
    for (const contestant of plan.contestants) cells.push({ scenario, contestant, seed, quick: plan.quick });
  const figures = new Map<string, CellFigures[]>(plan.contestants.map((name) => [name, []]));
  const together = Math.min(plan.parallel, scenario.sideBySide ?? plan.parallel);
  for (let from = 0; from < cells.length; from += together) {
    const batch = cells.slice(from, from + together);
    const results = await runUndisturbed(batch, plan.attempts);
    for (const [index, { contestant }] of batch.entries()) {
      const result = results[index];
      if (result !== undefined) figures.get(contestant)?.push(result);
    }
  }
  return {
    name: scenario.name,
    phases: phasesOf(scenario, plan.quick),
    ...(capacity && { capacity }),
    contestants: [...figures].map(([name, all]) => contestantReport(name, all)),
  };
}

async function runUndisturbed(plans: readonly CellPlan[], attempts: number): Promise<CellFigures[]> {
  let best = await runTogether(plans);
  for (let attempt = 1; attempt < attempts && worstOf(best) > DISTURBED_MS; attempt++) {
    const again = await runTogether(plans);
    if (worstOf(again) < worstOf(best)) best = again;
  }
  return best;
}

function worstOf(cells: readonly CellFigures[]): number {
  return Math.max(...cells.map(({ figures }) => figures.disturbedMs));
}

async function runTogether(plans: readonly CellPlan[]): Promise<CellFigures[]> {
  const cells = plans.map((plan) => new Cell(plan));
  try {
    await Promise.all(cells.map((cell) => cell.ready()));
    const records = await Promise.all(cells.map((cell, index) => cell.run(index * APART_MS)));
    return plans.map(({ scenario, quick }, index) => {
      const record = records[index];
      if (record === undefined) throw new Error('a cell without a record');
      const { models, serviceMs } = fullSpec(scenario.servers);
      const view = viewOf(record, phasesOf(scenario, quick), models);
      return { figures: figuresOf(view, serviceMs), timeline: timelineOf(view) };
    });
  } finally {
    await Promise.all(cells.map((cell) => cell.close()));
  }
}

function contestantReport(name: string, all: readonly CellFigures[]): ContestantReport {
  const [first] = all;
  if (first === undefined) throw new Error(`${name} has no cells`);
  const { figures, spread } = overSeeds(all.map((cell) => cell.figures));
  return { name, ...figures, spread, timeline: first.timeline };
}

import { viewOf } from '../figures/cell-view.js';
import { figuresOf } from '../figures/figures.js';
import { overSeeds } from '../figures/over-seeds.js';
import { timelineOf } from '../figures/timeline.js';
import type { ContestantReport, ScenarioReport } from '../report/report.js';
import { fullSpec, phasesOf } from '../scenario/phases.js';
import type { Scenario } from '../scenario/scenario.js';
import { simulateCell } from './sim-cell.js';
import { type SimContestant, simContestants } from './strategies.js';

/** All cells of one scenario in virtual time, as the wire reports them. */
export function simulateScenario(
  scenario: Scenario,
  contestants: readonly string[],
  seeds: number,
  quick: boolean,
): ScenarioReport {
  const some = simContestants(scenario.traffic.deadlineMs).filter(({ name }) => contestants.includes(name));
  return {
    name: scenario.name,
    phases: phasesOf(scenario, quick),
    contestants: some.map((contestant) => simulateContestant(scenario, contestant, seeds, quick)),
  };
}

function simulateContestant(
  scenario: Scenario,
  contestant: SimContestant,
  seeds: number,
  quick: boolean,
): ContestantReport {
  const { models, serviceMs } = fullSpec(scenario.servers);
  const views = Array.from({ length: seeds }, (_, index) =>
    viewOf(simulateCell(scenario, contestant, index + 1, quick), phasesOf(scenario, quick), models),
  );
  const [first] = views;
  if (first === undefined) throw new RangeError(`seeds: expected at least 1, got ${seeds}`);
  const { figures, spread } = overSeeds(views.map((view) => figuresOf(view, serviceMs)));
  return { name: contestant.name, ...figures, spread, timeline: timelineOf(first) };
}

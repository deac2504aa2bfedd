import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { viewOf } from './figures/cell-view.js';
import { figuresOf } from './figures/figures.js';
import { herdChart, herdPage } from './report/herd-page.js';
import type { Report } from './report/report.js';
import { terminalTable } from './report/table.js';
import { SCENARIOS } from './scenarios/index.js';
import { compareWithWire } from './simulator/compare.js';
import { DAY, DAY_SAMPLE_MS } from './simulator/day.js';
import { HERD_VARIANTS, type HerdResult, runHerd } from './simulator/herd.js';
import { simulateCell, whyNotSimulated } from './simulator/sim-cell.js';
import { simulateScenario } from './simulator/sim-matrix.js';
import { simContestants } from './simulator/strategies.js';

const HELP = `npm run simulate -- [options]

Runs the drills in virtual time: failsoft's own circuits, with models of the server and of grpc-js's channel. Without options, it runs every drill
that the simulator has all parts of.

  --only NAMES   run only these drills, separated by commas
  --seeds N      seeds per drill and contestant; the table shows the median (default 5)
  --quick        shorter phases, the same as npm run drill -- --quick
  --day          simulate a day of one client, with an outage in each hour
  --herd         simulate 10 to 10,000 clients that lose one server and call it again, with different settings
  --check FILE   compare with the figures of real runs, in the FILE that npm run drill -- --json wrote; fails if more than one figure in ten
                 does not agree
  --report DIR   also write herd.md and its chart into DIR (with --check: the result of the comparison, too)
  --help         print this text
`;

const HERD_SIZES = [10, 100, 1_000, 10_000];
const HERD_SEEDS = 5;
const CHART_SIZE = 1_000;
const CONTESTANTS = simContestants(500).map(({ name }) => name);

function showDrills(only: readonly string[] | undefined, seeds: number, quick: boolean): void {
  for (const scenario of SCENARIOS) {
    if (only !== undefined && !only.includes(scenario.name)) continue;
    const why = whyNotSimulated(scenario);
    if (why === undefined) console.log(terminalTable(simulateScenario(scenario, CONTESTANTS, seeds, quick)));
    else console.log(`\n${scenario.name}: not simulated: ${why}`);
  }
}

function showDay(): void {
  for (const contestant of simContestants(DAY.traffic.deadlineMs)) {
    const begin = performance.now();
    const record = simulateCell(DAY, contestant, 1, false, DAY_SAMPLE_MS);
    const view = viewOf(record, { calmMs: 3_000, faultMs: DAY.faultMs, afterMs: 8_000 }, ['large']);
    const { primary, degraded, errors, late, falseTrips, callerProbes } = figuresOf(view, 20);
    const took = ((performance.now() - begin) / 1_000).toFixed(1);
    const shares = Object.entries({ primary, degraded, errors, late })
      .map(([name, share]) => `${name} ${(share * 100).toFixed(2)} %`)
      .join(', ');
    console.log(
      `${contestant.name}: ${view.calls.length} calls: ${shares}; ${view.trips.length} trips, ${falseTrips} of them false; ` +
        `${callerProbes} paid probes (a day in ${took} s)`,
    );
  }
}

function runHerds(): HerdResult[] {
  return HERD_SIZES.flatMap((clients) =>
    HERD_VARIANTS.map((variant) => {
      const seeds = clients > CHART_SIZE ? 1 : HERD_SEEDS;
      const results = Array.from({ length: seeds }, (_, seed) => runHerd(clients, variant, seed + 1));
      const median = medianOf(results);
      const { course: _course, ...figures } = median;
      console.log(JSON.stringify(figures));
      return median;
    }),
  );
}

/** The median run, by the primary's share of the answers after the server's return. */
function medianOf(results: readonly HerdResult[]): HerdResult {
  const sorted = [...results].sort((a, b) => a.primaryAfter - b.primaryAfter);
  const middle = sorted[(sorted.length - 1) >> 1];
  if (middle === undefined) throw new RangeError('a herd without a result');
  return middle;
}

/** Compares the simulator with the wire. If more than a tenth of the figures differ, the exit code is 1. */
function check(file: string) {
  const report: Report = JSON.parse(readFileSync(file, 'utf8'));
  const comparisons = compareWithWire(report);
  const differing = comparisons.filter(({ agrees }) => !agrees);
  for (const { scenario, contestant, figure, wire, simulated } of differing)
    console.log(
      `${scenario}, ${contestant}, ${figure}: wire ${wire.join(' to ')}, simulated ${simulated.join(' to ')}`,
    );
  console.log(
    `${comparisons.length - differing.length} of ${comparisons.length} figures agree with the wire`,
  );
  if (differing.length * 10 > comparisons.length) process.exitCode = 1;
  return comparisons;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      seeds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
      day: { type: 'boolean', default: false },
      herd: { type: 'boolean', default: false },
      check: { type: 'string' },
      report: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const seeds = Number(values.seeds);
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > 100)
    throw new RangeError(`--seeds: expected an integer from 1 to 100, got ${JSON.stringify(values.seeds)}`);
  const comparisons = values.check === undefined ? [] : check(values.check);
  if (values.day) showDay();
  if (values.herd || values.report !== undefined) {
    const herds = runHerds();
    if (values.report === undefined) return;
    mkdirSync(join(values.report, 'herd'), { recursive: true });
    writeFileSync(join(values.report, 'herd.md'), herdPage(herds, comparisons));
    const shown = herds.filter(({ clients }) => clients === CHART_SIZE);
    writeFileSync(join(values.report, 'herd', 'herd.svg'), herdChart(shown));
    return;
  }
  if (!values.day && values.check === undefined) showDrills(values.only?.split(','), seeds, values.quick);
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

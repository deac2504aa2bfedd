import { readFileSync, writeFileSync } from 'node:fs';
import { surroundings } from './machine.js';
import { type DrillOptions, readOptions } from './options.js';
import type { Report, ScenarioReport } from './report/report.js';
import { terminalTable } from './report/table.js';
import { writeReport } from './report/write.js';
import { runScenario } from './run/matrix.js';
import { SCENARIOS } from './scenarios/index.js';
import { assertSmoke, SMOKE } from './smoke.js';

async function runMatrix({ only, contestants, seeds, quick, parallel }: DrillOptions): Promise<Report> {
  const scenarios: ScenarioReport[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => only.includes(name))) {
    const report = await runScenario(scenario, { contestants, seeds, quick, parallel });
    console.log(terminalTable(report));
    scenarios.push(report);
  }
  return { ...surroundings(), seeds, quick, scenarios };
}

async function run(given: DrillOptions): Promise<void> {
  const options: DrillOptions = given.smoke ? { ...given, ...SMOKE } : given;
  const report: Report =
    options.from === undefined ? await runMatrix(options) : JSON.parse(readFileSync(options.from, 'utf8'));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report)}\n`);
  if (options.report !== undefined) writeReport(report, options.report);
  if (options.smoke) assertSmoke(report);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options !== undefined) await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

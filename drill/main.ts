import { readFileSync, writeFileSync } from 'node:fs';
import { surroundings } from './machine.js';
import { type DrillOptions, readOptions } from './options.js';
import type { Report, ScenarioReport } from './report/report.js';
import { terminalTable } from './report/table.js';
import { writeReport } from './report/write.js';
import { runScenario } from './run/matrix.js';
import { SCENARIOS } from './scenarios/index.js';
import { assertSmoke, SMOKE } from './smoke.js';

async function runMatrix({ only, json, seeds, quick, ...plan }: DrillOptions): Promise<Report> {
  const scenarios: ScenarioReport[] = [];
  const soFar = (): Report => ({ ...surroundings(), seeds, quick, scenarios });
  for (const scenario of SCENARIOS.filter(({ name }) => only.includes(name))) {
    const report = await runScenario(scenario, { ...plan, seeds, quick });
    console.log(terminalTable(report));
    if (report.capacity?.holds === false) {
      const { stated, measured } = report.capacity;
      console.error(
        `${scenario.name}: the server's capacity: expected ${stated} calls/s, measured ${measured}`,
      );
      process.exitCode = 1;
    }
    scenarios.push(report);
    // A full run takes more than an hour: if it is ended early, its results up to then are not lost.
    if (json !== undefined) writeJson(json, soFar());
  }
  return soFar();
}

async function run(given: DrillOptions): Promise<void> {
  const options: DrillOptions = given.smoke ? { ...given, ...SMOKE } : given;
  const report: Report =
    options.from === undefined ? await runMatrix(options) : JSON.parse(readFileSync(options.from, 'utf8'));
  if (options.json !== undefined) writeJson(options.json, report);
  if (options.report !== undefined) writeReport(report, options.report);
  if (options.smoke) assertSmoke(report);
}

function writeJson(file: string, report: Report): void {
  writeFileSync(file, `${JSON.stringify(report)}\n`);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options !== undefined) await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { heatMap, scenarioChart } from './charts.js';
import { CHARTS, pageOf } from './page.js';
import type { Report } from './report.js';

/** Writes the page, its charts and the figures that they are drawn from. */
export function writeReport(report: Report, folder: string): void {
  const charts = join(folder, CHARTS);
  mkdirSync(charts, { recursive: true });
  writeFileSync(join(folder, 'drills.md'), pageOf(report));
  writeFileSync(join(charts, 'figures.json'), `${JSON.stringify(report)}\n`);
  writeFileSync(join(charts, 'all.svg'), heatMap(report));
  for (const scenario of report.scenarios)
    writeFileSync(join(charts, `${scenario.name}.svg`), scenarioChart(scenario));
}

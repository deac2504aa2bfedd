import type { ContestantReport, ScenarioReport } from './report.js';

interface Column {
  readonly title: string;
  readonly cell: (report: ContestantReport) => string;
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const seconds = (ms: number | null) => (ms === null ? 'never' : `${(ms / 1_000).toFixed(1)} s`);
const milliseconds = (ms: number) => ms.toFixed(0);

/** The columns of every table of figures. */
export const COLUMNS: readonly Column[] = [
  { title: 'contestant', cell: ({ name }) => name },
  { title: 'primary', cell: ({ primary }) => percent(primary) },
  { title: 'degraded', cell: ({ degraded }) => percent(degraded) },
  { title: 'error', cell: ({ errors }) => percent(errors) },
  { title: 'late', cell: ({ late }) => percent(late) },
  { title: 'p50 ms', cell: ({ p50Ms }) => milliseconds(p50Ms) },
  { title: 'p99 ms', cell: ({ p99Ms }) => milliseconds(p99Ms) },
  { title: 'max ms', cell: ({ maxMs }) => milliseconds(maxMs) },
  { title: 'healthy rejected', cell: ({ healthyRejected }) => percent(healthyRejected) },
  { title: 'reached sick', cell: ({ reached }) => percent(reached) },
  { title: 'fast after', cell: ({ detectedMs }) => seconds(detectedMs) },
  { title: 'back after', cell: ({ recoveredMs }) => seconds(recoveredMs) },
  { title: 'false trips', cell: ({ falseTrips }) => String(falseTrips) },
  { title: 'paid probes', cell: ({ callerProbes }) => String(callerProbes) },
  { title: 'peak', cell: ({ peakInFlight }) => String(peakInFlight) },
  { title: 'at end', cell: ({ primaryAtEnd }) => percent(primaryAtEnd) },
  { title: 'disturbed', cell: ({ disturbedMs }) => `${milliseconds(disturbedMs)} ms` },
];

/** The figures of one scenario, for a terminal. */
export function terminalTable({ name, contestants }: ScenarioReport): string {
  const rows = [COLUMNS.map(({ title }) => title), ...contestants.map(cellsOf)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return [`\n${name}`, ...lines].join('\n');
}

/** The figures of one scenario, in Markdown. */
export function markdownTable({ contestants }: ScenarioReport): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(COLUMNS.map(({ title }) => title)),
    `|---|${'---:|'.repeat(COLUMNS.length - 1)}`,
    ...contestants.map((report) => row(cellsOf(report))),
  ].join('\n');
}

function cellsOf(report: ContestantReport): string[] {
  return COLUMNS.map(({ cell }) => cell(report));
}

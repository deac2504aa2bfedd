import type { Measured } from './heap.js';
import type { Ledger } from './ledger.js';

/** What `--json` writes. */
export interface Report {
  readonly seed: number;
  readonly seconds: number;
  /** Each figure under the name that the table gives it. */
  readonly figures: Readonly<Record<string, number>>;
  /** Faults that this machine does not allow. */
  readonly leftOut: readonly string[];
  /** What must not happen, and did. */
  readonly failures: readonly string[];
}

/** Counts that the table shows, also where they are 0. */
const COUNTS = [
  ...['cancels', 'callers that walk away', 'server kills', 'clock steps', 'disk full', 'Redis stopped'],
  ...['queues reopened', 'calls with fresh names', 'calls with odd answers'],
  ...['aborts of Node in the odd server', 'circuits opened'],
  ...["circuits of a flooded guard's models opened", 'answers whose key was checked', 'jobs acknowledged'],
  ...['jobs acknowledged, LevelDB', 'jobs acknowledged, BullMQ', 'jobs replayed', 'jobs dead', 'jobs lost'],
  ...['errors of queues that drainers reported', 'process warnings', 'in flight at the end'],
  ...['permits at the end', 'timers at the end'],
];

export function reportOf(ledger: Ledger, measured: Measured, run: { seed: number; seconds: number }): Report {
  const figures: Record<string, number> = { calls: ledger.of('calls') };
  for (const [code, count] of ledger.under('ended ')) figures[`ended ${code}`] = count;
  for (const [source, count] of ledger.under('answers by ')) figures[`answers by ${source}`] = count;
  for (const name of COUNTS) figures[name] = ledger.of(name);
  figures['heap, first third (MB)'] = measured.heapAtStartMb;
  figures['heap, last third (MB)'] = measured.heapAtEndMb;
  figures['worst event-loop delay (ms)'] = measured.worstLoopDelayMs;
  return { ...run, figures, leftOut: ledger.leftOut, failures: ledger.failures };
}

/** The table of figures, and a last line that says how it ended. */
export function textOf({ seed, seconds, figures, leftOut, failures }: Report): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const rows = Object.entries(figures).map(
    ([name, value]) => `${name.padEnd(width)}  ${value.toLocaleString('en').padStart(11)}`,
  );
  return [
    `soak of ${seconds} s, seed ${seed}`,
    ...rows,
    ...leftOut.map((text) => `LEFT OUT: ${text}`),
    ...failures.map((text) => `FAILED: ${text}`),
    failures.length === 0 ? 'nothing is lost, and nothing is left behind' : 'THE SOAK FAILED',
  ].join('\n');
}

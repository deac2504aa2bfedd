import type { Phase } from './phases.js';
import type { DemoRecord, PhaseRecord, TransitionResult } from './record.js';

/** The sources, in the order of the chain: the columns of the table. */
export const SOURCES = ['primary', 'last-good', 'secondary:small', 'default'] as const;
export const HEADERS = ['phase', 'calls', ...SOURCES, 'errors', 'p50 ms', 'p99 ms'] as const;

const TROUBLED = new Set(['brownout', 'failing', 'killed']);

export function headline({ name, description }: Phase, atMs: number): string {
  return `${seconds(atMs)}  ${name}: ${description}`;
}

/** The figures of a phase, so far or at its end. */
export function phaseLine(record: PhaseRecord): string {
  const answers = SOURCES.map((source) => `${source} ${record.answers.get(source) ?? 0}`).join(', ');
  return `           ${record.name}: ${record.calls} calls; ${answers}; ${record.errors} errors`;
}

export function transitionLine({ atMs, circuitKey, from, to, reason }: TransitionResult): string {
  const name = circuitKey.slice(circuitKey.lastIndexOf('#') + 1);
  return `${seconds(atMs)}    ${name} ${from} -> ${to}: ${reason}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2).padStart(7)} s`;
}

/** Calls, answers by source, errors and latency per phase; below, the accuracy of each source. */
export function table(record: DemoRecord): string {
  const { phases, accuracy } = record.result(0, 0);
  const rows = phases.map(({ name, calls, answers, errors, latencyMs }) => [
    name,
    String(calls),
    ...SOURCES.map((source) => String(answers[source] ?? 0)),
    String(errors),
    latencyMs.p50?.toFixed(1) ?? '-',
    latencyMs.p99?.toFixed(1) ?? '-',
  ]);
  const correct = [
    'accuracy',
    '',
    ...SOURCES.map((source) => accuracy[source]?.toFixed(3) ?? '-'),
    '',
    '',
    '',
  ];
  return aligned([[...HEADERS], ...rows, correct]);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = HEADERS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join('\n');
}

/** The result in two sentences. */
export function conclusion(record: DemoRecord): string {
  const calls = sum(record.phases, (phase) => phase.calls);
  const errors = sum(record.phases, (phase) => phase.errors);
  const troubled = record.phases.filter(({ name }) => TROUBLED.has(name));
  const first = `${calls} calls, ${errors} errors seen by callers.`;
  const asked = sum(troubled, (phase) => phase.calls);
  if (asked === 0) return first;
  const correct = sum(troubled, (phase) => phase.correct);
  const good = record.phases.find(({ name }) => name === 'healthy');
  const usual =
    good && good.calls > 0 ? `, against ${percent(good.correct / good.calls)} when all was well` : '';
  return `${first} While the primary was slow, failing or dead, ${percent(correct / asked)} of ${asked} calls were answered right${usual}.`;
}

function sum(phases: readonly PhaseRecord[], of: (phase: PhaseRecord) => number): number {
  return phases.reduce((total, phase) => total + of(phase), 0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

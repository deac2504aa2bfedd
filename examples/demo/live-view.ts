import type { CircuitSnapshot } from 'failsoft';
import { PHASES } from './phases.js';
import type { DemoRecord } from './record.js';
import { SOURCES, transitionLine } from './report.js';

const BAR = 12;
const LAST_TRANSITIONS = 3;

/** The facts that the view shows besides the record. */
export interface LiveFacts {
  readonly phaseMs: number;
  /** Time since the present phase began, in milliseconds. */
  readonly inPhaseMs: number;
  /** The primary's circuit; undefined before its first call. */
  readonly circuit: CircuitSnapshot | undefined;
  /** The present time, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly hasColours: boolean;
}

type Paint = (text: string) => string;

const plain: Paint = (text) => text;
const painted =
  (code: number): Paint =>
  (text) =>
    `\u001b[${code}m${text}\u001b[0m`;

/** A row per phase with its progress and answers, then the circuit: 80 columns at most, and readable without colours. */
export function liveView(record: DemoRecord, facts: LiveFacts): string[] {
  const paint = (code: number) => (facts.hasColours ? painted(code) : plain);
  const [bold, faint, good, bad] = [paint(1), paint(2), paint(32), paint(31)];
  const head = ['', 'phase', '', 'calls', 'primary', 'last-good', 'small', 'default', 'errors'];
  const rows = PHASES.map(({ name }, index) => {
    const phase = record.phases[index];
    const isNow = index === record.phases.length - 1;
    const share = phase === undefined ? 0 : isNow ? Math.min(1, facts.inPhaseMs / facts.phaseMs) : 1;
    const answers = SOURCES.map((source) => String(phase?.answers.get(source) ?? ''));
    const cells = ['', name, bar(share), String(phase?.calls ?? ''), ...answers, String(phase?.errors ?? '')];
    const text = `${isNow ? '>' : ' '}${row(cells)}`;
    if (phase === undefined) return faint(text);
    return phase.errors > 0 ? bad(text) : isNow ? bold(text) : text;
  });
  const moves = record.transitions.slice(-LAST_TRANSITIONS).map(transitionLine);
  const state = circuitLine(facts);
  return [
    faint(` ${row(head)}`),
    ...rows,
    '',
    state.isClosed ? good(state.text) : bad(state.text),
    ...Array.from({ length: LAST_TRANSITIONS }, (_, index) => faint(moves[index] ?? '')),
  ];
}

function bar(share: number): string {
  const full = Math.round(share * BAR);
  return '#'.repeat(full) + '.'.repeat(BAR - full);
}

const WIDTHS = [0, 9, BAR, 6, 7, 9, 6, 7, 6];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index <= 2 ? cell.padEnd(WIDTHS[index] ?? 0) : cell.padStart(WIDTHS[index] ?? 0)))
    .join(' ')
    .trimEnd();
}

function circuitLine({ circuit, nowMs }: LiveFacts): { text: string; isClosed: boolean } {
  if (circuit === undefined) return { text: '  circuit: no call yet', isClosed: true };
  const { state, openUntilMs } = circuit;
  const next =
    openUntilMs === null ? '' : `, next probe in ${(Math.max(0, openUntilMs - nowMs) / 1_000).toFixed(1)} s`;
  return { text: `  circuit: ${state}${next}`, isClosed: state === 'closed' };
}

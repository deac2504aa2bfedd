import type { CellView } from './cell-view.js';
import { between, shareOf } from './figures.js';

/** The course of a cell: per step the share of calls answered by the primary and by the fallback; `null` where there were no calls. */
export interface Timeline {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly primary: readonly (number | null)[];
  readonly degraded: readonly (number | null)[];
}

const STEPS = 40;

export function timelineOf({ phases, calls }: CellView): Timeline {
  const lengthMs = phases.calmMs + phases.faultMs + phases.afterMs;
  const stepMs = Math.ceil(lengthMs / STEPS / 50) * 50;
  const counted = calls.filter((call) => call.counted && call.end !== 'left');
  const steps = Array.from({ length: Math.ceil(lengthMs / stepMs) }, (_, step) =>
    between(counted, step * stepMs - phases.calmMs, (step + 1) * stepMs - phases.calmMs),
  );
  const course = (end: string) =>
    steps.map((some) => (some.length === 0 ? null : round(shareOf(some, (call) => call.end === end))));
  return { fromMs: -phases.calmMs, stepMs, primary: course('primary'), degraded: course('degraded') };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

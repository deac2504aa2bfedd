import type { Figures } from '../figures/figures.js';
import type { Spread } from '../figures/over-seeds.js';
import type { Timeline } from '../figures/timeline.js';
import type { Capacity } from '../run/capacity.js';
import type { Phases } from '../scenario/phases.js';

/** The content of the file that `npm run drill -- --json FILE` writes. */
export interface Report {
  /** Node's version. */
  readonly node: string;
  /** The outline of the machine, without names. */
  readonly machine: { readonly cores: number; readonly memoryGiB: number; readonly platform: string };
  /** The versions of the packages that were run side by side. */
  readonly versions: Readonly<Record<string, string>>;
  readonly seeds: number;
  readonly quick: boolean;
  /** What the reader of the figures must know about how they came about. @default nothing */
  readonly note?: string;
  readonly scenarios: readonly ScenarioReport[];
}

export interface ScenarioReport {
  readonly name: string;
  readonly phases: Phases;
  /** Calls per second that one server answers, as specified and as measured, where the harness asserted it. */
  readonly capacity?: Capacity;
  readonly contestants: readonly ContestantReport[];
}

/** The medians over the seeds, their spread, and the course of the first seed. */
export interface ContestantReport extends Figures {
  readonly name: string;
  readonly spread: Spread;
  readonly timeline: Timeline;
}

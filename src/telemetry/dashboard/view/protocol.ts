import type { CircuitMode, CircuitSnapshot, CircuitStateName } from '../../../circuit/types.js';
import type { CircuitSettings } from '../../../guard/guard-options.js';

/** The version of the messages of `/events`. */
export const FORMAT_VERSION = 1;

/** How many callers of a circuit were answered by a source, for a cause; as in `guard.answers()`. */
export interface AnswersView {
  /** `primary`, as `failsoft-source`, or `none`: the caller got an error. */
  readonly source: string;
  /** Why the primary did not answer; null for its own answers. */
  readonly cause: string | null;
  /** The number of calls since the circuit was made. */
  readonly count: number;
}

/** A circuit as the page shows it: its snapshot, with further facts. */
export interface CircuitView extends Omit<CircuitSnapshot, 'takenAtMs' | 'version' | 'baseline'> {
  /** The name of the process that it belongs to. */
  readonly process: string;
  /** Names an entry of the `settings` of the same stream. */
  readonly settings: string;
  /** Answers by source and cause. */
  readonly answers: readonly AnswersView[];
  /** The time of the next readiness check of an open circuit, in milliseconds since the epoch; null where none is planned. */
  readonly nextCheckAtMs: number | null;
}

/** A change of a circuit's state, or an isolation by hand. */
export interface TimelineEntry {
  /** The name of the process. */
  readonly process: string;
  /** The circuit's key. */
  readonly circuitKey: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** The state before. */
  readonly from: CircuitStateName | 'isolated' | 'released';
  /** The state after; `isolated` and `released` are done by hand. */
  readonly to: CircuitStateName | 'isolated' | 'released';
  /** The reason with its figures. */
  readonly reason: string;
  /** For how long the circuit will be open, in milliseconds; null in other states. */
  readonly openForMs: number | null;
  /** Whether the circuit rejected calls then, or only reported. */
  readonly mode: CircuitMode;
}

/** The figures of a circuit for a step of its history. */
export interface Sample {
  /** Calls that were made, including rejected calls. */
  readonly calls: number;
  /** Calls that were rejected. */
  readonly rejected: number;
  /** The window's failure rate at the end of the step, 0 to 1. */
  readonly failureRate: number;
  /** The window's median at the end of the step, in milliseconds; null when it holds no latencies. */
  readonly p50: number | null;
  /** The window's 99th percentile, in milliseconds. */
  readonly p99: number | null;
  /** Answers by source. */
  readonly answers: Readonly<Record<string, number>>;
}

/** A {@link Sample} as a list, because a snapshot has many of them: calls, rejected, failure rate, p50, p99, answers if any. */
export type PackedSample = readonly [
  calls: number,
  rejected: number,
  failureRate: number,
  p50: number | null,
  p99: number | null,
  answers?: Readonly<Record<string, number>>,
];

/** A circuit in a `snapshot` message. */
export interface CircuitRecord {
  /** The circuit at this moment. */
  readonly view: CircuitView;
  /** Oldest first, one per step; the last one ended at the process's `steppedAtMs`. */
  readonly history: readonly PackedSample[];
  /** Oldest first. */
  readonly timeline: readonly TimelineEntry[];
}

/** A process whose circuits the page shows. */
export interface ProcessView {
  /** Its name. */
  readonly name: string;
  /** Why it cannot be read; null while it can. */
  readonly error: string | null;
  /** The time since which it can, or cannot, be read, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The length of a step of its history, in milliseconds. */
  readonly stepMs: number;
  /** How many steps are kept. */
  readonly steps: number;
  /** The end of the last step, in milliseconds since the epoch. */
  readonly steppedAtMs: number;
}

/** The whole state: the first message of a stream, and the first message after a gap. */
export interface SnapshotMessage {
  /** The version of the format. */
  readonly version: typeof FORMAT_VERSION;
  /** The time at which it was made, in milliseconds since the epoch. */
  readonly atMs: number;
  /** All processes. */
  readonly processes: readonly ProcessView[];
  /** The settings of the circuits, by the names that the circuits give. */
  readonly settings: Readonly<Record<string, CircuitSettings>>;
  /** All circuits. */
  readonly circuits: readonly CircuitRecord[];
}

/** A step of a process's history. A circuit without a sample had no calls in it. */
export interface Step {
  /** The name of the process. */
  readonly process: string;
  /** Its end, in milliseconds since the epoch. */
  readonly atMs: number;
  /** The sample of each circuit that had calls. */
  readonly samples: readonly (readonly [circuitKey: string, sample: Sample])[];
}

/** The changes since the message before. A part that is left out has not changed. */
export interface DeltaMessage {
  /** The time at which it was made, in milliseconds since the epoch. */
  readonly atMs: number;
  /** All processes, where a process has changed. */
  readonly processes?: readonly ProcessView[];
  /** Settings that are new. */
  readonly settings?: Readonly<Record<string, CircuitSettings>>;
  /** Whole views of the circuits that have changed. */
  readonly circuits?: readonly CircuitView[];
  /** Circuits that are gone: evicted, or of a process that was restarted. */
  readonly removed?: readonly (readonly [process: string, circuitKey: string])[];
  /** Steps that have ended. */
  readonly steps?: readonly Step[];
  /** New entries, oldest first. */
  readonly timeline?: readonly TimelineEntry[];
}

/** The id of a circuit, which differs between processes. */
export function idOf(process: string, circuitKey: string): string {
  return `${process}\n${circuitKey}`;
}

export function packed({ calls, rejected, failureRate, p50, p99, answers }: Sample): PackedSample {
  for (const _source in answers) return [calls, rejected, failureRate, p50, p99, answers];
  return [calls, rejected, failureRate, p50, p99];
}

const NO_ANSWERS: Readonly<Record<string, number>> = Object.freeze({});

export function unpacked([
  calls,
  rejected,
  failureRate,
  p50,
  p99,
  answers = NO_ANSWERS,
]: PackedSample): Sample {
  return { calls, rejected, failureRate, p50, p99, answers };
}

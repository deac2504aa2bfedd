import type { CircuitSettings } from '../../../guard/guard-options.js';
import {
  type CircuitView,
  type DeltaMessage,
  idOf,
  type ProcessView,
  type Sample,
  type SnapshotMessage,
  type TimelineEntry,
  unpacked,
} from './protocol.js';

/** Most timeline entries of a circuit. */
export const MOST_ENTRIES = 20;
const IDLE: Readonly<Record<string, number>> = Object.freeze({});

/** A circuit with its past. */
export interface CircuitState {
  readonly id: string;
  view: CircuitView;
  /** Oldest first; the last step ended at the process's `steppedAtMs`. */
  history: Sample[];
  /** Oldest first. */
  timeline: TimelineEntry[];
}

/** The state that the messages of a stream give. */
export interface StreamState {
  /** By the sender's clock, in milliseconds since the epoch. */
  atMs: number;
  readonly processes: Map<string, ProcessView>;
  readonly settings: Map<string, CircuitSettings>;
  readonly circuits: Map<string, CircuitState>;
}

/** The changes that a delta has made. */
export interface Changes {
  readonly circuits: ReadonlySet<CircuitState>;
  readonly removed: readonly string[];
  /** Whether histories have grown. */
  readonly stepped: boolean;
  readonly timeline: readonly TimelineEntry[];
}

export function stateOf(message: SnapshotMessage): StreamState {
  const circuits = new Map<string, CircuitState>();
  for (const { view, history, timeline } of message.circuits) {
    const id = idOf(view.process, view.circuitKey);
    circuits.set(id, { id, view, history: history.map(unpacked), timeline: [...timeline] });
  }
  return {
    atMs: message.atMs,
    processes: new Map(message.processes.map((process) => [process.name, process])),
    settings: new Map(Object.entries(message.settings)),
    circuits,
  };
}

/** Applies a message to the state. A new circuit begins with an empty history. */
export function apply(state: StreamState, message: DeltaMessage): Changes {
  state.atMs = message.atMs;
  for (const process of message.processes ?? []) state.processes.set(process.name, process);
  for (const [name, settings] of Object.entries(message.settings ?? {})) state.settings.set(name, settings);
  const removed = (message.removed ?? []).map(([process, circuitKey]) => idOf(process, circuitKey));
  for (const id of removed) state.circuits.delete(id);
  const changed = new Set<CircuitState>();
  for (const view of message.circuits ?? []) {
    const id = idOf(view.process, view.circuitKey);
    const circuit = state.circuits.get(id) ?? { id, view, history: [], timeline: [] };
    circuit.view = view;
    state.circuits.set(id, circuit);
    changed.add(circuit);
  }
  for (const step of message.steps ?? []) takeStep(state, step.process, step.atMs, new Map(step.samples));
  for (const entry of message.timeline ?? []) {
    const circuit = state.circuits.get(idOf(entry.process, entry.circuitKey));
    if (circuit === undefined) continue;
    circuit.timeline.push(entry);
    if (circuit.timeline.length > MOST_ENTRIES) circuit.timeline.shift();
    changed.add(circuit);
  }
  return {
    circuits: changed,
    removed,
    stepped: (message.steps?.length ?? 0) > 0,
    timeline: message.timeline ?? [],
  };
}

function takeStep(
  state: StreamState,
  name: string,
  atMs: number,
  samples: ReadonlyMap<string, Sample>,
): void {
  const process = state.processes.get(name);
  if (process === undefined) return;
  state.processes.set(name, { ...process, steppedAtMs: atMs });
  for (const { view, history } of state.circuits.values()) {
    if (view.process !== name) continue;
    history.push(samples.get(view.circuitKey) ?? idleSample(view));
    if (history.length > process.steps) history.shift();
  }
}

/** The sample of a step without calls: the window has not changed. */
export function idleSample({ window }: CircuitView): Sample {
  return {
    calls: 0,
    rejected: 0,
    failureRate: window.failureRate,
    p50: window.latencyMs?.p50 ?? null,
    p99: window.latencyMs?.p99 ?? null,
    answers: IDLE,
  };
}

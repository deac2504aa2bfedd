import type { CircuitSettings } from '../../../guard/guard-options.js';
import type { ProcessView } from '../view/protocol.js';
import { sourcesOf } from '../view/series.js';
import type { CircuitState, StreamState } from '../view/state.js';
import { type Assessment, assess } from '../view/trouble.js';
import { type Limits, limitsOf } from '../view/words.js';

/** A circuit with its assessment, as the parts of the page show it. */
export interface Subject {
  readonly circuit: CircuitState;
  assessment: Assessment;
}

/** The span of time that the small pictures show, in milliseconds since the epoch. */
export interface Span {
  readonly steps: number;
  readonly fromMs: number;
  /** Nothing is known of the time before. */
  readonly knownMs: number;
  readonly toMs: number;
}

/** The state from the stream, with an assessment of each circuit. */
export class Model {
  readonly subjects = new Map<string, Subject>();
  state: StreamState;
  /** How far the server's clock is ahead of the browser's, in milliseconds. */
  readonly #aheadMs: number;

  constructor(state: StreamState) {
    this.state = state;
    this.#aheadMs = state.atMs - Date.now();
    for (const circuit of state.circuits.values()) this.assess(circuit);
  }

  /** The present time by the server's clock, in milliseconds since the epoch. */
  get nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  assess(circuit: CircuitState): Subject {
    const assessment = assess(circuit, this.processOf(circuit), this.settingsOf(circuit));
    const known = this.subjects.get(circuit.id);
    if (known?.circuit === circuit) {
      known.assessment = assessment;
      return known;
    }
    const subject = { circuit, assessment };
    this.subjects.set(circuit.id, subject);
    return subject;
  }

  processOf({ view }: CircuitState): ProcessView | undefined {
    return this.state.processes.get(view.process);
  }

  settingsOf({ view }: CircuitState): CircuitSettings | undefined {
    return this.state.settings.get(view.settings);
  }

  limitsOf(circuit: CircuitState): Limits {
    return limitsOf(this.settingsOf(circuit)?.circuit);
  }

  spanOf(circuit: CircuitState): Span {
    const { steps = 150, stepMs = 2_000, sinceMs = 0 } = this.processOf(circuit) ?? {};
    const toMs = this.nowMs;
    const fromMs = toMs - steps * stepMs;
    const firstMs = circuit.timeline[0]?.atMs ?? toMs;
    return { steps, fromMs, knownMs: Math.max(fromMs, Math.min(sinceMs, firstMs)), toMs };
  }

  sourcesOf({ history }: CircuitState): string[] {
    return sourcesOf(history);
  }

  get hasSeveralProcesses(): boolean {
    return this.state.processes.size > 1;
  }
}

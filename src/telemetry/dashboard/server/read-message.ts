import type { CircuitSettings } from '../../../guard/guard-options.js';
import { cut } from '../../../text.js';
import {
  type CircuitRecord,
  type CircuitView,
  type DeltaMessage,
  FORMAT_VERSION,
  type PackedSample,
  type ProcessView,
  packed,
  type Sample,
  type SnapshotMessage,
  type Step,
  type TimelineEntry,
} from '../view/protocol.js';

// Messages of other processes are not trusted: each field is read by name, numbers are checked, texts are cut, lists are bounded.

const LONGEST_TEXT = 2_000;
const MOST_CIRCUITS = 5_000;
const MOST_STEPS = 1_000;
const MOST_NAMES = 32;

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const list = (value: unknown, most: number): readonly unknown[] =>
  Array.isArray(value) ? value.slice(0, most) : [];
const text = (value: unknown): string => (typeof value === 'string' ? cut(value, LONGEST_TEXT, '…') : '');
const number = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? number(value) : null);

function oneOf<T extends string>(value: unknown, known: readonly [T, ...T[]]): T {
  return known.find((name) => name === value) ?? known[0];
}

function counts<Names extends string>(value: unknown, names: readonly Names[]): Record<Names, number> {
  const given = fields(value);
  return Object.fromEntries(names.map((name) => [name, number(given[name])])) as Record<Names, number>;
}

const STATES = ['closed', 'open', 'half-open', 'recovering'] as const;
const MOVES = [...STATES, 'isolated', 'released'] as const;
const MODES = ['enforce', 'observe', 'off'] as const;
const OUTCOMES = ['success', 'caller-error', 'failure', 'overload', 'ignored'] as const;
const REASONS = [
  'CIRCUIT_OPEN',
  'HALF_OPEN',
  'RECOVERING',
  'ISOLATED',
  'CONCURRENCY_LIMIT',
  'THROTTLED',
] as const;

/** Reads the messages of a source, and renames its processes and settings so that the names of all sources differ. */
export class MessageReader {
  readonly #process: (name: string) => string;
  readonly #prefix: string;

  /**
   * @param process gives the name of a process, by the name that the process gives itself
   * @param prefix the prefix of the names of its settings
   */
  constructor(process: (name: string) => string, prefix: string) {
    this.#process = process;
    this.#prefix = prefix;
  }

  /** @throws Error where it is no JSON, or a message of another version */
  snapshot(json: string): SnapshotMessage {
    const message = fields(JSON.parse(json));
    if (message.version !== FORMAT_VERSION)
      throw new Error(`its version is ${text(String(message.version))}, and not ${FORMAT_VERSION}`);
    return {
      version: FORMAT_VERSION,
      atMs: number(message.atMs),
      processes: this.#processes(message.processes),
      settings: this.#settings(message.settings),
      circuits: list(message.circuits, MOST_CIRCUITS).map((record) => this.#record(record)),
    };
  }

  /** @throws Error where it is no JSON */
  delta(json: string): DeltaMessage {
    const message = fields(JSON.parse(json));
    return {
      atMs: number(message.atMs),
      processes: this.#processes(message.processes),
      settings: this.#settings(message.settings),
      circuits: list(message.circuits, MOST_CIRCUITS).map((view) => this.#view(view)),
      removed: list(message.removed, MOST_CIRCUITS).map((pair) => {
        const [process, circuitKey] = list(pair, 2);
        return [this.#process(text(process)), text(circuitKey)] as const;
      }),
      steps: list(message.steps, MOST_NAMES).map((step) => this.#step(step)),
      timeline: list(message.timeline, MOST_CIRCUITS).map((entry) => this.#entry(entry)),
    };
  }

  #processes(value: unknown): ProcessView[] {
    return list(value, MOST_NAMES).map((process) => {
      const given = fields(process);
      return {
        name: this.#process(text(given.name)),
        error: typeof given.error === 'string' ? text(given.error) : null,
        sinceMs: number(given.sinceMs),
        stepMs: Math.max(50, number(given.stepMs)),
        steps: Math.min(MOST_STEPS, Math.max(1, number(given.steps))),
        steppedAtMs: number(given.steppedAtMs),
      };
    });
  }

  /** Settings are not checked here: the page shows them as they are, and checks those with which it computes. */
  #settings(value: unknown): Record<string, CircuitSettings> {
    const entries = Object.entries(fields(value)).slice(0, MOST_STEPS);
    return Object.fromEntries(
      entries.map(([name, given]) => [
        this.#prefix + text(name),
        fields(given) as unknown as CircuitSettings,
      ]),
    );
  }

  #record(value: unknown): CircuitRecord {
    const given = fields(value);
    return {
      view: this.#view(given.view),
      history: list(given.history, MOST_STEPS).map(packedSample),
      timeline: list(given.timeline, MOST_NAMES).map((entry) => this.#entry(entry)),
    };
  }

  #step(value: unknown): Step {
    const given = fields(value);
    return {
      process: this.#process(text(given.process)),
      atMs: number(given.atMs),
      samples: list(given.samples, MOST_CIRCUITS).map((pair) => {
        const [circuitKey, of] = list(pair, 2);
        return [text(circuitKey), sample(of)] as const;
      }),
    };
  }

  #entry(value: unknown): TimelineEntry {
    const given = fields(value);
    return {
      process: this.#process(text(given.process)),
      circuitKey: text(given.circuitKey),
      atMs: number(given.atMs),
      from: oneOf(given.from, MOVES),
      to: oneOf(given.to, MOVES),
      reason: text(given.reason),
      openForMs: numberOrNull(given.openForMs),
      mode: oneOf(given.mode, MODES),
    };
  }

  #view(value: unknown): CircuitView {
    const given = fields(value);
    const window = fields(given.window);
    const totals = fields(given.totals);
    const trip = given.lastTrip === null ? null : fields(given.lastTrip);
    const latencyMs = typeof window.latencyMs === 'object' && window.latencyMs !== null;
    return {
      process: this.#process(text(given.process)),
      circuitKey: text(given.circuitKey),
      engine: text(given.engine),
      state: oneOf(given.state, STATES),
      mode: oneOf(given.mode, MODES),
      isolated: number(given.isolated),
      sinceMs: number(given.sinceMs),
      openings: number(given.openings),
      openUntilMs: numberOrNull(given.openUntilMs),
      nextCheckAtMs: numberOrNull(given.nextCheckAtMs),
      generation: number(given.generation),
      inFlight: number(given.inFlight),
      window: {
        calls: number(window.calls),
        unhealthy: number(window.unhealthy),
        failureRate: number(window.failureRate),
        slowRate: numberOrNull(window.slowRate),
        latencyMs: latencyMs ? counts(window.latencyMs, ['p50', 'p90', 'p99']) : null,
      },
      consecutiveFailures: number(given.consecutiveFailures),
      totals: {
        admitted: number(totals.admitted),
        outcomes: counts(totals.outcomes, OUTCOMES),
        rejected: counts(totals.rejected, REASONS),
        stale: number(totals.stale),
        opened: number(totals.opened),
        correlated: number(totals.correlated),
        connecting: number(totals.connecting),
        stalled: number(totals.stalled),
        notSent: number(totals.notSent),
      },
      lastTrip: trip && { atMs: number(trip.atMs), reason: text(trip.reason) },
      ...(typeof given.concurrencyLimit === 'number' && { concurrencyLimit: number(given.concurrencyLimit) }),
      settings: this.#prefix + text(given.settings),
      answers: list(given.answers, 10 * MOST_NAMES).map((entry) => {
        const { source, cause, count } = fields(entry);
        return {
          source: text(source),
          cause: typeof cause === 'string' ? text(cause) : null,
          count: number(count),
        };
      }),
    };
  }
}

function packedSample(value: unknown): PackedSample {
  const [calls, rejected, failureRate, p50, p99, answers] = list(value, 6);
  return packed(sample({ calls, rejected, failureRate, p50, p99, answers }));
}

function sample(value: unknown): Sample {
  const given = fields(value);
  const answers = Object.entries(fields(given.answers)).slice(0, MOST_NAMES);
  return {
    calls: number(given.calls),
    rejected: number(given.rejected),
    failureRate: number(given.failureRate),
    p50: numberOrNull(given.p50),
    p99: numberOrNull(given.p99),
    answers: Object.fromEntries(answers.map(([source, count]) => [text(source), number(count)])),
  };
}

import type { CircuitSnapshot } from '../../../circuit/types.js';
import type { CircuitSettings, Guard } from '../../../guard/guard-options.js';
import {
  type AnswersView,
  type CircuitView,
  type DeltaMessage,
  FORMAT_VERSION,
  type ProcessView,
  packed,
  type Sample,
  type SnapshotMessage,
  type Step,
} from '../view/protocol.js';
import { differs, sampleBetween, viewOf } from './circuit-view.js';
import type { Feed } from './feed.js';
import { Series } from './series.js';
import { SettingsTable } from './settings-table.js';
import { TimelineLog } from './timeline-log.js';

export interface GuardFeedOptions {
  /** The name of this process on the page. */
  readonly process: string;
  readonly stepMs: number;
  readonly steps: number;
  /** Whether steps are taken also while no page is open. */
  readonly isKept: boolean;
}

/** A secondary's circuit guards no method of its own. */
const NO_METHOD: Omit<CircuitSettings, 'circuit'> = {
  defaultDeadlineMs: Number.POSITIVE_INFINITY,
  fallbackReserveMs: 0,
  fallbackAfterMs: Number.POSITIVE_INFINITY,
  firstMessageTimeoutMs: Number.POSITIVE_INFINITY,
  stallTimeoutMs: Number.POSITIVE_INFINITY,
  fallbacks: [],
};
const NO_ANSWERS: readonly AnswersView[] = [];

interface Known {
  view: CircuitView;
  /** The view at the end of the last step; undefined for a circuit that is new since then. */
  stepped: CircuitView | undefined;
  readonly series: Series;
}

/** Reads the snapshots of a guard when `changes()` is called, and its transitions as they happen. It costs calls nothing. */
export class GuardFeed implements Feed {
  readonly idleIntervalMs: number | undefined;
  onUrgent: (() => void) | undefined;
  readonly #guard: Guard;
  readonly #options: GuardFeedOptions;
  readonly #known = new Map<string, Known>();
  readonly #settings = new SettingsTable();
  readonly #timeline = new TimelineLog();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #startedAtMs = Date.now();
  #steppedAtMs = Date.now();
  /** Whether no circuit was read yet: the counts before the first reading belong to no step. */
  #isFirst = true;
  /** The position of the last step in every series. */
  #position = 0;

  constructor(guard: Guard, options: GuardFeedOptions) {
    this.#guard = guard;
    this.#options = options;
    this.idleIntervalMs = options.isKept ? options.stepMs : undefined;
    const { process } = options;
    this.#unsubscribe = [
      ...(['transition', 'secondary'] as const).map((name) =>
        guard.on(name, ({ circuitKey, atMs, from, to, reason, openForMs = null, mode }) => {
          this.#timeline.add({ process, circuitKey, atMs, from, to, reason, openForMs, mode });
          this.onUrgent?.();
        }),
      ),
      guard.on('isolation', ({ circuitKey, isolated, atMs }) => {
        const [from, to] = isolated
          ? (['released', 'isolated'] as const)
          : (['isolated', 'released'] as const);
        const reason = isolated ? 'isolated by hand' : 'released by hand';
        this.#timeline.add({ process, circuitKey, atMs, from, to, reason, openForMs: null, mode: 'enforce' });
        this.onUrgent?.();
      }),
    ];
  }

  full(): SnapshotMessage {
    return {
      version: FORMAT_VERSION,
      atMs: Date.now(),
      processes: [this.#process()],
      settings: this.#settings.all(),
      circuits: [...this.#known.values()].map(({ view, series }) => ({
        view,
        history: series.samples(this.#position).map(packed),
        timeline: this.#timeline.of(view.circuitKey),
      })),
    };
  }

  changes(): DeltaMessage | undefined {
    const atMs = Date.now();
    const circuits: CircuitView[] = [];
    const gone = new Set(this.#known.keys());
    const answers = this.#answersByCircuit();
    const nextChecks = this.#guard.nextChecks();
    for (const [snapshot, settingsOf] of this.#readings()) {
      const { circuitKey } = snapshot;
      gone.delete(circuitKey);
      const known = this.#known.get(circuitKey);
      const view = viewOf(snapshot, known?.view, {
        process: this.#options.process,
        settings: this.#settings.nameOf(settingsOf()),
        answers: answers.get(circuitKey) ?? NO_ANSWERS,
        nextCheckAtMs: snapshot.state === 'open' ? (nextChecks.get(circuitKey) ?? null) : null,
      });
      if (known === undefined) {
        this.#known.set(circuitKey, {
          view,
          stepped: this.#isFirst ? view : undefined,
          series: new Series(this.#options.steps),
        });
        circuits.push(view);
      } else if (differs(known.view, view)) {
        known.view = view;
        circuits.push(view);
      }
    }
    this.#isFirst = false;
    for (const circuitKey of gone) this.#forget(circuitKey);
    const step = this.#stepIfDue(atMs);
    const settings = this.#settings.takeNew();
    const timeline = this.#timeline.take();
    const isEmpty =
      circuits.length + gone.size + timeline.length === 0 && step === undefined && settings === undefined;
    if (isEmpty) return undefined;
    return {
      atMs,
      ...(settings && { settings }),
      ...(circuits.length > 0 && { circuits }),
      ...(gone.size > 0 && {
        removed: [...gone].map((circuitKey) => [this.#options.process, circuitKey] as const),
      }),
      ...(step && { steps: [step] }),
      ...(timeline.length > 0 && { timeline }),
    };
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** The guard's circuits, then those of its secondaries. */
  #readings(): (readonly [CircuitSnapshot, () => CircuitSettings | undefined])[] {
    const guard = this.#guard;
    return [
      ...guard
        .snapshots()
        .map((snapshot) => [snapshot, () => guard.settingsOf(snapshot.circuitKey)] as const),
      ...guard
        .secondaries()
        .map(
          ({ snapshot, circuit }) => [snapshot, () => ({ ...NO_METHOD, circuit: circuit.options })] as const,
        ),
    ];
  }

  #process(): ProcessView {
    const { process, stepMs, steps } = this.#options;
    const sinceMs = this.#startedAtMs;
    return { name: process, error: null, sinceMs, stepMs, steps, steppedAtMs: this.#steppedAtMs };
  }

  #answersByCircuit(): Map<string, AnswersView[]> {
    const answers = new Map<string, AnswersView[]>();
    for (const { circuitKey, source, cause, count } of this.#guard.answers()) {
      if (circuitKey === null) continue;
      const known = answers.get(circuitKey);
      if (known === undefined) answers.set(circuitKey, [{ source, cause, count }]);
      else known.push({ source, cause, count });
    }
    return answers;
  }

  #forget(circuitKey: string): void {
    this.#known.delete(circuitKey);
    this.#timeline.forget(circuitKey);
  }

  #stepIfDue(atMs: number): Step | undefined {
    const { stepMs, steps, process } = this.#options;
    // a tick may come a little early, and the wall clock may have been set back
    const passedMs = Math.abs(atMs - this.#steppedAtMs);
    if (passedMs < stepMs * 0.9) return undefined;
    this.#steppedAtMs = atMs;
    this.#position = (this.#position + 1) % steps;
    const samples: [string, Sample][] = [];
    for (const [circuitKey, known] of this.#known) {
      const sample = sampleBetween(known.stepped, known.view, stepMs / Math.max(stepMs, passedMs));
      known.series.add(this.#position, sample);
      if (sample.calls > 0 || Object.keys(sample.answers).length > 0) samples.push([circuitKey, sample]);
      known.stepped = known.view;
    }
    return { process, atMs, samples };
  }
}

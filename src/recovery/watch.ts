import { AsyncResource } from 'node:async_hooks';
import { checkOneOf } from '../checks.js';
import type { CircuitRecovery } from '../circuit/types.js';
import type { Clock } from '../clock.js';
import { READINESS, type Readiness, type ReadinessCheck } from './check.js';
import type { RecoverySettings } from './options.js';

/** An open circuit, and the check that asks for its server. */
export interface CheckedCircuit {
  readonly circuitKey: string;
  readonly method: string;
  readonly keyPart: string;
  readonly recovery: CircuitRecovery;
  readonly settings: RecoverySettings;
  readonly check: ReadinessCheck;
  /** Whether the guard has dropped the circuit, so that no answer about it is needed any more. */
  readonly isGone?: () => boolean;
}

/** The functions of the guard that a watch calls. */
export interface WatchReport {
  /** Called for each circuit of a check that has ended. */
  readonly answered: (circuit: CheckedCircuit, answer: Readiness, durationMs: number) => void;
  readonly warn: (error: unknown, source: string) => void;
}

/** The most checks that a guard begins per second. */
const MOST_PER_SECOND = 10;
const USUAL_INTERVAL_MS = 500;
/** An interval is at random up to half of this share longer or shorter. */
const JITTER_SHARE = 0.5;
/** A check that reports a change itself is asked again after this time, in milliseconds. */
const SOON_MS = 1;

interface Group {
  /** The generation of each circuit's opening, by circuit. */
  readonly openings: Map<CheckedCircuit, number>;
  nextMs: number;
  isAsking: boolean;
  /** The check gets this function, and calls it to be asked again at once. */
  readonly askAgain: () => void;
  /** Whether the check called it since it was asked. */
  isChanged: boolean;
}

/**
 * Asks the servers of open circuits whether they are back. All circuits share a timer, which runs only while a circuit is open. A
 * check is asked again only after it has answered. The answers move the circuits' open times, and change nothing else.
 */
export class ReadinessWatch {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #report: WatchReport;
  readonly #groups = new Map<ReadinessCheck | string, Group>();
  /** Checks that a server does not support: they are not asked again. */
  readonly #unsupported = new WeakSet<ReadinessCheck>();
  /** The functions that end the checks which wait for their answers. */
  readonly #asking = new Set<() => void>();
  /** Checks run in the guard's own async context, not in that of the call that opened the circuit. */
  readonly #scope = new AsyncResource('failsoft.readiness');
  #stopTimer: (() => void) | undefined;
  #freeMs = 0;
  #closed = false;

  constructor(clock: Clock, random: () => number, report: WatchReport) {
    this.#clock = clock;
    this.#random = random;
    this.#report = report;
  }

  /** Begins to check a circuit that has opened. */
  add(circuit: CheckedCircuit): void {
    const opening = circuit.recovery.opening();
    if (this.#closed || opening === undefined || this.#unsupported.has(circuit.check)) return;
    const name = circuit.check.scope === 'server' ? circuit.check : circuit.circuitKey;
    const nowMs = this.#clock.now();
    const group = this.#groups.get(name) ?? this.#newGroup(nowMs);
    this.#groups.set(name, group);
    for (const other of group.openings.keys())
      if (other.circuitKey === circuit.circuitKey) group.openings.delete(other);
    group.openings.set(circuit, opening.generation);
    this.#arm();
  }

  #newGroup(nextMs: number): Group {
    const askAgain = () => this.#askAgain(group);
    const group: Group = { openings: new Map(), nextMs, isAsking: false, askAgain, isChanged: false };
    return group;
  }

  /** When each circuit is checked next, by its key, in milliseconds of the clock; now, where a check waits for its answer. */
  next(): Map<string, number> {
    const nowMs = this.#clock.now();
    const next = new Map<string, number>();
    for (const { openings, nextMs, isAsking } of this.#groups.values()) {
      const atMs = isAsking ? nowMs : Math.max(nextMs, this.#freeMs);
      for (const [circuit, generation] of openings)
        if (isOpening(circuit, generation, nowMs)) next.set(circuit.circuitKey, atMs);
    }
    return next;
  }

  close(): void {
    this.#closed = true;
    this.#groups.clear();
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    for (const end of this.#asking) end();
  }

  #arm(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const group of this.#groups.values()) if (!group.isAsking) nextMs = Math.min(nextMs, group.nextMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(0, Math.max(nextMs, this.#freeMs) - this.#clock.now());
    const tick = () => this.#tick();
    this.#stopTimer = this.#scope.runInAsyncScope(() => this.#clock.setTimer(tick, waitMs, BACKGROUND));
  }

  /** Begins the check that has waited longest, and sets the timer again for the others. */
  #tick(): void {
    const nowMs = this.#clock.now();
    let due: Group | undefined;
    for (const [name, group] of this.#groups) {
      if (group.isAsking || group.nextMs > nowMs) continue;
      if (!this.#isNeeded(group, nowMs)) this.#groups.delete(name);
      else if (due === undefined || group.nextMs < due.nextMs) due = group;
    }
    if (due !== undefined && nowMs >= this.#freeMs) {
      this.#freeMs = nowMs + 1_000 / MOST_PER_SECOND;
      this.#ask(due, nowMs).catch((error: unknown) => this.#report.warn(error, 'readiness checks'));
    }
    this.#arm();
  }

  /** Forgets the circuits whose opening, or whose open time, is over: their next call is a probe. */
  #isNeeded({ openings }: Group, nowMs: number): boolean {
    for (const [circuit, generation] of openings) {
      if (!isOpening(circuit, generation, nowMs)) openings.delete(circuit);
    }
    return openings.size > 0;
  }

  async #ask(group: Group, startMs: number): Promise<void> {
    const asked = [...group.openings];
    const [circuit] = group.openings.keys();
    if (circuit === undefined) return;
    group.isAsking = true;
    group.isChanged = false;
    const aborter = new AbortController();
    const end = () => {
      this.#asking.delete(end);
      stopTimeout();
      aborter.abort();
    };
    const stopTimeout = this.#clock.setTimer(end, circuit.settings.timeoutMs, BACKGROUND);
    this.#asking.add(end);
    const answer = await Promise.race([
      this.#answer(group, circuit, aborter.signal),
      aborted(aborter.signal),
    ]);
    end();
    group.isAsking = false;
    if (this.#closed) return;
    try {
      this.#apply(group, asked, answer, startMs);
    } finally {
      this.#arm();
    }
  }

  async #answer(group: Group, circuit: CheckedCircuit, signal: AbortSignal): Promise<Readiness> {
    const { circuitKey, method, keyPart, settings, check } = circuit;
    const deadlineMs = this.#clock.epochMs() + settings.timeoutMs;
    const { askAgain: changed } = group;
    try {
      const answer = await check.ask({ circuitKey, method, keyPart, deadlineMs, signal, changed });
      return checkOneOf('the answer', answer, READINESS);
    } catch (error) {
      this.#report.warn(error, `readiness check ${check.name}`);
      return 'no-answer';
    }
  }

  #apply(group: Group, asked: [CheckedCircuit, number][], answer: Readiness, startMs: number): void {
    const nowMs = this.#clock.now();
    const [first] = asked;
    if (first === undefined) return;
    const [{ settings, method, check }] = first;
    const { intervalMs = check.intervalMs ?? USUAL_INTERVAL_MS, timeoutMs } = settings;
    group.nextMs = nowMs + (group.isChanged ? SOON_MS : this.#jittered(intervalMs));
    // the circuit is held open until the answer after the next answer is overdue
    const untilMs = nowMs + 2 * (intervalMs + timeoutMs);
    for (const [circuit, generation] of asked) {
      const { recovery } = circuit;
      if (answer === 'ready') recovery.ready(generation);
      else if (answer === 'not-ready') recovery.notReady(generation, untilMs, circuit.settings.maxHoldMs);
      this.#report.answered(circuit, answer, nowMs - startMs);
    }
    if (answer !== 'unsupported') return;
    this.#unsupported.add(check);
    group.openings.clear();
    this.#report.warn(
      new Error(`the server of ${method} does not support this check, and is not asked again`),
      `readiness check ${check.name}`,
    );
  }

  #askAgain(group: Group): void {
    group.isChanged = true;
    if (group.isAsking || this.#closed) return;
    group.nextMs = this.#clock.now() + SOON_MS;
    this.#arm();
  }

  #jittered(ms: number): number {
    return ms * (1 + JITTER_SHARE * (this.#random() - 0.5));
  }
}

/** Whether a circuit is in the opening for which it is checked, and the open time is not over. */
function isOpening({ recovery, isGone }: CheckedCircuit, generation: number, nowMs: number): boolean {
  const opening = recovery.opening();
  return opening?.generation === generation && opening.untilMs > nowMs && isGone?.() !== true;
}

/** Waiting for an answer keeps no process alive. */
const BACKGROUND = true;

function aborted(signal: AbortSignal): Promise<Readiness> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve('no-answer'), { once: true });
  });
}

import { AsyncResource } from 'node:async_hooks';
import { Metadata } from '@grpc/grpc-js';
import type { CircuitRecovery, Permit } from '../circuit/types.js';
import type { Clock } from '../clock.js';
import type { ProbeTarget, RecoverySettings } from './options.js';
import { type EndedProbe, type ProbedMethod, type ProbeRequest, sendProbe } from './synthetic-call.js';

/** An open circuit whose probes are synthetic. */
export interface SyntheticCircuit extends ProbeTarget, ProbedMethod {
  readonly recovery: CircuitRecovery;
  readonly settings: RecoverySettings;
  /** Settles the permit of a call that has ended. */
  readonly settle: (permit: Permit, ended: EndedProbe) => ProbeVerdict;
  /** Whether the guard has dropped the circuit. */
  readonly isGone: () => boolean;
}

/** The value of a synthetic call as evidence. `not-sent`: there was no connection, so that the call never left the process. */
export type ProbeVerdict = 'evidence' | 'not-sent' | 'nothing';

/** The wait after a probe that was not sent, in milliseconds. */
const AGAIN_MS = 250;
/** If this many probes through the user's own client were not sent, callers become probes too: they may have another channel. */
const MOST_UNSENT = 40;
/** If the guard's own probe is this late, in milliseconds, callers become probes. */
const GRACE_MS = 1_000;
/** How long the functions may take that make a probe's request and metadata, in milliseconds. Less than the grace, which the permit has. */
const MAKING_MS = 750;

/**
 * Sends the probes of open circuits itself, so that no caller's call is a probe. Each open circuit with `probeWith` has a timer. If a
 * probe is not sent in time, or is no evidence about the server, callers become probes as usual: no circuit gets stuck.
 */
export class SyntheticProbes {
  readonly #clock: Clock;
  readonly #warn: (error: unknown, source: string) => void;
  readonly #scope = new AsyncResource('failsoft.probe');
  /** Stops the timer of a circuit, by the circuit's key. */
  readonly #timers = new Map<string, () => void>();
  readonly #circuits = new Map<string, SyntheticCircuit>();
  /** How many probes of an opening were not sent. */
  readonly #unsent = new WeakMap<SyntheticCircuit, number>();
  /** The functions that end the running calls, and the running waits for requests. */
  readonly #running = new Set<() => void>();
  #closed = false;

  constructor(clock: Clock, warn: (error: unknown, source: string) => void) {
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Begins to probe a circuit that has opened. */
  add(circuit: SyntheticCircuit): void {
    const opening = circuit.recovery.opening();
    if (this.#closed || opening === undefined) return;
    circuit.recovery.reserveProbes(opening.generation, GRACE_MS);
    this.#circuits.set(circuit.circuitKey, circuit);
    this.#wait(circuit, opening.untilMs - this.#clock.now());
  }

  /** Sets the circuit's timer again, because the end of its open time may have moved. */
  look(circuitKey: string): void {
    const circuit = this.#circuits.get(circuitKey);
    const opening = circuit?.recovery.opening();
    if (circuit !== undefined && opening !== undefined)
      this.#wait(circuit, opening.untilMs - this.#clock.now());
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#timers.values()) stop();
    this.#timers.clear();
    this.#circuits.clear();
    for (const end of this.#running) end();
  }

  #wait(circuit: SyntheticCircuit, ms: number): void {
    const { circuitKey } = circuit;
    this.#timers.get(circuitKey)?.();
    const due = () => {
      this.#timers.delete(circuitKey);
      this.#probe(circuit).catch((error: unknown) => this.#warn(error, `probeWith of ${circuit.method}`));
    };
    const stop = this.#scope.runInAsyncScope(() => this.#clock.setTimer(due, Math.max(0, ms), true));
    this.#timers.set(circuitKey, stop);
  }

  async #probe(circuit: SyntheticCircuit): Promise<void> {
    const { recovery, limitMs } = circuit;
    if (!this.#isPresent(circuit)) return;
    if (circuit.isGone()) return this.#forget(circuit);
    const opening = recovery.opening();
    const waitMs = opening === undefined ? 0 : opening.untilMs - this.#clock.now();
    if (waitMs > 0) return this.#wait(circuit, waitMs);
    const permit = recovery.acquireProbe(limitMs + GRACE_MS);
    if (permit === undefined) return this.#forget(circuit);
    let verdict: ProbeVerdict = 'nothing';
    try {
      const ended = await this.#send(circuit);
      if (ended !== undefined && !this.#closed) verdict = circuit.settle(permit, ended);
    } finally {
      permit.withdraw(); // unless it is settled
    }
    if (verdict === 'nothing') {
      recovery.reserveProbes(permit.generation, 0);
      return this.#forget(circuit);
    }
    if (verdict === 'not-sent' && this.#isGivenUp(circuit)) recovery.reserveProbes(permit.generation, 0);
    // the circuit is still half-open, or open again: then `add()` has set the timer of the new opening
    if (this.#isPresent(circuit)) this.#wait(circuit, verdict === 'evidence' ? 0 : AGAIN_MS);
  }

  /** Whether the circuit is, as far as is known here, in the opening for which it was added. */
  #isPresent(circuit: SyntheticCircuit): boolean {
    return this.#circuits.get(circuit.circuitKey) === circuit;
  }

  #isGivenUp(circuit: SyntheticCircuit): boolean {
    const unsent = (this.#unsent.get(circuit) ?? 0) + 1;
    this.#unsent.set(circuit, unsent);
    return circuit.settings.client !== undefined && unsent >= MOST_UNSENT;
  }

  #forget(circuit: SyntheticCircuit): void {
    if (this.#isPresent(circuit)) this.#circuits.delete(circuit.circuitKey);
  }

  /** @returns undefined where no call was made */
  async #send(circuit: SyntheticCircuit): Promise<EndedProbe | undefined> {
    try {
      const made = await this.#inTime(makeRequest(circuit), MAKING_MS);
      return made === undefined || this.#closed
        ? undefined
        : await sendProbe(circuit, made, this.#clock, this.#running);
    } catch (error) {
      if (!this.#closed) this.#warn(error, `probeWith of ${circuit.method}`);
      return undefined;
    }
  }

  /** Bounds the wait for a user's function, which may never settle: the permit must not be held for ever. */
  #inTime<T>(made: Promise<T>, limitMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        stop();
        reject(new Error(`expected a request within ${limitMs} ms; callers' calls are the probes`));
      };
      const stopTimer = this.#clock.setTimer(end, limitMs, true);
      const stop = () => {
        stopTimer();
        this.#running.delete(end);
      };
      this.#running.add(end);
      made.then(resolve, reject).finally(stop);
    });
  }
}

/** @returns undefined where the user's function gives no request */
async function makeRequest({
  settings,
  circuitKey,
  method,
  keyPart,
}: SyntheticCircuit): Promise<ProbeRequest | undefined> {
  const { probeWith, metadata } = settings;
  const request: unknown =
    typeof probeWith === 'function' ? await probeWith({ circuitKey, method, keyPart }) : probeWith;
  if (request === undefined) return undefined;
  return { request, metadata: metadata === undefined ? new Metadata() : await metadata() };
}

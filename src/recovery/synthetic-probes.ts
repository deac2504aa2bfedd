import { AsyncResource } from 'node:async_hooks';
import { type Client, type InterceptorOptions, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Circuit, CircuitRecovery, Permit } from '../circuit/types.js';
import type { Clock } from '../clock.js';
import type { ProbeTarget, RecoverySettings } from './options.js';

/** How the primary's own calls are sent and read. */
export type AnyMethod = InterceptorOptions['method_definition'];

/** An open circuit whose probes are synthetic. */
export interface SyntheticCircuit extends ProbeTarget {
  readonly recovery: CircuitRecovery;
  readonly settings: RecoverySettings;
  readonly definition: AnyMethod;
  readonly client: Client;
  /** How long a probe may take, in milliseconds. */
  readonly limitMs: number;
  /** Settles the permit of a call that has ended. @returns whether the call says something about the server */
  readonly settle: (permit: Permit, ended: EndedProbe) => boolean;
}

/** How a synthetic call has ended. */
export interface EndedProbe {
  readonly status: StatusObject;
  /** Undefined without one. */
  readonly response: unknown;
  readonly durationMs: number;
}

/** After a call that says nothing, such as one that was never sent. */
const AGAIN_MS = 250;
/** Callers become probes where the guard's own is so late. */
const GRACE_MS = 1_000;

/**
 * Sends the probes of open circuits itself, so that no caller's call is one. One timer per open circuit with `probeWith`. Should a
 * probe not go out in time, for whatever reason, callers become probes as usual.
 */
export class SyntheticProbes {
  readonly #clock: Clock;
  readonly #warn: (error: unknown, source: string) => void;
  readonly #scope = new AsyncResource('failsoft.probe');
  /** Stops the timer of a circuit, by the circuit's key. */
  readonly #timers = new Map<string, () => void>();
  readonly #circuits = new Map<string, SyntheticCircuit>();
  #closed = false;

  constructor(clock: Clock, warn: (error: unknown, source: string) => void) {
    this.#clock = clock;
    this.#warn = warn;
  }

  /** A circuit has opened. */
  add(circuit: SyntheticCircuit): void {
    const opening = circuit.recovery.opening();
    if (this.#closed || opening === undefined) return;
    circuit.recovery.reserveProbes(opening.generation, GRACE_MS);
    this.#circuits.set(circuit.circuitKey, circuit);
    this.#wait(circuit, opening.untilMs - this.#clock.now());
  }

  /** The end of the open time may have moved. */
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
  }

  #wait(circuit: SyntheticCircuit, ms: number): void {
    const { circuitKey } = circuit;
    this.#timers.get(circuitKey)?.();
    const due = () => {
      this.#timers.delete(circuitKey);
      void this.#probe(circuit);
    };
    const stop = this.#scope.runInAsyncScope(() => this.#clock.setTimer(due, Math.max(0, ms), true));
    this.#timers.set(circuitKey, stop);
  }

  async #probe(circuit: SyntheticCircuit): Promise<void> {
    const { recovery, circuitKey, limitMs } = circuit;
    if (this.#closed) return;
    const opening = recovery.opening();
    const waitMs = opening === undefined ? 0 : opening.untilMs - this.#clock.now();
    if (waitMs > 0) {
      this.#wait(circuit, waitMs);
      return;
    }
    const permit = recovery.acquireProbe(limitMs + GRACE_MS);
    if (permit === undefined) {
      this.#circuits.delete(circuitKey);
      return;
    }
    const ended = await this.#send(circuit);
    if (ended === undefined) {
      permit.withdraw();
      this.#circuits.delete(circuitKey);
      return;
    }
    const counts = circuit.settle(permit, ended);
    // half-open still, or open again: in that case `add()` has set the timer already
    if (!this.#closed && !this.#timers.has(circuitKey)) this.#wait(circuit, counts ? 0 : AGAIN_MS);
  }

  /** @returns undefined where there was no call */
  async #send(circuit: SyntheticCircuit): Promise<EndedProbe | undefined> {
    const { settings, definition, client, limitMs, circuitKey, method, keyPart } = circuit;
    const { probeWith, metadata } = settings;
    try {
      const request: unknown =
        typeof probeWith === 'function' ? await probeWith({ circuitKey, method, keyPart }) : probeWith;
      if (request === undefined) return undefined;
      const sent = metadata === undefined ? new Metadata() : await metadata();
      return await this.#call(client, definition, request, sent, limitMs);
    } catch (error) {
      this.#warn(error, `probeWith of ${method}`);
      return undefined;
    }
  }

  #call(
    client: Client,
    definition: AnyMethod,
    request: unknown,
    metadata: Metadata,
    limitMs: number,
  ): Promise<EndedProbe> {
    const startMs = this.#clock.now();
    const { path, requestSerialize, responseDeserialize } = definition;
    const options = { deadline: Date.now() + limitMs, failsoft: { bypass: true } };
    return new Promise((resolve) => {
      let response: unknown;
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (_error, value) => {
          response = value;
        },
      );
      // grpc-js calls back first, and tells the status then, whatever it is
      call.on('status', (ended: StatusObject) => {
        const durationMs = this.#clock.now() - startMs;
        resolve({ status: ended, response: ended.code === status.OK ? response : undefined, durationMs });
      });
    });
  }
}

/** Whether probes of a method can be synthetic: unary methods only. */
export function canBeProbed(definition: AnyMethod): boolean {
  return !definition.requestStream && !definition.responseStream;
}

/** What a probe of a circuit may take. */
export function probeLimitMs(circuit: Pick<Circuit, 'options'>, defaultDeadlineMs: number): number {
  return Math.min(defaultDeadlineMs, circuit.options?.halfOpen?.probeTimeoutMs ?? 10_000);
}

import { status } from '@grpc/grpc-js';
import type { Circuit, Circumstances, Clock } from 'failsoft';
import type { Reply } from '../server/model-server.js';
import type { Channel } from './channel.js';

/** The time limit of failsoft's synthetic probe: a multiple of the usual latency, and the least limit. */
const LONG = 20;
const LEAST_LIMIT_MS = 500;
/** The waits of failsoft's synthetic probes: after a probe that was not sent, and before callers' calls become probes. */
const AGAIN_MS = 250;
const GRACE_MS = 1_000;
/** The servers write down the number of each call: this number is no caller's. */
const CALL_ID = -1_000_000;

/** failsoft's synthetic probes: at the end of an open time the client sends a call of its own, and callers' calls are no probes. */
export class SyntheticProbing {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #timers = new Map<Circuit, () => void>();

  /** @param usualMs the usual latency of the model's calls */
  constructor(channel: Channel, clock: Clock, usualMs: number) {
    this.#channel = channel;
    this.#clock = clock;
    this.#limitMs = Math.max(LEAST_LIMIT_MS, LONG * usualMs);
  }

  /** The circuit has opened. */
  opened(circuit: Circuit, model: string): void {
    // the circuit reports the transition before it has finished it
    this.#clock.setTimer(() => {
      const opening = circuit.recovery?.opening();
      if (opening !== undefined) circuit.recovery?.reserveProbes(opening.generation, GRACE_MS);
      this.look(circuit, model);
    }, 0);
  }

  /** Sets the circuit's timer again, because the end of its open time may have moved. */
  look(circuit: Circuit, model: string): void {
    const untilMs = circuit.recovery?.opening()?.untilMs;
    if (untilMs !== undefined) this.#wait(circuit, model, untilMs - this.#clock.now());
  }

  #wait(circuit: Circuit, model: string, ms: number): void {
    this.#timers.get(circuit)?.();
    this.#timers.set(
      circuit,
      this.#clock.setTimer(() => this.#probe(circuit, model), ms),
    );
  }

  #probe(circuit: Circuit, model: string): void {
    const { recovery } = circuit;
    const begun = this.#clock.now();
    const leftMs = (recovery?.opening()?.untilMs ?? begun) - begun;
    if (leftMs > 0) return this.#wait(circuit, model, leftMs);
    const permit = recovery?.acquireProbe(this.#limitMs + GRACE_MS);
    if (permit === undefined) return;
    const done = ({ code, pushbackMs }: Reply, circumstances?: Circumstances) => {
      stopTimer();
      const outcome = code === status.OK ? 'success' : 'failure';
      permit.settle(outcome, this.#clock.now() - begun, pushbackMs, circumstances);
      const isUnsent = circumstances?.notSent === true;
      if (circuit.state === 'half-open') this.#wait(circuit, model, isUnsent ? AGAIN_MS : 0);
    };
    const stopTimer = this.#clock.setTimer(() => {
      cancel();
      done({ code: status.DEADLINE_EXCEEDED });
    }, this.#limitMs);
    const cancel = this.#channel.send({ id: CALL_ID, model, bad: false, done });
  }
}

import type { Circuit, Clock } from 'failsoft';
import type { Channel } from './channel.js';

/** What failsoft's check of the channel has: how often it polls, when it looks after a change, and how long it holds a circuit open. */
const INTERVAL_MS = 1_000;
const SOON_MS = 1;
const HELD_MS = 4_000;
const MOST_HELD_MS = 60_000;

/**
 * failsoft's default readiness check, `connectivity`: a channel that has lost its connection holds an open circuit, one that has it
 * back ends the open time, and one that never lost it says nothing.
 */
export class Readiness {
  readonly #channel: Channel;
  readonly #clock: Clock;

  constructor(channel: Channel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
  }

  /** The circuit has opened. */
  opened(circuit: Circuit): void {
    // the transition is reported before the circuit is at rest
    this.#clock.setTimer(() => this.#begin(circuit), 0);
  }

  #begin({ recovery }: Circuit): void {
    const generation = recovery?.opening()?.generation;
    if (recovery === undefined || generation === undefined) return;
    let wasLost = false;
    let stopTimer: (() => void) | undefined;
    const again = (ms: number) => {
      stopTimer?.();
      stopTimer = this.#clock.setTimer(ask, ms);
    };
    const ask = () => {
      const nowMs = this.#clock.now();
      const opening = recovery.opening();
      if (opening?.generation !== generation || opening.untilMs <= nowMs) return;
      again(INTERVAL_MS);
      if (this.#channel.isReady) {
        if (wasLost) recovery.ready(generation);
        return;
      }
      wasLost = true;
      recovery.notReady(generation, nowMs + HELD_MS, MOST_HELD_MS);
      this.#channel.connectAndReport(() => again(SOON_MS));
    };
    ask();
  }
}

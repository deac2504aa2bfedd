import type { Circuit, Clock } from 'failsoft';
import type { Channel } from './channel.js';

/** The times of failsoft's check of the channel: between polls, after a change, and the longest for which it holds a circuit open. */
const INTERVAL_MS = 1_000;
const SOON_MS = 1;
const HELD_MS = 4_000;
const MOST_HELD_MS = 60_000;

/**
 * failsoft's default readiness check, `connectivity`: a channel that has lost its connection keeps an open circuit open, a channel
 * that has its connection back ends the open time, and a channel that never lost it changes nothing.
 */
export class Readiness {
  readonly #channel: Channel;
  readonly #clock: Clock;

  constructor(channel: Channel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
  }

  /**
   * The circuit has opened.
   * @param moved called when an answer may have moved the end of the open time
   */
  opened(circuit: Circuit, moved: () => void): void {
    // the circuit reports the transition before it has finished it
    this.#clock.setTimer(() => this.#begin(circuit, moved), 0);
  }

  #begin({ recovery }: Circuit, moved: () => void): void {
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
        return moved();
      }
      wasLost = true;
      recovery.notReady(generation, nowMs + HELD_MS, MOST_HELD_MS);
      moved();
      this.#channel.connectAndReport(() => again(SOON_MS));
    };
    ask();
  }
}

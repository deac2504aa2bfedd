import type { Clock } from 'failsoft';

/** The time of a message over the network of one machine, as on the drills' wire. */
const BASE_MS = 0.4;
const MEAN_EXTRA_MS = 0.3;

/** Carries messages with a latency drawn from the seed. The messages of a connection stay in order. */
export class Network {
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Delivers after one way; not before `notBefore`, where an earlier message of the connection is still on its way. */
  carry(deliver: () => void, notBefore = 0): number {
    const wayMs = BASE_MS - MEAN_EXTRA_MS * Math.log(1 - this.#random());
    const atMs = Math.max(this.#clock.now() + wayMs, notBefore);
    this.#clock.setTimer(deliver, atMs - this.#clock.now());
    return atMs;
  }
}

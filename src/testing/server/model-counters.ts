import type { Clock } from '../../clock.js';
import { InferStatistics, type StatisticDuration } from '../../gen/inference/grpc_service.js';

/** A number of events, and the milliseconds that they took together. */
class Total {
  #count = 0;
  #ms = 0;

  add(ms: number): void {
    this.#count++;
    this.#ms += Math.max(0, ms);
  }

  get count(): bigint {
    return BigInt(this.#count);
  }

  toMessage(): StatisticDuration {
    return { count: this.count, ns: BigInt(Math.round(this.#ms * 1e6)) };
  }
}

/** Counts a request: when the model admits it, and when it has ended. */
export interface Counting {
  admitted(): void;
  ended(good: boolean): void;
}

/** How often and how long a model has run: for ModelStatistics. */
export class ModelCounters {
  readonly #clock: Clock;
  readonly #success = new Total();
  readonly #fail = new Total();
  readonly #queue = new Total();
  readonly #infer = new Total();
  #lastMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): Counting {
    const cameAtMs = this.#clock.now();
    let admittedAtMs = cameAtMs;
    return {
      admitted: () => {
        admittedAtMs = this.#clock.now();
      },
      ended: (good) => {
        const now = this.#clock.now();
        this.#lastMs = this.#clock.epochMs();
        if (!good) return this.#fail.add(now - cameAtMs);
        this.#success.add(now - cameAtMs);
        this.#queue.add(admittedAtMs - cameAtMs);
        this.#infer.add(now - admittedAtMs);
      },
    };
  }

  /** Requests that were answered. */
  get answered(): bigint {
    return this.#success.count;
  }

  /** Milliseconds since the epoch; 0 if there was no request. */
  get lastInference(): bigint {
    return BigInt(Math.round(this.#lastMs));
  }

  toMessage(): InferStatistics {
    return InferStatistics.fromPartial({
      success: this.#success.toMessage(),
      fail: this.#fail.toMessage(),
      queue: this.#queue.toMessage(),
      computeInput: {},
      computeInfer: this.#infer.toMessage(),
      computeOutput: {},
      cacheHit: {},
      cacheMiss: {},
    });
  }
}

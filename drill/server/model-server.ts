import { status } from '@grpc/grpc-js';
import type { Clock } from 'failsoft';
import { standardNormal } from '../random.js';
import type { FullServerSpec } from '../scenario/phases.js';
import { NO_TROUBLE, type Trouble } from './trouble.js';

/** How a call ended. */
export interface Reply {
  readonly code: number;
  readonly pushbackMs?: number;
}

/** The health of a server, by its own report: contestants are judged by it. */
export interface Health {
  /** Per model: the probability, 0 to 1, that a call at this moment would be answered in time. */
  readonly chances: readonly number[];
  readonly inFlight: number;
}

interface Work {
  readonly model: string;
  readonly done: (reply: Reply) => void;
  left: boolean;
}

/** The spread of the working time of a call: the standard deviation of its logarithm. */
const SIGMA = 0.15;

/**
 * A model server without a network: capacity, queue, cold start, troubles. The same code runs in the servers of the wire and
 * in those of the simulator; only the clock differs.
 */
export class ModelServer {
  readonly #spec: FullServerSpec;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #troubles = new Map<string, { trouble: Trouble; endsAt: number }>();
  readonly #queue: Work[] = [];
  readonly #onDeath: () => void;
  #running = 0;
  #hanging = 0;
  /** The time of the first call: calls warm a cold server up. */
  #firstCallAt: number | undefined;

  constructor(spec: FullServerSpec, clock: Clock, random: () => number, onDeath: () => void) {
    this.#spec = spec;
    this.#clock = clock;
    this.#random = random;
    this.#onDeath = onDeath;
  }

  get inFlight(): number {
    return this.#running + this.#hanging + this.#queue.length;
  }

  /** @param forMs how long the trouble will last, for push-backs; another `setTrouble()` ends it */
  setTrouble(model: string | undefined, trouble: Trouble, forMs: number): void {
    const endsAt = this.#clock.now() + forMs;
    for (const name of model === undefined ? this.#spec.models : [model])
      this.#troubles.set(name, { trouble, endsAt });
  }

  /** The trouble that a model has now. */
  trouble(model: string): Trouble {
    return this.#troubles.get(model)?.trouble ?? NO_TROUBLE;
  }

  /**
   * A call arrives.
   * @returns a function to call when the caller has left. It drops a call that waits or hangs; a call that runs goes on
   */
  arrive(model: string, bad: boolean, done: (reply: Reply) => void): () => void {
    this.#firstCallAt ??= this.#clock.now();
    const { hangShare = 0, errorShare = 0, errorCode = status.UNAVAILABLE } = this.trouble(model);
    // Both are always drawn, so that a share does not move the later draws.
    const [hangDraw, errorDraw] = [this.#random(), this.#random()];
    if (bad) return this.#soon(done, { code: status.INVALID_ARGUMENT });
    if (hangDraw < hangShare) return this.#hang();
    if (errorDraw < errorShare) return this.#soon(done, { code: errorCode, ...this.#pushback(model) });
    const work: Work = { model, done, left: false };
    if (this.#running < this.#spec.concurrency) this.#run(work);
    else if (this.#queue.length < this.#spec.maxQueued) this.#wait(work);
    else return this.#soon(done, { code: status.RESOURCE_EXHAUSTED });
    return () => this.#leave(work);
  }

  /** @param deadlineMs the time that callers give a call */
  health(deadlineMs: number): Health {
    return {
      chances: this.#spec.models.map((model) => this.#chance(model, deadlineMs)),
      inFlight: this.inFlight,
    };
  }

  #chance(model: string, deadlineMs: number): number {
    const { hangShare = 0, errorShare = 0, stallsAfterMessages } = this.trouble(model);
    if (stallsAfterMessages !== undefined) return 0;
    if (this.#running >= this.#spec.concurrency && this.#queue.length >= this.#spec.maxQueued) return 0;
    const serviceMs = this.#serviceMs(model);
    const waits = this.#running < this.#spec.concurrency ? 0 : this.#queue.length + 1;
    const expectedMs = serviceMs + (waits * serviceMs) / this.#spec.concurrency;
    return expectedMs > deadlineMs ? 0 : (1 - hangShare) * (1 - errorShare);
  }

  /** The median of the working time of a call, in milliseconds. */
  #serviceMs(model: string): number {
    const { serviceMs, cold } = this.#spec;
    const usual = serviceMs * (this.trouble(model).latencyMultiplier ?? 1);
    if (cold === undefined) return usual;
    const warmMs = this.#firstCallAt === undefined ? 0 : this.#clock.now() - this.#firstCallAt;
    if (warmMs >= cold.durationMs) return usual;
    return usual * (cold.multiplier + (1 - cold.multiplier) * (warmMs / cold.durationMs));
  }

  #run(work: Work): void {
    this.#running++;
    const ms = this.#serviceMs(work.model) * Math.exp(SIGMA * standardNormal(this.#random));
    this.#clock.setTimer(() => {
      this.#running--;
      if (!work.left) work.done({ code: status.OK });
      this.#next();
    }, ms);
  }

  #wait(work: Work): void {
    this.#queue.push(work);
    const { dies } = this.#spec;
    if (dies !== undefined && this.#queue.length >= dies.whenQueued) this.#onDeath();
  }

  #next(): void {
    const work = this.#queue.shift();
    if (work !== undefined) this.#run(work);
  }

  #leave(work: Work): void {
    work.left = true;
    const at = this.#queue.indexOf(work);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  #hang(): () => void {
    this.#hanging++;
    let left = false;
    return () => {
      if (!left) this.#hanging--;
      left = true;
    };
  }

  /** A refusal takes a turn of the server, and no work. */
  #soon(done: (reply: Reply) => void, reply: Reply): () => void {
    return this.#clock.setTimer(() => done(reply), 1);
  }

  #pushback(model: string): { pushbackMs?: number } {
    const current = this.#troubles.get(model);
    if (!current?.trouble.pushesBack) return {};
    return { pushbackMs: Math.max(0, Math.round(current.endsAt - this.#clock.now())) };
  }
}

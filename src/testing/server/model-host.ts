import type { Clock } from '../../clock.js';
import type { ModelInferRequest, ModelInferResponse } from '../../gen/inference/grpc_service.js';
import { type DemandModelName, NETWORKS } from '../demand/models.js';
import { predict } from '../demand/network.js';
import { BoundedQueue } from '../faults/bounded-queue.js';
import { decide } from '../faults/decision.js';
import { drawLatency, latencyFactor } from '../faults/latency.js';
import type { FaultPlan } from '../faults/plan.js';
import { seededRandom } from '../random.js';
import { type ErrorStatus, errorStatus, withoutTrailers } from './error-status.js';
import { type Condition, presetAnswer, type ServerPreset } from './presets.js';
import { RequestError } from './request-error.js';
import { readRows, writeResponse } from './tensors.js';
import { wait } from './wait.js';

/** The result of a call to a model. `silence`: no answer, because the caller has gone or is to wait for ever. */
export type InferResult =
  | { readonly kind: 'response'; readonly response: ModelInferResponse }
  | { readonly kind: 'status'; readonly status: ErrorStatus }
  | { readonly kind: 'drop' }
  | { readonly kind: 'silence' };

export interface ModelHostOptions {
  readonly name: DemandModelName;
  readonly latencyMs: number;
  readonly preset: ServerPreset;
  readonly seed: number;
  readonly clock: Clock;
  /** The present faults, and the milliseconds since they were set. */
  readonly faults: () => { readonly plan: FaultPlan; readonly ageMs: number };
}

/** A model of the server, with its queue and its faults. */
export class ModelHost {
  readonly name: DemandModelName;
  readonly queue: BoundedQueue;
  readonly #options: ModelHostOptions;
  readonly #fate: () => number;
  /** A generator of its own, so that another latency does not change which calls fail. */
  readonly #noise: () => number;

  constructor(options: ModelHostOptions) {
    this.name = options.name;
    this.queue = new BoundedQueue(options.clock);
    this.#options = options;
    this.#fate = seededRandom(options.seed);
    this.#noise = seededRandom(options.seed ^ 0x5bd1e995);
  }

  get faults(): FaultPlan {
    return this.#options.faults().plan;
  }

  /** Runs a call, from the queue to the answer. Aborting the signal ends it at any point. */
  async infer(request: ModelInferRequest, signal: AbortSignal): Promise<InferResult> {
    const { plan } = this.#options.faults();
    if (plan.notReady) return this.#preset('not-ready');
    const rows = this.#read(request);
    if (!Array.isArray(rows)) return rows;
    const decision = decide(plan, this.#fate);
    if (decision.kind === 'drop') return decision;
    const admission = await this.queue.enter(signal);
    if (admission.kind === 'full') return this.#preset('queue-full');
    if (admission.kind === 'timed-out') return this.#preset('queue-timeout');
    if (admission.kind === 'cancelled') return { kind: 'silence' };
    try {
      const waitMs = decision.kind === 'hang' ? Infinity : this.#latencyMs();
      await wait(this.#options.clock, waitMs, signal);
      if (signal.aborted) return { kind: 'silence' };
      if (decision.kind === 'error') return { kind: 'status', status: errorStatus(decision.error) };
      const probabilities = rows.map((row) => predict(NETWORKS[this.name], row));
      return { kind: 'response', response: writeResponse(request, probabilities) };
    } finally {
      admission.release();
    }
  }

  #latencyMs(): number {
    const { plan, ageMs } = this.#options.faults();
    const latency = plan.latency ?? { kind: 'fixed', ms: this.#options.latencyMs };
    return drawLatency(latency, this.#noise) * latencyFactor(plan, ageMs);
  }

  #read(request: ModelInferRequest): number[][] | InferResult {
    try {
      return readRows(request);
    } catch (error) {
      if (error instanceof RequestError) return this.#preset('bad-input', error.message);
      throw error;
    }
  }

  #preset(condition: Condition, detail?: string): InferResult {
    const answer = presetAnswer(this.#options.preset, condition, this.name, detail);
    return answer ? { kind: 'status', status: withoutTrailers(answer) } : { kind: 'silence' };
  }
}

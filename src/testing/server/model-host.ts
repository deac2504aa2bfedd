import { type Metadata, status } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import type { ModelInferRequest, ModelInferResponse } from '../../gen/inference/grpc_service.js';
import { BoundedQueue } from '../faults/bounded-queue.js';
import { decide } from '../faults/decision.js';
import { drawLatency, latencyFactor } from '../faults/latency.js';
import type { FaultPlan } from '../faults/plan.js';
import { seededRandom } from '../random.js';
import { isStreamed, type ModelAnswer, type ModelContext, type ServedModel } from '../served/served-model.js';
import { type ErrorStatus, errorStatus, withoutTrailers } from './error-status.js';
import { ModelCounters } from './model-counters.js';
import { type Condition, presetAnswer, type ServerPreset } from './presets.js';
import { RequestError } from './request-error.js';
import { thrownStatus } from './unary.js';
import { wait } from './wait.js';

/** The result of a call to a model. `silence`: no answer, because the caller has gone or the fault is a hang. */
export type InferResult =
  | { readonly kind: 'response'; readonly response: ModelInferResponse }
  /** The call keeps its place in the queue until the responses end, or their reader stops. */
  | { readonly kind: 'responses'; readonly responses: AsyncIterable<ModelInferResponse> }
  | { readonly kind: 'status'; readonly status: ErrorStatus }
  | { readonly kind: 'drop' }
  | { readonly kind: 'silence' };

export interface ModelHostOptions {
  readonly model: ServedModel;
  readonly preset: ServerPreset;
  readonly seed: number;
  readonly clock: Clock;
  /** The present faults, and the milliseconds since they were set. */
  readonly faults: () => { readonly plan: FaultPlan; readonly ageMs: number };
}

const DECOUPLED: ErrorStatus = withoutTrailers({
  code: status.UNIMPLEMENTED,
  details: "ModelInfer RPC doesn't support models with decoupled transaction policy",
});

/** A model of the server, with its queue and its faults. */
export class ModelHost {
  readonly model: ServedModel;
  readonly queue: BoundedQueue;
  readonly counters: ModelCounters;
  /** Whether it is loaded: RepositoryModelUnload unloads it. */
  loaded = true;
  readonly #options: ModelHostOptions;
  readonly #fate: () => number;
  /** Draws latencies. It is separate from `#fate`, so that another latency does not change which calls fail. */
  readonly #noise: () => number;

  constructor(options: ModelHostOptions) {
    this.model = options.model;
    this.queue = new BoundedQueue(options.clock);
    this.counters = new ModelCounters(options.clock);
    this.#options = options;
    this.#fate = seededRandom(options.seed);
    this.#noise = seededRandom(options.seed ^ 0x5bd1e995);
  }

  get name(): string {
    return this.model.name;
  }

  get faults(): FaultPlan {
    return this.#options.faults().plan;
  }

  get ready(): boolean {
    return this.loaded && this.faults.notReady !== true;
  }

  /** Answers a call of ModelInfer, which has a single response. */
  async infer(request: ModelInferRequest, signal: AbortSignal, metadata: Metadata): Promise<InferResult> {
    if (this.model.decoupled) return { kind: 'status', status: DECOUPLED };
    const result = await this.run(request, signal, metadata);
    if (result.kind !== 'responses') return result;
    // the function returned a stream, though it is no async generator
    for await (const _left of result.responses) break;
    return { kind: 'status', status: DECOUPLED };
  }

  /** Runs a call, from the queue to the answer. Aborting the signal ends it at any point. */
  async run(request: ModelInferRequest, signal: AbortSignal, metadata: Metadata): Promise<InferResult> {
    const { plan } = this.#options.faults();
    if (plan.notReady) return this.#preset('not-ready');
    const work = this.#prepare(request);
    if (typeof work !== 'function') return work;
    const decision = decide(plan, this.#fate);
    if (decision.kind === 'drop') return decision;
    const counting = this.counters.begin();
    const admission = await this.queue.enter(signal);
    if (admission.kind === 'full') return this.#preset('queue-full');
    if (admission.kind === 'timed-out') return this.#preset('queue-timeout');
    if (admission.kind === 'cancelled') return { kind: 'silence' };
    counting.admitted();
    let result: InferResult = { kind: 'silence' };
    try {
      const waitMs = decision.kind === 'hang' ? Infinity : this.#latencyMs();
      await wait(this.#options.clock, waitMs, signal);
      if (signal.aborted) return result;
      if (decision.kind === 'error') result = { kind: 'status', status: errorStatus(decision.error) };
      else result = await this.#answer(work, { signal, metadata });
      if (result.kind === 'responses') {
        const end = (good: boolean) => {
          admission.release();
          counting.ended(good);
        };
        return { kind: 'responses', responses: untilTheEnd(result.responses, end) };
      }
      return result;
    } finally {
      if (result.kind !== 'responses') {
        admission.release();
        counting.ended(result.kind === 'response');
      }
    }
  }

  #latencyMs(): number {
    const { plan, ageMs } = this.#options.faults();
    const latency = plan.latency ?? { kind: 'fixed', ms: this.model.latencyMs };
    return drawLatency(latency, this.#noise) * latencyFactor(plan, ageMs);
  }

  #prepare(request: ModelInferRequest): ReturnType<ServedModel['prepare']> | InferResult {
    try {
      return this.model.prepare(request);
    } catch (error) {
      if (error instanceof RequestError) return this.#preset('bad-input', error.message);
      throw error;
    }
  }

  async #answer(work: ReturnType<ServedModel['prepare']>, context: ModelContext): Promise<InferResult> {
    let answer: ModelAnswer;
    try {
      answer = await work(context);
    } catch (error) {
      return { kind: 'status', status: thrownStatus(this.name, error) };
    }
    if (context.signal.aborted) return { kind: 'silence' };
    return isStreamed(answer)
      ? { kind: 'responses', responses: answer }
      : { kind: 'response', response: answer };
  }

  #preset(condition: Condition, detail?: string): InferResult {
    const answer = presetAnswer(this.#options.preset, condition, this.name, detail);
    return answer ? { kind: 'status', status: withoutTrailers(answer) } : { kind: 'silence' };
  }
}

/** The same responses; calls `end` when they end or fail, or when their reader stops. */
async function* untilTheEnd<T>(responses: AsyncIterable<T>, end: (good: boolean) => void): AsyncIterable<T> {
  let good = false;
  try {
    yield* responses;
    good = true;
  } finally {
    end(good);
  }
}

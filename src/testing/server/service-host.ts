import { status, type UntypedHandleCall } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import { BoundedQueue } from '../faults/bounded-queue.js';
import { decide } from '../faults/decision.js';
import { drawLatency, latencyFactor } from '../faults/latency.js';
import type { FaultPlan, StreamBreak } from '../faults/plan.js';
import { seededRandom } from '../random.js';
import { cancellation } from './cancellation.js';
import { type ErrorStatus, errorStatus, withoutTrailers } from './error-status.js';
import { type Condition, presetAnswer, type ServerPreset } from './presets.js';
import { wait } from './wait.js';

export interface ServiceHostOptions {
  readonly name: string;
  readonly latencyMs: number;
  readonly preset: ServerPreset;
  readonly seed: number;
  readonly clock: Clock;
  readonly faults: () => { readonly plan: FaultPlan; readonly ageMs: number };
  readonly dropConnection: (peer: string) => void;
}

/** A server's call of any kind; only a call that streams its response has the last two functions. */
interface ServerCall {
  readonly cancelled: boolean;
  getPeer(): string;
  emit(event: string, value: unknown): boolean;
  once(event: string, listener: () => void): unknown;
  write?(...args: unknown[]): boolean;
  end?(...args: unknown[]): unknown;
}
type Callback = (error: unknown, ...rest: unknown[]) => void;

/** A user's service with faults: they take effect before its handlers, and cut its response streams. */
export class ServiceHost {
  readonly name: string;
  readonly queue: BoundedQueue;
  readonly #options: ServiceHostOptions;
  readonly #fate: () => number;
  readonly #noise: () => number;

  constructor(options: ServiceHostOptions) {
    this.name = options.name;
    this.#options = options;
    this.queue = new BoundedQueue(options.clock);
    this.#fate = seededRandom(options.seed);
    this.#noise = seededRandom(options.seed ^ 0x5bd1e995);
  }

  /** The same handler behind the faults. */
  wrap(handler: UntypedHandleCall, kind: { responseStream: boolean }): UntypedHandleCall {
    return (call: ServerCall, callback?: Callback) => {
      const fail = (error: ErrorStatus) => {
        if (kind.responseStream) call.emit('error', error);
        else callback?.(error);
      };
      this.#admit(call, fail).then(
        (release) => {
          if (release === undefined) return;
          if (kind.responseStream) this.#cutStream(call, fail);
          let isAnswered = false;
          const answer = (...args: [unknown, ...unknown[]]) => {
            release();
            if (isAnswered) return; // a handler may throw after it has answered
            isAnswered = true;
            callback?.(...args);
          };
          call.once('finish', release);
          call.once('cancelled', release);
          handle(
            () => Reflect.apply(handler, undefined, kind.responseStream ? [call] : [call, answer]),
            kind.responseStream ? fail : answer,
          );
        },
        (error: unknown) => fail(withoutTrailers({ code: status.INTERNAL, details: String(error) })),
      );
    };
  }

  /**
   * Waits as the faults demand.
   * @returns a function that frees the call's place, or undefined where the handler must not be called
   */
  async #admit(call: ServerCall, fail: (error: ErrorStatus) => void): Promise<(() => void) | undefined> {
    const { plan, ageMs } = this.#options.faults();
    const signal = cancellation(call);
    const preset = (condition: Condition) => {
      const answer = presetAnswer(this.#options.preset, condition, this.name);
      if (answer) fail(withoutTrailers(answer));
      return undefined;
    };
    if (plan.notReady) return preset('not-ready');
    const decision = decide(plan, this.#fate);
    if (decision.kind === 'drop') {
      this.#options.dropConnection(call.getPeer());
      return undefined;
    }
    const admission = await this.queue.enter(signal);
    if (admission.kind === 'full') return preset('queue-full');
    if (admission.kind === 'timed-out') return preset('queue-timeout');
    if (admission.kind === 'cancelled') return undefined;
    const latency = plan.latency ?? { kind: 'fixed', ms: this.#options.latencyMs };
    const waitMs =
      decision.kind === 'hang' ? Infinity : drawLatency(latency, this.#noise) * latencyFactor(plan, ageMs);
    await wait(this.#options.clock, waitMs, signal);
    if (!signal.aborted && decision.kind !== 'error') return admission.release;
    admission.release();
    if (!signal.aborted && decision.kind === 'error') fail(errorStatus(decision.error));
    return undefined;
  }

  /** Lets a response stream break as its fault demands, after the number of messages that the fault names. */
  #cutStream(call: ServerCall, fail: (error: ErrorStatus) => void): void {
    const { write, end } = call;
    if (write === undefined || end === undefined) return;
    let sent = 0;
    let cut = false;
    const cutIfDue = () => {
      const fault = this.#options.faults().plan.stream?.fault;
      if (cut || fault?.afterMessages !== sent) return cut;
      cut = true;
      // grpc-js itself ends the stream for a status
      if (fault.kind !== 'stall' && fault.kind !== 'drop') call.end = (...args) => end.apply(call, args);
      this.#cut(call, fault, fail);
      call.end = () => call;
      return cut;
    };
    call.write = (...args) => {
      if (cutIfDue()) return true;
      sent++;
      return write.apply(call, args);
    };
    call.end = (...args) => (cutIfDue() ? call : end.apply(call, args));
  }

  #cut(call: ServerCall, fault: StreamBreak, fail: (error: ErrorStatus) => void): void {
    if (fault.kind === 'drop') this.#options.dropConnection(call.getPeer());
    if (fault.kind === 'error')
      fail(withoutTrailers({ code: fault.code, details: fault.details ?? 'injected fault' }));
    if (fault.kind === 'error-message')
      fail(withoutTrailers({ code: status.INTERNAL, details: fault.message }));
  }
}

/** Calls a handler. An error of the handler ends its call; grpc-js alone would let it end the process. */
function handle(run: () => unknown, fail: (error: ErrorStatus) => void): void {
  const failed = (error: unknown) =>
    fail(withoutTrailers({ code: status.INTERNAL, details: `the handler threw: ${String(error)}` }));
  try {
    const result = run();
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}

import { type Metadata, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { expiredStatus } from '../../status/expired-status.js';
import { PRIMARY, type Provenance } from '../../status/provenance.js';
import { newOkStatus, OK_STATUS } from '../call.js';
import { isIterable, iteratorOf, leaveLate } from '../iterators.js';
import { failedCause } from '../record-end.js';
import { StreamWatch } from '../stream-watch.js';
import { askUntilGone } from './ask-until-gone.js';
import type { GuardCallOptions, PrimaryContext } from './call-types.js';
import { concludeFailed, errorToGive, type Failed, reportPort } from './failed-end.js';
import type { NeutralCall } from './neutral-call.js';
import type { FallbackResult } from './open-call.js';
import { type Ended, PrimaryRun } from './primary-run.js';
import { errorOfStatus } from './thrown-status.js';
import { rejectedError } from './unary.js';

/** Begins the real call of a stream. */
export type NextStream<Req, Res> = (
  context: PrimaryContext<Req>,
) => AsyncIterable<Res> | PromiseLike<AsyncIterable<Res>>;

/** Where the messages of a streamed answer come from. */
export interface StreamSource {
  readonly provenance: Provenance;
  /** The label of a fallback's answer, as metadata; undefined for the primary's answer. */
  readonly label: Metadata | undefined;
}

const FROM_PRIMARY: StreamSource = Object.freeze({ provenance: PRIMARY, label: undefined });

/**
 * The run of a guarded stream: a generator of its messages, which a `GuardedStream` reads. A fallback may replace the real call
 * until its first message.
 */
export class StreamRun<Req, Res> {
  /** Known from the first message on. */
  source: StreamSource = FROM_PRIMARY;
  readonly #call: NeutralCall;
  readonly #next: NextStream<Req, Res>;
  readonly #options: GuardCallOptions;
  readonly #run: PrimaryRun<Req>;
  #iterator: AsyncIterator<Res> | undefined;
  #watch: StreamWatch | undefined;
  #messageOutcome: Outcome | undefined;
  #cancelChain: (() => void) | undefined;
  #hasLeft = false;

  constructor(call: NeutralCall, request: Req, next: NextStream<Req, Res>, options: GuardCallOptions) {
    this.#call = call;
    this.#next = next;
    this.#options = options;
    this.#run = new PrimaryRun(call, request, options.signal);
  }

  /** Ends the run, because the caller has left. */
  leave(): void {
    this.#hasLeft = true;
    this.#run.interrupt({ by: 'left' });
    this.#cancelChain?.();
  }

  async *messages(): AsyncGenerator<Res, void, undefined> {
    try {
      if (this.#call.rejection === undefined) yield* this.#fromPrimary();
      else yield* this.#fromRejection();
    } finally {
      this.#call.settle('ignored', 0, status.CANCELLED);
      this.#end();
    }
  }

  async *#fromRejection(): AsyncGenerator<Res, void, undefined> {
    const cause = this.#call.rejectedCause();
    const result = await this.#ask(cause);
    if (result.answer !== undefined) return yield* this.#fromFallback(result);
    if (this.#hasLeft) return this.#call.left(cause);
    throw rejectedError(this.#call, result, this.#options);
  }

  async *#fromPrimary(): AsyncGenerator<Res, void, undefined> {
    const first = await this.#begin();
    if (first.by !== 'value') return yield* this.#failed(this.#conclude(first));
    let result = first.value;
    if (result.done !== true && this.#isReplaceable(this.#judge(result.value))) {
      const outcome = this.#messageOutcome ?? 'failure';
      this.#call.settle(outcome, 0);
      const asked = await this.#ask(failedCause(outcome, newOkStatus()));
      if (asked.answer !== undefined) return yield* this.#fromFallback(asked);
    }
    this.source = { provenance: this.#run.provenance, label: undefined };
    while (result.done !== true) {
      if (this.#call.isProbe) this.#call.settle(this.#messageOutcome ?? 'success', 0);
      let isLeft = true;
      try {
        yield result.value;
        isLeft = false;
      } finally {
        if (isLeft) this.#left();
      }
      const ended = await this.#pull();
      if (ended.by !== 'value') {
        const failed = this.#conclude(ended);
        const error = errorToGive(this.#call, failed, this.#options);
        if (ended.by === 'left') return;
        throw error;
      }
      result = ended.value;
      if (result.done !== true) this.#judge(result.value);
    }
    this.#iterator = undefined;
    this.#watch?.stop();
    const outcome = this.#call.conclude(OK_STATUS, this.#messageOutcome, this.#waitedMs());
    this.#call.gaveOwn(outcome, status.OK);
  }

  /** Settles a stream that its reader has left between two messages. */
  #left(): void {
    this.#call.settle('ignored', 0, status.CANCELLED);
    this.#call.gaveOwn('ignored', status.CANCELLED);
  }

  /** Starts the real call, and waits for its first message. */
  async #begin(): Promise<Ended<IteratorResult<Res>>> {
    const { method, options } = this.#call;
    const watch = new StreamWatch(method.clock, method.settings, options.method_definition, {
      onStuck: (details) => this.#run.interrupt({ by: 'limit', details }),
      onAbandoned: () => this.#call.settle(this.#messageOutcome ?? 'ignored', 0),
    });
    this.#watch = watch;
    this.#call.requests?.watchWith(watch);
    const { firstMessageMs } = this.#call;
    if (firstMessageMs < Number.POSITIVE_INFINITY) watch.firstMessageBy(firstMessageMs);
    watch.reading();
    const begun = await this.#run.wait(() => this.#next(this.#run));
    if (begun.by !== 'value') return begun;
    const made = await this.#run.wait(() => begun.value[Symbol.asyncIterator]());
    if (made.by !== 'value') return made;
    this.#iterator = made.value;
    return this.#pull();
  }

  async #pull(): Promise<Ended<IteratorResult<Res>>> {
    const iterator = this.#iterator;
    if (iterator === undefined) return { by: 'left' };
    this.#watch?.reading();
    const ended = await this.#run.wait(() => iterator.next());
    if (ended.by === 'value') this.#watch?.received();
    return ended;
  }

  #judge(message: Res): Outcome | undefined {
    if (this.#messageOutcome === undefined || !isUnhealthy(this.#messageOutcome))
      this.#messageOutcome = this.#call.judgeMessage(message) ?? this.#messageOutcome;
    return this.#messageOutcome;
  }

  #isReplaceable(outcome: Outcome | undefined): boolean {
    return outcome !== undefined && isUnhealthy(outcome) && this.#call.isReplaceable;
  }

  #conclude(ended: Exclude<Ended<unknown>, { by: 'value' }>): Failed {
    this.#watch?.stop();
    if (ended.by === 'error') this.#iterator = undefined; // the source is over and needs no `return()`
    return concludeFailed(this.#call, ended, this.#options, this.#waitedMs());
  }

  /** Gives a fallback's messages, or the error, in the place of a real call that failed before its first message. */
  async *#failed(failed: Failed): AsyncGenerator<Res, void, undefined> {
    const { cause } = failed;
    if (cause !== undefined) {
      const result = await this.#ask(cause);
      if (result.answer !== undefined) return yield* this.#fromFallback(result);
      if (this.#hasLeft) return this.#call.left(cause);
    }
    const error = errorToGive(this.#call, failed, this.#options);
    if (error !== undefined) throw error; // undefined if the caller has left
  }

  async *#fromFallback({
    answer,
  }: FallbackResult & { answer: object }): AsyncGenerator<Res, void, undefined> {
    this.#end();
    const { response, label, ...provenance } = answer;
    this.source = { provenance, label };
    // The compiler has checked the type of the answers where the chain was registered.
    const messages = (isIterable(response) ? response : [response]) as Iterable<Res> | AsyncIterable<Res>;
    const iterator = iteratorOf(messages);
    // made after the iterator, because a user's stream may throw when it is opened
    const run = new PrimaryRun(this.#fallbackCall(), undefined, this.#options.signal);
    this.#cancelChain = withBoth(this.#cancelChain, () => run.interrupt({ by: 'left' }));
    try {
      while (true) {
        const ended = await run.wait(() => iterator.next());
        if (ended.by === 'left') return;
        if (ended.by === 'caller') throw ended.reason;
        if (ended.by === 'error') throw ended.error;
        if (ended.by === 'limit') throw this.#expired();
        if (ended.value.done === true) return;
        yield ended.value.value;
      }
    } finally {
      run.release();
      this.#cancelChain?.();
      leaveLate(iterator);
    }
  }

  /** The call for a fallback's stream, which may use the caller's whole time. */
  #fallbackCall() {
    const { metadata, method, deadlineMs } = this.#call;
    return { metadata, method, primaryDeadlineMs: deadlineMs };
  }

  #expired(): unknown {
    const received = expiredStatus("failsoft: deadline exceeded in a fallback's stream");
    return errorOfStatus(this.#options, received, (error) => reportPort(this.#call, error));
  }

  #ask(cause: Cause): Promise<FallbackResult> {
    return askUntilGone(this.#call, cause, this.#options.signal, (cancel) => {
      this.#cancelChain = cancel;
    });
  }

  #waitedMs(): number {
    return this.#watch?.longestWaitMs ?? this.#call.elapsedMs;
  }

  /** Ends the real call, if it is still alive. */
  #end(): void {
    this.#watch?.stop();
    this.#run.release();
    this.#call.requests?.close();
    const iterator = this.#iterator;
    this.#iterator = undefined;
    if (iterator === undefined) return;
    this.#run.interrupt({ by: 'left' });
    leaveLate(iterator);
  }
}

function withBoth(first: (() => void) | undefined, second: () => void): () => void {
  return () => {
    first?.();
    second();
  };
}

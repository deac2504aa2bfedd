import { isUnhealthy } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { askForCall } from './ask-for-call.js';
import { askUntilGone } from './ask-until-gone.js';
import type { CallAnswer, GuardCallOptions } from './call-types.js';
import { errorToGive, hasGone } from './failed-end.js';
import type { NeutralCall } from './neutral-call.js';
import type { FallbackResult } from './open-call.js';
import type { Ended, PrimaryRun } from './primary-run.js';
import { concludeUnary, giveEnd, typed, type UnaryEnd } from './unary-end.js';

/** Whether a call has a soft deadline, and a strategy that serves slow calls. */
export function mayBeSlow({ chain, method }: NeutralCall): boolean {
  return method.settings.softDeadline !== undefined && chain?.serves('slow') === true;
}

/**
 * A unary call with a soft deadline (`fallbackAfterMs`), which begins when the caller has sent everything. If the real call has not
 * ended by then, the chain is asked while it goes on. An answer of the real call, or an error that no fallback may replace, ends the
 * chain's run. If the real call fails, the run goes on; if the run gives no answer, the failure is handled as without a soft deadline.
 * If the chain answers first, the real call goes on until its own end, for its circuit and for strategies that keep answers.
 */
export class SlowUnary<Res> {
  readonly #call: NeutralCall;
  readonly #run: PrimaryRun<unknown>;
  readonly #options: GuardCallOptions;
  /** The end of the real call. */
  readonly #end: Promise<UnaryEnd<Res>>;
  /** The result of the chain's run; undefined if the real call ended in time. */
  readonly #asked: Promise<FallbackResult | undefined>;
  #setAsked: (asked: FallbackResult | Promise<FallbackResult> | undefined) => void = () => {};
  #cancelTimer: (() => void) | undefined;
  #cancelChain: (() => void) | undefined;
  #cause: Cause | undefined;

  /** @param primary the end of the real call, which has begun */
  constructor(
    call: NeutralCall,
    run: PrimaryRun<unknown>,
    primary: Promise<Ended<Res>>,
    options: GuardCallOptions,
  ) {
    this.#call = call;
    this.#run = run;
    this.#options = options;
    this.#asked = new Promise((resolve) => {
      this.#setAsked = resolve;
    });
    this.#end = primary.then((ended) => this.#conclude(ended));
    this.#end.catch(() => {}); // `answer()` reads it later
    if (call.requests === undefined) this.#begin();
    else call.requests.watchWith({ sent: () => {}, halfClosed: () => this.#begin() });
  }

  async answer(): Promise<CallAnswer<Res>> {
    const asked = await this.#asked;
    if (asked?.answer !== undefined) {
      // an error of the user's engine or port, which no caller gets any more
      this.#end.catch((error: unknown) =>
        this.#call.report(error, `a late end of ${this.#call.method.path}`),
      );
      return typed<Res>(asked.answer);
    }
    const hasLeft = this.#cause !== undefined && hasGone(this.#options);
    const end = await this.#end;
    if (hasLeft && end.by === 'failure')
      throw errorToGive(this.#call, { ...end.failed, cause: this.#cause }, this.#options);
    return giveEnd(this.#call, this.#run, end, this.#options);
  }

  /** Starts the soft deadline, because the caller has sent everything. */
  #begin(): void {
    const { chain, entry, method } = this.#call;
    if (!this.#run.isWaiting) return;
    chain?.countCall();
    const afterMs = method.settings.softDeadline?.of(entry.usualLatency) ?? Number.POSITIVE_INFINITY;
    if (afterMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = method.clock.setTimer(() => {
      if (this.#run.isWaiting) this.#setAsked(this.#ask({ kind: 'slow', afterMs }));
    }, afterMs);
  }

  #ask(cause: Cause): Promise<FallbackResult> {
    const call = this.#call;
    this.#cause = cause;
    const asking: Pick<NeutralCall, 'fallBack'> = {
      fallBack: (slow, onCancel) => askForCall(call, slow, onCancel, () => this.#leaveCaller()),
    };
    return askUntilGone(asking, cause, this.#options.signal, (cancel) => {
      this.#cancelChain = cancel;
    });
  }

  #leaveCaller(): void {
    this.#run.leaveCaller(this.#call.method.settings.abandonedAfterMs);
  }

  /** Settles the real call, which is over. */
  #conclude(ended: Ended<Res>): UnaryEnd<Res> {
    this.#cancelTimer?.();
    try {
      const end = concludeUnary(this.#call, this.#run, ended, this.#options);
      if (end.by === 'value' || !isUnhealthy(end.failed.ended.outcome)) this.#cancelChain?.();
      return end;
    } finally {
      if (this.#cause === undefined) this.#setAsked(undefined);
    }
  }
}

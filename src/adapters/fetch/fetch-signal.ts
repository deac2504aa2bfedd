import { isTimeout } from '../../abort-reason.js';
import { followSignal } from '../../call/neutral/follow-signal.js';
import type { Clock } from '../../clock.js';
import type { EndedBy } from '../http/good-body.js';

/** The signal of a real fetch. It aborts with the caller's signal, and at the time limits of the guard. */
export class FetchSignal {
  endedBy: EndedBy;
  /** Ends the run of the fallbacks. */
  cancelChain: () => void = nothing;
  private readonly given: AbortSignal | undefined;
  private readonly clock: Clock;
  private readonly controller = new AbortController();
  private readonly unfollow: () => void;
  private stopDeadline: () => void = nothing;
  private stopFirstEvent: () => void = nothing;

  /** @param given the caller's signal */
  constructor(given: AbortSignal | undefined, clock: Clock) {
    this.given = given;
    this.clock = clock;
    this.unfollow = given === undefined ? nothing : followSignal(given, this.onCallerAbort);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get callersReason(): unknown {
    return this.given?.reason;
  }

  /** Resolves when the caller has gone or its time is over. */
  get aborted(): Promise<undefined> {
    const { signal } = this;
    return new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
  }

  /** Sets the deadline in place of the earlier deadline. @param deadlineMs milliseconds since the epoch */
  limitTo(deadlineMs: number): void {
    this.stopDeadline();
    this.stopDeadline = this.limitIn(deadlineMs - Date.now(), 'failsoft: deadline exceeded');
  }

  limitFirstEvent(ms: number): void {
    this.stopFirstEvent = this.limitIn(ms, `failsoft: no first event within ${ms} ms`);
  }

  /** Ends the wait for the first event, because the server answers with a whole document. */
  awaitNoEvent(): void {
    this.stopFirstEvent();
  }

  stopTimers(): void {
    this.stopDeadline();
    this.stopFirstEvent();
  }

  /** Frees the timers and the caller's signal. */
  release(): void {
    this.stopTimers();
    this.unfollow();
  }

  private readonly onCallerAbort = (): void => {
    this.endedBy ??= isTimeout(this.callersReason) ? 'time' : 'caller';
    this.controller.abort(this.callersReason);
    this.cancelChain();
  };

  private limitIn(ms: number, details: string): () => void {
    if (ms === Number.POSITIVE_INFINITY) return nothing;
    const expire = () => {
      this.endedBy ??= 'limit';
      this.controller.abort(new DOMException(details, 'TimeoutError'));
    };
    return this.clock.setTimer(expire, Math.max(0, ms));
  }
}

function nothing(): void {}

import { isTimeout } from '../../abort-reason.js';
import { followSignal } from '../../call/neutral/follow-signal.js';
import type { Clock } from '../../clock.js';
import type { EndedBy } from '../http/early-end.js';
import { TimeLimits } from '../http/time-limits.js';

/** The signal of a real fetch. It aborts with the caller's signal, and at the time limits of the guard. */
export class FetchSignal {
  readonly limits: TimeLimits;
  endedBy: EndedBy;
  /** Ends the run of the fallbacks. */
  cancelChain: () => void = nothing;
  private readonly given: AbortSignal | undefined;
  private readonly controller = new AbortController();
  private readonly unfollow: () => void;

  /** @param given the caller's signal */
  constructor(given: AbortSignal | undefined, clock: Clock) {
    this.given = given;
    this.limits = new TimeLimits(clock, this.onLimit);
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

  /** Frees the timers and the caller's signal. */
  release(): void {
    this.limits.stop();
    this.unfollow();
  }

  private readonly onCallerAbort = (): void => {
    this.endedBy ??= isTimeout(this.callersReason) ? 'time' : 'caller';
    this.controller.abort(this.callersReason);
    this.cancelChain();
  };

  private readonly onLimit = (error: Error): void => {
    this.endedBy ??= 'limit';
    this.controller.abort(error);
  };
}

function nothing(): void {}

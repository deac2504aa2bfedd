import { isStream } from '../messages.js';
import type { Answer, FallbackStrategy, Method } from '../strategy.js';
import type { AbortCause, ChainCall } from './chain-call.js';
import { judge, noAnswer, type StrategyResult } from './strategy-result.js';
import type { StrategyScope } from './strategy-scope.js';

type Strategy = FallbackStrategy<unknown, unknown>;

/** The calls of a method that wait for a strategy, bounded in number. */
export class StrategyWaits {
  /** The most calls that wait at a time. */
  readonly most: number;
  /** Number of calls that wait now. */
  count = 0;
  readonly #method: Method<unknown, unknown>;

  constructor(method: Method<unknown, unknown>, most: number) {
    this.#method = method;
    this.most = most;
  }

  /** Why a call may not wait; undefined if it may. */
  reasonNotToWait(call: ChainCall): 'capped' | 'timed-out' | undefined {
    if (this.count >= this.most) return 'capped';
    return call.remainingMs > 0 ? undefined : 'timed-out';
  }

  /**
   * Waits for a strategy that has promised an answer. Only this path costs a promise and a timer. The place is freed at the time
   * limit, even if the strategy hangs.
   */
  wait(
    strategy: Strategy,
    given: Promise<Answer<unknown> | undefined>,
    scope: StrategyScope,
    call: ChainCall,
  ): Promise<StrategyResult> {
    const { attempts } = scope;
    this.count++;
    return new Promise((resolve) => {
      let over = false;
      let stopTimer = () => {};
      let stopListening = () => {};
      const end = (result: StrategyResult) => {
        over = true;
        this.count--;
        stopTimer();
        resolve(result);
      };
      const abort = (cause: AbortCause) => {
        scope.abort(cause); // also after the answer: a stream may still run
        if (over) return;
        if (cause === 'deadline') end(noAnswer('timed-out', strategy, attempts));
        else end({ ...noAnswer('failed', strategy, attempts), ended: true });
      };
      const budgetMs = scope.budgetMs;
      // The call watches the deadline itself, and reports it through onAbort.
      if (budgetMs < call.remainingMs) {
        stopTimer = call.clock.setTimer(() => {
          stopListening();
          abort('deadline');
        }, budgetMs);
      }
      stopListening = call.onAbort(abort);
      given.then(
        (answer) => {
          if (over) return;
          const result = judge(this.#method, strategy, answer, attempts);
          if (result.answer === undefined || !isStream(this.#method, result.answer.message)) stopListening();
          end(result);
        },
        (error: unknown) => {
          if (over) return;
          stopListening();
          end(noAnswer('failed', strategy, attempts, error));
        },
      );
    });
  }
}

import type { Outcome } from '../classify/outcome.js';
import type { Circumstances } from './circumstances.js';
import type { CircuitSnapshot, RejectionReason } from './types.js';

type TotalsSnapshot = CircuitSnapshot['totals'];

/** The counters of a circuit that only grow. Plain fields, because every call increments one. */
export class Totals {
  /** Without those of an earlier process: permits are numbered by it, and a restored total may be too large to count on from. */
  admitted = 0;
  private admittedBefore = 0;
  stale = 0;
  opened = 0;
  private success = 0;
  private callerError = 0;
  private failure = 0;
  private overload = 0;
  private ignored = 0;
  /** Made with the first rejection: most circuits never reject a call. */
  private rejections: Rejections | undefined;
  /** Made with the first circumstance: most circuits never have one. */
  private discounts: Discounts | undefined;

  settled(outcome: Outcome, times = 1): void {
    switch (outcome) {
      case 'success':
        this.success += times;
        break;
      case 'caller-error':
        this.callerError += times;
        break;
      case 'failure':
        this.failure += times;
        break;
      case 'overload':
        this.overload += times;
        break;
      case 'ignored':
        this.ignored += times;
    }
  }

  rejected(reason: RejectionReason): void {
    this.rejections ??= new Rejections();
    this.rejections.add(reason, 1);
  }

  get healthy(): number {
    return this.success + this.callerError;
  }

  /** Counts the circumstances of a call. */
  noted({ connecting, notSent, stalled }: Circumstances): void {
    this.discounts ??= new Discounts();
    if (connecting === true) this.discounts.connecting += 1;
    if (notSent === true) this.discounts.notSent += 1;
    if (stalled === true) this.discounts.stalled += 1;
  }

  correlated(): void {
    this.discounts ??= new Discounts();
    this.discounts.correlated += 1;
  }

  /** Adds the counts of an earlier process. */
  add(earlier: TotalsSnapshot): void {
    this.admittedBefore += earlier.admitted;
    this.stale += earlier.stale;
    this.opened += earlier.opened;
    const { outcomes, rejected } = earlier;
    this.settled('success', outcomes.success);
    this.settled('caller-error', outcomes['caller-error']);
    this.settled('failure', outcomes.failure);
    this.settled('overload', outcomes.overload);
    this.settled('ignored', outcomes.ignored);
    this.rejections ??= new Rejections();
    this.rejections.add('CIRCUIT_OPEN', rejected.CIRCUIT_OPEN);
    this.rejections.add('HALF_OPEN', rejected.HALF_OPEN);
    this.rejections.add('RECOVERING', rejected.RECOVERING);
    this.rejections.add('ISOLATED', rejected.ISOLATED);
    this.rejections.add('CONCURRENCY_LIMIT', rejected.CONCURRENCY_LIMIT);
    this.rejections.add('THROTTLED', rejected.THROTTLED);
    this.discounts ??= new Discounts();
    this.discounts.correlated += earlier.correlated;
    this.discounts.connecting += earlier.connecting;
    this.discounts.stalled += earlier.stalled;
    this.discounts.notSent += earlier.notSent;
  }

  snapshot(): TotalsSnapshot {
    return {
      admitted: this.admittedBefore + this.admitted,
      outcomes: {
        success: this.success,
        'caller-error': this.callerError,
        failure: this.failure,
        overload: this.overload,
        ignored: this.ignored,
      },
      rejected: (this.rejections ?? NO_REJECTIONS).snapshot(),
      stale: this.stale,
      opened: this.opened,
      ...(this.discounts ?? NO_DISCOUNTS),
    };
  }
}

class Discounts {
  correlated = 0;
  connecting = 0;
  stalled = 0;
  notSent = 0;
}

const NO_DISCOUNTS = new Discounts();

class Rejections {
  private open = 0;
  private halfOpen = 0;
  private recovering = 0;
  private isolated = 0;
  private concurrency = 0;
  private throttled = 0;

  add(reason: RejectionReason, times: number): void {
    switch (reason) {
      case 'CIRCUIT_OPEN':
        this.open += times;
        break;
      case 'HALF_OPEN':
        this.halfOpen += times;
        break;
      case 'RECOVERING':
        this.recovering += times;
        break;
      case 'ISOLATED':
        this.isolated += times;
        break;
      case 'CONCURRENCY_LIMIT':
        this.concurrency += times;
        break;
      case 'THROTTLED':
        this.throttled += times;
    }
  }

  snapshot(): TotalsSnapshot['rejected'] {
    return {
      CIRCUIT_OPEN: this.open,
      HALF_OPEN: this.halfOpen,
      RECOVERING: this.recovering,
      ISOLATED: this.isolated,
      CONCURRENCY_LIMIT: this.concurrency,
      THROTTLED: this.throttled,
    };
  }
}

const NO_REJECTIONS = new Rejections();

import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { CircuitEnvironment } from '../../circuit/environment.js';
import type { Clock } from '../../clock.js';
import { FailsoftError } from '../../errors.js';
import { Warnings } from '../../telemetry/warnings.js';
import { type CallReport, codedError, FailedCall } from './call-report.js';
import type { BreakerSettings } from './settings.js';

/**
 * opossum's breaker without its timers: the machine that owns it makes it half-open and ends its buckets, so that it runs on
 * the guard's clock, costs no timer, and can be collected. A call is fired when its outcome is known; a call that must not
 * count (a stale or cancelled one) is not fired at all.
 */
export class ClockedBreaker extends CircuitBreaker<[report?: CallReport], never> {
  static {
    // own accessors, because what opossum keeps its state in is private to it
    Object.defineProperties(ClockedBreaker.prototype, {
      halfOpen: {
        get(this: ClockedBreaker) {
          this.#read();
          return this.#isHalfOpen;
        },
      },
      opened: {
        get(this: ClockedBreaker) {
          this.#read();
          return !this.closed && !this.#isHalfOpen && !this.isShutdown;
        },
      },
      pendingClose: {
        get(this: ClockedBreaker) {
          this.#read();
          return this.#isHalfOpen && !this.probing;
        },
      },
      status: {
        get(this: ClockedBreaker) {
          this.#rotate();
          return this.#status;
        },
      },
      stats: {
        get(this: ClockedBreaker) {
          return this.status.stats;
        },
      },
    });
  }

  readonly #environment: CircuitEnvironment;
  readonly #clock: Clock;
  readonly #settings: BreakerSettings;
  readonly #rotation: EventEmitter;
  readonly #status: CircuitBreaker.Status;
  #rotatedMs: number;
  #warnings: Warnings | undefined;
  #isHalfOpen = false;
  #isFiring = false;
  #durationMs = 0;
  /** Whether a half-open breaker waits for its probe to end. */
  probing = false;
  /** Called before the state is read: lets time pass. */
  beforeRead: () => void = () => {};

  constructor(key: string, settings: BreakerSettings, environment: CircuitEnvironment) {
    const rotation = new EventEmitter();
    const status = CircuitBreaker.newStatus({ ...settings.opossum, rotateBucketController: rotation });
    super(throwReport, {
      ...settings.opossum, // a copy: opossum adds its defaults to the object it is given
      name: key,
      timeout: false,
      errorFilter: isHealthy,
      rotateBucketController: rotation,
      status,
    });
    this.#environment = environment;
    this.#clock = environment.clock;
    this.#settings = settings;
    this.#rotation = rotation;
    this.#status = status;
    this.#rotatedMs = this.#clock.now();
    // opossum's own listeners: one starts its timer, one marks a bucket as open, which no statistic shows
    this.removeAllListeners('open');
  }

  #read(): void {
    if (!this.#isFiring) this.beforeRead();
  }

  /** Reports a finished call; opossum has counted it and changed its state when this returns. */
  report(report: CallReport): void {
    const { timeoutMs } = this.#settings;
    this.#rotate();
    this.probing = false;
    this.#durationMs = report.durationMs;
    if (report.durationMs < timeoutMs || timeoutMs === Number.POSITIVE_INFINITY) {
      this.#fire(report);
    } else {
      const error = codedError(`Timed out after ${timeoutMs}ms`, 'ETIMEDOUT');
      this.emit('timeout', error, report.durationMs, [report]);
      this.#fire(new FailedCall('failure', report.durationMs, error.message));
    }
  }

  /** Has opossum reject a call, for its statistics and its listeners. */
  reject(): void {
    this.#rotate();
    this.#fire();
  }

  /** Reports a call over the capacity to opossum's statistics and listeners, without the failure that it would count. */
  rejectForCapacity(): void {
    this.#rotate();
    this.emit('semaphoreLocked', codedError('Semaphore locked', 'ESEMLOCKED'), 0);
  }

  /** The open time is over. */
  halfOpenNow(): void {
    this.#isHalfOpen = true;
    this.probing = false;
    this.emit('halfOpen', this.#settings.openMs);
  }

  override open(): void {
    if (!this.#isHalfOpen) {
      super.open();
      return;
    }
    // opossum's own state has been open all the time
    this.#isHalfOpen = false;
    this.emit('open');
  }

  override close(): void {
    this.#isHalfOpen = false;
    super.close();
  }

  override call(context: unknown, ...args: [report?: CallReport]): Promise<never> {
    if (this.#isFiring) return super.call(context, ...args);
    const message =
      'this breaker is fired by its circuit: use circuit.execute(fn), or a client with the guard';
    return Promise.reject(new FailsoftError('FAILSOFT_UNSUPPORTED', `engine opossum: ${message}`));
  }

  /**
   * opossum times a call from its firing, which here is at its end, and goes no further when a listener throws: it
   * gets the call's duration, and the listener a warning.
   */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (this.#isFiring && (event === 'success' || event === 'failure')) args[1] = this.#durationMs;
    try {
      return super.emit(event, ...args);
    } catch (error) {
      this.#warn(error, `a listener of '${String(event)}' on a breaker`);
      return true;
    }
  }

  #warn(error: unknown, source: string): void {
    const { report } = this.#environment;
    if (report !== undefined) return report(error, source, this.name);
    this.#warnings ??= new Warnings(); // of a circuit that no guard has made
    this.#warnings.report(error, source, this.name);
  }

  clearWindow(): void {
    for (let i = 0; i < this.#settings.buckets; i++) this.#rotation.emit('rotate');
  }

  #rotate(): void {
    const { bucketMs, buckets } = this.#settings;
    const nowMs = this.#clock.now();
    const due = Math.floor((nowMs - this.#rotatedMs) / bucketMs);
    if (due <= 0) return;
    this.#rotatedMs += due * bucketMs;
    for (let i = 0; i < Math.min(due, buckets); i++) this.#rotation.emit('rotate');
  }

  #fire(report?: CallReport): void {
    const wasFiring = this.#isFiring; // a listener may have led here
    this.#isFiring = true;
    const settled = report === undefined ? this.fire() : this.fire(report);
    this.#isFiring = wasFiring;
    settled.catch((reason: unknown) => {
      const isExpected = reason === report || (reason instanceof Error && CircuitBreaker.isOurError(reason));
      if (!isExpected) this.#warn(reason, 'fallback() of a breaker');
    });
  }
}

/** The action: a thrown result is counted at once, a promised one a microtask after `settle()` has returned. */
function throwReport(report?: CallReport): never {
  throw report;
}

/** A caller's error is an answer of the server; so opossum counts it, as every other answer, as a success. */
function isHealthy(report: CallReport): boolean {
  return report.outcome === 'success' || report.outcome === 'caller-error';
}

import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { CircuitEnvironment } from '../../circuit/environment.js';
import type { Clock } from '../../clock.js';
import { FailsoftError } from '../../errors.js';
import { Warnings } from '../../telemetry/warnings.js';
import { type CallReport, codedError, FailedCall } from './call-report.js';
import type { BreakerSettings } from './settings.js';

/**
 * opossum's breaker without its timers. The machine that owns it makes it half-open, and it rotates its buckets when it is used:
 * so it follows the guard's clock, costs no timer, and can be garbage-collected. A call is fired when its outcome is known; a
 * call that must not count (a stale or cancelled one) is not fired at all.
 */
export class ClockedBreaker extends CircuitBreaker<[report?: CallReport], never> {
  static {
    // these replace opossum's own accessors, because the fields behind those are private to opossum
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
  /** Called before the state is read, so that an open time that is over ends first. */
  beforeRead: () => void = () => {};

  constructor(key: string, settings: BreakerSettings, environment: CircuitEnvironment) {
    const rotation = new EventEmitter();
    const status = CircuitBreaker.newStatus({ ...settings.opossum, rotateBucketController: rotation });
    super(throwReport, {
      ...settings.opossum, // a copy, because opossum adds its defaults to the object that it gets
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
    // removes opossum's own listeners: one starts its timer, the other marks a bucket as open, which no statistic shows
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

  /** Makes opossum reject a call, for its statistics and its listeners. */
  reject(): void {
    this.#rotate();
    this.#fire();
  }

  /** Reports a call over the capacity to opossum's statistics and listeners, without the failure that it would count. */
  rejectForCapacity(): void {
    this.#rotate();
    this.emit('semaphoreLocked', codedError('Semaphore locked', 'ESEMLOCKED'), 0);
  }

  /** Makes the breaker half-open, because its open time is over. */
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
    // for opossum itself the breaker was open all the time, so `super.open()` would do nothing
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
   * Mends two things. opossum measures a call from its `fire()`, which here comes at the call's end: `success` and `failure` get
   * the call's own duration instead. And a listener that throws would stop opossum: its error becomes a warning.
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
    this.#warnings ??= new Warnings(); // no guard made this circuit
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
    const wasFiring = this.#isFiring; // true if a listener of the call that is being fired led here
    this.#isFiring = true;
    const settled = report === undefined ? this.fire() : this.fire(report);
    this.#isFiring = wasFiring;
    settled.catch((reason: unknown) => {
      const isExpected = reason === report || (reason instanceof Error && CircuitBreaker.isOurError(reason));
      if (!isExpected) this.#warn(reason, 'fallback() of a breaker');
    });
  }
}

/** The breaker's action. opossum counts a thrown result at once, but a promised one only a microtask after `settle()` has returned. */
function throwReport(report?: CallReport): never {
  throw report;
}

/** A caller's error is an answer of the server, so opossum counts it as a success, like every other answer. */
function isHealthy(report: CallReport): boolean {
  return report.outcome === 'success' || report.outcome === 'caller-error';
}

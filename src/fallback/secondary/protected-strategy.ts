import { status } from '@grpc/grpc-js';
import { isTimeout } from '../../abort-reason.js';
import type { Circuit } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import { invalid } from '../../errors.js';
import type { CircuitListener } from '../../telemetry/events.js';
import { type OnWarning, Warnings } from '../../telemetry/warnings.js';
import type { Answering, FallbackContext, FallbackStrategy, Source, When } from '../strategy.js';
import { type Admission, PROTECTION_KEYS, Protection, type ProtectionOptions } from './protection.js';

/** Options of a strategy that calls something, with a circuit of its own around its calls. */
export interface ProtectedStrategyOptions extends ProtectionOptions {
  /** The causes that it serves. @default 'always' */
  readonly when?: When;
  /** Time limit of an answer, in milliseconds. @default Infinity */
  readonly timeoutMs?: number;
  /** The share of the remaining deadline that an answer may take, above 0, up to 1. @default 1 */
  readonly budgetShare?: number;
}

export const PROTECTED_STRATEGY_KEYS = [...PROTECTION_KEYS, 'when', 'timeoutMs', 'budgetShare'] as const;

/** A strategy with a circuit of its own around its calls. */
export interface ProtectedStrategy<Req, Res> extends FallbackStrategy<Req, Res> {
  /** Undefined with `circuit: false`. */
  readonly circuit: Circuit | undefined;
  /** Number of its calls that run now. */
  readonly inFlight: number;
}

/** A time-out with a smaller budget is no evidence, as with a method's `minimumDeadlineMs`. */
const SMALLEST_BUDGET_MS = 25;
/** The same after a primary that has used up its time: then the default `fallbackReserveMs` is left, and timers are not exact. */
const SMALLEST_REST_MS = 125;

/**
 * The source of a strategy with this name.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function sourceNamed(field: string, name: unknown): Source {
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name))
    throw invalid(field, 'up to 64 letters, digits, "_", "." or "-"', name);
  return `secondary:${name}`;
}

/** The part that strategies with a circuit share: their settings, which the registry checks, and the protection of their calls. */
export abstract class CallingStrategy<Req, Res> implements ProtectedStrategy<Req, Res> {
  readonly name: Source;
  readonly when: When;
  readonly timeoutMs: number;
  readonly budgetShare: number;
  readonly waits = true;
  enabled = true;
  readonly #protection: Protection;
  readonly #warnings = new Warnings();

  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED by the engine */
  constructor(name: Source, options: ProtectedStrategyOptions) {
    this.name = name;
    this.when = options.when ?? 'always';
    this.timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.budgetShare = options.budgetShare ?? 1;
    this.#protection = new Protection(name, options, this.#warnings);
  }

  get circuit(): Circuit | undefined {
    return this.#protection.circuit;
  }

  get inFlight(): number {
    return this.#protection.inFlight;
  }

  reportWarnings(report: OnWarning): void {
    this.#warnings.follow(report);
  }

  reportCircuit(listener: CircuitListener): void {
    this.#protection.follow(listener);
  }

  abstract answer(context: FallbackContext<Req>): Answering<Res>;

  /** @throws FailsoftError FAILSOFT_REJECTED if its circuit or its limit rejects the call */
  protected begin(): Admission {
    return this.#protection.begin();
  }

  /**
   * Whether a call has so little time that its time-out is no evidence. A primary that timed out leaves the reserve alone, which is less
   * than many second models take. If these time-outs counted, the circuit of a good second model would open together with the
   * primary's, when each call has its whole deadline for the second model.
   */
  protected hasTooLittleTime({ cause, budgetMs }: FallbackContext<Req>): boolean {
    const isTimedOut = cause.kind === 'failed' && cause.status.code === status.DEADLINE_EXCEEDED;
    const isRest = isTimedOut && budgetMs < this.timeoutMs;
    return budgetMs < (isRest ? SMALLEST_REST_MS : SMALLEST_BUDGET_MS);
  }

  /** The outcome of an aborted call: no evidence, unless it had its time, and that is over. */
  protected outcomeOfAbort(signal: AbortSignal, hadTooLittleTime: boolean): Outcome {
    return isTimeout(signal.reason) && !hadTooLittleTime ? 'failure' : 'ignored';
  }

  /** Reports an error of the user's `classify`. */
  protected warnOfClassify(error: unknown): void {
    this.#warnings.report(error, `classify of ${this.name}`);
  }
}

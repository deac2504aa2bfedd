import { type InterceptorOptions, propagate } from '@grpc/grpc-js';
import type { ParentCall } from '../fallback/strategy.js';
import type { MethodSettings } from '../guard/method-settings.js';
import type { Call } from './call.js';

/** grpc-js's default. */
const DEFAULT_FLAGS = propagate.DEFAULTS;

/** The options that decide how long a call may take, and when it is cancelled. */
type TimeOptions = Pick<InterceptorOptions, 'deadline' | 'parent' | 'propagate_flags'> & {
  readonly method_definition: Pick<
    InterceptorOptions['method_definition'],
    'requestStream' | 'responseStream'
  >;
};

/** The parts of a call that decide how long it may take. */
export interface TimedCall extends Pick<Call, 'method' | 'chain' | 'deadlineMs'> {
  readonly options: TimeOptions;
}

function flagsOf(options: TimeOptions): number {
  return options.propagate_flags ?? DEFAULT_FLAGS;
}

/** The earlier of the deadlines of the call and its parent, in milliseconds since the epoch; Infinity without a deadline. */
export function deadlineOf(options: TimeOptions): number {
  const own = milliseconds(options.deadline);
  const { parent } = options;
  if (!parent || !(flagsOf(options) & propagate.DEADLINE)) return own;
  return Math.min(own, milliseconds(parent.getDeadline()));
}

/** The parent, if its cancellation also cancels this call. */
export function cancellingParent(options: TimeOptions): ParentCall | undefined {
  return options.parent && flagsOf(options) & propagate.CANCELLATION ? options.parent : undefined;
}

/** `null` means no deadline, as in grpc-js. */
function milliseconds(deadline: Date | number | null | undefined): number {
  if (deadline === undefined || deadline === null) return Number.POSITIVE_INFINITY;
  return deadline instanceof Date ? deadline.getTime() : deadline;
}

/**
 * Sets the call's deadline: the caller's, or the method's default.
 * @returns the time left until the deadline, in milliseconds; Infinity without a deadline
 * @throws the error of a `parent` that is no server call, as grpc-js does
 */
export function setDeadline(call: TimedCall): number {
  const { options } = call;
  const ownMs = deadlineOf(options);
  if (ownMs < Number.POSITIVE_INFINITY) {
    call.deadlineMs = ownMs;
    return ownMs - Date.now();
  }
  const budgetMs = defaultBudgetMs(call.method.settings, options.method_definition);
  if (budgetMs < Number.POSITIVE_INFINITY) call.deadlineMs = Date.now() + budgetMs;
  return budgetMs;
}

function defaultBudgetMs(
  { defaultDeadlineMs, streamDeadlineMs }: MethodSettings,
  { requestStream, responseStream }: TimeOptions['method_definition'],
): number {
  return requestStream || responseStream ? streamDeadlineMs : defaultDeadlineMs;
}

/**
 * The part of a budget that is reserved for fallbacks, in milliseconds; 0 if no fallback serves failures.
 * @param usualMs how long the primary usually takes; 0 while that is not known
 */
export function reserveOf(
  { chain, method }: Pick<TimedCall, 'method' | 'chain'>,
  budgetMs: number,
  usualMs: number,
): number {
  if (chain?.serves('failed') !== true) return 0;
  return method.settings.fallbackReserve.of(budgetMs, chain.calls('failed'), usualMs);
}

/** A deadline of the same type as the caller's (a Date or a number), because interceptors behind the guard may rely on it. */
export function likeDeadline(given: InterceptorOptions['deadline'], deadlineMs: number): Date | number {
  return given instanceof Date ? new Date(deadlineMs) : deadlineMs;
}

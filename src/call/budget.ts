import { type InterceptorOptions, propagate } from '@grpc/grpc-js';
import type { ParentCall } from '../fallback/strategy.js';
import type { MethodSettings } from '../guard/method-settings.js';
import type { Call } from './call.js';

/** grpc-js's default when a call does not say. */
const DEFAULT_FLAGS = propagate.DEFAULTS;

function flagsOf(options: InterceptorOptions): number {
  return options.propagate_flags ?? DEFAULT_FLAGS;
}

/** The caller's deadline in milliseconds since the epoch, its parent's counted in; Infinity without one. */
export function deadlineOf(options: InterceptorOptions): number {
  const own = milliseconds(options.deadline);
  const { parent } = options;
  if (!parent || !(flagsOf(options) & propagate.DEADLINE)) return own;
  return Math.min(own, milliseconds(parent.getDeadline()));
}

/** The parent whose cancellation cancels this call. */
export function cancellingParent(options: InterceptorOptions): ParentCall | undefined {
  return options.parent && flagsOf(options) & propagate.CANCELLATION ? options.parent : undefined;
}

/** `null` is none, as it is to grpc-js. */
function milliseconds(deadline: Date | number | null | undefined): number {
  if (deadline === undefined || deadline === null) return Number.POSITIVE_INFINITY;
  return deadline instanceof Date ? deadline.getTime() : deadline;
}

/**
 * Sets the call's deadline: the caller's, or the method's default.
 * @returns how much of it there is, in milliseconds; Infinity without a deadline
 * @throws what a `parent` that is no server call throws, as grpc-js would
 */
export function setDeadline(call: Call): number {
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
  { requestStream, responseStream }: InterceptorOptions['method_definition'],
): number {
  return requestStream || responseStream ? streamDeadlineMs : defaultDeadlineMs;
}

/** What is kept of a budget for the fallbacks, in milliseconds: as the settings say, and never more than half. */
export function reserveOf(call: Call, budgetMs: number): number {
  const { fallbackReserveMs } = call.method.settings;
  if (fallbackReserveMs === 0 || call.chain?.serves('failed') !== true) return 0;
  return Math.min(fallbackReserveMs, Math.max(0, budgetMs / 2));
}

/** A deadline in the form in which the caller gave theirs: interceptors behind the guard may rely on it. */
export function likeDeadline(given: InterceptorOptions['deadline'], deadlineMs: number): Date | number {
  return given instanceof Date ? new Date(deadlineMs) : deadlineMs;
}

import { type InterceptorOptions, propagate } from '@grpc/grpc-js';
import type { ParentCall } from '../fallback/strategy.js';

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

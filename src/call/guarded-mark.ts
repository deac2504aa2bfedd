import type { InterceptorOptions } from '@grpc/grpc-js';

const GUARDED_BY = Symbol('failsoft: guards of this call');

/** The guards that count a call. A guard makes the list of itself once, and marks its calls with it. */
export type GuardedBy = readonly object[];

interface MarkedOptions extends InterceptorOptions {
  [GUARDED_BY]?: GuardedBy;
}

/**
 * Copies a call's options for the interceptors behind the guard, and marks the copy, so that this guard does not count the call
 * again if it stands in the list twice (`[guard, retry, guard]`). Counted twice, a probe would be rejected by its own circuit.
 * Because the mark is in the options, calls that an interceptor between the two makes later have it as well.
 */
export function markGuarded(options: MarkedOptions, by: GuardedBy): InterceptorOptions {
  const others = options[GUARDED_BY];
  if (others !== undefined) return { ...options, ...{ [GUARDED_BY]: [...others, ...by] } };
  // the mark first, because adding a property to a copy costs a microsecond in V8
  return Object.assign({ [GUARDED_BY]: by }, options);
}

/** Whether this guard counts the call already. */
export function isGuardedBy(options: MarkedOptions, guard: object): boolean {
  return options[GUARDED_BY]?.includes(guard) === true;
}

import type { InterceptorOptions } from '@grpc/grpc-js';

const GUARDED_BY = Symbol('failsoft: guards of this call');

/** The guards that count a call. A guard marks its calls with a list of itself, which it makes once. */
export type GuardedBy = readonly object[];

interface MarkedOptions extends InterceptorOptions {
  [GUARDED_BY]?: GuardedBy;
}

/**
 * Copies a call's options for the interceptors behind the guard, and marks the copy: this guard counts the call already. The
 * guard may stand in the list again (`[guard, retry, guard]`). Counted twice, a probe would be rejected by its own circuit. The
 * mark is in the options, so it also holds for calls that an interceptor between the two makes later.
 */
export function markGuarded(options: MarkedOptions, by: GuardedBy): InterceptorOptions {
  const others = options[GUARDED_BY];
  if (others !== undefined) return { ...options, ...{ [GUARDED_BY]: [...others, ...by] } };
  // the mark first: adding it to a copy costs a microsecond in V8
  return Object.assign({ [GUARDED_BY]: by }, options);
}

/** Whether this guard counts the call already. */
export function isGuardedBy(options: MarkedOptions, guard: object): boolean {
  return options[GUARDED_BY]?.includes(guard) === true;
}

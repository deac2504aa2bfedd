import type { InterceptorOptions } from '@grpc/grpc-js';

const GUARDED_BY = Symbol('failsoft: guards of this call');

/** The guards that count a call; what one guard marks calls with is a list of itself, made once. */
export type GuardedBy = readonly object[];

interface MarkedOptions extends InterceptorOptions {
  [GUARDED_BY]?: GuardedBy;
}

/**
 * A copy of a call's options for the interceptors behind the guard. It says that this guard counts the call already: the
 * guard may stand in the list again (`[guard, retry, guard]`), and counted twice, a probe would be rejected by the circuit
 * that it probes. The mark is the call's, so that it also holds for calls that an interceptor between the two makes later.
 */
export function markGuarded(options: MarkedOptions, by: GuardedBy): InterceptorOptions {
  const others = options[GUARDED_BY];
  if (others !== undefined) return { ...options, ...{ [GUARDED_BY]: [...others, ...by] } };
  // the mark first: adding it to a copy would take V8 a microsecond
  return Object.assign({ [GUARDED_BY]: by }, options);
}

/** Whether this guard counts the call already. */
export function isGuardedBy(options: MarkedOptions, guard: object): boolean {
  return options[GUARDED_BY]?.includes(guard) === true;
}

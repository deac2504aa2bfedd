import type { InterceptorOptions } from '@grpc/grpc-js';

const GUARDED_BY = Symbol('failsoft: guards of this call');

interface MarkedOptions extends InterceptorOptions {
  [GUARDED_BY]?: readonly object[];
}

/** The list that a guard marks most calls with, so that it is made once. */
const only = new WeakMap<object, readonly object[]>();

/**
 * A copy of a call's options for the interceptors behind the guard. It says that this guard counts the call already: the
 * guard may stand in the list again (`[guard, retry, guard]`), and counted twice, a probe would be rejected by the circuit
 * that it probes. The mark is the call's, so that it also holds for calls that an interceptor between the two makes later.
 */
export function markGuarded(options: MarkedOptions, guard: object): InterceptorOptions {
  const others = options[GUARDED_BY];
  const marked: MarkedOptions = { ...options };
  marked[GUARDED_BY] = others === undefined ? listOf(guard) : [...others, guard];
  return marked;
}

/** Whether this guard counts the call already. */
export function isGuardedBy(options: MarkedOptions, guard: object): boolean {
  return options[GUARDED_BY]?.includes(guard) === true;
}

function listOf(guard: object): readonly object[] {
  const known = only.get(guard);
  if (known !== undefined) return known;
  const list = Object.freeze([guard]);
  only.set(guard, list);
  return list;
}

import type { GuardCallOptions } from '../call/neutral/call-types.js';
import type { ExecuteOptions } from '../circuit/types.js';
import { FailsoftError } from '../errors.js';
import { circuitRejectionOf } from '../status/rejection.js';
import type { Guard } from './guard-options.js';

/** `guard.execute()` for a name that has more than a circuit: a deadline, a parent circuit or fallbacks. */
export async function executeCall<T>(
  guard: Pick<Guard, 'call'>,
  path: string,
  fn: (signal: AbortSignal) => T | Promise<T>,
  options: GuardCallOptions,
  { signal, classify, priority }: ExecuteOptions = {},
): Promise<T> {
  const { response } = await guard.call<undefined, T>({ path }, undefined, (context) => fn(context.signal), {
    ...options,
    signal,
    ...(priority !== undefined && { priority }),
    ...(classify !== undefined && { outcomeOf: classify }),
    errorOf: (status, rejection) => {
      if (rejection === undefined) return new DOMException(status.details, 'TimeoutError');
      const key = JSON.stringify(circuitRejectionOf(status)?.circuitKey ?? path);
      const message = `circuit ${key} rejected the call: ${rejection.reason}`;
      return new FailsoftError('FAILSOFT_REJECTED', message, { cause: rejection });
    },
  });
  return response;
}

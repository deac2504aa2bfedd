import { invalid } from '../errors.js';

/** The answer of a readiness check. `unsupported`: the server does not implement the check, and is not asked again. */
export type Readiness = 'ready' | 'not-ready' | 'no-answer' | 'unsupported';

/** Every {@link Readiness}. */
export const READINESS: readonly Readiness[] = ['ready', 'not-ready', 'no-answer', 'unsupported'];

/** The circuit for which a readiness check is asked, and how long it may take. */
export interface ReadinessQuestion {
  /** The key of the open circuit; if the check serves several, the key of any of them. */
  readonly circuitKey: string;
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key part; '' for the method's own circuit. */
  readonly keyPart: string;
  /** A later answer does not count; in milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** Aborted at the deadline, when the guard is closed, and when the check has answered. */
  readonly signal: AbortSignal;
  /** The check calls it when its answer may have changed, and is asked again at once. It is the same function for a whole outage. */
  readonly changed: () => void;
}

/**
 * Asks whether an open circuit's server is back. `modelReady()`, `grpcHealth()` and `connectivity()` make such checks; so can
 * you.
 */
export interface ReadinessCheck {
  /** Names the check in warnings. */
  readonly name: string;
  /** `server`: an answer holds for all circuits that have this check. `circuit`: the check is asked for each circuit. */
  readonly scope: 'server' | 'circuit';
  /** The time between two checks where `intervalMs` is not set, in milliseconds. @default 500 */
  readonly intervalMs?: number;
  /** Asks the server. A promise that rejects counts as `no-answer`. */
  ask(question: ReadinessQuestion): Readiness | Promise<Readiness>;
}

/** A readiness check as a function, called for each circuit: true is ready, false is not ready, undefined is no answer. */
export type ReadinessFunction = (
  question: ReadinessQuestion,
) => boolean | undefined | Promise<boolean | undefined>;

/** @param report gets the errors of the function */
export function functionCheck(fn: ReadinessFunction, report: (error: unknown) => void): ReadinessCheck {
  return {
    name: fn.name === '' ? 'check' : fn.name,
    scope: 'circuit',
    ask: async (question) => {
      try {
        const answer = await fn(question);
        if (answer === undefined) return 'no-answer';
        if (typeof answer !== 'boolean') throw invalid('the answer', 'a boolean or undefined', answer);
        return answer ? 'ready' : 'not-ready';
      } catch (error) {
        report(error);
        return 'no-answer';
      }
    },
  };
}

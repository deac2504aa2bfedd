import { invalid } from '../errors.js';

/** The answer of a readiness check. `unsupported`: the server does not know the question, and is not asked again. */
export type Readiness = 'ready' | 'not-ready' | 'no-answer' | 'unsupported';

/** Every {@link Readiness}. */
export const READINESS: readonly Readiness[] = ['ready', 'not-ready', 'no-answer', 'unsupported'];

/** What a readiness check is asked about. */
export interface ReadinessQuestion {
  /** The key of the open circuit; if the check serves several, the key of any of them. */
  readonly circuitKey: string;
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key part; '' for the method's own circuit. */
  readonly keyPart: string;
  /** An answer counts until then, in milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** Aborted at the deadline, when the guard is closed, and when the check has answered. */
  readonly signal: AbortSignal;
  /** To be called when the answer may have changed: the check is asked again at once. The same function during an outage. */
  readonly changed: () => void;
}

/** Asks whether an open circuit's server is back. Made by `modelReady()`, `grpcHealth()` and `connectivity()`, or your own. */
export interface ReadinessCheck {
  /** For warnings. */
  readonly name: string;
  /** `server`: one answer is for every circuit that has this check. `circuit`: each circuit asks for itself. */
  readonly scope: 'server' | 'circuit';
  /** How often it asks where `intervalMs` is not set, in milliseconds. @default 500 */
  readonly intervalMs?: number;
  /** Asks the server. A promise that rejects counts as `no-answer`. */
  ask(question: ReadinessQuestion): Readiness | Promise<Readiness>;
}

/** A readiness check as a function: true is ready, false is not, undefined is no answer. Each circuit asks for itself. */
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

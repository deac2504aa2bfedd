import { isTimeout } from '../abort-reason.js';
import { checkFunction, checkOneOf } from '../checks.js';
import { OUTCOMES, type Outcome } from '../classify/outcome.js';
import type { Clock } from '../clock.js';
import { FailsoftError, invalid } from '../errors.js';
import { PRIORITIES } from './priority.js';
import type { Totals } from './totals.js';
import type { Circuit, ExecuteOptions, Rejection } from './types.js';

/** Calls that take less than this are short, in milliseconds: to measure them all would cost a notable part of their duration. */
const SHORT_MS = 0.1;
/** One short call in so many is measured, if only a snapshot would show its duration. */
const ONE_OF = 8;

/**
 * The signal for functions that declare no parameter. Such a function can still read it (`(...args) => ...`). All calls of the
 * process share this signal, which never aborts; so it does not keep listeners, which would pile up.
 */
const NEVER = new AbortController().signal;
Object.defineProperty(NEVER, 'addEventListener', { value: () => {} });

/** A circuit that runs functions. */
export interface Executor extends Pick<Circuit, 'key' | 'acquire'> {
  readonly totals: Pick<Totals, 'admitted'>;
  /** Whether more than a snapshot uses the duration of the call that was just admitted. */
  readonly needsDuration: boolean;
  /** Whether the last call that was measured was short. */
  isShort: boolean;
}

/** {@link Circuit.execute}, for any circuit. */
export function execute<T>(
  circuit: Executor,
  clock: Clock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  options?: ExecuteOptions,
): Promise<T> {
  return options === undefined ? executePlain(circuit, clock, fn) : executeWith(circuit, clock, fn, options);
}

/** The common case, without options. Not an async function, because that costs one more frame and promise. */
function executePlain<T>(
  circuit: Executor,
  clock: Clock,
  fn: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  if (typeof fn !== 'function') return Promise.reject(invalid('execute.fn', 'a function', fn));
  const signal = signalFor(fn);
  const permit = circuit.acquire();
  if (!permit.admitted) return Promise.reject(rejectedError(circuit.key, permit));
  const startMs = measures(circuit) ? clock.now() : undefined;
  let result: T | Promise<T>;
  try {
    result = fn(signal);
  } catch (error) {
    permit.settle('failure', tookMs(circuit, startMs, clock));
    return Promise.reject(error);
  }
  return Promise.resolve(result).then(
    (value) => {
      permit.settle('success', tookMs(circuit, startMs, clock));
      return value;
    },
    (error: unknown) => {
      permit.settle('failure', tookMs(circuit, startMs, clock));
      throw error;
    },
  );
}

/** Whether the call that was just admitted is measured. Two readings of the clock cost as much as all the rest. */
function measures(circuit: Executor): boolean {
  return !circuit.isShort || circuit.needsDuration || circuit.totals.admitted % ONE_OF === 1;
}

function tookMs(circuit: Executor, startMs: number | undefined, clock: Clock): number | undefined {
  if (startMs === undefined) return undefined;
  const durationMs = clock.now() - startMs;
  circuit.isShort = durationMs < SHORT_MS;
  return durationMs;
}

/** A new signal costs microseconds, so a function without a parameter gets the shared one. */
function signalFor(fn: (signal: AbortSignal) => unknown): AbortSignal {
  return fn.length === 0 ? NEVER : new AbortController().signal;
}

function rejectedError(key: string, permit: Rejection): FailsoftError {
  const message = `circuit ${JSON.stringify(key)} rejected the call: ${permit.reason}`;
  return new FailsoftError('FAILSOFT_REJECTED', message, { cause: permit });
}

async function executeWith<T>(
  circuit: Executor,
  clock: Clock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  options: ExecuteOptions,
): Promise<T> {
  checkFunction('execute.fn', fn);
  const { classify } = options;
  const signal = options.signal ?? signalFor(fn);
  if (classify !== undefined) checkFunction('execute.classify', classify);
  if (typeof signal.throwIfAborted !== 'function') throw invalid('execute.signal', 'an AbortSignal', signal);
  if (options.priority !== undefined) checkOneOf('execute.priority', options.priority, PRIORITIES);
  signal.throwIfAborted();
  const permit = circuit.acquire(options.priority);
  if (!permit.admitted) throw rejectedError(circuit.key, permit);
  const startMs = measures(circuit) ? clock.now() : undefined;
  // stays if `classify` itself throws
  let outcome: Outcome = 'failure';
  try {
    const result = await fn(signal);
    outcome = 'success';
    return result;
  } catch (error) {
    if (signal.aborted && !isTimeout(signal.reason)) outcome = 'ignored';
    else if (classify) outcome = checkOneOf('execute.classify', classify(error), OUTCOMES);
    throw error;
  } finally {
    permit.settle(outcome, tookMs(circuit, startMs, clock));
  }
}

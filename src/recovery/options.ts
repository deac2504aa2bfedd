import type { Client, Metadata } from '@grpc/grpc-js';
import { checkDurationMs, checkFunction, checkKeys, checkOneOf } from '../checks.js';
import { FailsoftError, invalid } from '../errors.js';
import { functionCheck, type ReadinessCheck, type ReadinessFunction } from './check.js';

/** The circuit for which a synthetic request is made. */
export interface ProbeTarget {
  /** The open circuit's key. */
  readonly circuitKey: string;
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key part: with `perModel()`, the model's name. */
  readonly keyPart: string;
}

/** How an open circuit finds out that its server is back. */
export interface RecoveryOptions {
  /**
   * Asks whether the server is back, only while a circuit is open: `connectivity(client)`, `grpcHealth(client)`,
   * `modelReady(client)`, or a function. The answer "ready" ends the open time at once, but not before a server's push-back is
   * over; "not ready" prolongs the open time; no answer changes nothing. A check never closes a circuit: only a call does. `false`:
   * no check.
   * @default the connectivity of clients that were made with `guard.clientOptions()`
   */
  readonly check?: ReadinessCheck | ReadinessFunction | false;
  /**
   * The time between two checks, in milliseconds, at random up to a quarter shorter or longer.
   * @default 500; 1000 for `connectivity`
   */
  readonly intervalMs?: number;
  /** The time limit of a check, in milliseconds; after it the check has no answer. @default 1000 */
  readonly timeoutMs?: number;
  /** The longest time for which "not ready" prolongs an open time, in milliseconds. @default 60000 */
  readonly maxHoldMs?: number;
  /**
   * The request of a synthetic call, which is the probe in place of a caller's call; or a function that makes it for the circuit's
   * model. Callers get their fallbacks meanwhile. Unary methods only. It fails if it is not answered within twenty times the
   * circuit's usual latency (at least 500 ms), the method's default deadline, or `halfOpen.probeTimeoutMs`.
   * @default a caller's call is the probe
   */
  readonly probeWith?: unknown;
  /** The client that sends the synthetic call. @default a client that was made with `guard.clientOptions()` */
  readonly client?: Client;
  /** The metadata of the synthetic call: a token, for example. @default none */
  readonly metadata?: () => Metadata | Promise<Metadata>;
}

/** {@link RecoveryOptions}, checked, with their defaults. */
export interface RecoverySettings {
  /** Undefined: the check is the connectivity of the channels that the guard knows. */
  readonly check: ReadinessCheck | false | undefined;
  /** Undefined: the interval of the check itself. */
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number;
  readonly maxHoldMs: number;
  readonly probeWith: unknown;
  readonly client: Client | undefined;
  readonly metadata: (() => Metadata | Promise<Metadata>) | undefined;
}

const KEYS = ['check', 'intervalMs', 'timeoutMs', 'maxHoldMs', 'probeWith', 'client', 'metadata'];

/**
 * @param engine `canMove`: whether checks can move the circuits of the engine from state to state
 * @param report called with the errors of a check that is a function
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED where the engine's circuits cannot be moved
 */
export function resolveRecovery(
  options: false | RecoveryOptions | undefined,
  field: string,
  engine: { readonly name: string; readonly canMove: boolean },
  report: (error: unknown) => void,
): RecoverySettings | undefined {
  if (options === false) return undefined;
  const given = options ?? {};
  checkKeys(field, given, KEYS);
  const { check, intervalMs, timeoutMs = 1_000, maxHoldMs = 60_000, probeWith, client, metadata } = given;
  if (!engine.canMove) {
    const asked = KEYS.find((key) => key in given && Reflect.get(given, key) !== undefined);
    if (asked === undefined) return undefined;
    const message = `${field}.${asked}: engine ${engine.name} does not support it`;
    throw new FailsoftError('FAILSOFT_UNSUPPORTED', message);
  }
  if (client !== undefined && typeof client?.makeUnaryRequest !== 'function') {
    throw invalid(`${field}.client`, 'a grpc-js client', client);
  }
  return Object.freeze({
    check: resolveCheck(check, `${field}.check`, report),
    intervalMs: intervalMs === undefined ? undefined : checkDurationMs(`${field}.intervalMs`, intervalMs, 1),
    timeoutMs: checkDurationMs(`${field}.timeoutMs`, timeoutMs, 1),
    maxHoldMs: checkDurationMs(`${field}.maxHoldMs`, maxHoldMs, 0),
    probeWith,
    client,
    metadata: metadata === undefined ? undefined : checkFunction(`${field}.metadata`, metadata),
  });
}

function resolveCheck(
  check: RecoveryOptions['check'],
  field: string,
  report: (error: unknown) => void,
): ReadinessCheck | false | undefined {
  if (check === undefined || check === false) return check;
  if (typeof check === 'function') return functionCheck(check, report);
  if (typeof check?.ask !== 'function')
    throw invalid(field, 'a readiness check, a function, or false', check);
  if (typeof check.name !== 'string') throw invalid(`${field}.name`, 'a string', check.name);
  checkOneOf(`${field}.scope`, check.scope, ['server', 'circuit']);
  if (check.intervalMs !== undefined) checkDurationMs(`${field}.intervalMs`, check.intervalMs, 1);
  return check;
}

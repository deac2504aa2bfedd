import type { Client, Metadata } from '@grpc/grpc-js';
import { checkDurationMs, checkFunction, checkKeys, checkOneOf } from '../checks.js';
import { FailsoftError, invalid } from '../errors.js';
import { functionCheck, type ReadinessCheck, type ReadinessFunction } from './check.js';

/** What a synthetic request is made for. */
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
   * Asks whether the server is back, while a circuit is open, and only then: `connectivity(client)`, `grpcHealth(client)`,
   * `modelReady(client)`, or a function. Ready ends the open time at once, but not before a server's push-back; not ready prolongs
   * it; no answer changes nothing. It never closes a circuit: a call decides. `false`: no check.
   * @default the connectivity of clients that were made with `guard.clientOptions()`
   */
  readonly check?: ReadinessCheck | ReadinessFunction | false;
  /** How often it asks, in milliseconds, give or take a quarter by chance. @default 500; 1000 for `connectivity` */
  readonly intervalMs?: number;
  /** After this time a check has no answer, in milliseconds. @default 1000 */
  readonly timeoutMs?: number;
  /** For how long "not ready" prolongs an open time at most, in milliseconds. @default 60000 */
  readonly maxHoldMs?: number;
  /**
   * The request of a synthetic call that is the probe in place of a caller's call, or a function that makes it for the circuit's model.
   * Callers have their fallbacks meanwhile. Unary methods only.
   * @default a caller's call is the probe
   */
  readonly probeWith?: unknown;
  /** The client that sends the synthetic call. @default a client that was made with `guard.clientOptions()` */
  readonly client?: Client;
  /** The metadata of the synthetic call: a token, for example. @default none */
  readonly metadata?: () => Metadata | Promise<Metadata>;
}

/** {@link RecoveryOptions}, checked and filled in. */
export interface RecoverySettings {
  /** Undefined: the connectivity of the channels that the guard knows. */
  readonly check: ReadinessCheck | false | undefined;
  /** Undefined: the check's own. */
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number;
  readonly maxHoldMs: number;
  readonly probeWith: unknown;
  readonly client: Client | undefined;
  readonly metadata: (() => Metadata | Promise<Metadata>) | undefined;
}

const KEYS = ['check', 'intervalMs', 'timeoutMs', 'maxHoldMs', 'probeWith', 'client', 'metadata'];

/**
 * @param canMove whether the engine's circuits can be moved by checks
 * @param report gets the errors of a check that is a function
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED where the engine cannot
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
    const message = `${field}.${asked}: engine ${engine.name} cannot do it`;
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

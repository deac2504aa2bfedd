import type CircuitBreaker from 'opossum';
import { checkBoolean, checkInteger, checkNumber } from '../../checks.js';
import { FailsoftError, invalid, unknownOption } from '../../errors.js';

/** The options of opossum that have a meaning here, where the client makes the calls and not the breaker. */
type Supported =
  | 'timeout'
  | 'resetTimeout'
  | 'rollingCountTimeout'
  | 'rollingCountBuckets'
  | 'rollingPercentilesEnabled'
  | 'capacity'
  | 'errorThresholdPercentage'
  | 'volumeThreshold'
  | 'allowWarmUp'
  | 'enabled'
  | 'enableSnapshots'
  | 'group';

/** opossum's options, checked and copied. */
export type EngineOptions = Readonly<Pick<CircuitBreaker.Options, Supported>>;

const FIELD = 'opossumEngine';

/** Why each other option of opossum is refused, and the alternative. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  name: 'a breaker has the name of its circuit',
  errorFilter: 'the option classify of the guard decides what is an error',
  rotateBucketController: "buckets rotate by the guard's clock",
  status: 'it would be shared by every breaker',
  state: 'it would be shared by every breaker',
  cache: 'calls are made by the client; use a fallback such as lastGood()',
  cacheTTL: 'calls are made by the client; use a fallback such as lastGood()',
  cacheSize: 'calls are made by the client; use a fallback such as lastGood()',
  cacheGetKey: 'calls are made by the client; use a fallback such as lastGood()',
  cacheTransport: 'calls are made by the client; use a fallback such as lastGood()',
  coalesce: 'calls are made by the client',
  coalesceTTL: 'calls are made by the client',
  coalesceSize: 'calls are made by the client',
  coalesceResetOn: 'calls are made by the client',
  abortController: 'calls are ended by their deadline',
  autoRenewAbortController: 'calls are ended by their deadline',
  maxFailures: 'opossum ignores it; use errorThresholdPercentage',
};

type Check = (field: string, value: unknown) => unknown;

const number =
  (min: number, max?: number): Check =>
  (field, value) =>
    checkNumber(field, value, min, max);
const integer =
  (min: number, max?: number): Check =>
  (field, value) =>
    checkInteger(field, value, min, max);

const CHECKS: Readonly<Record<Supported, Check>> = {
  timeout: (field, value) => value === false || checkNumber(field, value, 1),
  resetTimeout: number(1),
  rollingCountTimeout: number(1),
  rollingCountBuckets: integer(1, 1000),
  rollingPercentilesEnabled: checkBoolean,
  capacity: integer(1, 1_000_000),
  errorThresholdPercentage: number(0, 100),
  volumeThreshold: integer(0),
  allowWarmUp: checkBoolean,
  enabled: checkBoolean,
  enableSnapshots: checkBoolean,
  group: (field, value) => {
    if (typeof value !== 'string') throw invalid(field, 'a string', value);
  },
};

function isSupported(name: string): name is Supported {
  return Object.hasOwn(CHECKS, name);
}

/**
 * Checks and copies the options given to the engine.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED naming the option
 */
export function checkEngineOptions(options: CircuitBreaker.Options): EngineOptions {
  if (typeof options !== 'object' || options === null) throw invalid(FIELD, 'an object', options);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const field = `${FIELD}.${name}`;
    if (isSupported(name)) {
      CHECKS[name](field, value);
    } else if (Object.hasOwn(UNSUPPORTED, name)) {
      throw new FailsoftError(
        'FAILSOFT_UNSUPPORTED',
        `${field}: engine opossum does not support it here: ${UNSUPPORTED[name]}`,
      );
    } else {
      throw unknownOption(field, Object.keys(CHECKS));
    }
  }
  return Object.freeze({ ...options });
}

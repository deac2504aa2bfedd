import type CircuitBreaker from 'opossum';
import { compileSettings, type Settings } from '../../circuit/options/settings.js';
import type { CircuitOptions } from '../../circuit/types.js';
import { FailsoftError, invalid } from '../../errors.js';
import type { EngineOptions } from './engine-options.js';

/** The options of one circuit and those of the engine, made ready to run. */
export interface BreakerSettings {
  readonly circuit: Settings;
  readonly opossum: Readonly<CircuitBreaker.Options>;
  readonly openMs: number;
  readonly buckets: number;
  readonly bucketMs: number;
  /** Infinity without a timeout. */
  readonly timeoutMs: number;
  /** How the reason of a trip names the threshold: ">= 0.50". */
  readonly threshold: string;
}

/** opossum opens only above its percentage, `failureRate` at its threshold already: so the percentage is a hair lower. */
const HAIR = 1e-9;
/** More than any percentage of failures. */
const NEVER = 100;

/**
 * Merges the options of a circuit and those of the engine. An option that neither sets has failsoft's default if opossum
 * supports it, else it is off (the rule of consecutive failures, the ramp, backoff).
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED naming the option
 */
export function breakerSettings(
  options: CircuitOptions | undefined,
  field: string,
  engine: EngineOptions,
): BreakerSettings {
  const given = options === undefined ? {} : options;
  if (typeof given !== 'object' || given === null) throw invalid(field, 'an object', given);
  refuseConflicts(given, field, engine);
  const { capacity, rollingCountTimeout = 10_000, rollingCountBuckets = 10, resetTimeout } = engine;
  const circuit = compileSettings(
    {
      ...given,
      window: given.window ?? { type: 'time', durationMs: rollingCountTimeout, buckets: rollingCountBuckets },
      ...(given.concurrency === undefined &&
        capacity !== undefined && { concurrency: { type: 'fixed', limit: capacity } }),
    },
    field,
  );
  refuseUnsupported(given, field);
  const { window, open } = circuit.options;
  if (window.type !== 'time') throw unsupported(`${field}.window.type`, 'count');
  const openMs = given.open?.baseMs ?? resetTimeout ?? open.baseMs;
  const trip = tripOptions(circuit, given.trip !== undefined, engine);
  return Object.freeze({
    circuit,
    opossum: Object.freeze({
      ...engine,
      ...trip.opossum,
      resetTimeout: openMs,
      rollingCountTimeout: window.durationMs,
      rollingCountBuckets: window.buckets,
      // the circuit enforces the limit, because opossum counts a call over its capacity as a failure
      capacity: undefined,
      // a timer for each breaker, so off unless set
      enableSnapshots: engine.enableSnapshots ?? false,
    }),
    openMs,
    buckets: window.buckets,
    bucketMs: window.durationMs / window.buckets,
    timeoutMs: engine.timeout || Number.POSITIVE_INFINITY,
    threshold: trip.threshold,
  });
}

function tripOptions(circuit: Settings, isGiven: boolean, engine: EngineOptions) {
  const rule = circuit.options.trip.find((candidate) => candidate.rule === 'failure-rate');
  const { errorThresholdPercentage: percentage, volumeThreshold } = engine;
  const minimumCalls = volumeThreshold ?? rule?.minimumCalls ?? 0;
  if (!isGiven && percentage !== undefined) {
    return {
      opossum: { errorThresholdPercentage: percentage, volumeThreshold: minimumCalls },
      threshold: `> ${(percentage / 100).toFixed(2)}`,
    };
  }
  return {
    opossum: {
      errorThresholdPercentage: rule === undefined ? NEVER : rule.threshold * 100 - HAIR,
      volumeThreshold: minimumCalls,
    },
    threshold: `>= ${(rule?.threshold ?? 1).toFixed(2)}`,
  };
}

function refuseConflicts(given: CircuitOptions, field: string, engine: EngineOptions): void {
  const pairs = [
    ['trip', given.trip, 'errorThresholdPercentage'],
    ['trip', given.trip, 'volumeThreshold'],
    ['window', given.window, 'rollingCountTimeout'],
    ['window', given.window, 'rollingCountBuckets'],
    ['open.baseMs', given.open?.baseMs, 'resetTimeout'],
    ['concurrency', given.concurrency, 'capacity'],
  ] as const;
  for (const [name, value, option] of pairs) {
    if (value !== undefined && engine[option] !== undefined) {
      throw invalid(
        `${field}.${name}`,
        `no value, because opossumEngine sets ${option}: ${engine[option]}`,
        value,
      );
    }
  }
}

/** Refuses every option that opossum does not support. */
function refuseUnsupported(given: CircuitOptions, field: string): void {
  given.trip?.forEach((rule, index) => {
    if (rule.rule !== 'failure-rate') throw unsupported(`${field}.trip[${index}]`, rule.rule);
    if (index > 0) throw unsupported(`${field}.trip[${index}]`, 'a second rule');
  });
  const { open, halfOpen, recovering, concurrency, throttle } = given;
  const limited: readonly (readonly [string, unknown, unknown])[] = [
    ['open.multiplier', open?.multiplier, 1],
    ['open.jitter', open?.jitter, 'none'],
    ['open.maxMs', open?.maxMs, undefined],
    ['open.maxPushbackMs', open?.maxPushbackMs, 0],
    ['halfOpen.permittedProbes', halfOpen?.permittedProbes, 1],
    ['halfOpen.successThreshold', halfOpen?.successThreshold, 1],
    ['recovering', recovering, false],
    ['throttle', throttle, false],
    ['concurrency.type', concurrency ? concurrency.type : undefined, 'fixed'],
  ];
  for (const [name, value, can] of limited) {
    if (value !== undefined && value !== can) throw unsupported(`${field}.${name}`, value);
  }
}

function unsupported(field: string, value: unknown): FailsoftError {
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return new FailsoftError('FAILSOFT_UNSUPPORTED', `${field}: engine opossum does not support ${shown}`);
}

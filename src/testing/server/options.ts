import { checkFunction, checkInteger, checkKeys, checkNumber, checkOneOf } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import { DEFAULT_LATENCY_MS, DEMAND_MODELS, type DemandModelName } from '../demand/models.js';
import { checkFaultPlan } from '../faults/check-plan.js';
import type { FaultPlan } from '../faults/plan.js';
import { SERVER_PRESETS, type ServerPreset } from './presets.js';

/** Options of {@link startMockServer}. */
export interface MockServerOptions {
  /** Host name or address to listen on. @default "127.0.0.1" */
  readonly host?: string;
  /** Port to listen on; 0 takes any free port. @default 0 */
  readonly port?: number;
  /** The models to load. @default both */
  readonly models?: readonly DemandModelName[];
  /** The model server to imitate when a model is unknown, not ready or overloaded. @default "triton" */
  readonly preset?: ServerPreset;
  /** Seed of the random choices: the calls that fail, and the latencies. @default 1 */
  readonly seed?: number;
  /** Latency of a healthy model, in milliseconds: for all models, or by model. @default 8 large, 2 small */
  readonly latencyMs?: number | Partial<Readonly<Record<DemandModelName, number>>>;
  /** Faults from the start. @default none */
  readonly faults?: Partial<Readonly<Record<DemandModelName, FaultPlan>>>;
  /** For latencies and queues. @default systemClock */
  readonly clock?: Clock;
}

export interface ResolvedServerOptions {
  readonly host: string;
  readonly port: number;
  readonly models: readonly DemandModelName[];
  readonly preset: ServerPreset;
  readonly seed: number;
  readonly latencyMs: Readonly<Record<DemandModelName, number>>;
  readonly faults: ReadonlyMap<DemandModelName, FaultPlan>;
  readonly clock: Clock;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function resolveServerOptions(options: MockServerOptions): ResolvedServerOptions {
  checkKeys('options', options, ['host', 'port', 'models', 'preset', 'seed', 'latencyMs', 'faults', 'clock']);
  const models = checkModels(options.models ?? DEMAND_MODELS);
  const host = options.host ?? '127.0.0.1';
  if (typeof host !== 'string' || host === '') throw invalid('options.host', 'a host name or address', host);
  const clock = options.clock ?? systemClock;
  checkFunction('options.clock.now', clock.now);
  checkFunction('options.clock.setTimer', clock.setTimer);
  return {
    host,
    port: checkInteger('options.port', options.port ?? 0, 0, 65_535),
    models,
    preset: checkOneOf('options.preset', options.preset ?? 'triton', SERVER_PRESETS),
    seed: checkInteger('options.seed', options.seed ?? 1, 0, 2 ** 32 - 1),
    latencyMs: resolveLatency(options.latencyMs),
    faults: resolveFaults(options.faults ?? {}, models),
    clock,
  };
}

function checkModels(models: readonly DemandModelName[]): readonly DemandModelName[] {
  if (!Array.isArray(models) || models.length === 0)
    throw invalid('options.models', `some of ${DEMAND_MODELS.join(', ')}`, models);
  return [...new Set(models.map((model) => checkOneOf('options.models', model, DEMAND_MODELS)))];
}

function resolveLatency(
  latencyMs: MockServerOptions['latencyMs'],
): Readonly<Record<DemandModelName, number>> {
  if (latencyMs === undefined) return DEFAULT_LATENCY_MS;
  if (typeof latencyMs === 'number') {
    checkNumber('options.latencyMs', latencyMs, 0, 3_600_000);
    return { 'demand-large': latencyMs, 'demand-small': latencyMs };
  }
  checkKeys('options.latencyMs', latencyMs, DEMAND_MODELS);
  for (const [model, value] of Object.entries(latencyMs))
    checkNumber(`options.latencyMs.${model}`, value, 0, 3_600_000);
  return { ...DEFAULT_LATENCY_MS, ...latencyMs };
}

function resolveFaults(
  faults: Partial<Readonly<Record<DemandModelName, FaultPlan>>>,
  models: readonly DemandModelName[],
): ReadonlyMap<DemandModelName, FaultPlan> {
  checkKeys('options.faults', faults, models);
  const plans = new Map<DemandModelName, FaultPlan>();
  for (const model of models) {
    const plan = faults[model];
    if (plan !== undefined) plans.set(model, checkFaultPlan(`options.faults.${model}`, plan));
  }
  return plans;
}

import { checkFunction, checkInteger, checkKeys, checkNumber, checkOneOf } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import { DEFAULT_LATENCY_MS, DEMAND_MODELS, type DemandModelName } from '../demand/models.js';
import { checkFaultPlan } from '../faults/check-plan.js';
import type { FaultPlan } from '../faults/plan.js';
import { demandModel } from '../served/demand-model.js';
import { type ModelFunction, type OwnModel, ownModel } from '../served/own-model.js';
import type { ServedModel } from '../served/served-model.js';
import { checkServices, type MockService, type ServedService } from './own-services.js';
import { SERVER_PRESETS, type ServerPreset } from './presets.js';

/** Options of {@link startMockServer}. */
export interface MockServerOptions {
  /** Host name or address to listen on. @default "127.0.0.1" */
  readonly host?: string;
  /** Port to listen on; 0 takes any free port. @default 0 */
  readonly port?: number;
  /** The models to load: names of the two real models, or models of yours by name, each a function. @default the two real models */
  readonly models?: readonly DemandModelName[] | Readonly<Record<string, ModelFunction | OwnModel>>;
  /**
   * Services of yours, each a definition and its handlers. `faults` and `latencyMs` take the name of a service as they take
   * the name of a model. @default none
   */
  readonly services?: readonly MockService[];
  /** The model server to imitate when a model is unknown, not ready or overloaded. @default "triton" */
  readonly preset?: ServerPreset;
  /** Seed of the random choices: the calls that fail, and the latencies. @default 1 */
  readonly seed?: number;
  /**
   * Latency of healthy models and services, in milliseconds: a number for all, or numbers by name. @default 8 for demand-large, 2 for
   * demand-small, 0 for yours
   */
  readonly latencyMs?: number | Readonly<Record<string, number>>;
  /** Faults from the start, by the name of a model or service. @default none */
  readonly faults?: Readonly<Record<string, FaultPlan>>;
  /** For latencies and queues. @default systemClock */
  readonly clock?: Clock;
}

export interface ResolvedServerOptions {
  readonly host: string;
  readonly port: number;
  readonly models: readonly ServedModel[];
  readonly services: readonly ServedService[];
  readonly preset: ServerPreset;
  readonly seed: number;
  readonly faults: ReadonlyMap<string, FaultPlan>;
  readonly clock: Clock;
}

const KEYS = ['host', 'port', 'models', 'services', 'preset', 'seed', 'latencyMs', 'faults', 'clock'];

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function resolveServerOptions(options: MockServerOptions): ResolvedServerOptions {
  checkKeys('options', options, KEYS);
  const host = options.host ?? '127.0.0.1';
  if (typeof host !== 'string' || host === '') throw invalid('options.host', 'a host name or address', host);
  const clock = options.clock ?? systemClock;
  checkFunction('options.clock.now', clock.now);
  checkFunction('options.clock.setTimer', clock.setTimer);
  const given = options.models ?? DEMAND_MODELS;
  const modelNames = isList(given) ? checkDemandModels(given) : checkNames(given);
  const services = checkServices(options.services ?? []);
  const names = [...modelNames, ...services.map(({ name }) => name)];
  if (new Set(names).size < names.length)
    throw invalid('options.services', 'names that no model has', names.join(', '));
  const latencyOf = checkLatency(options.latencyMs, [...names, ...DEMAND_MODELS]);
  return {
    host,
    port: checkInteger('options.port', options.port ?? 0, 0, 65_535),
    models: isList(given)
      ? checkDemandModels(given).map((name) => demandModel(name, latencyOf(name, DEFAULT_LATENCY_MS[name])))
      : Object.entries(given).map(([name, model]) => ownModel(name, model, latencyOf(name, 0))),
    services: services.map((service) => ({ ...service, latencyMs: latencyOf(service.name, 0) })),
    preset: checkOneOf('options.preset', options.preset ?? 'triton', SERVER_PRESETS),
    seed: checkInteger('options.seed', options.seed ?? 1, 0, 2 ** 32 - 1),
    faults: resolveFaults(options.faults ?? {}, names),
    clock,
  };
}

function isList(models: NonNullable<MockServerOptions['models']>): models is readonly DemandModelName[] {
  return Array.isArray(models);
}

function checkDemandModels(models: readonly DemandModelName[]): readonly DemandModelName[] {
  if (models.length === 0) throw invalid('options.models', `some of ${DEMAND_MODELS.join(', ')}`, models);
  return [...new Set(models.map((model) => checkOneOf('options.models', model, DEMAND_MODELS)))];
}

function checkNames(models: Readonly<Record<string, ModelFunction | OwnModel>>): readonly string[] {
  if (typeof models !== 'object' || models === null)
    throw invalid('options.models', `some of ${DEMAND_MODELS.join(', ')}, or functions by name`, models);
  return Object.keys(models);
}

function checkLatency(latencyMs: MockServerOptions['latencyMs'], names: readonly string[]) {
  if (typeof latencyMs === 'number') {
    checkNumber('options.latencyMs', latencyMs, 0, 3_600_000);
    return () => latencyMs;
  }
  const given = latencyMs ?? {};
  checkKeys('options.latencyMs', given, names);
  for (const [name, value] of Object.entries(given))
    checkNumber(`options.latencyMs.${name}`, value, 0, 3_600_000);
  return (name: string, usual: number) => given[name] ?? usual;
}

function resolveFaults(
  faults: Readonly<Record<string, FaultPlan>>,
  names: readonly string[],
): ReadonlyMap<string, FaultPlan> {
  checkKeys('options.faults', faults, names);
  const plans = Object.entries(faults).filter(([, plan]) => plan !== undefined);
  return new Map(plans.map(([name, plan]) => [name, checkFaultPlan(`options.faults.${name}`, plan)]));
}

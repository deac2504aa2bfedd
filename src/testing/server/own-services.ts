import type { ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { checkFunction } from '../../checks.js';
import { invalid } from '../../errors.js';

/** A service of yours: its definition, as generated code or proto-loader gives it, and its handlers. */
export type MockService = readonly [definition: ServiceDefinition, handlers: UntypedServiceImplementation];

export interface CheckedService {
  /** `package.Service` */
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface ServedService extends CheckedService {
  readonly latencyMs: number;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function checkServices(services: readonly MockService[]): readonly CheckedService[] {
  if (!Array.isArray(services))
    throw invalid('options.services', 'an array of [definition, handlers]', services);
  return services.map((service, index) => {
    const field = `options.services[${index}]`;
    const pair: unknown = service;
    if (!Array.isArray(pair)) throw invalid(field, '[definition, handlers]', pair);
    const [definition, handlers] = service;
    const [method] = Object.values<{ readonly path?: unknown }>(definition ?? {});
    const name = /^\/(.+)\/[^/]+$/.exec(String(method?.path))?.[1];
    if (name === undefined) throw invalid(`${field}[0]`, 'the definition of a service', definition);
    if (typeof handlers !== 'object' || handlers === null)
      throw invalid(`${field}[1]`, 'the handlers of the service', handlers);
    for (const [key, handler] of Object.entries(handlers)) checkFunction(`${field}[1].${key}`, handler);
    return { name, definition, handlers };
  });
}

/** The handlers of a service, each wrapped by `wrap`. A method without a handler answers UNIMPLEMENTED. */
export function wrapped(
  { definition, handlers }: CheckedService,
  wrap: (
    handler: UntypedHandleCall,
    kind: { requestStream: boolean; responseStream: boolean },
  ) => UntypedHandleCall,
): UntypedServiceImplementation {
  const entries = Object.entries(definition).flatMap(([name, method]) => {
    // as grpc-js finds handlers: by the name in the definition, or by the original name
    const handler = handlers[name] ?? (method.originalName ? handlers[method.originalName] : undefined);
    if (handler === undefined) return [];
    return [[name, wrap((...args: unknown[]) => Reflect.apply(handler, handlers, args), method)] as const];
  });
  return Object.fromEntries(entries);
}

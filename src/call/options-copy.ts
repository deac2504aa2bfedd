import type { InterceptorOptions } from '@grpc/grpc-js';

/** The options of grpc-js and of failsoft. */
const NAMES = [
  'deadline',
  'host',
  'parent',
  'propagate_flags',
  'credentials',
  'interceptors',
  'interceptor_providers',
  'method_definition',
  'failsoft',
] as const satisfies readonly (keyof InterceptorOptions)[];

/** Whether all options are properties of the object itself, as in those of grpc-js. */
export function isPlain(options: InterceptorOptions): boolean {
  const prototype: unknown = Object.getPrototypeOf(options);
  return prototype === Object.prototype || prototype === null;
}

/** A copy of a call's options. An interceptor may have made them with `Object.create()`, so inherited options are copied as well. */
export function copyOf(options: InterceptorOptions): InterceptorOptions {
  if (isPlain(options)) return { ...options };
  const inherited: Record<string, unknown> = {};
  for (const name in options) inherited[name] = Reflect.get(options, name);
  for (const name of NAMES) if (name in options) inherited[name] = options[name];
  return Object.assign(inherited, options);
}

import type { Channel, Interceptor, InterceptorOptions, MethodDefinition } from '@grpc/grpc-js';
import { withCreateCall } from '../call/sent-calls.js';
import { checkFunction, checkKeys } from '../checks.js';
import { invalid } from '../errors.js';
import { ChannelCall, type ChannelMethod } from './channel-call.js';
import type { Guard } from './guard-options.js';

/** Definitions of methods: a method's, a service's, or a list of these. */
export type ChannelDefinitions =
  | ChannelMethod
  | Readonly<Record<string, ChannelMethod>>
  | readonly (ChannelMethod | Readonly<Record<string, ChannelMethod>>)[];
type AnyDefinition = Exclude<ChannelDefinitions, readonly unknown[]>;

/** Options of {@link guardChannel}. */
export interface GuardChannelOptions {
  /** The target in the circuits' keys, as in `guard.forTarget()`. @default '' */
  readonly target?: string;
}

/**
 * Guards a channel, for libraries that make their own clients and take no interceptors, such as nice-grpc. Calls of all four kinds
 * have the circuits, fallbacks and labels of the guard.
 *
 * A channel passes bytes, so the guard decodes each message for keys, classifiers and fallbacks. A message that no fallback
 * replaces is passed on as the same bytes. Only the methods in `definitions` are guarded.
 * @param definitions definitions of grpc-js (ts-proto, proto-loader), or those of nice-grpc through `methodsOf()` of
 * `failsoft/nice-grpc`
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 * @example const client = createClient(PredictorDefinition, guardChannel(channel, guard, methodsOf(PredictorDefinition)));
 */
export function guardChannel(
  channel: Channel,
  guard: Pick<Guard, 'interceptor' | 'forTarget'>,
  definitions: ChannelDefinitions,
  options: GuardChannelOptions = {},
): Channel {
  checkFunction('guardChannel.channel.createCall', channel?.createCall);
  checkFunction('guardChannel.guard.forTarget', guard?.forTarget);
  checkKeys('guardChannel.options', options, ['target']);
  const { target } = options;
  const interceptor = target === undefined ? guard.interceptor : guard.forTarget(target);
  return withCalls(channel, interceptor, methodsByPath(definitions));
}

function withCalls(
  channel: Channel,
  interceptor: Interceptor,
  methods: ReadonlyMap<string, ChannelMethod>,
): Channel {
  const createCall: Channel['createCall'] = (...args) => {
    const [path, deadline, host, parent, flags] = args;
    const method = methods.get(path);
    if (method === undefined) return channel.createCall(...args);
    return new ChannelCall(channel, interceptor, method, {
      deadline,
      ...(typeof host === 'string' && { host }),
      ...(isParent(parent) && { parent }),
      ...(typeof flags === 'number' && { propagate_flags: flags }),
    });
  };
  return withCreateCall(channel, createCall);
}

/** Whether the client passed its call option `parent`. */
function isParent(value: unknown): value is NonNullable<InterceptorOptions['parent']> {
  return value !== null && value !== undefined;
}

function methodsByPath(definitions: ChannelDefinitions): ReadonlyMap<string, ChannelMethod> {
  const list: readonly AnyDefinition[] = isList(definitions) ? definitions : [definitions];
  const methods = new Map<string, ChannelMethod>();
  for (const definition of list) {
    if (typeof definition !== 'object' || definition === null)
      throw invalid('guardChannel.definitions', 'definitions of methods or services', definition);
    const given = isMethod(definition) ? [definition] : Object.values(definition);
    for (const method of given) {
      if (!isMethod(method)) throw invalid('guardChannel.definitions', 'methods with a path', method);
      for (const name of FUNCTIONS) checkFunction(`guardChannel.definitions.${name}`, method[name]);
      methods.set(method.path, method);
    }
  }
  if (methods.size === 0) throw invalid('guardChannel.definitions', 'at least one method', definitions);
  return methods;
}

const FUNCTIONS = [
  'requestSerialize',
  'requestDeserialize',
  'responseSerialize',
  'responseDeserialize',
] as const;

function isList(definitions: ChannelDefinitions): definitions is readonly AnyDefinition[] {
  return Array.isArray(definitions);
}

function isMethod(value: unknown): value is ChannelMethod & MethodDefinition<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'path' in value && typeof value.path === 'string';
}

import type { CompatServiceDefinition, MethodDefinition, NormalizedServiceDefinition } from 'nice-grpc';
import { invalid } from '../../errors.js';
import type { Method } from '../../fallback/strategy.js';

/** Definitions of the methods of a service, by their names, for `FallbackRegistry.register()` and `guardChannel()`. */
export type MethodsOf<Service extends CompatServiceDefinition> = {
  readonly [Name in keyof NormalizedServiceDefinition<Service>]: NormalizedServiceDefinition<Service>[Name] extends MethodDefinition<
    infer _RequestIn,
    infer RequestOut,
    infer _ResponseIn,
    infer ResponseOut
  >
    ? Method<RequestOut, ResponseOut>
    : never;
};

/**
 * Makes definitions of the methods of a service from any service definition that nice-grpc takes: ts-proto's generic definitions,
 * those of grpc-js, and its own.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 * @example fallbacks.register(methodsOf(PredictorDefinition).predict, [lastGood()]);
 */
export function methodsOf<Service extends CompatServiceDefinition>(definition: Service): MethodsOf<Service> {
  if (typeof definition !== 'object' || definition === null)
    throw invalid('methodsOf(definition)', "a service's definition", definition);
  const methods: Record<string, unknown> = isTsProto(definition)
    ? mapped(definition.methods, (method) => fromTsProto(definition.fullName, method))
    : mapped(definition as Readonly<Record<string, AnyMethod>>, fromSerializers);
  return methods as MethodsOf<Service>; // the mapped type describes the results of the two functions
}

interface AnyMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: unknown): Uint8Array;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: unknown): Uint8Array;
  responseDeserialize(bytes: Buffer): unknown;
}

interface MessageType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromPartial?(value: unknown): unknown;
}

interface TsProtoMethod {
  readonly name: string;
  readonly requestType: MessageType;
  readonly requestStream: boolean;
  readonly responseType: MessageType;
  readonly responseStream: boolean;
}

interface TsProtoService {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, TsProtoMethod>>;
}

function isTsProto(definition: object): definition is TsProtoService {
  return 'fullName' in definition && 'methods' in definition;
}

function mapped<T>(
  methods: Readonly<Record<string, T>>,
  map: (method: T) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, map(method)]));
}

function fromTsProto(service: string, method: TsProtoMethod): Method<unknown, unknown> {
  const { name, requestType, requestStream, responseType, responseStream } = method;
  return {
    path: `/${service}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: encoder(requestType),
    requestDeserialize: (bytes) => requestType.decode(bytes),
    responseSerialize: encoder(responseType),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}

/** Encodes as nice-grpc does: fields may be left out where the messages have `fromPartial`. */
function encoder(type: MessageType): (message: unknown) => Buffer {
  return (message) => Buffer.from(type.encode(type.fromPartial?.(message) ?? message).finish());
}

function fromSerializers(method: AnyMethod): Method<unknown, unknown> {
  if (typeof method?.path !== 'string')
    throw invalid('methodsOf(definition)', "a service's definition, whose methods have paths", method);
  const { path, requestStream, responseStream } = method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (value) => Buffer.from(method.requestSerialize(value)),
    requestDeserialize: (bytes) => method.requestDeserialize(bytes),
    responseSerialize: (value) => Buffer.from(method.responseSerialize(value)),
    responseDeserialize: (bytes) => method.responseDeserialize(bytes),
  };
}

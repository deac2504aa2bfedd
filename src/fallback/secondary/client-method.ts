import type {
  CallOptions,
  Client,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';
import { invalid } from '../../errors.js';
import type { Method } from '../strategy.js';

/** The names of a client's generated methods; any text for a dynamic client. */
export type MethodName<C> = Exclude<keyof C, keyof Client> & string;

/** The request type of a client's method, by ts-proto's last overload. `object` for a dynamic client. */
export type RequestOf<F> = F extends (
  request: infer Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: infer _Res) => void,
) => ClientUnaryCall
  ? Req
  : F extends (...args: never[]) => ClientWritableStream<infer Req>
    ? Req
    : F extends (request: infer Req, ...args: never[]) => ClientReadableStream<infer _Res>
      ? Req
      : object;

/** The response type of a client's method. `object` for a dynamic client. */
export type ResponseOf<F> = F extends (
  request: infer _Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: infer Res) => void,
) => ClientUnaryCall
  ? Res
  : F extends (
        metadata: Metadata,
        options: Partial<CallOptions>,
        callback: (error: ServiceError | null, response: infer Res) => void,
      ) => ClientWritableStream<infer _Req>
    ? Res
    : F extends (...args: never[]) => ClientReadableStream<infer Res>
      ? Res
      : object;

/**
 * The definition of a method of a grpc-js client, by its generated or its original name. grpc-js puts the definition on the
 * function.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function methodOf<Req = unknown, Res = unknown>(
  client: Client,
  name: string,
  field: string,
): Method<Req, Res> {
  if (typeof client !== 'object' || client === null)
    throw invalid(field, 'a client of grpc-js and the name of its method', client);
  const found: unknown = Reflect.get(client, name);
  if (!isMethod<Req, Res>(found)) throw invalid(field, 'the name of a method of a grpc-js client', name);
  return found;
}

/** The types of its messages cannot be checked at run time: the client's own types are trusted. */
function isMethod<Req, Res>(value: unknown): value is Method<Req, Res> {
  return (
    typeof value === 'function' &&
    'path' in value &&
    typeof value.path === 'string' &&
    'requestSerialize' in value &&
    'responseDeserialize' in value
  );
}

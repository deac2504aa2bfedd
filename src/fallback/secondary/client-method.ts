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

/** The names of a client's rpcs: those that are generated, or any text for a dynamic client. */
export type MethodName<C> = Exclude<keyof C, keyof Client> & string;

/** What an rpc of a client takes: ts-proto's last overload names it. `object` for a dynamic client. */
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

/** What an rpc of a client answers. */
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
 * The definition behind a method of a grpc-js client, under its generated or its original name: grpc-js puts it on the
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

/** Which types its messages have cannot be seen from here: the client's own types vouch for them. */
function isMethod<Req, Res>(value: unknown): value is Method<Req, Res> {
  return (
    typeof value === 'function' &&
    'path' in value &&
    typeof value.path === 'string' &&
    'requestSerialize' in value &&
    'responseDeserialize' in value
  );
}

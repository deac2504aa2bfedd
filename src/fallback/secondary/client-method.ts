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
export function methodOf(client: Client, name: string, field: string): Method<unknown, unknown> {
  if (typeof client !== 'object' || client === null)
    throw invalid(field, 'a client of grpc-js and the name of its method', client);
  const found: unknown = Reflect.get(client, name);
  if (!isMethod(found)) throw invalid(field, 'the name of a method of a grpc-js client', name);
  return found;
}

function isMethod(value: unknown): value is Method<unknown, unknown> {
  return (
    typeof value === 'function' &&
    'path' in value &&
    typeof value.path === 'string' &&
    'requestSerialize' in value &&
    'responseDeserialize' in value
  );
}

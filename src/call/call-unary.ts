import { type CallOptions, type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { invalid, unknownOption } from '../errors.js';
import {
  type MethodName,
  methodOf,
  type RequestOf,
  type ResponseOf,
} from '../fallback/secondary/client-method.js';
import { CALL_OPTION_KEYS } from '../guard/call-options.js';
import { type Provenance, provenanceOf } from '../status/provenance.js';

/** Options of {@link callUnary}: those of a grpc-js call, its metadata, and a signal that cancels it. */
export interface UnaryCallOptions extends CallOptions {
  /** The metadata of the request. @default empty */
  readonly metadata?: Metadata;
  /** Cancels the call: the promise rejects with the error CANCELLED. @default none */
  readonly signal?: AbortSignal;
}

/** A response and its source. */
export interface UnaryAnswer<Res> extends Provenance {
  /** The answer: the primary's, or a fallback's. */
  readonly response: Res;
}

/** The names of a client's unary methods; for a dynamic client, any text. */
export type UnaryMethodName<C> = {
  [M in MethodName<C>]: C[M] extends (request: infer _Req, ...rest: never[]) => infer Call
    ? Call extends { on(event: 'data', listener: never): unknown; read(): unknown }
      ? never
      : M
    : M;
}[MethodName<C>];

/**
 * Makes a unary call and returns a promise of its response and its source. The client need not be guarded.
 * @param method the name of the client's method: `'modelInfer'` for `client.modelInfer`
 * @returns a promise. It rejects with grpc-js's ServiceError; `circuitRejectionOf(error)` recognises the rejection of a
 * circuit
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, as a rejection of the promise, if the client has no such unary method, or if an
 * option of failsoft stands outside `failsoft: { ... }`
 * @example const { response, source, ageMs } = await callUnary(client, 'modelInfer', request, { deadline: Date.now() + 500 });
 */
export async function callUnary<C extends Client, M extends UnaryMethodName<C> & string>(
  client: C,
  method: M,
  request: RequestOf<C[M]>,
  options: UnaryCallOptions = {},
): Promise<UnaryAnswer<ResponseOf<C[M]>>> {
  const definition = methodOf<RequestOf<C[M]>, ResponseOf<C[M]>>(client, method, 'callUnary(method)');
  const { path, requestStream, responseStream } = definition;
  if (requestStream || responseStream)
    throw invalid('callUnary(method)', 'the name of a unary method', method);
  checkNesting(options);
  const { metadata = new Metadata(), signal, ...callOptions } = options;
  return new Promise((resolve, reject) => {
    let provenance: Provenance = provenanceOf(new Metadata());
    let running: { cancel(): void } | undefined;
    const cancel = () => running?.cancel();
    const call = client.makeUnaryRequest(
      path,
      (value: RequestOf<C[M]>) => definition.requestSerialize(value),
      (bytes: Buffer) => definition.responseDeserialize(bytes),
      request,
      metadata,
      callOptions,
      (error: ServiceError | null, response?: ResponseOf<C[M]>) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null || response === undefined) reject(error);
        else resolve({ ...provenance, response });
      },
    );
    call.on('metadata', (headers: Metadata) => {
      provenance = provenanceOf(headers);
    });
    running = call;
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

const KNOWN = ['deadline', 'host', 'parent', 'credentials', 'interceptors', 'metadata', 'signal', 'failsoft'];

/** Refuses failsoft's options outside `failsoft`. Other unknown options pass: interceptors may have their own. */
function checkNesting(options: object): void {
  for (const name of CALL_OPTION_KEYS) {
    const value: unknown = Reflect.get(options, name);
    if (value === undefined) continue;
    const shown = typeof value === 'string' ? `'${value}'` : String(value);
    throw unknownOption(`callUnary(options).${name}`, KNOWN, `failsoft: { ${name}: ${shown} }`);
  }
}

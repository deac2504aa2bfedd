import type { Metadata as GrpcMetadata, StatusObject } from '@grpc/grpc-js';
import {
  type CallOptions,
  ClientError,
  type ClientMiddleware,
  type ClientMiddlewareCall,
  Metadata,
} from 'nice-grpc';
import type { CallAnswer, GuardCallOptions, PrimaryContext } from '../../call/neutral/call-types.js';
import { checkBoolean, checkFunction, checkKeys, checkTarget } from '../../checks.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Guard } from '../../guard/guard-options.js';
import type { Provenance } from '../../status/provenance.js';
import { Warnings } from '../../telemetry/warnings.js';
import { toGrpc, toNice } from './metadata.js';

/** Options of {@link guardMiddleware}. */
export interface GuardMiddlewareOptions {
  /** The target in the keys of the circuits, as in `guard.forTarget()`. @default '' */
  readonly target?: string;
  /**
   * Your statement that no code behind the guard sends other values of the metadata that `vary` of `lastGood` names: neither the
   * middleware that is attached before the guard nor the channel. The guard cannot see what such code sends. So without this statement
   * `lastGood` keeps an answer only with `vary: []`, and warns. `guardChannel()` needs no statement. @default false
   */
  readonly sendsAsGiven?: boolean;
}

/** Call options of a guarded client. */
export interface FailsoftOptions {
  /** The options of failsoft for this call. @default none */
  readonly failsoft?: FailsoftCallOptions & {
    /** Called with the source of the answer, before the caller gets the answer or its first message. */
    onProvenance?(provenance: Provenance): void;
  };
  /** The deadline, as for nice-grpc-client-middleware-deadline: a Date, or milliseconds from now. @default none */
  readonly deadline?: Date | number;
}

type Options = CallOptions & Partial<FailsoftOptions>;

/**
 * A client middleware that guards all four kinds of calls. Attach it last: the middleware that is attached last is the outermost, and
 * the guard must stand outside the middleware that retries and the middleware that sets deadlines. It reads the option `deadline`,
 * passes on a deadline that leaves time for fallbacks, and enforces that deadline itself.
 *
 * A degraded answer is labelled in the headers that `onHeader` gets. A rejected call is a ClientError UNAVAILABLE, which
 * `circuitRejectionOf(error)` reads.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 * @example createClientFactory().use(retryMiddleware).use(deadlineMiddleware).use(guardMiddleware(guard)).create(Definition, channel);
 */
export function guardMiddleware(
  guard: Pick<Guard, 'call' | 'callStream'>,
  options: GuardMiddlewareOptions = {},
): ClientMiddleware<FailsoftOptions> {
  checkFunction('guardMiddleware.guard.call', guard?.call);
  checkKeys('guardMiddleware.options', options, ['target', 'sendsAsGiven']);
  const { target, sendsAsGiven = false } = options;
  checkBoolean('guardMiddleware.options.sendsAsGiven', sendsAsGiven);
  if (target !== undefined) checkTarget('guardMiddleware.options.target', target);
  const warnings = new Warnings();
  return async function* failsoftMiddleware<Request, Response>(
    call: ClientMiddlewareCall<Request, Response>,
    callOptions: Options,
  ): AsyncGenerator<Response, Response | undefined, undefined> {
    const guarded = new GuardedNiceCall(call.method.path, callOptions, target, warnings);
    const { path, requestStream, responseStream } = call.method;
    const definition = { path, requestStream, responseStream };
    if (!call.responseStream) {
      const { next } = call;
      const answer = await guard.call<Request | AsyncIterable<Request>, Response>(
        definition,
        call.request,
        async (context) => {
          const below = guarded.optionsBelow(context);
          const response = await lastOf(next(context.request, below));
          context.onSent(sendsAsGiven ? toGrpc(below.metadata) : undefined);
          return response;
        },
        guarded.guardOptions,
      );
      guarded.label(answer, answer.label);
      return answer.response;
    }
    const { next } = call;
    const stream = guard.callStream<Request | AsyncIterable<Request>, Response>(
      definition,
      call.request,
      (context) => next(context.request, guarded.optionsBelow(context)),
      guarded.guardOptions,
    );
    try {
      await stream.ready();
      guarded.label(stream.provenance, stream.label);
      yield* stream;
      return undefined;
    } finally {
      await stream.return();
    }
  };
}

/** The return value of a generator that yields nothing: the answer of a call that has a single answer. */
async function lastOf<Response>(generator: AsyncGenerator<never, Response, undefined>): Promise<Response> {
  const { value } = await generator.next();
  return value;
}

/** The side of a guarded call that nice-grpc sees: its options, its errors and its labels. */
class GuardedNiceCall {
  readonly guardOptions: GuardCallOptions;
  readonly #path: string;
  readonly #options: Options;
  readonly #warnings: Warnings;
  #trailer: GrpcMetadata | undefined;
  /** Whether the caller has a fallback's answer. A slow real call may go on, but the caller gets nothing of it any more. */
  #isReplaced = false;

  constructor(path: string, options: Options, target: string | undefined, warnings: Warnings) {
    const { failsoft, deadline, signal, metadata } = options;
    const { onProvenance: _onProvenance, ...callOptions } = failsoft ?? {};
    this.#path = path;
    this.#options = options;
    this.#warnings = warnings;
    this.guardOptions = {
      ...callOptions,
      signal,
      target,
      metadata: toGrpc(metadata),
      deadline: typeof deadline === 'number' ? Date.now() + deadline : deadline,
      statusOf: (error) => this.#statusOf(error),
      errorOf: (status) => this.#errorOf(status),
    };
  }

  /** The options for the middleware behind the guard. They have a copy of the metadata, which that middleware may change. */
  optionsBelow<Req>(context: PrimaryContext<Req>): Options {
    const { failsoft: _failsoft, deadline: _deadline, ...options } = this.#options;
    const { deadlineMs } = context;
    return {
      ...options,
      ...(deadlineMs < Number.POSITIVE_INFINITY && { deadline: new Date(deadlineMs) }),
      metadata: Metadata(options.metadata),
      signal: context.signal,
      onHeader: (header) => {
        context.onHeaders(toGrpc(header));
        if (!this.#isReplaced) options.onHeader?.(header);
      },
      onTrailer: (trailer) => {
        this.#trailer = toGrpc(trailer); // kept, because a ClientError has no trailers
        if (!this.#isReplaced) options.onTrailer?.(trailer);
      },
    };
  }

  label(provenance: Provenance | CallAnswer<unknown>, label: GrpcMetadata | undefined): void {
    const { source, degraded, cause, ageMs, upstream } = provenance;
    const { failsoft, onHeader } = this.#options;
    const given = { source, degraded, cause, ageMs, upstream };
    this.#isReplaced = label !== undefined;
    // an error of these functions must not cost the caller its answer
    this.#warnings.watch(() => failsoft?.onProvenance?.(given), 'onProvenance of a nice-grpc call');
    if (label !== undefined)
      this.#warnings.watch(() => onHeader?.(toNice(label)), 'onHeader of a nice-grpc call');
  }

  #statusOf(error: unknown): Partial<StatusObject> | undefined {
    if (!(error instanceof ClientError)) return undefined;
    const { code, details } = error;
    const metadata = this.#trailer;
    return { code: Number(code), details, ...(metadata !== undefined && { metadata }) };
  }

  #errorOf({ code, details, metadata }: StatusObject): ClientError {
    return Object.assign(new ClientError(this.#path, Number(code), details), { metadata });
  }
}

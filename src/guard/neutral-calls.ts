import { Metadata, status } from '@grpc/grpc-js';
import type { MethodGuard } from '../call/method-guard.js';
import type { CallAnswer, CallDefinition, CallShape, GuardCallOptions } from '../call/neutral/call-types.js';
import { GuardedStream } from '../call/neutral/guarded-stream.js';
import { NeutralCall } from '../call/neutral/neutral-call.js';
import type { RunCall } from '../call/neutral/primary-run.js';
import { RequestStream } from '../call/neutral/request-stream.js';
import { type NextStream, StreamRun } from '../call/neutral/stream-run.js';
import { type Next, runUnary, runUnguarded } from '../call/neutral/unary.js';
import { UnguardedStream } from '../call/neutral/unguarded-stream.js';
import { checkFunction, checkTarget } from '../checks.js';
import type { Clock } from '../clock.js';
import { invalid } from '../errors.js';
import type { Warnings } from '../telemetry/warnings.js';
import { CALL_OPTION_KEYS, checkCallOptions, NO_CALL_OPTIONS } from './call-options.js';

const OPTION_KEYS: readonly string[] = [
  ...CALL_OPTION_KEYS,
  'signal',
  'deadline',
  'metadata',
  'host',
  'target',
  'statusOf',
  'errorOf',
  'outcomeOf',
];

/** The calls of a guard that do not come through an interceptor of grpc-js. */
export class NeutralCalls {
  readonly #methodOf: (target: string, path: string) => MethodGuard | undefined;
  readonly #clock: Clock;
  readonly #warnings: Warnings;

  /** @param methodOf returns undefined for a method that is not guarded, and after `close()` */
  constructor(
    clock: Clock,
    warnings: Warnings,
    methodOf: (target: string, path: string) => MethodGuard | undefined,
  ) {
    this.#clock = clock;
    this.#warnings = warnings;
    this.#methodOf = methodOf;
  }

  /** @returns undefined for a call that is not guarded */
  begin(definition: CallShape, request: unknown, options: GuardCallOptions): NeutralCall | undefined {
    checkCall(definition, options);
    const call = this.#make(definition, request, options);
    call?.admit();
    return call;
  }

  async call<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: Next<Req, Res>,
    options: GuardCallOptions,
  ): Promise<CallAnswer<Res>> {
    checkFunction('call.next', next);
    if (definition?.responseStream === true)
      throw invalid('call.definition', 'a method with one answer (or callStream)', definition);
    checkCall(definition, options);
    options.signal?.throwIfAborted();
    const call = this.#make(definition, request, options);
    if (call === undefined)
      return runUnguarded(this.#unguarded(options), request, next, options, this.#warnings);
    const message = await withRequests(call, definition, request);
    admitPresent(call, options);
    try {
      return await runUnary(call, message, next, options);
    } finally {
      call.requests?.close();
    }
  }

  callStream<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: NextStream<Req, Res>,
    options: GuardCallOptions,
  ): GuardedStream<Res> {
    checkFunction('callStream.next', next);
    const streamed = { path: definition?.path, requestStream: definition?.requestStream === true };
    checkCall(streamed, options);
    return new GuardedStream(async () => {
      options.signal?.throwIfAborted();
      const call = this.#make({ ...streamed, responseStream: true }, request, options);
      if (call === undefined)
        return new UnguardedStream(this.#unguarded(options), request, next, options, this.#warnings);
      const message = await withRequests(call, streamed, request);
      admitPresent(call, options);
      return new StreamRun(call, message, next, options);
    });
  }

  #make(definition: CallShape, request: unknown, options: GuardCallOptions): NeutralCall | undefined {
    if (options.bypass === true) return undefined;
    const method = this.#methodOf(options.target ?? '', definition.path);
    return method && new NeutralCall(method, definition, request, options);
  }

  #unguarded({ deadline, metadata = new Metadata() }: GuardCallOptions): RunCall {
    const none = Number.POSITIVE_INFINITY;
    return {
      metadata,
      primaryDeadlineMs: deadline === undefined ? none : new Date(deadline).getTime(),
      method: { clock: this.#clock },
    };
  }
}

/**
 * Admits a call.
 * @throws the reason of the caller's signal, if the caller has gone: before, or because a listener or a key function aborts the signal
 */
function admitPresent(call: NeutralCall, options: GuardCallOptions): void {
  throwIfGone(call, options);
  call.admit();
  if (call.permits === undefined || options.signal?.aborted !== true) return;
  call.settle('ignored', 0, status.CANCELLED);
  call.gaveOwn('ignored', status.CANCELLED);
  throwIfGone(call, options);
}

/** Ends a call whose caller has gone while its first message was awaited. */
function throwIfGone({ requests }: NeutralCall, { signal }: GuardCallOptions): void {
  if (signal?.aborted !== true) return;
  requests?.close();
  throw signal.reason;
}

/** The request for the real call. Waits for the first message of a request stream, if the key depends on it. */
async function withRequests<Req>(
  call: NeutralCall,
  { requestStream }: CallShape,
  request: Req,
): Promise<Req> {
  if (requestStream !== true || !isAsyncIterable(request)) return request;
  const requests = new RequestStream(request);
  call.requests = requests;
  call.request = call.needsRequest ? await requests.peek() : undefined;
  const passed: unknown = requests;
  return passed as Req; // an AsyncIterable of the same messages
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
function checkCall(definition: CallShape, options: GuardCallOptions): void {
  const path: unknown = definition?.path;
  if (typeof path !== 'string' || path === '' || path.includes('#'))
    throw invalid('call.definition.path', 'a path or a name without #', path);
  const { target, signal } = options;
  if (target !== undefined) checkTarget('call.target', target);
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function')
    throw invalid('call.signal', 'an AbortSignal', signal);
  if (options !== NO_CALL_OPTIONS) checkCallOptions(options, OPTION_KEYS);
}

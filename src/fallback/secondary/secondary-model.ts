import { type CallOptions, type Client, type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { checkFunction, checkKeys } from '../../checks.js';
import { Classifier } from '../../classify/classifier.js';
import type { Outcome } from '../../classify/outcome.js';
import type { ClassifyOptions } from '../../classify/rule.js';
import { invalid } from '../../errors.js';
import { pushbackOf } from '../../status/push-back.js';
import { isRounded } from '../request-key/canonical.js';
import type { Answer, FallbackContext, Method } from '../strategy.js';
import { labelOf } from './answer-label.js';
import { callForMany, callForOne, type FallbackCall } from './client-call.js';
import { type MethodName, methodOf, type RequestOf, type ResponseOf } from './client-method.js';
import {
  CallingStrategy,
  PROTECTED_STRATEGY_KEYS,
  type ProtectedStrategy,
  type ProtectedStrategyOptions,
  sourceNamed,
} from './protected-strategy.js';
import type { Admission } from './protection.js';

/** Options of {@link secondaryModel} that do not depend on the messages. */
export interface SecondaryBaseOptions<Req> extends ProtectedStrategyOptions {
  /** The name of the model, as in `secondary:<name>`. */
  readonly name: string;
  /** Classifies the secondary's statuses. @default the default table */
  readonly classify?: ClassifyOptions;
  /** Makes the metadata of the secondary's call from a copy of the caller's without `failsoft-*`. @default that copy */
  readonly metadata?: (metadata: Metadata, context: FallbackContext<Req>) => Metadata;
  /**
   * Further options of the secondary's call, such as `credentials`: the primary's are not passed on. `deadline` and `parent` are set
   * already. @default none
   */
  readonly callOptions?: Omit<CallOptions, 'deadline' | 'parent'>;
}

/** Mapping functions, which are required where the types differ. */
export type Mapping<Req, Res, SReq, SRes> = ([Req] extends [SReq]
  ? { readonly request?: (request: Req, context: FallbackContext<Req>) => SReq }
  : { readonly request: (request: Req, context: FallbackContext<Req>) => SReq }) &
  ([SRes] extends [Res]
    ? { readonly response?: (response: SRes, request: Req) => Res }
    : { readonly response: (response: SRes, request: Req) => Res });

/** Options of {@link secondaryModel}. */
export type SecondaryOptions<Req, Res, SReq, SRes> = SecondaryBaseOptions<Req> &
  Mapping<Req, Res, SReq, SRes>;

/**
 * Answers with another model, through a method of any grpc-js client, with source `secondary:<name>`.
 *
 * The call of the secondary has its `budgetShare` of the remaining deadline, the caller's `parent`, and is cancelled with the
 * caller's call. It has a circuit and a concurrency limit of its own, so that a secondary that is down too gets few calls. The
 * method may be unary, client-streaming (the messages so far are sent again) or server-streaming, but must be of the same kind as
 * the primary's method.
 *
 * Fallbacks of the secondary's own guard are disabled, so that its answers are never mislabelled. If a gateway behind the client
 * answers with a fallback of its own, the source is `secondary:<name>/<the gateway's label>`, with the gateway's age.
 *
 * **The caller's metadata are passed on**, `authorization` included: use `metadata` where the secondary must not see them.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for options, and for a name that is no method of the client; FAILSOFT_UNSUPPORTED
 * by the engine
 */
export function secondaryModel<
  C extends Client,
  M extends MethodName<C>,
  Req = RequestOf<C[M]>,
  Res = ResponseOf<C[M]>,
>(
  client: C,
  method: M,
  options: SecondaryOptions<Req, Res, RequestOf<C[M]>, ResponseOf<C[M]>>,
): ProtectedStrategy<Req, Res>;
export function secondaryModel(
  client: Client,
  method: string,
  options: LooseOptions,
): ProtectedStrategy<unknown, unknown> {
  return new SecondaryModel(client, method, options);
}

interface LooseOptions extends SecondaryBaseOptions<unknown> {
  readonly request?: (request: unknown, context: FallbackContext<unknown>) => unknown;
  readonly response?: (response: unknown, request: unknown) => unknown;
}

const KEYS = [
  ...PROTECTED_STRATEGY_KEYS,
  ...['name', 'classify', 'metadata', 'callOptions', 'request', 'response'],
];

class SecondaryModel extends CallingStrategy<unknown, unknown> {
  /** Whether the messages come from the decoder of the methods that it answers for. */
  decoded: boolean;
  readonly #client: Client;
  readonly #method: Method<unknown, unknown>;
  /** The methods whose requests were encoded by its own encoder. */
  readonly #sameRequests = new Set<string>();
  readonly #options: LooseOptions;
  readonly #classifier: Classifier;

  constructor(client: Client, method: string, options: LooseOptions) {
    checkKeys('secondaryModel', options, KEYS);
    super(sourceNamed('secondaryModel.name', options.name), options);
    for (const field of ['request', 'response', 'metadata'] as const)
      if (options[field] !== undefined) checkFunction(`${this.name}.${field}`, options[field]);
    this.decoded = options.response === undefined;
    this.#client = client;
    this.#method = methodOf(client, method, `${this.name}.method`);
    this.#options = options;
    this.#classifier = new Classifier(options.classify ?? {}, `${this.name}.classify`, (error) =>
      this.warnOfClassify(error),
    );
  }

  bind(method: Method<unknown, unknown>): void {
    const own = this.#method;
    if (own.requestStream && own.responseStream)
      throw invalid(`${this.name} for ${method.path}`, 'a method that is not bidirectional', own.path);
    if (own.requestStream !== method.requestStream || own.responseStream !== method.responseStream)
      throw invalid(`${this.name} for ${method.path}`, 'a method of the same kind of streaming', own.path);
    if (own.responseDeserialize !== method.responseDeserialize) this.decoded = false;
    if (own.requestSerialize === method.requestSerialize) this.#sameRequests.add(method.path);
  }

  /** Throws at once if its circuit or its limit rejects the call: the next strategy is asked in the same turn. */
  answer(context: FallbackContext<unknown>): Promise<Answer<unknown>> | undefined {
    if (context.requests.length === 0) return undefined; // a client stream that was too long to keep
    const map = this.#options.request;
    const requests = map ? context.requests.map((each) => map(each, context)) : context.requests;
    const metadata = this.#metadataFor(context);
    const admission = this.begin();
    return this.#call(context, requests, metadata, admission).catch((error: unknown) => {
      admission.end('ignored'); // an error before the call was made, as of a closed client, is no evidence against the server
      throw error;
    });
  }

  async #call(
    context: FallbackContext<unknown>,
    requests: readonly unknown[],
    metadata: Metadata,
    admission: Admission,
  ): Promise<Answer<unknown>> {
    const { budgetMs, signal } = context;
    const hasTooLittleTime = this.hasTooLittleTime(context);
    const call: FallbackCall = {
      client: this.#client,
      method: this.#methodFor(context),
      metadata,
      options: this.#callOptionsFor(context, budgetMs),
      signal,
      onUnsendable: () => admission.end('ignored'),
      onEnd: (failed) => {
        const outcome = this.#outcomeOf(failed, signal, hasTooLittleTime, admission.elapsedMs);
        admission.end(outcome, failed === null ? undefined : pushbackOf(failed.metadata));
      },
    };
    const respond = this.#options.response;
    if (!this.#method.responseStream) {
      const { response, headers } = await callForOne(call, requests);
      const message = respond ? respond(response, context.request) : response;
      return { message, ...labelOf(this.name, headers) };
    }
    const { response, headers } = await callForMany(call, requests[0]);
    const message = respond ? mapEach(response, (each) => respond(each, context.request)) : response;
    return { message, ...labelOf(this.name, headers) };
  }

  /** A request that the decoder rounded is sent as its original bytes, so that the secondary gets the primary's request. */
  #methodFor({ method, request, requestBytes: bytes }: FallbackContext<unknown>): Method<unknown, unknown> {
    const own = this.#method;
    if (bytes === undefined || own.requestStream || this.#options.request !== undefined) return own;
    if (!this.#sameRequests.has(method) || !isRounded(own, request, bytes)) return own;
    return { ...own, requestSerialize: () => bytes };
  }

  #metadataFor(context: FallbackContext<unknown>): Metadata {
    const copy = context.metadata.clone();
    for (const key of Object.keys(copy.getMap())) if (key.startsWith('failsoft-')) copy.remove(key);
    return this.#options.metadata?.(copy, context) ?? copy;
  }

  #callOptionsFor(context: FallbackContext<unknown>, budgetMs: number): CallOptions {
    const own = this.#options.callOptions;
    // An answer of its own guard's fallback would be mislabelled as the secondary's.
    const options: CallOptions = { ...own, failsoft: { fallback: false, ...own?.failsoft } };
    if (context.parent !== undefined) options.parent = context.parent;
    if (budgetMs !== Number.POSITIVE_INFINITY)
      options.deadline = budgetMs < context.remainingMs ? Date.now() + budgetMs : context.deadlineMs;
    return options;
  }

  #outcomeOf(
    failed: StatusObject | null,
    signal: AbortSignal,
    hadTooLittleTime: boolean,
    tookMs: number,
  ): Outcome {
    if (failed === null) return 'success';
    if (signal.aborted) return this.outcomeOfAbort(signal, hadTooLittleTime);
    if (failed.code === status.DEADLINE_EXCEEDED && hadTooLittleTime) return 'ignored';
    return this.#classifier.classify(failed.code, failed.details, failed.metadata, tookMs);
  }
}

async function* mapEach(messages: AsyncIterable<unknown>, map: (message: unknown) => unknown) {
  for await (const message of messages) yield map(message);
}

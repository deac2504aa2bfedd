import { status } from '@grpc/grpc-js';
import { LOCAL_RULES } from './common-rules.js';
import type { Outcome } from './outcome.js';
import type { ClassifyOptions, ClassifyRule } from './rule.js';

// No expression here has an unbounded quantifier, so the time that a match takes grows no faster than the text's length.

/** The rules for grpc-js's own texts go first: the error of a serializer or of call credentials may contain any word. */
const rules = (...own: readonly ClassifyRule[]): readonly ClassifyRule[] => [...LOCAL_RULES, ...own];

const rule = (code: status, details: RegExp, outcome: Outcome): ClassifyRule => ({ code, details, outcome });

/** Triton reports the failure of one item in a message, and the stream ends with OK, unless the caller sends `triton_grpc_error`. */
function tritonItem(message: unknown): Outcome | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const text =
    'errorMessage' in message
      ? message.errorMessage
      : 'error_message' in message
        ? message.error_message
        : '';
  return typeof text === 'string' && text !== '' ? 'failure' : undefined;
}

const notReady = rule(status.INVALID_ARGUMENT, /is not ready/i, 'failure');

/** MLServer answers INTERNAL, with the exception's text only, for each exception that is not its own. */
const mlserverCallerErrors = [
  // MLServer, as it reads a request's tensors
  /^'.{1,64}' is not a valid Datatype/,
  /^buffer size must be a multiple of element size/,
  /^unpack requires a buffer of \d{1,20} bytes/,
  /^cannot reshape array of size \d{1,20} into shape /,
  /^Invalid isoformat string: /,
  // scikit-learn, as it checks an estimator's input
  /^X has \d{1,20} features, but .{1,100} is expecting \d{1,20} features as input/,
  /^Expected 2D array, got /,
  /^Found array with (?:dim \d|0 sample|0 feature)/,
  /^Input X contains (?:NaN|infinity)/,
].map((text) => rule(status.INTERNAL, text, 'caller-error'));

/**
 * The meaning of the status codes of real model servers, where it differs from the default table. A rule matches text only
 * if a server uses the same code for different errors. A message above a size limit is the caller's mistake in every preset.
 * Extend a preset by spreading it: `{ ...presets.triton, rules: [...presets.triton.rules, mine] }`.
 */
export const presets = {
  /** NVIDIA Triton: a full queue and a time-out in the queue are UNAVAILABLE, as is a missing protocol header. */
  triton: {
    /** Exceptions to the table, in order. */
    rules: rules(
      rule(status.UNAVAILABLE, /maximum queue size|timeout expired/i, 'overload'),
      rule(status.UNAVAILABLE, /protocol is restricted/i, 'caller-error'),
    ),
    /** Finds the `error_message` of an item in a stream that ends with OK. */
    classifyMessage: tritonItem,
  },
  /** TensorFlow Serving: a full batching queue is UNAVAILABLE. */
  tfServing: {
    /** Exceptions to the table, in order. */
    rules: rules(rule(status.UNAVAILABLE, /queue.{0,120}full/is, 'overload')),
  },
  /** KServe (Python). */
  kserve: {
    /** Exceptions to the table, in order. */
    rules: rules(notReady),
  },
  /**
   * MLServer answers INVALID_ARGUMENT for a model that is not ready, and UNKNOWN for a readiness check of an unloaded model.
   * Mistakes of the caller are INTERNAL unless MLServer itself finds them. The preset has the texts of MLServer's own decoding
   * and of scikit-learn's input checks, as `caller-error`. (So a model that fails on every call with one of these texts opens no
   * circuit.) Any other exception, of another runtime or of your own model's code, is a failure. For a bad input, let that code
   * raise `mlserver.errors.InferenceError` (INVALID_ARGUMENT), or add a rule for the exception's text.
   *
   * MLServer streams plain `ModelInferResponse` messages: use `MLServerInferenceServiceClient` of `failsoft/protos/oip`.
   */
  mlserver: {
    /** Exceptions to the table, in order. */
    rules: rules(
      notReady,
      rule(status.UNKNOWN, /mlserver\.errors\.ModelNotFound/, 'caller-error'),
      ...mlserverCallerErrors,
    ),
  },
  /** TorchServe answers INTERNAL for nearly everything. */
  torchServe: {
    /** Exceptions to the table, in order. */
    rules: rules(
      rule(status.INTERNAL, /has no worker|queue/i, 'overload'),
      rule(status.INTERNAL, /ModelNotFoundException|BadRequestException/, 'caller-error'),
    ),
  },
  /** Ray Serve: back-pressure is RESOURCE_EXHAUSTED. */
  rayServe: {
    /** Exceptions to the table, in order. */
    rules: rules(),
  },
} as const satisfies Record<string, ClassifyOptions>;

import { status } from '@grpc/grpc-js';
import type { ClassifyOptions, ClassifyRule } from './classifier.js';
import type { Outcome } from './outcome.js';

const rule = (code: status, details: RegExp, outcome: Outcome): ClassifyRule => ({ code, details, outcome });

/** Triton answers an item of a stream that failed inside an OK stream, unless `triton_grpc_error` is sent. */
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

const notReady: ClassifyOptions = {
  rules: [rule(status.INVALID_ARGUMENT, /is not ready/i, 'failure')],
};

/**
 * What the status codes of real model servers mean, where it differs from the default table. Text is only matched where
 * a server gives one code to different things; a message above a size limit is the caller's with all of them. Extend one by spreading it:
 * `{ ...presets.triton, rules: [...presets.triton.rules, mine] }`.
 */
export const presets = {
  /** NVIDIA Triton: a full queue and a time-out in the queue are UNAVAILABLE, as is a missing protocol header. */
  triton: {
    rules: [
      rule(status.UNAVAILABLE, /maximum queue size|timeout expired/i, 'overload'),
      rule(status.UNAVAILABLE, /protocol is restricted/i, 'caller-error'),
    ],
    classifyMessage: tritonItem,
  },
  /** TensorFlow Serving: a full batching queue is UNAVAILABLE. */
  tfServing: { rules: [rule(status.UNAVAILABLE, /queue.*full/i, 'overload')] },
  /** KServe (Python). */
  kserve: notReady,
  /** MLServer answers INVALID_ARGUMENT for a model that is not ready. */
  mlserver: notReady,
  /** TorchServe answers INTERNAL for nearly everything. */
  torchServe: {
    rules: [
      rule(status.INTERNAL, /has no worker|queue/i, 'overload'),
      rule(status.INTERNAL, /ModelNotFoundException|BadRequestException/, 'caller-error'),
    ],
  },
  /** Ray Serve: back-pressure is RESOURCE_EXHAUSTED. */
  rayServe: { rules: [] },
} as const satisfies Record<string, ClassifyOptions>;

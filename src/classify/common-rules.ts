import { status } from '@grpc/grpc-js';
import type { ClassifyRule, FinishedCall } from './rule.js';

const CODES = Object.values(status).filter((code): code is status => typeof code === 'number');

/** A status that grpc-js makes has no trailers. A gateway may pass on a status of its own with the same text, but with trailers. */
const withoutTrailers = ({ metadata }: FinishedCall): boolean => Object.keys(metadata.getMap()).length === 0;

const local = (code: status, details: RegExp): ClassifyRule => ({
  code,
  details,
  when: withoutTrailers,
  outcome: 'ignored',
});

/**
 * Statuses that grpc-js gives a call before it sends the request. They are no evidence about the server. Each classifier
 * applies these rules after its own and before {@link CALLER_RULES}.
 */
export const LOCAL_RULES: readonly ClassifyRule[] = Object.freeze([
  local(status.INTERNAL, /^Request message serialization failure: /),
  local(status.RESOURCE_EXHAUSTED, /^Attempted to send message with a size larger than /),
  // Call credentials choose the code themselves; for some codes grpc-js puts INTERNAL in its place.
  ...CODES.filter((code) => code !== status.OK).map((code) =>
    local(
      code,
      /^(?:Invalid status from control plane: \d{1,2} [A-Z_]{1,20} )?Getting metadata from plugin failed with error: /,
    ),
  ),
  local(status.INTERNAL, /^"authorization" metadata cannot have multiple values/),
]);

/** Mistakes of the caller, with any server. Each classifier applies these rules after its own, before its table. */
export const CALLER_RULES: readonly ClassifyRule[] = Object.freeze([
  // gRPC's size limits: "Received message larger than max" of C++, Python and Go, "to a size larger than" of grpc-js,
  // "gRPC message exceeds maximum size" of Java (TorchServe), "message exceeds the maximum configured message size" of .NET
  {
    code: status.RESOURCE_EXHAUSTED,
    details: /larger than max|size larger than|message exceeds (?:the )?maximum/i,
    outcome: 'caller-error',
  },
]);

const marked =
  (header: string) =>
  ({ metadata }: FinishedCall): boolean =>
    metadata.get(header).length > 0;

/**
 * Answers of a proxy between this process and the server, which mark themselves with a header. Envoy (Istio, Contour, Gloo)
 * itself answers UNAVAILABLE when its own limit of connections or requests, or a rate limit, is reached. The model is not
 * broken: it gets too many calls. Each classifier applies these rules with {@link CALLER_RULES}.
 */
export const PROXY_RULES: readonly ClassifyRule[] = Object.freeze([
  { code: status.UNAVAILABLE, when: marked('x-envoy-overloaded'), outcome: 'overload' },
  { code: status.UNAVAILABLE, when: marked('x-envoy-ratelimited'), outcome: 'overload' },
]);

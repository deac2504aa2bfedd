import { status } from '@grpc/grpc-js';
import type { ClassifyRule, FinishedCall } from './rule.js';

const CODES = Object.values(status).filter((code): code is status => typeof code === 'number');

/** A status that grpc-js makes has no trailers. One from a server has some: a gateway may pass on such a text of its own. */
const withoutTrailers = ({ metadata }: FinishedCall): boolean => Object.keys(metadata.getMap()).length === 0;

const local = (code: status, details: RegExp): ClassifyRule => ({
  code,
  details,
  when: withoutTrailers,
  outcome: 'ignored',
});

/**
 * Statuses that grpc-js makes of a call before it sends the request: they say nothing about the server. Each classifier
 * applies them after its own rules and before {@link CALLER_RULES}.
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

/** Mistakes of the caller, with any server. Each classifier applies them after its own rules, before its table. */
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
 * What a proxy between this process and the server says by a header: Envoy (Istio, Contour, Gloo) answers UNAVAILABLE itself where its own
 * limit of connections or requests is reached, or a rate limit. The model is not broken: it has too many calls. Each classifier applies
 * them with {@link CALLER_RULES}.
 */
export const PROXY_RULES: readonly ClassifyRule[] = Object.freeze([
  { code: status.UNAVAILABLE, when: marked('x-envoy-overloaded'), outcome: 'overload' },
  { code: status.UNAVAILABLE, when: marked('x-envoy-ratelimited'), outcome: 'overload' },
]);

import type { CallOptions, ClientOptions, Interceptor } from '@grpc/grpc-js';
import { GuardPlace } from '../call/guard-place.js';
import type { GuardedBy } from '../call/guarded-mark.js';
import { isNoted, noted } from '../call/message-bytes.js';
import { isRecorded, ownChannelOf, recorded } from '../call/sent-calls.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { ClientChannel, OtherInterceptors } from '../recovery/channels.js';

/** The bounds of the longest wait between two attempts to connect, in milliseconds. Within them it follows the open time. */
const LEAST_BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 10_000;
/** The longest wait, as a share of the first open time: when the server is back, calls still have to wait for the channel. */
const LONGEST_SHARE = 0.5;
/** The first wait, as a share of the longest. */
const FIRST_SHARE = 0.5;
/**
 * After how long without data a peer with calls in flight is pinged, and how long the peer has to answer, in milliseconds. gRPC
 * servers answer the third ping in a row without data in between with GOAWAY `too_many_pings`; so a single call may wait for a
 * minute.
 */
const KEEPALIVE_TIME_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;

type Transformer = NonNullable<ClientOptions['callInvocationTransformer']>;
type CallProperties = Parameters<Transformer>[0];

/** The parts of a guard that the options of a client need. */
export interface GuardOfClient {
  readonly interceptor: Interceptor;
  /** Whether an interceptor in the caller's list is this guard's. */
  readonly isOwn: (interceptor: Interceptor) => boolean;
  /** The first open time, in milliseconds. */
  readonly openMs: number;
  /** Called before each call, with the client's channel and the client's interceptors without the guard's. */
  readonly show: (channel: ClientChannel, others: OtherInterceptors) => void;
  /** Marks the guard's calls. */
  readonly mark: GuardedBy;
  /** The fallbacks of a method. */
  readonly chainOf: (path: string) => FallbackChain | undefined;
}

/** The options of a client with a guard. An option that the caller sets wins; an undefined option counts as not set. */
export function guardedOptions(options: ClientOptions, guard: GuardOfClient): ClientOptions {
  const given: ClientOptions = { ...options };
  for (const name of Object.keys(given)) if (given[name] === undefined) delete given[name];
  const { interceptors = [], interceptor_providers: providers, callInvocationTransformer: theirs } = given;
  const behind = interceptors.filter((interceptor) => !guard.isOwn(interceptor));
  const hasProviders = providers !== undefined && given.interceptors === undefined;
  const others = hasProviders ? { interceptor_providers: providers } : { interceptors: behind };
  const place = new GuardPlace(guard.mark);
  if (hasProviders) place.found(false); // each call may get other interceptors
  const transformer: Transformer = (properties) => {
    const transformed = theirs === undefined ? properties : theirs(properties);
    guard.show(ownChannelOf(transformed), others);
    const chain = guard.chainOf(transformed.methodDefinition.path);
    return chain === undefined ? transformed : observed(transformed, chain, place);
  };
  const matchingMs = Math.min(MOST_BACKOFF_MS, LONGEST_SHARE * guard.openMs);
  const longestMs = Math.max(LEAST_BACKOFF_MS, given['grpc.max_reconnect_backoff_ms'] ?? matchingMs);
  const guarded: ClientOptions = {
    'grpc.initial_reconnect_backoff_ms': Math.max(LEAST_BACKOFF_MS, Math.round(longestMs * FIRST_SHARE)),
    'grpc.max_reconnect_backoff_ms': longestMs,
    'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    ...given,
    callInvocationTransformer: transformer,
  };
  // grpc-js throws if both lists are set
  if (hasProviders) guarded.interceptor_providers = [() => guard.interceptor, ...providers];
  else
    guarded.interceptors =
      behind.length < interceptors.length ? interceptors : [guard.interceptor, ...behind];
  return guarded;
}

/**
 * A call whose messages' bytes are noted for the fallbacks. If a fallback keeps good answers, everything that is sent for the call is
 * recorded, unless the guard is the client's last interceptor: then no interceptor can change it. Where another guard of the client
 * has noted or recorded the call already, it is only recorded.
 */
function observed(properties: CallProperties, chain: FallbackChain, place: GuardPlace): CallProperties {
  const { methodDefinition, callOptions } = properties;
  const { requestStream, responseStream } = methodDefinition;
  if (responseStream || !(chain.keeps || chain.readsCall)) return properties;
  const isUsual =
    !requestStream &&
    place.isLast !== false &&
    !hasInterceptors(callOptions) &&
    !isNoted(methodDefinition) &&
    !isRecorded(properties);
  if (!isUsual) return chain.keeps ? recorded(properties) : properties;
  const noting = noted(methodDefinition, place, chain.keeps);
  const given = noting === methodDefinition ? properties : { ...properties, methodDefinition: noting };
  return chain.keeps && place.isLast !== true ? recorded(given) : given;
}

/** Whether a call has its own interceptors, in place of the client's. grpc-js takes null for an empty list. */
function hasInterceptors({ interceptors, interceptor_providers: providers }: CallOptions): boolean {
  return (interceptors?.length ?? 0) > 0 || (providers?.length ?? 0) > 0;
}

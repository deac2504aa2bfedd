import type { Clock } from '../../clock.js';
import type { RequestKeyOptions } from '../request-key/request-key.js';
import type { FallbackStrategy, When } from '../strategy.js';
import type { AnswerStore, StoreStateEvent, StoreStats } from './answer-store.js';

/** Options of {@link lastGood}. */
export interface LastGoodOptions<Req, Res> extends RequestKeyOptions<Req> {
  /** Time for which an answer is fresh (RFC 9111), in milliseconds. @default 60000 */
  readonly ttlMs?: number;
  /**
   * Time after `ttlMs` for which an answer may stand in for an error (RFC 5861, `stale-if-error`), in milliseconds.
   * @default 600000
   */
  readonly maxStaleMs?: number;
  /** Most answers in memory. With a store it may be 0: then no answer is in memory. @default 10000 */
  readonly maxEntries?: number;
  /** Most memory for answers, in bytes. @default 67108864 (64 MiB) */
  readonly maxBytes?: number;
  /**
   * Longest request and longest answer of a call whose answer is kept, in encoded bytes. Keeping an answer blocks the event
   * loop in proportion to both: about 2 ms for a raw tensor of 1 MiB, 7 ms for a tensor of 262144 floats.
   * @default 1048576 (1 MiB)
   */
  readonly maxMessageBytes?: number;
  /** Adapts a kept answer to the present request: sets its id, for example. @default no change */
  readonly response?: (kept: Res, request: Req) => Res;
  /** A store that replicas share, or that survives the process: any Keyv. Memory is read first. @default none */
  readonly store?: AnswerStore;
  /** Time limit of the store, in milliseconds; after it, a read is a miss. @default 50 */
  readonly storeTimeoutMs?: number;
  /** Called at each change of the store's state. @default none */
  readonly onStoreState?: (event: StoreStateEvent) => void;
  /** The causes that it serves. @default 'always' */
  readonly when?: When;
  /** For the ages of answers. @default systemClock */
  readonly clock?: Clock;
}

export const LAST_GOOD_OPTIONS = [
  ...['ttlMs', 'maxStaleMs', 'maxEntries', 'maxBytes', 'maxMessageBytes'],
  ...['response', 'store', 'storeTimeoutMs', 'onStoreState', 'when', 'clock'],
] as const;

/** Numbers of good answers that were not kept, by reason. */
export interface SkippedAnswers {
  /** Degraded answers: a fallback behind the server gave them. */
  readonly degraded: number;
  /**
   * Answers to other `vary` metadata, call credentials or another `host` than the caller's: an interceptor behind the guard
   * had set them.
   */
  readonly otherCaller: number;
  /**
   * Answers to calls of which nothing proves with which `vary` metadata they were sent: the client has interceptors behind
   * `guard.interceptor` and no `guard.clientOptions()`, an interceptor answered the call itself, or an adapter has no `sendsAsGiven`.
   * The first one of a method is a warning.
   */
  readonly unknownCaller: number;
  /** The request or the answer is longer than `maxMessageBytes`. */
  readonly tooLong: number;
  /** Too many answers, or too many bytes, waited to be hashed. */
  readonly busy: number;
}

/** Counts since the strategy was made, and the present size of its memory. */
export interface LastGoodStats {
  /** Good answers of the primary that were kept. */
  readonly kept: number;
  /** Calls that got a kept answer. */
  readonly hits: number;
  /** Calls for which no answer was found. */
  readonly misses: number;
  /** Answers that were found, in memory or in the store, but were too old, or of unknown age. */
  readonly stale: number;
  /** Answers that could not be kept: larger than the memory, a message that does not encode, a `keyOf` that throws. */
  readonly failures: number;
  /** Good answers that were not kept. */
  readonly skipped: SkippedAnswers;
  /** Answers that wait to be put in memory. */
  readonly pending: number;
  /** Answers in memory. */
  readonly entries: number;
  /** Their size in bytes, with the overhead of each entry. */
  readonly bytes: number;
  /** The store's counts; undefined without a store. */
  readonly store: StoreStats | undefined;
}

/** The strategy that {@link lastGood} makes. */
export interface LastGood<Req, Res> extends FallbackStrategy<Req, Res> {
  /** Counts, and the size of the memory. */
  stats(): LastGoodStats;
  /** Drops all answers in memory, and all answers that wait to be kept. The store does not change. */
  clear(): void;
}

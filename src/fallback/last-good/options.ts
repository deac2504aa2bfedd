import type { Clock } from '../../clock.js';
import type { RequestKeyOptions } from '../request-key/request-key.js';
import type { FallbackStrategy, When } from '../strategy.js';
import type { AnswerStore, StoreStateEvent, StoreStats } from './answer-store.js';

/** Options of {@link lastGood}. */
export interface LastGoodOptions<Req, Res> extends RequestKeyOptions<Req> {
  /** For how long an answer is fresh (RFC 9111), in milliseconds. @default 60000 */
  readonly ttlMs?: number;
  /** For how much longer it may stand in for an error (RFC 5861, `stale-if-error`), in milliseconds. @default 600000 */
  readonly maxStaleMs?: number;
  /** The most answers in memory; 0 for none, with a store. @default 10000 */
  readonly maxEntries?: number;
  /** The most memory that answers may take, in bytes. @default 67108864 (64 MiB) */
  readonly maxBytes?: number;
  /**
   * The longest request and the longest answer of which an answer is kept, in encoded bytes. Keeping one takes time of the
   * event loop in proportion to both: about 2 ms for a raw tensor of 1 MiB, 7 ms for one of 262144 floats.
   * @default 1048576 (1 MiB)
   */
  readonly maxMessageBytes?: number;
  /** Adapts a kept answer to the request that it is given for: puts its id in, say. @default as it was kept */
  readonly response?: (kept: Res, request: Req) => Res;
  /** A further store, shared by replicas or outliving the process: any Keyv. Memory is asked first. @default none */
  readonly store?: AnswerStore;
  /** The most time that the store may take, in milliseconds. Longer is a miss. @default 50 */
  readonly storeTimeoutMs?: number;
  /** Called once each time the store goes down, gives garbage, or is well again. */
  readonly onStoreState?: (event: StoreStateEvent) => void;
  /** @default 'always' */
  readonly when?: When;
  /** @default systemClock */
  readonly clock?: Clock;
}

export const LAST_GOOD_OPTIONS = [
  ...['ttlMs', 'maxStaleMs', 'maxEntries', 'maxBytes', 'maxMessageBytes'],
  ...['response', 'store', 'storeTimeoutMs', 'onStoreState', 'when', 'clock'],
] as const;

/** Good answers that were not to be kept, by the reason. */
export interface SkippedAnswers {
  /** Labelled as degraded: a fallback behind the server gave them. */
  readonly degraded: number;
  /** Given to other values of the `vary` metadata than the caller's: an interceptor behind the guard set them. */
  readonly otherCaller: number;
  /** The request or the answer is longer than `maxMessageBytes`. */
  readonly tooLong: number;
  /** Too many answers, or bytes of them, waited to be hashed. */
  readonly busy: number;
}

/** Counts since it was made, and the present size of its memory. */
export interface LastGoodStats {
  /** Good answers of the primary that were kept. */
  readonly kept: number;
  /** Calls that got a kept answer. */
  readonly hits: number;
  /** Calls for which none was kept. */
  readonly misses: number;
  /** Answers that were found, in memory or in the store, but were too old, or of unknown age. */
  readonly stale: number;
  /** Answers that could not be kept: larger than the memory, a message that does not encode, a `keyOf` that throws. */
  readonly failures: number;
  /** Good answers that were not to be kept. */
  readonly skipped: SkippedAnswers;
  /** Answers that wait to be put in memory. */
  readonly pending: number;
  /** Answers in memory. */
  readonly entries: number;
  /** The memory that they take, in bytes. */
  readonly bytes: number;
  /** Counts of the store; undefined without one. */
  readonly store: StoreStats | undefined;
}

/** The strategy that {@link lastGood} makes. */
export interface LastGood<Req, Res> extends FallbackStrategy<Req, Res> {
  /** Counts so far, and the size of the memory now. */
  stats(): LastGoodStats;
  /** Drops all answers in memory, and those that wait to be put there; the store is left as it is. */
  clear(): void;
}

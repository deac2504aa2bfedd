import { checkFunction, checkInteger, checkKeys, checkNumber, checkOneOf } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import {
  canonical,
  digest,
  type KeyMaterial,
  REQUEST_KEY_OPTIONS,
  RequestKey,
  type RequestKeyOptions,
} from '../request-key/request-key.js';
import type { Answer, FallbackContext, FallbackStrategy, Method, PrimaryAnswer, When } from '../strategy.js';
import { type AnswerStore, StoreLink, type StoreStateEvent, type StoreStats } from './answer-store.js';
import { type KeptAnswer, KeptAnswers } from './kept-answers.js';

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
  /** Adapts a kept answer to the request that it is given for: puts its id in, say. @default as it was kept */
  readonly response?: (kept: Res, request: Req) => Res;
  /** A further store, shared by replicas or outliving the process: any Keyv. Memory is asked first. @default none */
  readonly store?: AnswerStore;
  /** The most time that the store may take. Longer is a miss. @default 50 */
  readonly storeTimeoutMs?: number;
  /** Hears once per change that the store is down, holds garbage, or is well. */
  readonly onStoreState?: (event: StoreStateEvent) => void;
  /** @default 'always' */
  readonly when?: When;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Counts since it was made, and what is in memory now. */
export interface LastGoodStats {
  /** Good answers of the primary that were kept. */
  readonly kept: number;
  readonly hits: number;
  readonly misses: number;
  /** Answers that were found, in memory or in the store, but were too old. */
  readonly stale: number;
  /** Answers that could not be kept: too large, a request or response that does not encode, a `keyOf` that throws. */
  readonly failures: number;
  readonly entries: number;
  readonly bytes: number;
  readonly store: StoreStats | undefined;
}

export interface LastGood<Req, Res> extends FallbackStrategy<Req, Res> {
  stats(): LastGoodStats;
  /** Forgets what is in memory; the store is left as it is. */
  clear(): void;
}

const KEYS = [
  ...REQUEST_KEY_OPTIONS,
  ...['ttlMs', 'maxStaleMs', 'maxEntries', 'maxBytes', 'response', 'store', 'storeTimeoutMs', 'onStoreState'],
  ...['when', 'clock'],
];

/**
 * The last good answer to the same request, of the same caller, with source `last-good` and its age: `stale-if-error` of
 * RFC 5861. An answer stands in for an error until it is `ttlMs + maxStaleMs` old.
 *
 * The same request is one with the same protobuf bytes, whatever the order of its maps; the same caller one with the same
 * `vary` metadata and the same call credentials. **What identifies callers in another way** (a tenant in another header,
 * a channel of its own) must be in `vary` or `keyOf`, or have a registry of its own.
 *
 * For unary methods.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function lastGood<Req, Res>(options: LastGoodOptions<Req, Res> = {}): LastGood<Req, Res> {
  return new KeptLastGood(options);
}

/** A good answer that is encoded, so that no change of it matters any more, and not yet put in its place. */
interface Pending {
  readonly material: KeyMaterial;
  readonly kept: KeptAnswer;
}

/** So many are put in their places at once; they hold their bytes until then. */
const MOST_PENDING = 256;

class KeptLastGood<Req, Res> implements LastGood<Req, Res> {
  readonly name = 'last-good';
  readonly when: When;
  readonly decoded: boolean;
  enabled = true;
  readonly waits?: boolean;
  readonly #key: RequestKey;
  readonly #methods = new Map<string, Method<Req, Res>>();
  readonly #longestMs: number;
  readonly #respond: ((kept: Res, request: Req) => Res) | undefined;
  readonly #answers: KeptAnswers;
  readonly #store: StoreLink | undefined;
  readonly #clock: Clock;
  #pending: Pending[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  readonly #counts = { kept: 0, hits: 0, misses: 0, stale: 0, failures: 0 };

  constructor(options: LastGoodOptions<Req, Res>) {
    checkKeys('lastGood', options, KEYS);
    this.when = checkOneOf('lastGood.when', options.when ?? 'always', ['rejected', 'failed', 'always']);
    this.#key = new RequestKey(options, 'lastGood');
    const ttlMs = checkNumber('lastGood.ttlMs', options.ttlMs ?? 60_000, 0);
    this.#longestMs = ttlMs + checkNumber('lastGood.maxStaleMs', options.maxStaleMs ?? 600_000, 0);
    this.#respond = options.response && checkFunction('lastGood.response', options.response);
    this.decoded = this.#respond === undefined;
    const leastEntries = options.store === undefined ? 1 : 0;
    this.#answers = new KeptAnswers(
      checkInteger('lastGood.maxEntries', options.maxEntries ?? 10_000, leastEntries, 10_000_000),
      checkInteger('lastGood.maxBytes', options.maxBytes ?? 64 * 2 ** 20, 1),
    );
    this.#clock = options.clock ?? systemClock;
    if (options.onStoreState !== undefined) checkFunction('lastGood.onStoreState', options.onStoreState);
    const timeoutMs = checkNumber('lastGood.storeTimeoutMs', options.storeTimeoutMs ?? 50, 1);
    if (options.store === undefined) this.waits = false;
    else {
      const { store, onStoreState: onState } = options;
      checkFunction('lastGood.store.get', store.get);
      checkFunction('lastGood.store.set', store.set);
      this.#store = new StoreLink({ store, timeoutMs, clock: this.#clock, onState });
    }
  }

  bind(method: Method<Req, Res>): void {
    if (method.requestStream || method.responseStream)
      throw invalid(`lastGood for ${method.path}`, 'a unary method', 'a streaming one');
    this.#key.bind(method);
    this.#methods.set(method.path, method);
  }

  keep(answer: PrimaryAnswer<Req, Res>): void {
    const method = this.#methods.get(answer.method);
    if (method === undefined) return;
    try {
      // Encoded here and now: from here on the request and the answer are the caller's, to change as they like.
      const material = this.#key.materialOf(answer);
      const encoded = method.responseSerialize(answer.response).toString('latin1');
      const kept = { encoded, atMs: this.#clock.now() };
      this.#pending.push({ material, kept });
    } catch {
      this.#counts.failures++; // the call was good; that it cannot be kept is no reason to fail it
      return;
    }
    // Hashing and storing wait for the loop to be idle, or for a batch to be full.
    if (this.#pending.length >= MOST_PENDING) this.#flush();
    else this.#scheduled ??= setImmediate(() => this.#flush());
  }

  answer(context: FallbackContext<Req>): Answer<Res> | undefined | Promise<Answer<Res> | undefined> {
    this.#flush();
    const method = this.#methods.get(context.method);
    if (method === undefined) return undefined;
    const material = this.#key.materialOf(context);
    const asked = digest(material);
    // Most requests come in canonical order; only for the others, and for misses, is it worth finding out.
    const key = this.#answers.has(asked) ? asked : digest(canonical(material));
    const kept = this.#answers.get(key);
    if (kept !== undefined && this.#isYoungEnough(kept)) return this.#give(method, kept, context.request);
    if (kept !== undefined) {
      this.#counts.stale++;
      this.#answers.delete(key);
    }
    if (this.#store !== undefined && context.remainingMs > 0)
      return this.#fromStore(this.#store, method, key, context.request);
    this.#counts.misses++;
    return undefined;
  }

  close(): void {
    this.#flush();
  }

  stats(): LastGoodStats {
    this.#flush();
    const { size: entries, bytes } = this.#answers;
    return { ...this.#counts, entries, bytes, store: this.#store?.stats() };
  }

  clear(): void {
    this.#flush();
    this.#answers.clear();
  }

  async #fromStore(
    store: StoreLink,
    method: Method<Req, Res>,
    key: string,
    request: Req,
  ): Promise<Answer<Res> | undefined> {
    const stored = await store.read(key);
    if (stored === undefined || !this.#isYoungEnough(stored)) {
      if (stored !== undefined) this.#counts.stale++;
      this.#counts.misses++;
      return undefined;
    }
    // From a replica whose clock is ahead: in memory it must not stand above the good answers that are to come.
    const kept = { ...stored, atMs: Math.min(stored.atMs, this.#clock.now()) };
    this.#answers.put(key, kept);
    return this.#give(method, kept, request);
  }

  #give(method: Method<Req, Res>, kept: KeptAnswer, request: Req): Answer<Res> {
    const message = method.responseDeserialize(Buffer.from(kept.encoded, 'latin1'));
    this.#counts.hits++;
    return {
      message: this.#respond === undefined ? message : this.#respond(message, request),
      source: 'last-good',
      ageMs: Math.max(0, this.#clock.now() - kept.atMs),
    };
  }

  #isYoungEnough(kept: KeptAnswer): boolean {
    return this.#clock.now() - kept.atMs <= this.#longestMs;
  }

  #flush(): void {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    for (const each of pending) this.#put(each);
  }

  #put({ material, kept }: Pending): void {
    try {
      const asked = digest(material);
      const key = this.#answers.has(asked) ? asked : digest(canonical(material));
      const inMemory = this.#answers.put(key, kept);
      this.#store?.write(key, kept, this.#longestMs);
      if (inMemory || this.#store !== undefined) this.#counts.kept++;
      else this.#counts.failures++;
    } catch {
      this.#counts.failures++; // a method whose decoder cannot read what its encoder wrote
    }
  }
}

import type { Clock } from '../../clock.js';
import type { Warnings } from '../../telemetry/warnings.js';
import { fromEnvelope, isLongerEnvelope, type StoredAnswer, toEnvelope } from './envelope.js';

/** The methods of a store that failsoft calls. Any Keyv instance has them. */
export interface AnswerStore {
  /** Gets the value of a key; undefined or null without a value. */
  get(key: string): PromiseLike<unknown>;
  /**
   * Sets the value of a key.
   * @param ttlMs the time after which the store may drop the value
   */
  set(key: string, value: string, ttlMs?: number): PromiseLike<unknown>;
  /** Keyv emits the errors of its adapter as events. */
  on?(event: 'error', listener: (error: unknown) => void): unknown;
}

/** `ok`; `down`: the store fails or is too slow; `garbage`: it returns values that were never put there. */
export type StoreState = 'ok' | 'down' | 'garbage';

/** The store changed its state. */
export interface StoreStateEvent {
  /** The present state. */
  readonly state: StoreState;
  /** The error; undefined when the store is ok again. */
  readonly error: unknown;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

export interface StoreLinkOptions {
  readonly store: AnswerStore;
  readonly timeoutMs: number;
  /** A longer message is a miss: to read it would block the event loop. */
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  readonly onState: ((event: StoreStateEvent) => void) | undefined;
  readonly warnings: Warnings;
}

/** Counts since the strategy was made. */
export interface StoreStats {
  /** The present state. */
  readonly state: StoreState;
  /** Answers that were found. */
  readonly hits: number;
  /** Reads that found nothing. */
  readonly misses: number;
  /** Writes that were begun; `errors` and `timeouts` count those that failed. */
  readonly writes: number;
  /** Reads and writes that failed. */
  readonly errors: number;
  /** Reads and writes that took longer than `storeTimeoutMs`. */
  readonly timeouts: number;
  /** Values that were found and are not answers. */
  readonly garbage: number;
  /** Reads and writes that were not tried, because the store was down or too many of them were under way. */
  readonly skipped: number;
}

/** After a failure the store is not used for this long, in milliseconds; then a call tries it. Garbage is remembered as long. */
const RETRY_MS = 1_000;
const MOST_READS = 1_024;
const MOST_WRITES = 128;
const PREFIX = 'failsoft:last-good:';

/** Uses a store that may be down, slow, or full of garbage. All of these become misses. */
export class StoreLink {
  readonly #options: StoreLinkOptions;
  #state: StoreState = 'ok';
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #garbageAtMs = Number.NEGATIVE_INFINITY;
  #reading = 0;
  #writing = 0;
  readonly #counts = { hits: 0, misses: 0, writes: 0, errors: 0, timeouts: 0, garbage: 0, skipped: 0 };

  constructor(options: StoreLinkOptions) {
    this.#options = options;
    options.store.on?.('error', (error) => this.#failed(error));
  }

  stats(): StoreStats {
    return { state: this.#state, ...this.#counts };
  }

  /** Reads an answer; undefined for a miss. Settles within the timeout and never rejects. */
  async read(key: string): Promise<StoredAnswer | undefined> {
    if (!this.#mayTry(this.#reading, MOST_READS)) return undefined;
    this.#reading++;
    const value = await this.#bounded(() => this.#options.store.get(PREFIX + key));
    this.#reading--;
    if (value === FAILED) return undefined;
    if (value === undefined || value === null || this.#isTooLong(value)) {
      this.#counts.misses++;
      return undefined;
    }
    const kept = typeof value === 'string' ? fromEnvelope(value, key) : undefined;
    if (kept === undefined) {
      this.#counts.garbage++;
      this.#garbageAtMs = this.#options.clock.now();
      this.#become('garbage', new Error('the store returned a value that failsoft never put there'));
      return undefined;
    }
    this.#counts.hits++;
    // The state is not `ok` at the first good value: with good and bad values mixed, each read would change the state.
    if (this.#options.clock.now() - this.#garbageAtMs >= RETRY_MS) this.#become('ok', undefined);
    return kept;
  }

  #isTooLong(value: unknown): boolean {
    return typeof value === 'string' && isLongerEnvelope(value, this.#options.maxMessageBytes);
  }

  /** Sends an answer to the store without waiting. */
  write(key: string, kept: StoredAnswer, ttlMs: number): void {
    if (!this.#mayTry(this.#writing, MOST_WRITES)) return;
    this.#writing++;
    this.#counts.writes++;
    // Redis takes whole milliseconds only, and for Keyv 0 means no limit.
    const storeTtlMs = Math.max(1, Math.ceil(ttlMs));
    const written = this.#bounded(() =>
      this.#options.store.set(PREFIX + key, toEnvelope(kept, key), storeTtlMs),
    );
    void written.then(() => {
      this.#writing--;
    });
  }

  #mayTry(underWay: number, most: number): boolean {
    const now = this.#options.clock.now();
    if (underWay >= most || (this.#state === 'down' && now - this.#triedAtMs < RETRY_MS)) {
      this.#counts.skipped++;
      return false;
    }
    this.#triedAtMs = now;
    return true;
  }

  /** Settles within the timeout, and never rejects. */
  #bounded(work: () => PromiseLike<unknown>): Promise<unknown> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve) => {
      let over = false;
      const end = (value: unknown) => {
        over = true;
        stop();
        resolve(value);
      };
      const errorsBefore = this.#counts.errors;
      const stop = clock.setTimer(() => {
        this.#counts.timeouts++;
        this.#triedAtMs = clock.now();
        this.#become('down', new Error(`no answer from the store in ${timeoutMs} ms`));
        end(FAILED);
      }, timeoutMs);
      const fail = (error: unknown) => {
        if (over) return;
        this.#failed(error);
        end(FAILED);
      };
      const succeed = (value: unknown) => {
        if (over) return;
        // Keyv emits an error as an event, and then returns a miss.
        if (this.#counts.errors > errorsBefore) return end(FAILED);
        if (this.#state === 'down') this.#become('ok', undefined);
        end(value);
      };
      try {
        Promise.resolve(work()).then(succeed, fail); // a store may return anything, whatever its types promise
      } catch (error) {
        fail(error);
      }
    });
  }

  #failed(error: unknown): void {
    this.#counts.errors++;
    this.#triedAtMs = this.#options.clock.now();
    this.#become('down', error);
  }

  #become(state: StoreState, error: unknown): void {
    if (state === this.#state) return;
    this.#state = state;
    const { onState, warnings, clock } = this.#options;
    const event = { state, error, atMs: clock.epochMs() };
    warnings.watch(() => onState?.(event), 'onStoreState of lastGood');
  }
}

const FAILED = Symbol('failed');

import type { Clock } from '../clock.js';
import { warn } from '../telemetry/emitter.js';
import { fromEnvelope, toEnvelope } from './envelope.js';
import type { KeptAnswer } from './kept-answers.js';

/** What is needed of a store: any Keyv instance has it. */
export interface AnswerStore {
  get(key: string): PromiseLike<unknown>;
  /** @param ttlMs after which the value may be dropped */
  set(key: string, value: string, ttlMs?: number): PromiseLike<unknown>;
  /** Keyv gives the errors of its adapter as events. */
  on?(event: 'error', listener: (error: unknown) => void): unknown;
}

/** `ok`; `down`: it fails or is too slow; `garbage`: it answers with what was never put there. */
export type StoreState = 'ok' | 'down' | 'garbage';

/** The store changed its state. */
export interface StoreStateEvent {
  readonly state: StoreState;
  /** What was met; undefined when it is well again. */
  readonly error: unknown;
  readonly atMs: number;
}

export interface StoreLinkOptions {
  readonly store: AnswerStore;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly onState: ((event: StoreStateEvent) => void) | undefined;
}

/** Counts since it was made. */
export interface StoreStats {
  readonly state: StoreState;
  readonly hits: number;
  readonly misses: number;
  readonly writes: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly garbage: number;
  /** Reads and writes that were not tried: the store was down, or too many writes were under way. */
  readonly skipped: number;
}

/** How long a store that failed is left alone; then one call tries it. */
const RETRY_MS = 1_000;
const MOST_WRITES = 128;
const PREFIX = 'failsoft:last-good:';

/** The way to a store that may be down, slow, or full of garbage: nothing of that passes through here. */
export class StoreLink {
  readonly #options: StoreLinkOptions;
  #state: StoreState = 'ok';
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #writing = 0;
  readonly #counts = { hits: 0, misses: 0, writes: 0, errors: 0, timeouts: 0, garbage: 0, skipped: 0 };

  constructor(options: StoreLinkOptions) {
    this.#options = options;
    options.store.on?.('error', (error) => this.#failed(error));
  }

  stats(): StoreStats {
    return { state: this.#state, ...this.#counts };
  }

  /** Undefined for a miss, whatever the reason; within the timeout. Never rejects. */
  async read(key: string): Promise<KeptAnswer | undefined> {
    if (!this.#mayTry()) return undefined;
    const value = await this.#bounded(() => this.#options.store.get(PREFIX + key));
    if (value === FAILED) return undefined;
    if (value === undefined || value === null) {
      this.#counts.misses++;
      return undefined;
    }
    const kept = typeof value === 'string' ? fromEnvelope(value, key) : undefined;
    if (kept === undefined) {
      this.#counts.garbage++;
      this.#become('garbage', new Error('the store gave what was never put there'));
      return undefined;
    }
    this.#counts.hits++;
    this.#become('ok', undefined);
    return kept;
  }

  /** Sends an answer off, and waits for nothing. */
  write(key: string, kept: KeptAnswer, ttlMs: number): void {
    if (this.#writing >= MOST_WRITES) this.#counts.skipped++;
    else if (this.#mayTry()) {
      this.#writing++;
      this.#counts.writes++;
      const written = this.#bounded(() =>
        this.#options.store.set(PREFIX + key, toEnvelope(kept, key), ttlMs),
      );
      void written.then(() => {
        this.#writing--;
      });
    }
  }

  #mayTry(): boolean {
    const now = this.#options.clock.now();
    if (this.#state === 'down' && now - this.#triedAtMs < RETRY_MS) {
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
        // Keyv tells an error as an event, and then gives a miss.
        if (this.#counts.errors > errorsBefore) return end(FAILED);
        if (this.#state === 'down') this.#become('ok', undefined);
        end(value);
      };
      try {
        work().then(succeed, fail);
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
    try {
      this.#options.onState?.({ state, error, atMs: this.#options.clock.now() });
    } catch (thrown) {
      warn(thrown);
    }
  }
}

const FAILED = Symbol('failed');

import type { ClassicLevel } from 'classic-level';
import type { Clock } from '../../../clock.js';
import { FailsoftError } from '../../../errors.js';
import { NOTHING, type Operation, type Totals, totalsFrom } from './entries.js';
import { TOTALS } from './keys.js';

type State =
  | { readonly tag: 'sound' }
  /** A batch failed: LevelDB would write behind a torn record of its log, and lose all of that at the next start. */
  | { readonly tag: 'torn'; readonly error: unknown; readonly sinceMs: number }
  | { readonly tag: 'reopening'; readonly done: Promise<void> }
  /** For good: another queue may have the directory by now. */
  | { readonly tag: 'closed' };

/** After a failed attempt to reopen, reads and writes are refused for this long, in milliseconds, to spare the full disk. */
const PAUSE_MS = 200;

/** A LevelDB that is closed and opened again after a batch that failed, before anything else is read or written. */
export class ReopeningLevel {
  readonly #db: ClassicLevel<string, string>;
  readonly #clock: Clock;
  readonly #onReopen: () => void;
  #state: State = { tag: 'sound' };
  #totals: Totals;

  /** @param onReopen called after each reopening, because a batch that failed may be on the disk all the same */
  constructor(db: ClassicLevel<string, string>, totals: Totals, clock: Clock, onReopen: () => void) {
    this.#db = db;
    this.#totals = totals;
    this.#clock = clock;
    this.#onReopen = onReopen;
  }

  /** The totals on the disk. */
  get totals(): Totals {
    return this.#totals;
  }

  /**
   * Gives the database once it is sound.
   * @throws FailsoftError FAILSOFT_UNAVAILABLE while it cannot be opened again; FAILSOFT_CLOSED
   */
  async ready(): Promise<ClassicLevel<string, string>> {
    if (this.#state.tag === 'closed')
      throw new FailsoftError('FAILSOFT_CLOSED', 'the deferred queue is closed');
    if (this.#state.tag === 'torn') {
      const { error, sinceMs } = this.#state;
      if (this.#clock.now() < sinceMs + PAUSE_MS) throw refusal(error);
      this.#state = { tag: 'reopening', done: this.#reopen() };
    }
    if (this.#state.tag === 'reopening') await this.#state.done;
    return this.#db;
  }

  /** Writes all operations to the disk, or none. @param totals the totals after that @throws LevelDB's own error */
  async batch(
    db: ClassicLevel<string, string>,
    operations: readonly Operation[],
    totals: Totals,
  ): Promise<void> {
    try {
      await db.batch([...operations], { sync: true });
      this.#totals = totals;
    } catch (error) {
      this.#state = { tag: 'torn', error, sinceMs: Number.NEGATIVE_INFINITY }; // the first attempt comes at once
      throw error;
    }
  }

  async close(): Promise<void> {
    while (this.#state.tag === 'reopening') await this.#state.done.catch(() => undefined); // the callers of `ready()` got its error
    this.#state = { tag: 'closed' };
    await this.#db.close();
  }

  async #reopen(): Promise<void> {
    try {
      await this.#db.close();
      await this.#db.open();
      const text = await this.#db.get(TOTALS);
      const totals = text === undefined ? NOTHING : totalsFrom(TOTALS, text);
      if (totals === undefined) throw new Error('its totals cannot be read');
      this.#totals = totals;
      this.#onReopen();
      this.#state = { tag: 'sound' };
    } catch (error) {
      this.#state = { tag: 'torn', error, sinceMs: this.#clock.now() };
      throw refusal(error);
    }
  }
}

function refusal(cause: unknown): FailsoftError {
  const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
  return new FailsoftError(
    'FAILSOFT_UNAVAILABLE',
    `the deferred queue refuses jobs until its database opens again: ${why}`,
    { cause },
  );
}

import type { ClassicLevel } from 'classic-level';
import type { Clock } from '../../../clock.js';
import { FailsoftError } from '../../../errors.js';
import { NOTHING, type Operation, type Totals, totalsFrom } from './entries.js';
import { TOTALS } from './keys.js';

type State =
  | { readonly tag: 'sound' }
  /** A batch failed: LevelDB would write behind a torn log, and lose it all at the next start. */
  | { readonly tag: 'torn'; readonly error: unknown; readonly sinceMs: number }
  | { readonly tag: 'reopening'; readonly done: Promise<void> }
  /** For good: another queue may have the directory by now. */
  | { readonly tag: 'closed' };

/** After an attempt to reopen that failed, all is refused for this long: a full disk has better to do. */
const PAUSE_MS = 200;

/** A LevelDB that is closed and opened again after a batch that failed, before anything else is read or written. */
export class ReopeningLevel {
  readonly #db: ClassicLevel<string, string>;
  readonly #clock: Clock;
  readonly #onReopen: () => void;
  #state: State = { tag: 'sound' };
  #totals: Totals;

  /** @param onReopen called after each reopening: a batch that failed may be there all the same */
  constructor(db: ClassicLevel<string, string>, totals: Totals, clock: Clock, onReopen: () => void) {
    this.#db = db;
    this.#totals = totals;
    this.#clock = clock;
    this.#onReopen = onReopen;
  }

  /** As they are on the disk. */
  get totals(): Totals {
    return this.#totals;
  }

  /**
   * The database, sound. @throws FailsoftError FAILSOFT_UNAVAILABLE while it cannot be opened again; FAILSOFT_CLOSED
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

  /** Writes all or nothing, to the disk. @param totals what they are then */
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
    while (this.#state.tag === 'reopening') await this.#state.done.catch(() => undefined); // its error went to those who waited
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

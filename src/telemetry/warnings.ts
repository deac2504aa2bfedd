import { inspect } from 'node:util';
import type { WarningEvent } from './events.js';

/** Called with an error of a user's function. */
export type OnWarning = (event: WarningEvent) => void;

/** Most sources that are counted. Beyond that, the source that failed first is forgotten. */
const MAX_SOURCES = 1000;
/** Most errors of a source that become process warnings. */
const MAX_ERRORS = 8;
/** How much of a message is compared, in UTF-16 units. */
const MAX_COMPARED = 200;

interface Source {
  count: number;
  readonly written: Set<string>;
}

/**
 * Reports errors of users' functions, which must not harm the call in which they were thrown. The first error of a source, and
 * each error that differs from the earlier errors (except in numbers), is a process warning (`FailsoftWarning`). All errors
 * are counted. So a function that always fails writes a single warning, not a warning per call.
 *
 * Each guard, registry, strategy and drainer has its own `Warnings`: there is no reporter for the whole process.
 */
export class Warnings {
  readonly #sources = new Map<string, Source>();
  readonly #followers = new Set<OnWarning>();

  /** @param onWarning the first follower */
  constructor(onWarning?: OnWarning) {
    if (onWarning !== undefined) this.follow(onWarning);
  }

  /**
   * Calls `onWarning` for every error.
   * @returns a function that ends that
   */
  follow(onWarning: OnWarning): () => void {
    this.#followers.add(onWarning);
    return () => this.#followers.delete(onWarning);
  }

  /**
   * @param source the function that threw
   * @param about the subject of the function's call, such as a circuit: a part of the text, not of the source
   */
  report(error: unknown, source: string, about?: string): void {
    const event = this.#count(error, source, about);
    for (const follower of this.#followers) {
      try {
        follower(event);
      } catch (thrown) {
        this.reportOwn(thrown);
      }
    }
  }

  /** Calls a user's function whose result does not matter. Reports its error, also where its promise rejects. */
  watch(run: () => unknown, source: string): void {
    try {
      const returned = run();
      if (returned instanceof Promise) returned.catch((error: unknown) => this.report(error, source));
    } catch (error) {
      this.report(error, source);
    }
  }

  /** Reports an error of a listener of warnings. No listener is called, because it might throw again. */
  reportOwn(error: unknown): void {
    this.#count(error, "a listener of 'warning'", undefined);
  }

  #count(error: unknown, source: string, about: string | undefined): WarningEvent {
    const known = this.#sourceOf(source);
    known.count += 1;
    const text = textOf(error);
    const kind = text.split('\n', 1)[0]?.slice(0, MAX_COMPARED).replaceAll(/\d+/g, '0') ?? '';
    if (!known.written.has(kind) && known.written.size < MAX_ERRORS) {
      known.written.add(kind);
      const where = about === undefined ? source : `${source} (${about})`;
      process.emitWarning(`${where}: ${text}`, 'FailsoftWarning');
    }
    return { source, error, count: known.count };
  }

  #sourceOf(name: string): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined && this.#sources.size >= MAX_SOURCES) this.#sources.delete(oldest);
      source = { count: 0, written: new Set() };
      this.#sources.set(name, source);
    }
    return source;
  }
}

/** Any value can be thrown, even an object whose getters throw. */
function textOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return String(thrown.stack ?? thrown.message);
    return typeof thrown === 'object' ? inspect(thrown) : String(thrown);
  } catch {
    return 'something that cannot be shown';
  }
}

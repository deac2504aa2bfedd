import { inspect } from 'node:util';
import type { WarningEvent } from './events.js';

/** Most sources that are counted. Beyond that, the source that failed first is forgotten. */
const MAX_SOURCES = 1000;
/** Most errors of a source that are written out. */
const MAX_ERRORS = 8;
/** The length of a message that is compared. */
const MAX_COMPARED = 200;

interface Source {
  count: number;
  readonly written: Set<string>;
}

/**
 * Reports errors of users' functions, which must not harm the call in which they were thrown. The first error of a source, and
 * each error that differs from the earlier errors (except in numbers), is a process warning (`FailsoftWarning`). All errors
 * are counted. So a function that always fails writes a single warning, not a warning per call.
 */
export class Warnings {
  readonly #sources = new Map<string, Source>();
  readonly #onWarning: ((event: WarningEvent) => void) | undefined;

  /** @param onWarning gets every error; must not throw */
  constructor(onWarning?: (event: WarningEvent) => void) {
    this.#onWarning = onWarning;
  }

  /**
   * @param source the function that threw
   * @param about the subject of the function's call, such as a circuit: a part of the text, not of the source
   */
  report(error: unknown, source: string, about?: string): void {
    const known = this.#sourceOf(source);
    known.count += 1;
    const text = textOf(error);
    const kind = text.split('\n', 1)[0]?.slice(0, MAX_COMPARED).replaceAll(/\d+/g, '0') ?? '';
    if (!known.written.has(kind) && known.written.size < MAX_ERRORS) {
      known.written.add(kind);
      const where = about === undefined ? source : `${source} (${about})`;
      process.emitWarning(`${where}: ${text}`, 'FailsoftWarning');
    }
    this.#onWarning?.({ source, error, count: known.count });
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

const ofProcess = new Warnings();

/** Reports an error of a function that belongs to no guard; see {@link Warnings}. */
export function warn(error: unknown, source = 'a function given to failsoft', about?: string): void {
  ofProcess.report(error, source, about);
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

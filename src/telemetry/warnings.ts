import { inspect } from 'node:util';
import type { WarningEvent } from './events.js';

/** So many sources are counted; past that, the one that failed first is forgotten. */
const MAX_SOURCES = 1000;
/** So many different errors of a source are written out. */
const MAX_ERRORS = 8;
/** So much of a message is compared. */
const MAX_COMPARED = 200;

interface Source {
  count: number;
  readonly written: Set<string>;
}

/**
 * Reports errors of users' functions that must not harm the call in which they were thrown. The first error of a source, and
 * each that differs from those before (numbers aside), is a process warning (`FailsoftWarning`); the others are counted. A
 * function that always fails writes one line, not one per call.
 */
export class Warnings {
  readonly #sources = new Map<string, Source>();
  readonly #onWarning: ((event: WarningEvent) => void) | undefined;

  /** @param onWarning gets every error; must not throw */
  constructor(onWarning?: (event: WarningEvent) => void) {
    this.#onWarning = onWarning;
  }

  /**
   * @param source which function threw
   * @param about what the function was called for, such as a circuit: part of the text, not of the source
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

/** Anything can be thrown, also what throws when it is looked at. */
function textOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return String(thrown.stack ?? thrown.message);
    return typeof thrown === 'object' ? inspect(thrown) : String(thrown);
  } catch {
    return 'something that cannot be shown';
  }
}

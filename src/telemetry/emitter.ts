import { inspect } from 'node:util';

/** A listener of one event. What it throws, or a promise of it rejects with, never reaches a call. */
export type Listener<E> = (event: E) => void;

/**
 * Gives events to listeners, in the order in which they subscribed. A listener that throws is reported as a process
 * warning (`FailsoftWarning`) that names the event, the others still hear it.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** @returns a function that unsubscribes */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => listeners.delete(listener);
  }

  /** Whether anybody listens: an event that nobody hears need not be made. */
  hears(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, event: Events[K] & object): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const result: unknown = (listener as Listener<Events[K]>)(event);
        if (result instanceof Promise) result.catch((error: unknown) => warn(error, listenerOf(name, event)));
      } catch (error) {
        warn(error, listenerOf(name, event));
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}

/** Which listener it was, for whoever reads the warning: the event, and the circuit or method that it is about. */
function listenerOf(name: PropertyKey, event: object): string {
  const about = 'circuit' in event ? event.circuit : 'method' in event ? event.method : undefined;
  return `a listener of '${String(name)}'${typeof about === 'string' ? ` (${about})` : ''}`;
}

/**
 * Tells of an error in a user's function that must not harm the call it was met in.
 * @param where whose error it is
 */
export function warn(error: unknown, where?: string): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : textOf(error);
  process.emitWarning(where === undefined ? message : `${where}: ${message}`, 'FailsoftWarning');
}

/** Anything can be thrown, also what `String()` itself throws at. */
function textOf(thrown: unknown): string {
  return typeof thrown === 'object' ? inspect(thrown) : String(thrown);
}

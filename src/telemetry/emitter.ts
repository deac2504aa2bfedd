import type { GuardEvents } from './events.js';
import { Warnings, warn } from './warnings.js';

export { warn };

/** A listener of an event. Its errors, and the rejections of its promise, never reach a call. */
export type Listener<E> = (event: E) => void;

/** The result of an `on()`. A listener may be subscribed several times, and each subscription is ended on its own. */
interface Subscription {
  readonly listener: Listener<never>;
}

/**
 * Gives events to listeners, in the order in which they subscribed. A listener that throws is reported as a process
 * warning (`FailsoftWarning`) that names the event; the others get the event all the same.
 */
export class Emitter<Events extends object> {
  readonly warnings: Warnings;
  readonly #subscriptions = new Map<keyof Events, Set<Subscription>>();

  constructor(warnings = new Warnings()) {
    this.warnings = warnings;
  }

  /** @returns a function that unsubscribes */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const subscriptions = this.#subscriptions.get(name) ?? new Set();
    const subscription: Subscription = { listener };
    subscriptions.add(subscription);
    this.#subscriptions.set(name, subscriptions);
    return () => subscriptions.delete(subscription);
  }

  /** Whether an event has listeners: otherwise it need not be made. */
  hasListeners(name: keyof Events): boolean {
    return (this.#subscriptions.get(name)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, event: Events[K] & object): void {
    const subscriptions = this.#subscriptions.get(name);
    if (subscriptions === undefined) return;
    // a copy: a listener that is subscribed during an event gets the next event
    for (const subscription of [...subscriptions]) {
      if (!subscriptions.has(subscription)) continue;
      try {
        const result: unknown = (subscription.listener as Listener<Events[K]>)(event);
        if (result instanceof Promise) result.catch((error: unknown) => this.#report(error, name, event));
      } catch (error) {
        this.#report(error, name, event);
      }
    }
  }

  #report(error: unknown, name: keyof Events, event: object): void {
    const source = `a listener of '${String(name)}'`;
    // otherwise a listener of warnings would be called for its own errors
    if (name === 'warning') warn(error, source);
    else this.warnings.report(error, source, aboutOf(event));
  }

  clear(): void {
    for (const subscriptions of this.#subscriptions.values()) subscriptions.clear();
  }
}

/** The emitter of a guard. A report to its `warnings` is also a `warning` event. */
export function guardEmitter(): Emitter<GuardEvents> {
  const events: Emitter<GuardEvents> = new Emitter(
    new Warnings((warning) => events.emit('warning', warning)),
  );
  return events;
}

/** The circuit or method that an event is about. */
function aboutOf(event: object): string | undefined {
  const about = 'circuitKey' in event ? event.circuitKey : 'method' in event ? event.method : undefined;
  return typeof about === 'string' ? about : undefined;
}

import type { Clock } from '../clock.js';
import type { Emitter } from './emitter.js';
import type { CallEvent, GuardEvents, TransitionEvent } from './events.js';

/** Observes a call. Its errors are reported, and never reach the call. */
export interface CallObserver {
  /** Called when a circuit changed its state because of this call: at its admission, or by its outcome. */
  onTransition?(event: TransitionEvent): void;
  /** Called when the call has ended. */
  onEnd?(event: CallEvent): void;
}

/** Called when a call is made, in the caller's async context. Returns undefined for a call that is not to be observed. */
export type ObserveCall = () => CallObserver | undefined;

const NO_OBSERVERS: readonly CallObserver[] = [];

/** A call that has observers, or whose end is an event with listeners. */
export class ObservedCall {
  readonly startedAtMs: number;
  readonly #observers: readonly CallObserver[];
  readonly #owner: CallObservers;

  constructor(owner: CallObservers, observers: readonly CallObserver[], startedAtMs: number) {
    this.#owner = owner;
    this.#observers = observers;
    this.startedAtMs = startedAtMs;
  }

  /**
   * Attributes the transitions that happen until {@link leave} to this call.
   * @returns the call to which they were attributed before, for `leave()`
   */
  enter(): ObservedCall | undefined {
    const { current } = this.#owner;
    this.#owner.current = this;
    return current;
  }

  leave(before: ObservedCall | undefined): void {
    this.#owner.current = before;
  }

  changed(event: TransitionEvent): void {
    for (const observer of this.#observers) this.#owner.safely(() => observer.onTransition?.(event));
  }

  ended(event: CallEvent): void {
    for (const observer of this.#observers) this.#owner.safely(() => observer.onEnd?.(event));
    if (this.#owner.events.hasListeners('call')) this.#owner.events.emit('call', event);
  }
}

/** The observers of a guard's calls. */
export class CallObservers {
  readonly events: Emitter<GuardEvents>;
  /** The call that is being admitted or settled now. */
  current: ObservedCall | undefined;
  /** Replaced as a whole, so that `begin()` can iterate it while it changes. */
  #all: readonly { readonly observe: ObserveCall }[] = [];

  readonly #callEvent: { readonly hasListeners: boolean };

  constructor(events: Emitter<GuardEvents>) {
    this.events = events;
    this.#callEvent = events.topic('call');
  }

  /** @returns a function that ends the observation of further calls */
  add(observe: ObserveCall): () => void {
    const added = { observe };
    this.#all = [...this.#all, added];
    return () => {
      this.#all = this.#all.filter((each) => each !== added);
    };
  }

  clear(): void {
    this.#all = [];
  }

  /** Called when a call is made. Returns undefined, at nearly no cost, where neither an observer nor a listener wants the call. */
  begin(clock: Clock): ObservedCall | undefined {
    const isEvent = this.#callEvent.hasListeners;
    if (!isEvent && this.#all.length === 0) return undefined;
    let observers: CallObserver[] | undefined;
    for (const { observe } of this.#all) {
      // not `safely()`, which would cost a closure for each call outside of a span
      try {
        const observer = observe();
        if (observer === undefined) continue;
        observers ??= [];
        observers.push(observer);
      } catch (error) {
        this.#report(error);
      }
    }
    if (observers === undefined && !isEvent) return undefined;
    return new ObservedCall(this, observers ?? NO_OBSERVERS, clock.now());
  }

  safely<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #report(error: unknown): void {
    this.events.warnings.report(error, 'an observer of calls');
  }
}

import type { Clock } from '../clock.js';
import type { Emitter } from './emitter.js';
import type { CallEvent, GuardEvents, TransitionEvent } from './events.js';

/** Observes a call. Its errors are reported, and never reach the call. */
export interface CallObserver {
  /** A circuit changed its state because of this call: when it was admitted, or by its outcome. */
  onTransition?(event: TransitionEvent): void;
  /** The call has ended. */
  onEnd?(event: CallEvent): void;
}

/** Called when a call is made, in the caller's async context; undefined for a call that is not observed. */
export type ObserveCall = () => CallObserver | undefined;

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

  /** Runs `work`, whose transitions are this call's. */
  within<T>(work: () => T): T {
    const { current } = this.#owner;
    this.#owner.current = this;
    try {
      return work();
    } finally {
      this.#owner.current = current;
    }
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
  readonly #begin = new Set<{ readonly observe: ObserveCall }>();

  constructor(events: Emitter<GuardEvents>) {
    this.events = events;
  }

  /** @returns a function that ends the observation of further calls */
  add(observe: ObserveCall): () => void {
    const added = { observe };
    this.#begin.add(added);
    return () => this.#begin.delete(added);
  }

  clear(): void {
    this.#begin.clear();
  }

  /** A call is made. Undefined, and nearly free, when nobody would learn of its end. */
  begin(clock: Clock): ObservedCall | undefined {
    if (this.#begin.size === 0 && !this.events.hasListeners('call')) return undefined;
    const observers: CallObserver[] = [];
    for (const { observe } of this.#begin) {
      const observer = this.safely(observe);
      if (observer !== undefined) observers.push(observer);
    }
    return new ObservedCall(this, observers, clock.now());
  }

  safely<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.events.warnings.report(error, 'an observer of calls');
      return undefined;
    }
  }
}

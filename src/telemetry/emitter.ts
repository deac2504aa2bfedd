import type { Channel } from 'node:diagnostics_channel';
import { channelOf, publish } from './channels.js';
import type { GuardEvents, StoreEvent, TransitionEvent, WarningEvent } from './events.js';
import { Warnings } from './warnings.js';

/** A listener of an event. Its errors, and the rejections of its promise, never reach a call. */
export type Listener<E> = (event: E) => void;

/** The result of an `on()`. A listener may be subscribed several times; each subscription ends separately. */
interface Subscription {
  readonly listener: Listener<never>;
}

/** The channels on which events are published too. */
type Channels<Events> = { readonly [Name in keyof Events]?: Channel };

/** The listeners of one event, and the channel on which it is published. */
class Topic {
  readonly subscriptions = new Set<Subscription>();
  channel: Channel | undefined;

  constructor(channel: Channel | undefined) {
    this.channel = channel;
  }

  /** Whether the event has listeners or subscribers: otherwise its object need not be made. */
  get hasListeners(): boolean {
    return this.subscriptions.size > 0 || this.channel?.hasSubscribers === true;
  }
}

/**
 * Gives events to listeners, in the order in which they subscribed, and then to the subscribers of the event's channel, where the
 * event has a channel. A listener that throws is reported as a process warning (`FailsoftWarning`) that names the event; the other
 * listeners get the event all the same.
 */
export class Emitter<Events extends object> {
  readonly warnings: Warnings;
  readonly #topics = new Map<keyof Events, Topic>();
  #channels: Channels<Events>;

  constructor(warnings = new Warnings(), channels: Channels<Events> = {}) {
    this.warnings = warnings;
    this.#channels = channels;
  }

  /** @returns a function that unsubscribes */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const { subscriptions } = this.topic(name);
    const subscription: Subscription = { listener };
    subscriptions.add(subscription);
    return () => subscriptions.delete(subscription);
  }

  /** The event's listeners, for code that runs with each call and only needs to know whether there are any. */
  topic(name: keyof Events): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new Topic(this.#channels[name]);
      this.#topics.set(name, topic);
    }
    return topic;
  }

  /** Whether an event has listeners or subscribers. */
  hasListeners(name: keyof Events): boolean {
    return this.topic(name).hasListeners;
  }

  emit<K extends keyof Events>(name: K, event: Events[K] & object): void {
    const topic = this.topic(name);
    this.#callListeners(topic.subscriptions, name, event);
    const { channel } = topic; // after the listeners, which may close the guard
    if (channel?.hasSubscribers === true) {
      publish(channel, event, (error) =>
        this.warnings.report(error, `a subscriber of '${channel.name.toString()}'`, aboutOf(event)),
      );
    }
  }

  #callListeners<K extends keyof Events>(
    subscriptions: Set<Subscription>,
    name: K,
    event: Events[K] & object,
  ): void {
    // a copy: a listener that is subscribed during an event does not get this event
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
    if (name === 'warning') this.warnings.reportOwn(error);
    else this.warnings.report(error, source, aboutOf(event));
  }

  /** Ends every subscription; nothing is published any more. */
  clear(): void {
    this.#channels = {};
    for (const topic of this.#topics.values()) {
      topic.subscriptions.clear();
      topic.channel = undefined;
    }
  }
}

/** The emitter of a guard. A report to its `warnings` is also a `warning` event. */
export function guardEmitter(): Emitter<GuardEvents> {
  const events: Emitter<GuardEvents> = new Emitter(
    new Warnings((warning) => events.emit('warning', warning)),
    {
      transition: channelOf('transition'),
      rejected: channelOf('rejected'),
      degraded: channelOf('degraded'),
      call: channelOf('call'),
      probe: channelOf('probe'),
    },
  );
  return events;
}

/**
 * The emitter of a registry of fallbacks. It publishes itself, because several guards may use a registry and would repeat the
 * event.
 */
export function registryEmitter(): Emitter<RegistryEvents> {
  const events: Emitter<RegistryEvents> = new Emitter(
    new Warnings((warning) => events.emit('warning', warning)),
    { store: channelOf('store'), secondary: channelOf('transition') },
  );
  return events;
}

interface RegistryEvents {
  store: StoreEvent;
  secondary: TransitionEvent;
  warning: WarningEvent;
}

/** The circuit or method that an event is about. */
function aboutOf(event: object): string | undefined {
  const about = 'circuitKey' in event ? event.circuitKey : 'method' in event ? event.method : undefined;
  return typeof about === 'string' ? about : undefined;
}

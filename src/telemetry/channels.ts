import { type Channel, channel } from 'node:diagnostics_channel';
import type {
  CallEvent,
  DegradedEvent,
  ProbeEvent,
  RejectedEvent,
  StoreEvent,
  TransitionEvent,
} from './events.js';

/**
 * The channels of `node:diagnostics_channel` on which the events of every guard of the process are published, and their
 * messages. No message has a request, an answer or metadata in it.
 * @example subscribe('failsoft:rejected', (message) => log(message as FailsoftChannels['failsoft:rejected']))
 */
export interface FailsoftChannels {
  /** A circuit changed its state. */
  'failsoft:transition': TransitionEvent;
  /** A circuit rejected a call. */
  'failsoft:rejected': RejectedEvent;
  /** A caller got an answer that is not the primary's. */
  'failsoft:degraded': DegradedEvent;
  /** A call has ended. */
  'failsoft:call': CallEvent;
  /** A probe or a readiness check has ended. */
  'failsoft:probe': ProbeEvent;
  /** A store or a queue of a fallback changed its state. */
  'failsoft:store': StoreEvent;
}

/** Events that have a channel. */
export type ChannelName = keyof FailsoftChannels extends `failsoft:${infer Name}` ? Name : never;

/** The channel of an event: the same object at each call, also for another copy of this module. */
export function channelOf(name: ChannelName): Channel {
  return channel(`failsoft:${name}`);
}

/**
 * Publishes a message. Node raises an error of a subscriber as an uncaught exception in a later tick, which ends the process,
 * and no public function prevents it. So this function calls the subscribers as `publish()` does, and reports their errors. Where
 * Node's channels have no such list of subscribers, it calls `publish()`.
 * @param report called with the errors of subscribers
 */
export function publish(to: Channel, message: object, report: (error: unknown) => void): void {
  const subscribers: unknown = Reflect.get(to, '_subscribers');
  if (!Array.isArray(subscribers)) {
    to.publish(message);
    return;
  }
  for (const subscriber of [...subscribers]) {
    try {
      const result: unknown = subscriber(message, to.name);
      if (result instanceof Promise) result.catch(report);
    } catch (error) {
      report(error);
    }
  }
}

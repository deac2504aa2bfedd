import { type CallOptions, Metadata, type StatusObject, type status } from '@grpc/grpc-js';
import type { Kind } from './call-script.js';
import type { EchoClient } from './echo-service.js';

/** How often a caller was told how its call ended, and how. */
export interface Told {
  readonly kind: Kind;
  readonly code: status;
  /** Callbacks, and statuses, that came: one each where there is a callback. */
  readonly callbacks: number;
  readonly statuses: number;
}

/** Makes one call of a kind, sends two messages where it can, and reads everything. */
export function callOnce(
  client: EchoClient,
  kind: Kind,
  text: string,
  { cancelAfter, ...options }: CallOptions & { cancelAfter?: number } = {},
): Promise<Told> {
  return new Promise((resolve) => {
    const metadata = new Metadata();
    let callbacks = 0;
    let statuses = 0;
    const called = () => {
      callbacks++;
    };
    const ended = ({ code }: StatusObject) => {
      statuses++;
      if (statuses > 1) return;
      // A second answer would come in the next turns.
      setImmediate(() => setImmediate(() => resolve({ kind, code, callbacks, statuses })));
    };
    const ignore = () => undefined; // the status tells
    const cancelling = (call: { cancel(): void }) => {
      if (cancelAfter !== undefined) setTimeout(() => call.cancel(), cancelAfter);
    };
    switch (kind) {
      case 'unary':
        cancelling(client.unary({ text }, metadata, options, called).on('status', ended));
        break;
      case 'clientStream': {
        const call = client.clientStream(metadata, options, called);
        call.on('status', ended).on('error', ignore);
        call.write({ text });
        call.write({ text });
        call.end();
        cancelling(call);
        break;
      }
      case 'serverStream': {
        const call = client.serverStream({ text }, metadata, options);
        call.on('status', ended).on('error', ignore).on('data', ignore);
        cancelling(call);
        break;
      }
      case 'bidi': {
        const call = client.bidi(metadata, options);
        call.on('status', ended).on('error', ignore).on('data', ignore);
        call.write({ text });
        call.write({ text });
        call.end();
        cancelling(call);
      }
    }
  });
}

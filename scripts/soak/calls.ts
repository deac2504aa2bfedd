import {
  type CallOptions,
  Client,
  type ClientOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type MethodDefinition,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { provenanceOf } from '../../src/index.js';
import type { Ledger } from './ledger.js';
import { type Message, soakService } from './service.js';

/** How long after its deadline a call may get its status; later is never. */
const NEVER_MS = 20_000;

export interface CallSettings extends Pick<CallOptions, 'failsoft'> {
  readonly metadata?: Metadata;
  readonly timeoutMs: number;
  /** The caller cancels after so long. @default it does not */
  readonly cancelAfterMs?: number | undefined;
}

/** How a unary call ended. */
export interface Ended {
  readonly code: number;
  readonly response: Message | undefined;
  readonly source: string;
  readonly headers: Metadata;
}

/** With connections of its own, which it makes again soon. */
export function soakClient(address: string, options: ClientOptions = {}): Client {
  return new Client(address, credentials.createInsecure(), {
    ...options,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 50,
  });
}

/** Makes a unary call, and checks that it gets one status and one callback. */
export function callUnary(
  ledger: Ledger,
  client: Client,
  method: MethodDefinition<Message, Message>,
  request: Message,
  settings: CallSettings,
): Promise<Ended> {
  return new Promise((resolve) => {
    const { metadata = new Metadata(), timeoutMs, cancelAfterMs, failsoft } = settings;
    let response: Message | undefined;
    let headers = new Metadata();
    let callbacks = 0;
    const options: CallOptions = { deadline: Date.now() + timeoutMs };
    if (failsoft !== undefined) options.failsoft = failsoft;
    const call: ClientUnaryCall = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      options,
      (_error, value) => {
        callbacks++;
        response = value;
      },
    );
    call.on('metadata', (received: Metadata) => {
      headers = received;
    });
    watch(ledger, method.path, timeoutMs, call, (code) => {
      if (callbacks !== 1) ledger.fail(`${method.path}: ${callbacks} callbacks with one status`);
      const { source } = provenanceOf(headers);
      if (code === status.OK) ledger.add(`answers by ${source}`);
      resolve({ code, response, source, headers });
    });
    cancelAfter(call, cancelAfterMs);
  });
}

/** Makes a streaming call, sends two messages where it can, and reads everything. */
export function callStream(
  ledger: Ledger,
  client: Client,
  kind: 'clientStream' | 'serverStream' | 'bidi',
  message: Message,
  { metadata = new Metadata(), timeoutMs, cancelAfterMs }: CallSettings,
): Promise<number> {
  return new Promise((resolve) => {
    const { path, requestSerialize, responseDeserialize } = soakService[kind];
    const options = { deadline: Date.now() + timeoutMs };
    const ignore = () => undefined; // the status tells
    const watching = (call: Watched & { cancel(): void }) => {
      watch(ledger, path, timeoutMs, call, resolve);
      cancelAfter(call, cancelAfterMs);
    };
    if (kind === 'serverStream') {
      const call = client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadata,
        options,
      );
      watching(call.on('error', ignore).on('data', ignore));
      return;
    }
    const call =
      kind === 'bidi'
        ? client
            .makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options)
            .on('data', ignore)
        : client.makeClientStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            metadata,
            options,
            ignore,
          );
    watching(call.on('error', ignore));
    call.write(message);
    call.write(message);
    call.end();
  });
}

/** The part of a grpc-js call that {@link watch} needs. */
export interface Watched {
  on(event: 'status', listener: (status: StatusObject) => void): unknown;
}

/** Counts the statuses of a call: none within a bound, or two, are failures. A second one would come in the next turns. */
export function watch(
  ledger: Ledger,
  path: string,
  timeoutMs: number,
  call: Watched,
  ended: (code: number) => void,
): void {
  let statuses = 0;
  const never = setTimeout(() => {
    ledger.fail(`${path}: no status ${NEVER_MS} ms after the deadline`);
    ended(status.UNKNOWN);
  }, timeoutMs + NEVER_MS);
  ledger.add('calls');
  call.on('status', ({ code }) => {
    statuses++;
    if (statuses > 1) return ledger.fail(`${path}: status ${code} after another status`);
    clearTimeout(never);
    const name = status[code];
    if (name === undefined) ledger.fail(`${path}: a status code that gRPC does not have, ${code}`);
    else ledger.add(`ended ${name}`);
    setImmediate(() => setImmediate(() => ended(code)));
  });
}

function cancelAfter(call: { cancel(): void }, ms: number | undefined): void {
  if (ms !== undefined) setTimeout(() => call.cancel(), ms);
}

import type { EventEmitter } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
  type status,
} from '@grpc/grpc-js';
import type { EchoClient, Handlers, Message } from './echo-service.js';

export type Kind = 'unary' | 'clientStream' | 'serverStream' | 'bidi';
export const KINDS: readonly Kind[] = ['unary', 'clientStream', 'serverStream', 'bidi'];

/** What the caller does after the call was made, in order; each step when the one before is done. */
export type ClientStep =
  | { readonly do: 'write'; readonly text: string }
  /** Pipes a source into the stream and so ends it. */
  | { readonly do: 'pipe'; readonly texts: readonly string[] }
  | { readonly do: 'end' }
  | { readonly do: 'cancel' }
  | { readonly do: 'turns'; readonly count: number }
  /** Waits until so many of these events were seen, or the call is over. */
  | { readonly do: 'await'; readonly event: 'metadata' | 'data'; readonly count: number }
  /** Waits until the server has come to its `mark`. */
  | { readonly do: 'await-mark' }
  /** Lets a server go on that waits in `await-told`. */
  | { readonly do: 'tell' }
  /** Destroys the connection of the call. */
  | { readonly do: 'drop' };

/** What the server does; it hangs after the last step unless that ended the call. */
export type ServerStep =
  | { readonly do: 'metadata'; readonly value: string }
  | { readonly do: 'write'; readonly text: string }
  /** Waits until so many messages of the caller have come. */
  | { readonly do: 'await'; readonly messages: number }
  | { readonly do: 'await-end' }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'mark' }
  /** Waits until the caller tells; before an error, so that it cannot overtake messages that were not read yet. */
  | { readonly do: 'await-told' }
  /** Ends with OK; with `text` as the answer where the response is not streamed. */
  | { readonly do: 'end'; readonly text?: string; readonly trailer?: string }
  | {
      readonly do: 'fail';
      readonly code: status;
      readonly details: string;
      readonly trailer?: string;
    };

/** One call, both sides. Two runs of one script must show the caller the same, whatever the machine's load. */
export interface CallScript {
  readonly kind: Kind;
  /** The request where it is not streamed. */
  readonly request: string;
  readonly client: readonly ClientStep[];
  readonly server: readonly ServerStep[];
  /** From now; may be negative. */
  readonly deadlineMs?: number;
}

/** What the caller of a script saw. */
export interface CallLog {
  /** In the order in which it was seen. */
  readonly events: readonly string[];
  /** The writes that were called back, in order. */
  readonly written: readonly number[];
  readonly code: status;
}

const HEADER = 'script';

class Progress {
  #waiters: (() => void)[] = [];

  moved(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

type ServerCall =
  | ServerUnaryCall<Message, Message>
  | ServerReadableStream<Message, Message>
  | ServerWritableStream<Message, Message>
  | ServerDuplexStream<Message, Message>;

interface Running {
  readonly script: CallScript;
  readonly progress: Progress;
  marked: boolean;
  told: boolean;
}

/** Plays the server's half of scripts; `handlers` go into an echo server. */
export class ScriptedServer {
  readonly handlers: Handlers;
  readonly #running = new Map<string, Running>();
  #next = 0;

  constructor() {
    this.handlers = {
      unary: (call, callback) => this.#serve(call, { callback }),
      clientStream: (call, callback) => this.#serve(call, { callback, reads: call }),
      serverStream: (call) => this.#serve(call, { writes: call }),
      bidi: (call) => this.#serve(call, { reads: call, writes: call }),
    };
  }

  /** @returns the id to send along, and the call's server side */
  expect(script: CallScript): { id: string; running: Running } {
    const id = String(this.#next++);
    const running = { script, progress: new Progress(), marked: false, told: false };
    this.#running.set(id, running);
    return { id, running };
  }

  forget(id: string): void {
    this.#running.delete(id);
  }

  #serve(
    call: ServerCall,
    sides: {
      callback?: sendUnaryData<Message>;
      reads?: ServerReadableStream<Message, Message> | ServerDuplexStream<Message, Message>;
      writes?: ServerWritableStream<Message, Message> | ServerDuplexStream<Message, Message>;
    },
  ): void {
    const running = this.#running.get(String(call.metadata.get(HEADER)[0]));
    if (running === undefined) throw new Error('a call without a script');
    const { script, progress } = running;
    const { callback, reads, writes } = sides;
    let received = 0;
    let ended = false;
    reads?.on('data', () => {
      received++;
      progress.moved();
    });
    reads?.on('end', () => {
      ended = true;
      progress.moved();
    });
    reads?.on('error', () => undefined); // a caller that cancels: its own log tells
    writes?.on('error', () => undefined);
    const events: EventEmitter = call; // a union of four calls has no one signature of on()
    const play = async () => {
      for (const step of script.server) {
        if (call.cancelled) return;
        switch (step.do) {
          case 'metadata':
            call.sendMetadata(withEntry('early', step.value));
            break;
          case 'write':
            writes?.write({ text: step.text });
            break;
          case 'await':
            await progress.until(() => received >= step.messages || ended || call.cancelled);
            break;
          case 'await-end':
            await progress.until(() => ended || call.cancelled);
            break;
          case 'turns':
            await turns(step.count);
            break;
          case 'mark':
            running.marked = true;
            progress.moved();
            break;
          case 'await-told':
            await progress.until(() => running.told || call.cancelled);
            break;
          case 'end': {
            const trailers = withEntry('trailer', step.trailer);
            if (callback) callback(null, { text: step.text ?? '' }, trailers);
            else writes?.end(trailers);
            break;
          }
          case 'fail': {
            const { code, details, trailer } = step;
            const error = Object.assign(new Error(details), {
              code,
              details,
              metadata: withEntry('trailer', trailer),
            });
            if (callback) callback(error);
            else writes?.emit('error', error);
          }
        }
      }
    };
    events.on('cancelled', () => progress.moved());
    play().catch((error: unknown) => {
      process.emitWarning(`a server script failed: ${String(error)}`);
    });
  }
}

function withEntry(key: string, value: string | undefined): Metadata {
  const metadata = new Metadata();
  if (value !== undefined) metadata.set(key, value);
  return metadata;
}

/** Runs a script once and logs what its caller sees. */
export async function runScript(
  client: EchoClient,
  server: ScriptedServer,
  script: CallScript,
  { drop, options = {} }: { drop?: () => void; options?: CallOptions } = {},
): Promise<CallLog> {
  const { id, running } = server.expect(script);
  const events: string[] = [];
  const seen = { metadata: 0, data: 0 };
  const written: number[] = [];
  const progress = new Progress();
  let over = false;
  let code: status | undefined;

  const metadata = withEntry(HEADER, id);
  const callOptions =
    script.deadlineMs === undefined ? options : { ...options, deadline: Date.now() + script.deadlineMs };
  const answered = (error: ServiceError | null, value?: Message) => {
    events.push(error ? describeError(error) : `value ${short(value?.text)}`);
  };
  const request = { text: script.request };
  let call:
    | ClientUnaryCall
    | ClientWritableStream<Message>
    | ClientReadableStream<Message>
    | ClientDuplexStream<Message, Message>;
  let writer: ClientWritableStream<Message> | ClientDuplexStream<Message, Message> | undefined;
  let reader: ClientReadableStream<Message> | ClientDuplexStream<Message, Message> | undefined;
  switch (script.kind) {
    case 'unary':
      call = client.unary(request, metadata, callOptions, answered);
      break;
    case 'clientStream':
      call = writer = client.clientStream(metadata, callOptions, answered);
      break;
    case 'serverStream':
      call = reader = client.serverStream(request, metadata, callOptions);
      break;
    case 'bidi':
      call = writer = reader = client.bidi(metadata, callOptions);
      break;
  }
  call.on('metadata', (headers: Metadata) => {
    seen.metadata++;
    events.push(`metadata ${describe(headers)} from ${call.getPeer()}`);
    progress.moved();
  });
  reader?.on('data', (message: Message) => {
    seen.data++;
    events.push(`data ${short(message.text)}`);
    progress.moved();
  });
  reader?.on('end', () => events.push('end'));
  reader?.on('error', (error: ServiceError) => events.push(describeError(error)));
  reader?.on('close', () => events.push('close')); // a client stream's tells of the caller's own writing alone
  const status = new Promise<void>((resolve) => {
    call.on('status', (status: StatusObject) => {
      code = status.code;
      events.push(`status ${status.code} ${detailsOf(status)} ${describe(status.metadata)}`);
      over = true;
      progress.moved();
      running.progress.moved();
      resolve();
    });
  });

  let writes = 0;
  for (const step of script.client) {
    if (over) break;
    switch (step.do) {
      case 'write': {
        const index = writes++;
        writer?.write({ text: step.text }, () => written.push(index));
        break;
      }
      case 'pipe':
        if (writer !== undefined) {
          const sink: Writable = writer;
          Readable.from(step.texts.map((text) => ({ text }))).pipe(sink);
        }
        break;
      case 'end':
        writer?.end();
        break;
      case 'cancel':
        call.cancel();
        break;
      case 'turns':
        await turns(step.count);
        break;
      case 'await':
        await progress.until(() => over || seen[step.event] >= step.count);
        break;
      case 'await-mark':
        await running.progress.until(() => over || running.marked);
        break;
      case 'tell':
        running.told = true;
        running.progress.moved();
        break;
      case 'drop':
        drop?.();
    }
  }
  await status;
  await turns(4); // 'end' and 'close' follow within ticks
  server.forget(id);
  if (code === undefined) throw new Error('no status');
  return { events, written, code };
}

const describeError = (error: ServiceError): string =>
  `error ${error.code} ${detailsOf(error)} ${describe(error.metadata)}`;

/** The details without what differs from run to run by nature: times, ports, and the operating system's words. */
function detailsOf({ code, details }: { code: status; details: string }): string {
  // The server keeps the deadline too, and may be the first to say so, in fewer words.
  if (/^Deadline exceeded(?: after|$)/.test(details)) return 'Deadline exceeded ...';
  return code === 14 && !details.startsWith('scripted') ? '(connection)' : JSON.stringify(details);
}

/** What a server says beside the protocol's own; and without the story that a declining fallback adds. */
function describe(metadata: Metadata): string {
  const entries = Object.entries(metadata.toJSON()).filter(
    ([key]) =>
      ![
        'content-type',
        'date',
        'grpc-status-details-bin',
        'grpc-accept-encoding',
        'accept-encoding',
      ].includes(key),
  );
  return JSON.stringify(Object.fromEntries(entries.map(([key, values]) => [key, values.join()])));
}

/** A text, or the length of a long one. */
function short(text: string | undefined): string {
  return text === undefined || text.length <= 64 ? String(text) : `${text.slice(0, 16)}... ${text.length}`;
}
